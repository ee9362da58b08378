"""The part of the settings that says how people sign in, the same wherever the project runs: passwords, throttles,
second steps. docs/sign-in.md explains them; `pilot.settings` takes them all.
"""

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "pilot.sign_in.passwords.BreachedPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "pilot.sign_in.passwords.ContextWordsValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["email", "display_name"]},
    },
]

ACCOUNT_ADAPTER = "pilot.sign_in.accounts.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
# An account is made by invitation, to an address that the practice or the office knows.
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_EMAIL_NOTIFICATIONS = True  # whoever's account it is is told of every change to how it is opened
ACCOUNT_REAUTHENTICATION_TIMEOUT = 5 * 60
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/5m/key",
    "reset_password": "20/m/ip,5/m/key",
    "reset_password_from_key": "20/m/ip",
    "change_password": "5/m/user",
    "reauthenticate": "10/m/user",
}

ACCOUNT_FORMS = {"reset_password": "pilot.sign_in.forms.AskForPasswordForm"}

MFA_ADAPTER = "pilot.sign_in.factors.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True  # with the finger, face or PIN that unlocks it: two things in one
# Addresses come from the practice or the office, and are not verified by a link.
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_TOTP_TOLERANCE = 0  # a code works while the app shows it, and once
MFA_RECOVERY_CODE_DIGITS = 10
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_FORMS = {
    "authenticate": "pilot.sign_in.factors.EnterCodeForm",
    "reauthenticate": "pilot.sign_in.factors.ConfirmByCodeForm",
    "activate_totp": "pilot.sign_in.factors.AddAppForm",
    "authenticate_webauthn": "pilot.sign_in.factors.UseKeyForm",
    "login_webauthn": "pilot.sign_in.factors.SignInByKeyForm",
    "reauthenticate_webauthn": "pilot.sign_in.factors.ConfirmByKeyForm",
    "add_webauthn": "pilot.sign_in.factors.AddKeyForm",
    "edit_webauthn": "pilot.sign_in.factors.NameKeyForm",
}

LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
LOGIN_URL = "account_login"
