"""Addresses of the way to each configured provider and back. Where none is configured, there are none."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.urls import URLPattern, path

from pilot.sign_in.oidc import views

app_name = "oidc"


def patterns_for(slugs: Iterable[str]) -> list[URLPattern]:
    """The addresses of these providers. A provider is told its `callback` and sends people nowhere else."""
    return [
        path(f"{slug}/{rest}", view.as_view(slug=slug), name=f"{slug}{suffix}")
        for slug in slugs
        for rest, suffix, view in (
            ("", "", views.Connection),
            ("sign-in/", "-sign-in", views.SignIn),
            ("callback/", "-callback", views.Callback),
            ("disconnect/", "-disconnect", views.Disconnect),
        )
    ]


urlpatterns = patterns_for(settings.SIGN_IN_PROVIDERS)
