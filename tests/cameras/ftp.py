"""A real FTP server in a thread, and cameras that log in to it."""

import ftplib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from django.db import connections

from cameras.ingest.ftp.server import build_server


@contextmanager
def serving() -> Iterator[Any]:
    """Run a server on a port of its own; gives the server."""
    server = build_server(host="127.0.0.1", port=0)
    stop = threading.Event()

    def run() -> None:
        try:
            while not stop.is_set():
                server.ioloop.loop(0.02, blocking=False)
        finally:
            server.close_all()
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield server
    finally:
        stop.set()
        thread.join(timeout=10)
        assert not thread.is_alive()


def log_in(server: Any, user: str, password: str, *, trust: Path | None = None) -> ftplib.FTP:
    """Give a client that is logged in, under TLS where a certificate is to be trusted."""
    return log_in_at(server.address[1], user, password, trust=trust)


def log_in_at(port: int, user: str, password: str, *, trust: Path | None = None) -> ftplib.FTP:
    """Give a client that is logged in at this port."""
    client: ftplib.FTP
    if trust is None:
        client = ftplib.FTP(timeout=10)  # noqa: S321 - cameras speak it
    else:
        client = ftplib.FTP_TLS(context=ssl.create_default_context(cafile=str(trust)), timeout=10)  # noqa: S321
    try:
        client.connect("127.0.0.1", port)
        client.host = "localhost"  # whom the certificate names
        client.login(user, password)
        if isinstance(client, ftplib.FTP_TLS):
            client.prot_p()
    except BaseException:
        client.close()
        raise
    return client


def put(client: ftplib.FTP, path: str, data: bytes) -> str:
    """Make the folders as cameras do, then store; gives the answer."""
    folders = path.split("/")[:-1]
    for depth in range(1, len(folders) + 1):
        try:
            client.mkd("/" + "/".join(folders[:depth]))
        except ftplib.error_perm as error:
            assert "exists" in str(error).lower(), error
    return client.storbinary(f"STOR /{path}", BytesIO(data))


def stored(home: Path) -> dict[str, bytes]:
    """Give the files of a camera's folder that a watcher would find, by their paths in it."""
    found = (path for path in home.rglob("*") if path.is_file() and ".ftp" not in path.parts)
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in found}
