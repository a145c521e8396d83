"""The FTP server, as its own process."""

import signal
from types import FrameType
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from OpenSSL import SSL

from cameras.ingest.ftp.server import build_server, remove_all_leftovers

logger = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Take pictures by FTP (and FTPS, where a certificate is set) at FTP_BIND and FTP_PORT, until stopped."
    requires_migrations_checks = False
    requires_system_checks = ()  # prepare.py has checked

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until SIGTERM or SIGINT."""
        if not settings.FTP_PORT:
            raise CommandError("FTP_PORT is not set")
        try:
            server = build_server(host=settings.FTP_BIND, port=settings.FTP_PORT)
        except OSError as error:
            raise CommandError(
                f"FTP_PORT {settings.FTP_PORT} at FTP_BIND {settings.FTP_BIND} cannot be had: {error}"
            ) from error
        except SSL.Error as error:
            raise CommandError("FTP_TLS_CERT and FTP_TLS_KEY are no certificate with its key") from error
        remove_all_leftovers()
        signal.signal(signal.SIGTERM, _stop)
        logger.info("ftp_listening", address=server.address, tls=settings.FTP_TLS_CERT is not None)
        server.serve_forever()


def _stop(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
