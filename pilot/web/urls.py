"""Addresses of the pages that belong to nobody's subject."""

from django.urls import path
from django.utils.translation import gettext_lazy as _

from pilot.web import health, pages
from pilot.web.navigation import FooterLink, register

app_name = "web"

urlpatterns = [
    path("", pages.Home.as_view(), name="home"),
    path("role/", pages.ChooseRole.as_view(), name="choose-role"),
    path("session/", pages.Stay.as_view(), name="stay"),
    path("help/", pages.Help.as_view(), name="help"),
    path("accessibility/", pages.Accessibility.as_view(), name="accessibility"),
    path("privacy/", pages.Privacy.as_view(), name="privacy"),
    path("healthz", health.Alive.as_view(), name="alive"),
    path("readyz", health.Ready.as_view(), name="ready"),
]

register(
    FooterLink(_("Help"), "web:help", 20),
    FooterLink(_("Accessibility"), "web:accessibility", 30),
    FooterLink(_("Privacy and cookies"), "web:privacy", 40),
)
