"""Addresses of the import, in the namespace of the referrals."""

from django.urls import path

from referrals.importing import views

urlpatterns = [
    path("", views.UploadList.as_view(), name="upload-list"),
    path("template.csv", views.Template.as_view(), name="list-template"),
    path("<uuid:pk>/", views.ReviewList.as_view(), name="review-list"),
    path("<uuid:pk>/forget/", views.DiscardList.as_view(), name="discard-list"),
]
