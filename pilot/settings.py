"""All settings, for every way the project runs. What differs comes from the environment (`.env.example`).

PILOT_MODE says which way: `production` unless told otherwise, so that forgetting it is safe.
"""

import contextlib
import os
import secrets
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from pilot import database, embedded
from pilot.place import make_home
from pilot.sign_in.configuration import *  # noqa: F403
from pilot.sign_in.oidc.configuration import from_environment

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
# Tests read nothing that a developer happens to have in a file.
if os.environ.get("PILOT_MODE") != "test":
    environ.Env.read_env(BASE_DIR / ".env")

MODE = env.str("PILOT_MODE", "production")
if MODE not in ("demo", "test", "production"):
    raise ImproperlyConfigured(f"PILOT_MODE is {MODE!r}; it must be demo, test or production.")
PRODUCTION = MODE == "production"
DEMO = env.bool("PILOT_DEMO", False)
# What this machine keeps for itself: servers' data, a secret key, collected files, a browser.
HOME = BASE_DIR / ".pilot"

if PRODUCTION:
    if DEMO:
        raise ImproperlyConfigured("PILOT_DEMO=1 opens sign-in to everybody; production refuses it.")
    NEEDED = "SECRET_KEY DATABASE_URL OWNER_DATABASE_URL REDIS_URL ALLOWED_HOSTS PILOT_BASE_URL"
    NEEDED += " EMAIL_URL DEFAULT_FROM_EMAIL"
    missing = [name for name in NEEDED.split() if not os.environ.get(name)]
    if missing:
        raise ImproperlyConfigured(
            f"PILOT_MODE is production and these variables are missing: {', '.join(missing)}. "
            "To try the project on this machine instead, use `make run`."
        )


def _secret_key() -> str:
    """A key of this machine's own, made once and readable by its owner only."""
    file = HOME / "secret-key"
    if not file.exists():
        make_home(HOME)
        draft = file.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50))
        # Whoever is first wins: two keys in two processes would end each other's sessions.
        with contextlib.suppress(FileExistsError):
            file.hardlink_to(draft)
        draft.unlink()
    return file.read_text()


SECRET_KEY = env.str("SECRET_KEY", "") or _secret_key()
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])

# --- Where the servers are ---

_app_url, _owner_url = env.str("DATABASE_URL", ""), env.str("OWNER_DATABASE_URL", "")
_sealer_url, _auditor_url = env.str("SEALER_DATABASE_URL", ""), env.str("AUDITOR_DATABASE_URL", "")
_redis_url = env.str("REDIS_URL", "")
if bool(_app_url) != bool(_owner_url):
    raise ImproperlyConfigured("Set both DATABASE_URL and OWNER_DATABASE_URL, or neither.")
if not (_app_url and _redis_url):
    _servers = embedded.servers_of_tests(HOME / "test") if MODE == "test" else embedded.servers(HOME)
    if not _app_url:
        _app_url, _owner_url = _servers.app_url, _servers.owner_url
        _sealer_url, _auditor_url = _servers.sealer_url, _servers.auditor_url
    _redis_url = _redis_url or _servers.redis_url

# `default` serves requests and tasks; `owner` owns the tables and is used by migrations only. `sealer` grows the log's
# tree and `auditor` reads everything and writes nothing: they are there where their URLs are, which a web server needs not.
# Connections are kept between requests, since a new one costs more than most queries.
DATABASES = {
    "default": database.for_django(_app_url, CONN_MAX_AGE=600, CONN_HEALTH_CHECKS=True),
    "owner": database.for_django(_owner_url),
}
if _sealer_url:
    DATABASES["sealer"] = database.for_django(_sealer_url)
if _auditor_url:
    DATABASES["auditor"] = database.for_django(_auditor_url)
DATABASE_ROLES = database.roles_of(
    owner_url=_owner_url, app_url=_app_url, sealer_url=_sealer_url, auditor_url=_auditor_url
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "pilot.cache.RedisCache",
        "LOCATION": _redis_url,
        "KEY_PREFIX": env.str("PILOT_CACHE_PREFIX", "pilot"),
    },
    "sessions": {
        "BACKEND": "pilot.cache.ForgivingRedisCache",
        "LOCATION": _redis_url,
        "KEY_PREFIX": env.str("PILOT_CACHE_PREFIX", "pilot"),
    },
}

# --- What the project is made of ---

ROOT_URLCONF = "pilot.urls"
WSGI_APPLICATION = "pilot.wsgi.application"

FIRST_PARTY_APPS = [
    "audit",
    "pilot.people",
    "pilot.access",
    "pilot.web",
    "pilot.sign_in",
    "pilot.charter",
    "consent",
    "pilot.outbox",
    "referrals",
    "coaching",
    "pilot.record",
    "pilot.dashboards",
    "pilot.documents",
]
if DEMO:
    FIRST_PARTY_APPS.append("pilot.demo")

