"""Addresses of the public pages about the pilot."""

from django.urls import path
from django.utils.translation import gettext_lazy as _

from pilot.charter import views
from pilot.web.navigation import FooterLink, register, register_public_home

app_name = "charter"

urlpatterns = [
    path("about/", views.About.as_view(), name="about"),
    path("charter/", views.CharterPage.as_view(), name="charter"),
    path("charter/<int:version>/", views.CharterPage.as_view(), name="version"),
]

register(FooterLink(_("About"), "charter:about", 0), FooterLink(_("Charter"), "charter:charter", 10))
register_public_home("charter:about")
