"""Loads what referrals register elsewhere: how allocation opens a referral, and what follows a decision."""

from django.apps import AppConfig


class ReferralsConfig(AppConfig):
    name = "referrals"

    def ready(self) -> None:
        from consent.consequences import Consequence, on_agreement, on_not_now, register

        # Policies, loaded with the actions, tell the walls who is allocated what.
        from referrals import actions, selectors

        on_agreement(actions.begin_waiting)
        on_not_now(actions.set_aside)
        register(Consequence("referrals", selectors.ending_preview, actions.end_for_withdrawal))
        register(Consequence("access", selectors.access_preview, actions.revoke_grants, last=True))
