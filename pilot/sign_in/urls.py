"""Addresses of the pages about one's own account."""

from django.urls import path

from pilot.sign_in import views

app_name = "sign_in"

urlpatterns = [
    path("account/", views.Account.as_view(), name="account"),
    path("account/sign-out-everywhere/", views.SignOutEverywhere.as_view(), name="sign-out-everywhere"),
    path("account/sessions/", views.Sessions.as_view(), name="sessions"),
    path("account/second-step/first/", views.SecondStep.as_view(), name="second-step"),
    path(
        "office/people/<uuid:person>/second-step/", views.ResetSecondStep.as_view(), name="reset-second-step"
    ),
]
