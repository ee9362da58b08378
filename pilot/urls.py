"""Every address of the project. Each app brings its own, on one line."""

from django.conf import settings
from django.urls import include, path

from pilot.office.admin import site as admin_site
from pilot.web import errors

urlpatterns = [
    path("", include("pilot.web.urls")),
    path("", include("pilot.sign_in.urls")),
    path("account/", include("pilot.sign_in.library")),
    path("account/with/", include("pilot.sign_in.oidc.urls")),
    path("", include("pilot.charter.urls")),
    path("", include("consent.urls")),
    path("", include("referrals.urls")),
    path("coaching/", include("coaching.urls")),
    path("messages/", include("pilot.outbox.urls")),
    path("", include("pilot.record.urls")),
    path("dashboards/", include("pilot.dashboards.urls")),
    path("audit/", include("audit.urls")),
    path("office/", include("pilot.office.urls")),
    path("admin/", admin_site.urls),
]

if settings.DEMO:
    urlpatterns.append(path("demo/", include("pilot.demo.urls")))

handler400 = errors.bad_request
handler403 = errors.permission_denied
handler404 = errors.not_found
handler429 = errors.too_many_requests
handler500 = errors.server_error
