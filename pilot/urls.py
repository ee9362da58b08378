"""Every address of the project. Each app brings its own, on one line."""

from django.conf import settings
from django.urls import include, path

from pilot.web import errors

urlpatterns = [
    path("", include("pilot.web.urls")),
    # Nobody changes the address they sign in with by themselves: it would be unproved, and unrecorded.
    path("account/email/", errors.not_found, name="account_email"),
    path("account/", include("allauth.account.urls")),
    path("", include("pilot.charter.urls")),
    path("", include("consent.urls")),
    path("", include("referrals.urls")),
    path("coaching/", include("coaching.urls")),
    path("messages/", include("pilot.outbox.urls")),
    path("", include("pilot.record.urls")),
    path("dashboards/", include("pilot.dashboards.urls")),
    path("audit/", include("audit.urls")),
    path("office/", include("pilot.office.urls")),
]

if settings.DEMO:
    urlpatterns.append(path("demo/", include("pilot.demo.urls")))

handler400 = errors.bad_request
handler403 = errors.permission_denied
handler404 = errors.not_found
handler429 = errors.too_many_requests
handler500 = errors.server_error
