"""Addresses of the demo. Included only where it is switched on."""

from django.urls import path

from pilot.demo import views

app_name = "demo"

urlpatterns = [
    path("", views.Personas.as_view(), name="personas"),
    path("personas.json", views.PersonasJson.as_view(), name="personas-json"),
    path("sign-in/<slug:slug>/", views.SignIn.as_view(), name="sign-in"),
]
