"""Addresses of the coaches' pages, and of the page on which clinicians answer a call for help."""

from django.urls import path
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from coaching import distress_views, selectors, views
from pilot.access import Actor, Permission
from pilot.web.navigation import Alert, NavigationItem, UrgentButton, register


def open_calls_in_words(actor: Actor) -> str:
    """What the alert on every page of a clinician says while a call is open; empty when none is."""
    count = selectors.count_open_calls(actor)
    if not count:
        return ""
    return ngettext(
        "Someone is in distress. Nobody has accepted responsibility yet.",
        "%(count)s people are in distress. Nobody has accepted responsibility for them yet.",
        count,
    ) % {"count": count}


app_name = "coaching"

urlpatterns = [
    path("", views.Caseload.as_view(), name="caseload"),
    path("people/<uuid:pk>/", views.Person.as_view(), name="person"),
    path("people/<uuid:pk>/book/", views.Book.as_view(), name="book"),
    path("people/<uuid:pk>/goals/add/", views.AddGoal.as_view(), name="add-goal"),
    path("people/<uuid:pk>/distress/", distress_views.CallForPerson.as_view(), name="distress-of"),
    path("goals/<uuid:pk>/", views.ChangeGoal.as_view(), name="goal"),
    path("goals/<uuid:pk>/past/", views.GoalPast.as_view(), name="goal-past"),
    path("sessions/<uuid:pk>/past/", views.SessionPast.as_view(), name="session-past"),
    path("sessions/<uuid:pk>/", views.OpenSession.as_view(), name="session"),
    path("sessions/<uuid:pk>/change/", views.Move.as_view(), name="move"),
    path("sessions/<uuid:pk>/took-place/", views.TookPlace.as_view(), name="took-place"),
    path("sessions/<uuid:pk>/reword/", views.Reword.as_view(), name="reword"),
    path("sessions/<uuid:pk>/did-not-happen/", views.DidNotHappen.as_view(), name="did-not-happen"),
    path("sessions/<uuid:pk>/cancel/", views.Cancel.as_view(), name="cancel"),
    path("distress/", distress_views.Distress.as_view(), name="distress"),
    path("calls/", distress_views.Calls.as_view(), name="calls"),
    path("calls/<uuid:pk>/", distress_views.Called.as_view(), name="called"),
    path("calls/<uuid:pk>/accept/", distress_views.Accept.as_view(), name="accept"),
]

register(
    NavigationItem(_("My people"), "coaching:caseload", Permission.RECORD_SESSIONS, 10),
    NavigationItem(_("Calls for help"), "coaching:calls", Permission.ACCEPT_DISTRESS, 30),
    UrgentButton("coaching:distress", Permission.RAISE_DISTRESS),
    Alert(
        _("See who, and accept responsibility"),
        "coaching:calls",
        Permission.ACCEPT_DISTRESS,
        open_calls_in_words,
    ),
)
