"""Grants: who is related to which organisation or patient, as django-guardian rows with direct foreign keys.

A grant says "this user may act in this role here". It is a projection of memberships and patients' accounts, and counts
only while those stand. Grants on referrals live with the referrals.
"""

from __future__ import annotations

from django.db import models
from guardian.models import UserObjectPermissionBase

from audit.privacy import Impersonal


class OrganisationGrant(UserObjectPermissionBase):
    content_object = models.ForeignKey("people.Organisation", on_delete=models.CASCADE)

    privacy = Impersonal("which member of staff acts where; no patient in it", audited=True)

    class Meta(UserObjectPermissionBase.Meta):
        abstract = False


class PatientGrant(UserObjectPermissionBase):
    """A patient's own account may open the patient's own record. Rows are shown by a policy of their own."""

    content_object = models.ForeignKey("people.Patient", on_delete=models.CASCADE)

    privacy = Impersonal("an account and a random key; shown to its own account only", audited=True)

    class Meta(UserObjectPermissionBase.Meta):
        abstract = False
