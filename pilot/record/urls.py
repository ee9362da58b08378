"""Addresses of the patient's own pages, and of the way to them from an invitation."""

from django.urls import path
from django.utils.translation import gettext_lazy as _

from pilot.access import Permission
from pilot.record import consent_views, invitation_views, other_views, views
from pilot.record.copies import views as copy_views
from pilot.record.notes import selectors as of_notes
from pilot.record.notes import views as note_views
from pilot.record.replies import views as reply_views
from pilot.record.requests import guardian_views, patient_views, selectors, staff_views
from pilot.web.navigation import NavigationItem, register

app_name = "record"

urlpatterns = [
    path("invitation/", invitation_views.OpenInvitation.as_view(), name="invitation"),
    path("invitation/read/", invitation_views.ReadFirst.as_view(), name="invitation_read"),
    path("invitation/account/", invitation_views.OpenAccount.as_view(), name="invitation_account"),
    path("invitation/not-now/", invitation_views.DeclineInvitation.as_view(), name="invitation_not_now"),
    path("thank-you/", invitation_views.NotNowSaid.as_view(), name="not_now_said"),
    path("my-record/", views.Home.as_view(), name="home"),
    path("my-record/about-me/", views.Details.as_view(), name="details"),
    path("my-record/sessions/", views.Sessions.as_view(), name="sessions"),
    path("my-record/notes/", views.Notes.as_view(), name="notes"),
    path("my-record/goals/", views.Goals.as_view(), name="goals"),
    path("my-record/goals/add/", views.AddGoal.as_view(), name="add_goal"),
    path("my-record/goals/<uuid:pk>/", views.ChangeGoal.as_view(), name="goal"),
    path("my-record/messages/", views.Messages.as_view(), name="messages"),
    path("my-record/messages/<uuid:pk>/", views.Message.as_view(), name="message"),
    path("my-record/own-words/", views.OwnWords.as_view(), name="own_words"),
    path("my-record/who-looked/", views.WhoLooked.as_view(), name="who_looked"),
    path("my-record/who-looked/<int:pk>/wrong/", patient_views.LooksWrong.as_view(), name="looks_wrong"),
    path("my-record/copy/", copy_views.OwnCopy.as_view(), name="copy"),
    path("my-record/copy/<uuid:pk>/<slug:part>/", copy_views.TakeFile.as_view(), name="copy_file"),
    path("my-record/other/<uuid:double>/", other_views.OtherRecord.as_view(), name="other"),
    path("copy-schema/1/", copy_views.CopySchema.as_view(), name="copy_schema"),
    path("my-record/ask/", patient_views.Ask.as_view(), name="ask"),
    path("my-record/ask/<slug:kind>/", patient_views.AskForRight.as_view(), name="right"),
    path("my-record/restricted/", patient_views.EndRestriction.as_view(), name="end_restriction"),
    path("my-record/complain/", patient_views.Complain.as_view(), name="complain"),
    path("my-record/about-me/wrong/", patient_views.WrongDetail.as_view(), name="wrong_detail"),
    path("my-record/goals/<uuid:pk>/wrong/", patient_views.WrongGoal.as_view(), name="wrong_goal"),
    path("my-record/sessions/<uuid:pk>/wrong/", patient_views.WrongSession.as_view(), name="wrong_session"),
    path(
        "my-record/sessions/<uuid:pk>/differently/",
        reply_views.SessionDifferently.as_view(),
        name="session_differently",
    ),
    path("my-record/notes/<uuid:pk>/wrong/", note_views.WrongNote.as_view(), name="wrong_note"),
    path(
        "my-record/notes/<uuid:pk>/differently/",
        note_views.NoteDifferently.as_view(),
        name="note_differently",
    ),
    path(
        "my-record/notes/corrections/<uuid:pk>/",
        note_views.OwnNoteCorrection.as_view(),
        name="note_correction",
    ),
    path("my-record/questions/", patient_views.OwnRequests.as_view(), name="questions"),
    path("my-record/questions/<uuid:pk>/", patient_views.OwnRequest.as_view(), name="question"),
    path("my-record/consent/", consent_views.Consent.as_view(), name="consent"),
    path("my-record/consent/read/", consent_views.Read.as_view(), name="read"),
    path("my-record/consent/answer/<int:sheet>/", consent_views.Answer.as_view(), name="answer"),
    path("my-record/consent/not-now/", consent_views.NotNow.as_view(), name="not_now"),
    path("my-record/consent/receipts/<uuid:pk>/", consent_views.Receipt.as_view(), name="receipt"),
    path("my-record/stop/", consent_views.Stop.as_view(), name="stop"),
    path("my-record/stop/<slug:purpose>/", consent_views.StopOne.as_view(), name="stop_one"),
    path("questions/", guardian_views.ToAnswer.as_view(), name="to_answer"),
    path("questions/with-others/", guardian_views.WithOthers.as_view(), name="with_others"),
    path("questions/answered/", guardian_views.Answered.as_view(), name="answered"),
    path("questions/<uuid:pk>/", guardian_views.AnswerRequest.as_view(), name="answer_question"),
    path("questions/<uuid:pk>/confirm/", guardian_views.ConfirmComplaint.as_view(), name="confirm_complaint"),
    path("questions/<uuid:pk>/more-time/", guardian_views.MoreTime.as_view(), name="more_time"),
    path("corrections/", staff_views.PracticeCorrections.as_view(), name="corrections"),
    path("corrections/coach/", staff_views.CoachCorrections.as_view(), name="coach_corrections"),
    path("corrections/coach/<uuid:pk>/", staff_views.AnswerAsCoach.as_view(), name="coach_correction"),
    path("corrections/notes/", note_views.NoteCorrections.as_view(), name="note_corrections"),
    path(
        "corrections/notes/<uuid:pk>/",
        note_views.AnswerNoteCorrection.as_view(),
        name="answer_note_correction",
    ),
    path("corrections/<uuid:pk>/", staff_views.AnswerAtPractice.as_view(), name="correction"),
]

register(
    NavigationItem(_("My record"), "record:home", Permission.SEE_OWN_RECORD, 10),
    # Second, so that it shows on the smallest phone: stopping is as easy as starting.
    NavigationItem(_("Stop taking part"), "record:stop", Permission.DECIDE, 20),
    NavigationItem(_("What I agreed to"), "record:consent", Permission.DECIDE, 30),
    NavigationItem(_("Sessions"), "record:sessions", Permission.SEE_OWN_RECORD, 40),
    NavigationItem(_("Messages"), "record:messages", Permission.SEE_OWN_RECORD, 50),
    NavigationItem(_("Who looked"), "record:who_looked", Permission.SEE_OWN_RECORD, 60),
    NavigationItem(
        _("Requests from patients"),
        "record:to_answer",
        Permission.ANSWER_REQUESTS,
        20,
        count=selectors.number_to_answer,
    ),
    NavigationItem(
        _("Corrections"),
        "record:corrections",
        Permission.REGISTER_PATIENTS,
        60,
        count=selectors.number_of_corrections,
    ),
    NavigationItem(
        _("Corrections"),
        "record:coach_corrections",
        Permission.RECORD_SESSIONS,
        60,
        count=selectors.number_of_corrections,
    ),
    NavigationItem(
        _("Corrections of notes"),
        "record:note_corrections",
        Permission.WRITE_CLINICAL_NOTES,
        65,
        count=of_notes.number_to_answer,
    ),
    NavigationItem(_("Ask or complain"), "record:ask", Permission.SEE_OWN_RECORD, 70),
)
