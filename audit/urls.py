"""Addresses of the guardian's pages, and of the page that says who may do what."""

from django.urls import path
from django.utils.translation import gettext_lazy as _

from audit import views
from pilot.access import Permission
from pilot.web.navigation import FooterLink, NavigationItem, register

app_name = "audit"

urlpatterns = [
    path("log/", views.Log.as_view(), name="log"),
    path("log/<int:pk>/", views.OpenEvent.as_view(), name="event"),
    path("access/", views.WhoIsAnsweredWhat.as_view(), name="access"),
    path("access.json", views.AnswersAsJson.as_view(), name="access-json"),
    path("access.csv", views.AnswersAsCsv.as_view(), name="access-csv"),
    path("roles/", views.WhoMayDoWhat.as_view(), name="roles"),
]

register(
    NavigationItem(_("Who did what"), "audit:log", Permission.REVIEW_AUDIT, order=10),
    FooterLink(_("Who may see what"), "audit:roles", 15),
)
