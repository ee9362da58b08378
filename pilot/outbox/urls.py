"""Addresses of the practice's pages about messages."""

from django.urls import path
from django.utils.translation import gettext_lazy as _

from pilot.access import Permission
from pilot.outbox import views
from pilot.outbox.received import views as received
from pilot.web.navigation import NavigationItem, register

app_name = "outbox"

urlpatterns = [
    path("", views.Letters.as_view(), name="letters"),
    path("to-look-at/", views.ToLookAt.as_view(), name="to-look-at"),
    path("texts/", received.Texts.as_view(), name="texts"),
    path("texts/received/", received.Received.as_view(), name="received"),
    path("texts/<uuid:pk>/", received.Called.as_view(), name="called"),
    path("<uuid:pk>/letter/", views.Letter.as_view(), name="letter"),
    path("<uuid:pk>/posted/", views.Posted.as_view(), name="posted"),
    path("<uuid:pk>/", views.Settle.as_view(), name="settle"),
]

register(NavigationItem(_("Letters and messages"), "outbox:letters", Permission.SEND_MESSAGES, 60))
