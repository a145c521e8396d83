"""The server itself, put together from the settings."""

import logging
from typing import Any

import structlog
from django.conf import settings
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from cameras.ingest.ftp.accounts import Accounts, home_of
from cameras.ingest.ftp.files import remove_leftovers
from cameras.ingest.ftp.session import Session, TlsSession
from cameras.models import Camera

logger = structlog.get_logger(__name__)


def build_server(*, host: str, port: int) -> FTPServer:
    """Give a server that listens already; OSError where the address cannot be had, SSL.Error for a bad certificate."""
    logging.getLogger("pyftpdlib").setLevel(logging.WARNING)
    options: dict[str, Any] = {
        "authorizer": Accounts(),
        "passive_ports": settings.FTP_PASSIVE_PORTS or None,
        "masquerade_address": settings.FTP_MASQUERADE_ADDRESS or None,
    }
    base = Session
    if settings.FTP_TLS_CERT is not None:
        base = TlsSession
        options |= {
            "certfile": str(settings.FTP_TLS_CERT),
            "keyfile": str(settings.FTP_TLS_KEY or settings.FTP_TLS_CERT),
            "ssl_context": None,
            "tls_control_required": settings.FTP_TLS_REQUIRED,
            "tls_data_required": settings.FTP_TLS_REQUIRED,
        }
    server = FTPServer((host, port), type("ConfiguredSession", (base,), options), ioloop=IOLoop())
    server.max_cons = settings.FTP_MAX_CONNECTIONS
    server.max_cons_per_ip = settings.FTP_MAX_CONNECTIONS_PER_ADDRESS
    return server


def remove_all_leftovers() -> None:
    """Remove what a server that was killed left half written; none may be running."""
    for camera in Camera.objects.get_all():
        home = home_of(camera) if camera.ftp_password else None
        if home is not None and (removed := remove_leftovers(settings.CAMERA_ROOT / camera.folder_path)):
            logger.warning("half_uploads_removed", camera=camera.pk, files=removed)
