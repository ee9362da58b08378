"""Addresses of the guardian's pages, and of the page that says who may do what."""

from django.urls import path
from django.utils.translation import gettext_lazy as _

from audit import views
from audit.erasure import views as erasure
from audit.exports import views as exports
from audit.questions import views as questions
from audit.values import views as values
from pilot.access import Permission
from pilot.web.navigation import FooterLink, NavigationItem, register

app_name = "audit"

urlpatterns = [
    path("log/", views.Log.as_view(), name="log"),
    path("log/<int:pk>/", views.OpenEvent.as_view(), name="event"),
    path("log/<int:pk>/values/", values.OpenValues.as_view(), name="values"),
    path("log/export/", exports.Export.as_view(), name="export"),
    path("patients/find/", values.FindPatient.as_view(), name="find"),
    path("patients/<slug:patient_id>/", views.Story.as_view(), name="story"),
    path("questions/", questions.Questions.as_view(), name="questions"),
    path("questions/answer/", questions.NoteAnswer.as_view(), name="answer"),
    path("access/", views.WhoIsAnsweredWhat.as_view(), name="access"),
    path("access.json", views.AnswersAsJson.as_view(), name="access-json"),
    path("access.csv", views.AnswersAsCsv.as_view(), name="access-csv"),
    path("retention/", erasure.Records.as_view(), name="retention"),
    path("retention/<uuid:patient_id>/", erasure.OneRecord.as_view(), name="retention-record"),
    path("roles/", views.WhoMayDoWhat.as_view(), name="roles"),
]

register(
    NavigationItem(_("Who did what"), "audit:log", Permission.REVIEW_AUDIT, order=10),
    NavigationItem(_("Questions to ask"), "audit:questions", Permission.REVIEW_AUDIT, order=20),
    NavigationItem(_("Erasing records"), "audit:retention", Permission.ERASE_RECORDS, order=90),
    FooterLink(_("Who may see what"), "audit:roles", 15),
)
