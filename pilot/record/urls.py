"""Addresses of the patient's own pages, and of the way to them from an invitation."""

from django.urls import path
from django.utils.translation import gettext_lazy as _

from pilot.access import Permission
from pilot.record import consent_views, invitation_views, views
from pilot.record.requests import guardian_views, patient_views, selectors
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
    path("questions/answered/", guardian_views.Answered.as_view(), name="answered"),
    path("questions/<uuid:pk>/", guardian_views.AnswerRequest.as_view(), name="answer_question"),
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
        _("Questions from patients"),
        "record:to_answer",
        Permission.ANSWER_REQUESTS,
        20,
        count=selectors.number_to_answer,
    ),
)
