"""Addresses of the published figures."""

from django.urls import path
from django.utils.translation import gettext_lazy as _

from pilot.access import Permission
from pilot.dashboards import views
from pilot.web.navigation import NavigationItem, register

app_name = "dashboards"

urlpatterns = [
    path("", views.Figures.as_view(), name="figures"),
    path("method/", views.Method.as_view(), name="method"),
    path("figures.csv", views.Download.as_view(), name="download"),
    path("<slug:measure>/", views.Figures.as_view(), name="measure"),
]

register(NavigationItem(_("Figures"), "dashboards:figures", Permission.SEE_DASHBOARDS, order=50))
