"""All settings, read from the environment; the README documents each with its default."""

import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
import django_stubs_ext
from django.core.exceptions import ImproperlyConfigured

from siteadmin import embedded
from siteadmin.settings.env import ROOT, Env
from siteadmin.settings.ftp import *  # noqa: F403 - the settings of the FTP server
from siteadmin.settings.limits import *  # noqa: F403 - how often each may ask
from siteadmin.settings.login import *  # noqa: F403 - how people log in
from siteadmin.settings.logs import LOG_FORMATS, logging_config
from siteadmin.settings.logs import LOG_REQUESTS as LOG_REQUESTS_TAKES
from siteadmin.settings.look import UNFOLD as UNFOLD
from siteadmin.settings.mail import TAKES as EMAIL_URL_TAKES
from siteadmin.settings.mail import parse_email_url
from siteadmin.settings.openapi import SPECTACULAR_SETTINGS as SPECTACULAR_SETTINGS
from siteadmin.settings.rest import *  # noqa: F403 - how the API answers, and who may what
from siteadmin.settings.schedule import CELERY_BEAT_SCHEDULE as CELERY_BEAT_SCHEDULE
from siteadmin.settings.services import ENRICHERS_TAKE, EnricherSettings, parse_enrichers

django_stubs_ext.monkeypatch()

env = Env()

BASE_DIR = ROOT
VAR = env.path("SITEADMIN_VAR", default=ROOT / "var")
VAR.mkdir(parents=True, exist_ok=True)
METRICS_ROOT = VAR / "metrics"
KEYS_CHANGED = VAR / "keys-changed"  # its time is that of the latest write to an API key (core.known_keys)

# The site

PORT = env.integer("PORT", default=8000, minimum=1, maximum=65535)
BIND = env.text("BIND", "127.0.0.1")
DEBUG = env.boolean("DEBUG", default=False)
SITE_URL = env.url("SITE_URL", default=f"http://localhost:{PORT}", schemes=("http", "https"), is_origin=True)
IS_HTTPS = SITE_URL.startswith("https://")
OWN_HOSTS = [urlsplit(SITE_URL).hostname or "localhost", "localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = list(dict.fromkeys([*OWN_HOSTS, *env.words("ALLOWED_HOSTS")]))
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES")


def _secret_key(path: Path) -> str:
    """Give the secret key kept in this file, made on the first start; the file's first writer wins."""
    try:
        with path.open("x") as file:
            path.chmod(0o600)
            file.write(secrets.token_urlsafe(64))
    except FileExistsError:
        pass
    key = path.read_text().strip()
    if not key:
        raise ImproperlyConfigured(f"SECRET_KEY takes a long random text; the file {path.name} under var/ is empty")
    return key


SECRET_KEY = env.text("SECRET_KEY") or _secret_key(VAR / "secret_key")
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")

# Services

try:
    DATABASE_URL = env.text("DATABASE_URL") or embedded.ensure_postgres(VAR)
    REDIS_URL = env.url("REDIS_URL", default="", schemes=("redis", "rediss")) or embedded.ensure_redis(VAR)
except embedded.EmbeddedError as error:
    raise ImproperlyConfigured(str(error)) from error

try:
    _database = dj_database_url.parse(DATABASE_URL)
except (ValueError, dj_database_url.ParseError) as error:
    raise ImproperlyConfigured(
        "DATABASE_URL takes a URL such as postgres://user:password@host:5432/name, not the value given"
    ) from error
if not _database["ENGINE"].endswith(("postgresql", "psycopg")):
    raise ImproperlyConfigured("DATABASE_URL takes a PostgreSQL URL (postgres://...); nothing else is supported")

DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        **_database,
        "ENGINE": "siteadmin.core.postgres",
        # A pool a process: threads borrow connections instead of opening one each.
        "OPTIONS": {
            **_database.get("OPTIONS", {}),
            "pool": {"min_size": 0, "max_size": 20, "timeout": 10, "max_idle": 60},
        },
        "DISABLE_SERVER_SIDE_CURSORS": False,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

_email: dict[str, Any] = env.parsed("EMAIL_URL", parse_email_url, default={}, takes=EMAIL_URL_TAKES)
EMAIL_IS_CONFIGURED = bool(_email)
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if _email else 'dummy'}.EmailBackend"
EMAIL_HOST = _email.get("EMAIL_HOST", "")
EMAIL_PORT = _email.get("EMAIL_PORT", 25)
EMAIL_HOST_USER = _email.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _email.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = _email.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _email.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = SERVER_EMAIL = _email.get("DEFAULT_FROM_EMAIL") or f"siteadmin@{urlsplit(SITE_URL).hostname}"