INSTALLED_APPS = [
    # Without finding what libraries register: pilot/office/admin.py says what is in it.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "guardian",
    "pgtrigger",
    "simple_history",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    *(["django_linear_migrations"] if find_spec("django_linear_migrations") else []),
    *FIRST_PARTY_APPS,
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "pilot.web.gate.MethodsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "pilot.sign_in.browsers.KnownBrowserMiddleware",
    "csp.middleware.CSPMiddleware",
    "pilot.web.middleware.SecurityHeadersMiddleware",
    "pilot.web.middleware.SessionExpiryMiddleware",
    "pilot.web.middleware.ActingRoleMiddleware",
    "pilot.web.middleware.LoginRequiredMiddleware",
    "pilot.web.gate.GateMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {"environment": "pilot.web.jinja.environment"},
    },
    # allauth's own pages and mail are Django templates; everything of ours is Jinja.
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "libraries": {"oidc": "pilot.sign_in.oidc.tags"},
        },
    },
]

# --- People and sessions ---

AUTH_USER_MODEL = "people.User"
# Object permissions are read by pilot.access alone, so guardian's backend is not here.
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
ANONYMOUS_USER_NAME = None
SILENCED_SYSTEM_CHECKS = ["guardian.W001"]  # guardian's backend is missing on purpose, as just said
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
if MODE == "test":
    # Thousands of users are made in tests; a test of the real hasher asks for it.
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *PASSWORD_HASHERS]
# How many proxies in front of us are believed when they name the caller. With none, the peer is the caller.
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", 0)
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT

# Whoever acts as staff passes a second step first: an app's code, or a passkey. Nothing but a demo goes without.
STAFF_SECOND_FACTOR = env.bool("STAFF_SECOND_FACTOR", True)
if not STAFF_SECOND_FACTOR and MODE != "demo":
    raise ImproperlyConfigured("STAFF_SECOND_FACTOR=0 is for a demo: staff sign in with a second step.")
# Signing in through others: only through those that are configured (docs/openid-connect.md).
SIGN_IN_PROVIDERS = from_environment(env, production=PRODUCTION)
SOCIALACCOUNT_ADAPTER = "pilot.sign_in.oidc.exchange.SocialAccountAdapter"
SOCIALACCOUNT_AUTO_SIGNUP = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_STORE_TOKENS = False

SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
SESSION_CACHE_ALIAS = "sessions"
SESSION_COOKIE_AGE = 12 * 60 * 60  # at most a working day, however busy
SESSION_IDLE_SECONDS = 15 * 60
SESSION_WARNING_SECONDS = 2 * 60  # before the idle end
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "pilot.web.errors.csrf_failure"
# The demo and the tests speak plain http on this machine, where a browser refuses such cookies.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SESSION_COOKIE_NAME = "__Host-session" if PRODUCTION else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if PRODUCTION else "csrf"
KNOWN_BROWSER_COOKIE_NAME = "__Host-known" if PRODUCTION else "known"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- What a browser may do ---

DEBUG = False
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]", "testserver"])
BASE_URL = env.str("PILOT_BASE_URL", "http://localhost:8000").rstrip("/")
CSRF_TRUSTED_ORIGINS = [BASE_URL]
SECURE_SSL_REDIRECT = PRODUCTION
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # asked from inside, over plain http
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_COUNT else None
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = PRODUCTION
SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
    }
}
# Sent by pilot.web's middleware: the pages need none of these.
_FEATURES = (
    "accelerometer autoplay camera display-capture encrypted-media fullscreen geolocation gyroscope "
    "magnetometer microphone midi payment picture-in-picture screen-wake-lock usb web-share "
    "xr-spatial-tracking"
)
PERMISSIONS_POLICY: dict[str, list[str]] = {feature: [] for feature in _FEATURES.split()}

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT: str | None = env.str("STATIC_ROOT", str(HOME / "static"))
_static_storage = "whitenoise.storage.CompressedManifestStaticFilesStorage"
if MODE == "test":
    # Tests serve the files as they lie, without collecting them first, nor listing them all for each client.
    STATIC_ROOT = None
    _static_storage = "django.contrib.staticfiles.storage.StaticFilesStorage"
    WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},  # nothing uploaded is kept as a file
    "staticfiles": {"BACKEND": _static_storage},
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024  # a practice's whole list stays in memory, off the disk

# --- Language and time ---

LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "Europe/London"
USE_TZ = True
USE_I18N = True

# --- Mail ---

DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "The pilot <pilot@example.org>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
if MODE == "production":
    vars().update(env.email_url("EMAIL_URL"))
elif MODE == "demo":
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = HOME / "mail"
EMAIL_TIMEOUT = 10

