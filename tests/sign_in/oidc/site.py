"""The project's addresses with both providers configured: without them there are none of theirs."""

from django.urls import include, path

from pilot.sign_in.oidc.configuration import NHS_LOGIN, WORK
from pilot.sign_in.oidc.urls import patterns_for
from pilot.urls import (  # noqa: F401 (Django looks for the handlers here)
    handler400,
    handler403,
    handler404,
    handler429,
    handler500,
)
from pilot.urls import urlpatterns as projects_own

urlpatterns = [
    path("account/with/", include((patterns_for([NHS_LOGIN, WORK]), "oidc"))),
    *projects_own,
]
