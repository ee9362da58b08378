"""The second step of signing in: an app's codes, passkeys and recovery codes, by allauth, under the pilot's rules."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

from allauth.account.authentication import get_authentication_records
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.stages import AuthenticateStage
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import TOTP
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    EditWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from allauth.mfa.webauthn.internal.auth import get_state
from cryptography.fernet import Fernet, MultiFernet
from django import forms
from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from fido2.webauthn import UserVerificationRequirement
from qrcode.image.svg import SvgPathImage
from qrcode.main import QRCode

from pilot.access.context import hold
from pilot.sign_in import actions
from pilot.sign_in.door import SIGN_IN
from pilot.sign_in.selectors import works_here

if TYPE_CHECKING:
    from django.http import HttpRequest

    from pilot.people.models import User

# What the library stumbles over where a browser sends anything but a passkey's answer.
NO_ANSWER = (AttributeError, KeyError, TypeError, ValueError)
# What counts as a second step by itself. Recovery codes only stand in for one of these.
STEPS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


class MFAAdapter(DefaultMFAAdapter):
    """Secrets are encrypted at rest; a member of staff keeps at least one app or passkey."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _(
            "Check the code. A code from an app works once, and only while the app shows it."
        ),
        "passkey_refused": _("That did not work. Try again, or use another way."),
        "cannot_delete_authenticator": _(
            "In your role you need a second step to sign in. Add another one first, then remove this one."
        ),
    }

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _cipher().decrypt(encrypted_text.encode()).decode()

    def get_totp_issuer(self) -> str:
        return str(settings.PILOT_NAME)

    def generate_authenticator_name(self, user: User, type: str) -> str:
        """What the field for a passkey's name says at first."""
        n = Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1
        return gettext("Passkey") if n == 1 else gettext("Passkey %(n)s") % {"n": n}

    def build_totp_svg(self, url: str) -> str:
        """As part of the page: our pages show no images but the site's own files."""
        code = QRCode(image_factory=SvgPathImage, box_size=8, border=2)
        code.add_data(url)
        return str(code.make_image().to_string(encoding="unicode"))

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {**super().get_public_key_credential_rp_entity(), "name": str(settings.PILOT_NAME)}

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        # Two removals at once would each see the other's as the one that is left.
        hold(authenticator.user_id, exclusive=True)
        others = Authenticator.objects.filter(user_id=authenticator.user_id, type__in=STEPS)
        is_last = not others.exclude(pk=authenticator.pk).exists()
        return not (is_last and settings.STAFF_SECOND_FACTOR and works_here(authenticator.user))


class SecondStep(AuthenticateStage):
    """Asks whoever has a second step for it, unless a provider of sign-ins says that it did."""

    def _should_handle(self, request: HttpRequest) -> bool:
        records = get_authentication_records(request, self.login.user)
        if any(each["method"] == "socialaccount" and each.get("second_factor") is True for each in records):
            return False
        return bool(super()._should_handle(request))


class _CodeForm(forms.Form):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["code"]
        field.label = _("Code")
        field.error_messages["required"] = _("Enter the code")
        field.widget.attrs = {"autocomplete": "one-time-code", "inputmode": "numeric"}


class _AnyCodeForm(_CodeForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].help_text = _(
            "The 6 digits that your app shows now, or one of your recovery codes"
        )


class EnterCodeForm(_AnyCodeForm, AuthenticateForm):
    pass


class ConfirmByCodeForm(_AnyCodeForm, ReauthenticateForm):
    pass


class AddAppForm(_CodeForm, ActivateTOTPForm):
    """The code that sets an app up is used up by it, as every other."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].help_text = _("The 6 digits that your app shows now")

    def clean_code(self) -> str:
        code: str = super().clean_code()
        if not TOTP(Authenticator(user=self.user))._mark_code_used(code):
            raise MFAAdapter().validation_error("incorrect_code")
        return code


class _KeyForm(forms.Form):
    """A passkey that does not fit is in the log, as a code is; what is no answer of a passkey at all fits no more."""

    user: User | None

    def clean_credential(self) -> Authenticator:
        try:
            return super().clean_credential()  # type: ignore[misc]
        except forms.ValidationError:
            actions.note("passkey_refused", self.user, by=SIGN_IN)
            raise
        except NO_ANSWER as problem:
            actions.note("passkey_refused", self.user, by=SIGN_IN)
            raise MFAAdapter().validation_error("passkey_refused") from problem


class UseKeyForm(_KeyForm, AuthenticateWebAuthnForm):
    pass


class SignInByKeyForm(_KeyForm, LoginWebAuthnForm):
    """The key alone stands for both steps: so the device must have asked for its PIN or fingerprint, and the key
    must have been set up to be used alone. A challenge that another page gave out asks for less."""

    def clean_credential(self) -> Authenticator:
        state = get_state() or {}
        authenticator = super().clean_credential()
        asked_for = state.get("user_verification")
        if asked_for != UserVerificationRequirement.REQUIRED or not authenticator.wrap().is_passwordless:
            actions.note("passkey_refused", authenticator.user, by=SIGN_IN)
            raise MFAAdapter().validation_error("passkey_refused")
        return authenticator


class ConfirmByKeyForm(_KeyForm, ReauthenticateWebAuthnForm):
    pass


class AddKeyForm(AddWebAuthnForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = _("Name")
        self.fields["name"].help_text = _("So that you can tell it from others, like “Work phone”")
        self.fields["name"].max_length = 60
        self.fields["passwordless"].label = _("Sign in with it alone, without a password")
        self.fields["passwordless"].help_text = ""

    def clean(self) -> dict[str, Any]:
        try:
            return dict(super().clean())
        except NO_ANSWER as problem:
            raise MFAAdapter().validation_error("passkey_refused") from problem


class NameKeyForm(EditWebAuthnForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = _("Name")
        self.fields["name"].error_messages["required"] = _("Enter a name")


@cache
def _cipher() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    digests = [hashlib.sha256(b"pilot.sign_in.secret" + key.encode()).digest() for key in keys]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])
