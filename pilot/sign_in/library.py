"""Which of allauth's pages are offered, at which addresses: the rest is left out, so its addresses do not exist."""

from __future__ import annotations

from collections.abc import Iterator

from allauth.account import urls as account
from allauth.mfa import urls as mfa
from django.urls import URLPattern, URLResolver, path

from pilot.sign_in import views
from pilot.sign_in.door import at_the_door
from pilot.web.exemptions import exempted

OFFERED = {
    "account_login",
    "account_logout",
    "account_inactive",
    "account_reauthenticate",
    "account_change_password",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
    "mfa_index",
    "mfa_authenticate",
    "mfa_reauthenticate",
    "mfa_activate_totp",
    "mfa_deactivate_totp",
    "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_list_webauthn",
    "mfa_add_webauthn",
    "mfa_edit_webauthn",
    "mfa_remove_webauthn",
    "mfa_reauthenticate_webauthn",
    "mfa_login_webauthn",
}
# Pages of allauth's that are replaced by our own of the same kind.
INSTEAD = {"mfa_remove_webauthn": views.remove_key}


def _offered(patterns: list[URLPattern | URLResolver]) -> Iterator[URLPattern | URLResolver]:
    for each in patterns:
        if isinstance(each, URLResolver):
            inner = list(_offered(each.url_patterns))
            if inner:
                yield URLResolver(each.pattern, inner, each.default_kwargs, each.app_name, each.namespace)
        elif each.name in OFFERED:
            view = INSTEAD.get(each.name, each.callback)
            yield URLPattern(each.pattern, view, each.default_args, each.name)


urlpatterns = [
    *exempted(_offered(account.urlpatterns), "sign-in", around=at_the_door),
    path("second-step/", (exempted(_offered(mfa.urlpatterns), "sign-in", around=at_the_door), None, None)),
    # Where allauth leads whoever has no password to change.
    path("password/set/", views.NoPassword.as_view(), name="account_set_password"),
]
