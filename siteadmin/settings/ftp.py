"""Settings of the FTP server; without FTP_PORT it is off."""

from django.core.exceptions import ImproperlyConfigured

from siteadmin.settings.env import Env

env = Env()

FTP_PORT = env.integer("FTP_PORT", default=0, maximum=65535)
FTP_BIND = env.text("FTP_BIND", "0.0.0.0")  # noqa: S104 - cameras are elsewhere, and without FTP_PORT it is off
FTP_PASSIVE_PORTS = env.port_range("FTP_PASSIVE_PORTS")
FTP_MASQUERADE_ADDRESS = env.ipv4("FTP_MASQUERADE_ADDRESS")
FTP_TLS_CERT = env.optional_path("FTP_TLS_CERT")
FTP_TLS_KEY = env.optional_path("FTP_TLS_KEY")
FTP_TLS_REQUIRED = env.boolean("FTP_TLS_REQUIRED", default=False)
if FTP_TLS_REQUIRED and FTP_TLS_CERT is None:
    raise ImproperlyConfigured("FTP_TLS_REQUIRED takes effect with a certificate only; set FTP_TLS_CERT")
FTP_MIN_FREE_BYTES = env.integer("FTP_MIN_FREE_BYTES", default=500 * 1024 * 1024, maximum=2**50)
FTP_MAX_CONNECTIONS = env.integer("FTP_MAX_CONNECTIONS", default=256, minimum=4, maximum=10_000)
FTP_MAX_CONNECTIONS_PER_ADDRESS = env.integer("FTP_MAX_CONNECTIONS_PER_ADDRESS", default=32, maximum=10_000)
