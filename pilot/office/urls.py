"""Addresses of the pilot office's pages."""

from django.urls import path
from django.utils.translation import gettext_lazy as _

from pilot.access import Permission
from pilot.office import views
from pilot.web.navigation import NavigationItem, register

app_name = "office"

urlpatterns = [
    path("organisations/", views.Organisations.as_view(), name="organisations"),
    path("organisations/add/", views.AddOrganisation.as_view(), name="organisation-add"),
    path("organisations/<uuid:organisation>/", views.OpenOrganisation.as_view(), name="organisation"),
    path("organisations/<uuid:organisation>/add-person/", views.AddPerson.as_view(), name="person-add"),
    path("people/", views.People.as_view(), name="people"),
    path("people/<uuid:person>/", views.OpenPerson.as_view(), name="person"),
    path("people/<uuid:person>/suspend/", views.Suspend.as_view(), name="suspend"),
    path("people/<uuid:person>/restore/", views.Restore.as_view(), name="restore"),
    path("roles/<uuid:membership>/end/", views.EndMembership.as_view(), name="membership-end"),
]

register(
    NavigationItem(_("Organisations"), "office:organisations", Permission.MANAGE_PILOT, order=10),
    NavigationItem(_("People"), "office:people", Permission.MANAGE_PILOT, order=20),
)
