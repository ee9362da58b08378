"""Addresses of the information sheets and of the practice's pages about consent."""

from django.urls import path
from django.utils.translation import gettext_lazy as _

from consent import views
from consent.correcting import views as correcting
from consent.receipts import views as receipts
from consent.representatives import views as representatives
from pilot.web.navigation import FooterLink, register

app_name = "consent"

urlpatterns = [
    path("information/", views.Sheet.as_view(), {"format": "plain"}, name="information"),
    path("information/<slug:format>/", views.Sheet.as_view(), name="sheet"),
    path("information/<slug:format>/<int:version>/", views.Sheet.as_view(), name="sheet_version"),
    path(
        "information/<slug:format>/<int:version>/changed-since/<int:before>/",
        views.Changes.as_view(),
        name="changes",
    ),
    path("patients/<uuid:patient>/consent/", views.RecordDecisions.as_view(), name="record"),
    path("patients/<uuid:patient>/consent/not-now/", views.RecordNotNow.as_view(), name="not_now"),
    path("patients/<uuid:patient>/consent/stop/", views.RecordWithdrawal.as_view(), name="withdraw"),
    path(
        "patients/<uuid:patient>/consent/put-right/<uuid:decision>/",
        correcting.Correct.as_view(),
        name="correct",
    ),
    path(
        "patients/<uuid:patient>/consent/representatives/add/",
        representatives.AddRepresentative.as_view(),
        name="add_representative",
    ),
    path(
        "patients/<uuid:patient>/consent/representatives/<uuid:representative>/end/",
        representatives.EndRepresentative.as_view(),
        name="end_representative",
    ),
    path(
        "patients/<uuid:patient>/consent/receipts/<uuid:receipt>/", receipts.Receipt.as_view(), name="receipt"
    ),
]

register(FooterLink(_("Information for patients"), "consent:information", 5))