# Pictures

TIME_ZONE = env.timezone("TIME_ZONE", default="UTC")
USE_TZ = True
CAMERA_ROOT = env.path("CAMERA_ROOT", default=VAR / "cameras")
MEDIA_ROOT = VAR / "media"
FAILED_ROOT_NAME = "failed"
AUTO_CREATE_CAMERAS = env.boolean("AUTO_CREATE_CAMERAS", default=True)
INGEST_KEEP_ORIGINALS = env.boolean("INGEST_KEEP_ORIGINALS", default=False)
FILE_STABLE = env.seconds("FILE_STABLE_SECONDS", default=2, maximum=3600)
MAX_UPLOAD_BYTES = env.integer("MAX_UPLOAD_BYTES", default=25 * 1024 * 1024, minimum=1024)
MAX_CLIP_BYTES = env.integer("MAX_CLIP_BYTES", default=500 * 1024 * 1024, minimum=1024)
MAX_IMAGE_PIXELS = env.integer("MAX_IMAGE_PIXELS", default=40_000_000, minimum=10_000)
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": MEDIA_ROOT, "base_url": None},
    },
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
PICTURE_PATHS = [r"/api/cameras/[^/]+/snapshots/?", r"/api/detect/?"]  # they take MAX_UPLOAD_BYTES
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# Meaning (contract, section 4)

BATCH_WINDOW = env.seconds("BATCH_WINDOW_SECONDS", default=90, minimum=0.1)
BATCH_IDLE_TIMEOUT = env.seconds("BATCH_IDLE_TIMEOUT_SECONDS", default=30, minimum=0.1)
LATE_AFTER = env.seconds("LATE_AFTER_SECONDS", default=600)
DETECTION_CONFIDENCE_THRESHOLD = env.number("DETECTION_CONFIDENCE_THRESHOLD", default=0.5, minimum=0.0, maximum=1.0)
RETENTION_DAYS = env.integer("RETENTION_DAYS", default=30, maximum=36_500)
AUDIT_RETENTION_DAYS = env.integer("AUDIT_RETENTION_DAYS", default=365, maximum=36_500)
DELIVERY_RETRY_BASE = env.seconds("DELIVERY_RETRY_BASE_SECONDS", default=2, minimum=0.01, maximum=3600)
DELIVERY_MAX_ATTEMPTS = env.integer("DELIVERY_MAX_ATTEMPTS", default=10, minimum=1, maximum=100)
WEBHOOK_TIMEOUT = env.seconds("WEBHOOK_TIMEOUT_SECONDS", default=15, minimum=0.1, maximum=30)  # the standard's advice
OUTBOUND_ALLOWED_NETWORKS = env.networks("OUTBOUND_ALLOWED_NETWORKS")
DETECTOR = env.text("DETECTOR", "opencv")
DETECTOR_URL = env.url("DETECTOR_URL", default="", schemes=("http", "https"))
DETECTOR_PROTOCOL = env.choice("DETECTOR_PROTOCOL", default="deepstack", choices=("deepstack", "json"))
BREAKER_COOL_OFF = env.seconds("BREAKER_COOL_OFF_SECONDS", default=30, minimum=0.1, maximum=300)
DETECTOR_TIMEOUT = env.seconds("DETECTOR_TIMEOUT_SECONDS", default=10, minimum=0.1, maximum=18)
ONNX_MODEL = env.optional_path("ONNX_MODEL")
ONNX_LABELS = env.optional_path("ONNX_LABELS")
ONNX_DEVICE = env.choice("ONNX_DEVICE", default="cpu", choices=("cpu", "cuda"))
STILL_OBJECT_TYPES = env.words("STILL_OBJECT_TYPES") or [
    "bicycle",
    "boat",
    "bus",
    "car",
    "motorcycle",
    "train",
    "truck",
]

# Who judges closed events, and who adds to detections

