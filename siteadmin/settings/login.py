"""How people log in: locks after failures (django-axes, in the database), two-factor login, sessions."""

from siteadmin.settings.env import Env

env = Env()

AUTHENTICATION_BACKENDS = ["siteadmin.accounts.backends.StaffBackend"]
AXES_FAILURE_LIMIT = env.integer("LOGIN_FAILURES", default=5, minimum=1, maximum=1000)
LOGIN_ADDRESS_FAILURES = env.integer("LOGIN_ADDRESS_FAILURES", default=50, minimum=0, maximum=100_000)
AXES_COOLOFF_TIME = env.seconds("LOGIN_LOCK_SECONDS", default=900, minimum=1, maximum=2_592_000)
TWO_FACTOR_REQUIRED = env.boolean("TWO_FACTOR_REQUIRED", default=False)

# Name and address together: a stranger's tries lock nobody out who logs in from elsewhere.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "siteadmin.accounts.locks.client_address"
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # tries while it is locked make no lock longer
SILENCED_SYSTEM_CHECKS = ["axes.W002"]  # its middleware would answer instead of our page
AXES_ENABLE_ADMIN = False  # siteadmin.accounts.admin has the page
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
AXES_SENSITIVE_PARAMETERS: list[str] = ["password"]

SESSION_ENGINE = "django.contrib.sessions.backends.db"  # Redis may lose everything; logins stay
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
"""Links from messages lead in with the session; forms of other sites come without it."""
