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
    path(
        "organisations/<uuid:organisation>/change/",
        views.ChangeOrganisation.as_view(),
        name="organisation-edit",
    ),
    path(
        "organisations/<uuid:organisation>/provider/",
        views.ChangeProvider.as_view(),
        name="organisation-provider",
    ),
    path(
        "organisations/<uuid:organisation>/close/",
        views.CloseOrganisation.as_view(),
        name="organisation-close",
    ),
    path(
        "organisations/<uuid:organisation>/keep-open/",
        views.KeepOpen.as_view(),
        name="organisation-keep-open",
    ),
    path("people/", views.People.as_view(), name="people"),
    path("people/<uuid:person>/", views.OpenPerson.as_view(), name="person"),
    path("people/<uuid:person>/suspend/", views.Suspend.as_view(), name="suspend"),
    path("people/<uuid:person>/sign-out/", views.SignOut.as_view(), name="sign-out"),
    path("people/<uuid:person>/restore/", views.Restore.as_view(), name="restore"),
    path("roles/<uuid:membership>/end/", views.EndMembership.as_view(), name="membership-end"),
]

register(
    NavigationItem(_("Organisations"), "office:organisations", Permission.MANAGE_PILOT, order=10),
    NavigationItem(_("People"), "office:people", Permission.MANAGE_PILOT, order=20),
    NavigationItem(_("Charter and sheets"), "admin:index", Permission.MANAGE_PILOT, order=30),
)