# Texts go through GOV.UK Notify. Without a key the demo appends them to a file; production offers none.
NOTIFY_URL = env.str("NOTIFY_URL", "https://api.notifications.service.gov.uk")
NOTIFY_API_KEY = env.str("NOTIFY_API_KEY", "")
NOTIFY_SMS_TEMPLATE_ID = env.str("NOTIFY_SMS_TEMPLATE_ID", "")
NOTIFY_CALLBACK_TOKEN = env.str("NOTIFY_CALLBACK_TOKEN", "")  # what Notify shows when it brings a text
SMS_SPOOL_FILE = "" if PRODUCTION else str(HOME / "texts.jsonl")

# --- Work in the background ---

# Celery has its own word for a unix socket.
CELERY_BROKER_URL = _redis_url.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")
CELERY_TASK_ALWAYS_EAGER = CELERY_TASK_EAGER_PROPAGATES = env.bool("PILOT_TASKS_AT_ONCE", MODE == "test")
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TIMEZONE = TIME_ZONE
# A task leaves the queue only when it is done, so a killed worker loses none. All are safe to run twice.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 240
CELERY_TASK_SOFT_TIME_LIMIT = 200
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Longer than any task may run: what a killed worker held is handed out again after this.
    "visibility_timeout": 300,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "global_keyprefix": env.str("PILOT_CACHE_PREFIX", "pilot") + ":",
}
_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0
_EVERY = {
    "outbox.send_due": 10.0,
    "outbox.settle_cut_off": _MINUTE,
    "coaching.email_clinicians": 30.0,
    "consent.announce_ends": _HOUR,
    "consent.lapse": _MINUTE,
    "sign_in.forget_ended_sessions": _DAY,
    "web.forget_old_keys": _DAY,
    "referrals.follow_organisations": _MINUTE,
    "referrals.forget_old_lists": _DAY,
    "dashboards.publish": 6 * _HOUR,
    "record.keep_copies": _MINUTE,
    "audit.seal": 20.0,
    "audit.mail_checkpoint": _DAY,
}
# One that no worker has taken by the time of the next is not done twice.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    task: {"task": task, "schedule": every, "options": {"expires": every}} for task, every in _EVERY.items()
}

# --- History and triggers ---

# Database triggers write the history; simple-history's own writer would miss bulk and raw changes.
SIMPLE_HISTORY_ENABLED = False
PGTRIGGER_MIGRATIONS = True

# --- Sealing the log (docs/audit.md) ---

_audit_home = "" if PRODUCTION else str(HOME / MODE / "audit")
# Where checkpoints go: a directory that the database cannot reach, kept and copied like a ledger.
AUDIT_CHECKPOINT_DIR = env.str("AUDIT_CHECKPOINT_DIR", _audit_home and f"{_audit_home}/checkpoints")
# The file of the private key that signs them. Outside production it is made when it is first needed.
AUDIT_SIGNING_KEY = env.str("AUDIT_SIGNING_KEY", _audit_home and f"{_audit_home}/key")
# While a key is replaced: the file of the one before.
AUDIT_OLD_SIGNING_KEY = env.str("AUDIT_OLD_SIGNING_KEY", "")
# The public keys by which checkpoints are believed, those retired included: a file of them, or themselves.
AUDIT_VERIFIERS = env.str("AUDIT_VERIFIERS", "")
# What the log is called in its checkpoints and keys. It never changes while the log goes on.
AUDIT_ORIGIN = env.str("AUDIT_ORIGIN", "") or f"{urlsplit(BASE_URL).netloc}/log"
# A second copy of the newest checkpoint goes to these addresses once a day.
AUDIT_CHECKPOINT_EMAIL = env.list("AUDIT_CHECKPOINT_EMAIL", default=[])

# --- Logs: to standard output, and nothing about a person ---

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"()": "pilot.logs.Formatter"}},
    "handlers": {
        "stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "plain"}
    },
    "root": {"handlers": ["stdout"], "level": env.str("LOG_LEVEL", "INFO" if MODE != "test" else "WARNING")},
    # Django's own handlers would print whole messages, or mail them.
    "loggers": {name: {"handlers": [], "propagate": True} for name in ("django", "django.server", "celery")},
}

# --- The pilot's own ---

PILOT_NAME = env.str("PILOT_NAME", "Working Better pilot")
PILOT_SHOW_NHS_LOGO = env.bool("PILOT_SHOW_NHS_LOGO", False)
MINIMUM_COUNT = env.int("PILOT_MINIMUM_COUNT", 5)  # smaller figures are not shown on a dashboard
INVITATION_DAYS = env.int("PILOT_INVITATION_DAYS", 28)
# Whom to call when someone is in distress: differs from place to place. In North London NHS 111, option 2, is the
# mental health crisis line, day and night.
CRISIS_EMERGENCY = env.str("PILOT_CRISIS_EMERGENCY", "999")
CRISIS_LINE = env.str("PILOT_CRISIS_LINE", "111")
CRISIS_LINE_OPTION = env.str("PILOT_CRISIS_LINE_OPTION", "2")