LLM_URL = env.url("LLM_URL", default="", schemes=("http", "https"))
LLM_MODEL = env.text("LLM_MODEL")
LLM_API_KEY = env.text("LLM_API_KEY")
LLM_TIMEOUT = env.seconds("LLM_TIMEOUT_SECONDS", default=60, minimum=0.1, maximum=180)
LLM_SENDS_PICTURES = env.boolean("LLM_SENDS_PICTURES", default=False)
ANALYZER = env.text("ANALYZER", "llm" if LLM_URL else "builtin")
_no_enrichers: tuple[EnricherSettings, ...] = ()
ENRICHERS = env.parsed("ENRICHERS", parse_enrichers, default=_no_enrichers, takes=ENRICHERS_TAKE)
DEMO = env.boolean("DEMO", default=True)
ADMIN_PASSWORD = env.text("SITEADMIN_ADMIN_PASSWORD")

# Django

INSTALLED_APPS = [
    "siteadmin.apps.SiteadminConfig",  # first: its commands come before Django's of the same name
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_filters",
    "django_htmx",
    "axes",
    "rest_framework",
    "drf_problems",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "siteadmin.core.apps.CoreConfig",
    "siteadmin.accounts.apps.AccountsConfig",
    "cameras.apps.CamerasConfig",
    "events.apps.EventsConfig",
    "alerts.apps.AlertsConfig",
]

MIDDLEWARE = [
    "siteadmin.core.middleware.RequestIdMiddleware",
    "siteadmin.core.middleware.ContentPolicyMiddleware",
    "siteadmin.core.middleware.TrustedProxyMiddleware",
    "siteadmin.core.actors.ActorMiddleware",
    "siteadmin.core.middleware.ApiErrorMiddleware",
    "siteadmin.core.request_size.RequestSizeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "siteadmin.core.browsers.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "siteadmin.core.browsers.AuthenticationMiddleware",
    "siteadmin.accounts.sessions.TwoFactorMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "siteadmin.core.browsers.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "siteadmin.viewer.ViewerZoneMiddleware",
]
APPEND_SLASH = True
ROOT_URLCONF = "siteadmin.urls"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "/"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

STATIC_URL = "/static/"
STATIC_ROOT = VAR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns of a missing folder
STATICFILES_DIRS = [ROOT / "static"]

LANGUAGE_CODE = "en"
USE_I18N = False

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# Browsers' safety, by the scheme under which people reach the site

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_TRUSTED_ORIGINS = ["://".join(urlsplit(SITE_URL)[:2])]
# Only proxies named in TRUSTED_PROXIES are believed (siteadmin.core.middleware).
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None

LOGGING_CONFIG = None
LOG_REQUESTS = env.choice("LOG_REQUESTS", default="errors", choices=LOG_REQUESTS_TAKES)
logging_config(debug=DEBUG, log_format=env.choice("LOG_FORMAT", default="auto", choices=LOG_FORMATS))

# REST (siteadmin.settings.rest)

CSRF_FAILURE_VIEW = "siteadmin.core.error_views.csrf_failure"
CAMERA_ACCESS = "cameras.access.for_request"  # who may see which cameras; the kernel knows no camera

# Celery: the database is the truth, a message only a hint (docs/decisions/)

BROKER_TIMEOUT_SECONDS = 2
CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = REDIS_URL
CELERY_RESULT_EXPIRES = 3600
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "celery"
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_SOFT_TIME_LIMIT = 90
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# A step cut off in the midst would send twice; one that runs twice loses its claim the second time.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 300,  # above every lease and time limit
    # A dead worker's messages are looked for every 10 s; the throttle would make that every 100.
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "socket_timeout": BROKER_TIMEOUT_SECONDS,  # above kombu's BRPOP of 1 s
    "socket_connect_timeout": BROKER_TIMEOUT_SECONDS,
    "socket_keepalive": True,
    "health_check_interval": 10,
    # A publish gives up at once where Redis is down; a worker's own connection is tried for ever (above).
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "connect_retries_timeout": BROKER_TIMEOUT_SECONDS,
}
# A result that cannot be stored costs a worker 5 s at most, not 20 tries; the work itself is in the database.
CELERY_REDIS_SOCKET_TIMEOUT = CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = BROKER_TIMEOUT_SECONDS
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {
    "retry_policy": {"max_retries": 1, "interval_start": 0.2, "interval_step": 0, "interval_max": 0.2}
}
CELERY_TIMEZONE = "UTC"
