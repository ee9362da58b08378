"""Addresses of the practice's and the supervisors' pages."""

from django.urls import include, path
from django.utils.translation import gettext_lazy as _

from pilot.access import Permission
from pilot.web.navigation import NavigationItem, register
from referrals import views
from referrals.allocation import views as allocation
from referrals.deaths import views as deaths
from referrals.merging import views as merging
from referrals.moving import views as moving
from referrals.notes import views as notes
from referrals.patients import views as patients

app_name = "referrals"

urlpatterns = [
    path("practice/", views.PracticeHome.as_view(), name="home"),
    path("patients/", patients.Patients.as_view(), name="patients"),
    path("patients/add/", patients.AddPatient.as_view(), name="patient-add"),
    path("patients/<uuid:patient>/", patients.PatientPage.as_view(), name="patient"),
    path("patients/<uuid:patient>/past/", patients.PatientPast.as_view(), name="patient-past"),
    path("patients/<uuid:patient>/change/", patients.ChangePatient.as_view(), name="patient-edit"),
    path("patients/<uuid:patient>/died/", deaths.RecordDeath.as_view(), name="died"),
    path("patients/<uuid:patient>/has-not-died/", deaths.UndoDeath.as_view(), name="has-not-died"),
    path("patients/<uuid:patient>/moved/", moving.RecordMove.as_view(), name="moved"),
    path("patients/<uuid:patient>/has-not-moved/", moving.UndoMove.as_view(), name="has-not-moved"),
    path("patients/<uuid:patient>/same-person/", merging.FindOther.as_view(), name="same-person"),
    path("patients/<uuid:patient>/same-person/<uuid:other>/", merging.Merge.as_view(), name="merge"),
    path("patients/<uuid:patient>/refer/", views.LogReferral.as_view(), name="log"),
    path("patients/<uuid:patient>/notes/", notes.Notes.as_view(), name="notes"),
    path("patients/<uuid:patient>/notes/write/", notes.WriteNote.as_view(), name="note-write"),
    path("notes/<uuid:note>/withhold/", notes.Withhold.as_view(), name="note-withhold"),
    path("notes/<uuid:note>/show/", notes.Disclose.as_view(), name="note-disclose"),
    path("notes/<uuid:note>/review/", notes.Review.as_view(), name="note-review"),
    path("notes/to-review/", notes.ToReview.as_view(), name="notes-to-review"),
    path("referrals/<uuid:referral>/", views.OpenReferral.as_view(), name="referral"),
    path("referrals/<uuid:referral>/past/", views.ReferralPast.as_view(), name="referral-past"),
    path("referrals/<uuid:referral>/invite/", views.Invite.as_view(), name="invite"),
    path("referrals/<uuid:referral>/pause/", views.Pause.as_view(), name="pause"),
    path("referrals/<uuid:referral>/go-on/", views.Resume.as_view(), name="resume"),
    path("referrals/<uuid:referral>/end/", views.End.as_view(), name="end"),
    path("referrals/<uuid:referral>/allocate/", allocation.Allocate.as_view(), name="allocate"),
    path("referrals/<uuid:referral>/hand-back/", allocation.HandBack.as_view(), name="hand-back"),
    path("import/", include("referrals.importing.urls")),
    path("waiting/", allocation.Waiting.as_view(), name="waiting"),
    path("with-coaches/", allocation.WithCoaches.as_view(), name="with-coaches"),
]

register(
    NavigationItem(_("Referrals"), "referrals:home", Permission.LOG_REFERRALS, order=10),
    NavigationItem(_("Patients"), "referrals:patients", Permission.REGISTER_PATIENTS, order=20),
    NavigationItem(
        _("Notes to review"), "referrals:notes-to-review", Permission.WRITE_CLINICAL_NOTES, order=40
    ),
    NavigationItem(_("Import a list"), "referrals:upload-list", Permission.IMPORT_REFERRALS, order=70),
    NavigationItem(_("Waiting for a coach"), "referrals:waiting", Permission.SEE_WAITING, order=10),
    NavigationItem(_("With a coach"), "referrals:with-coaches", Permission.SEE_WAITING, order=20),
)
