"""What a camera may say to the FTP server and what becomes of it.

In FTP a connection that closes says that the file is whole, so that one that drops looks the same. Three things tell
them apart: a reset connection is no end; where the control connection went too, or TLS ended without saying so, a
picture counts only if it decodes whole.
"""

import errno
import os
import socket
import sys
from typing import Any, ClassVar

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections
from OpenSSL import SSL
from pyftpdlib.exceptions import _FileReadWriteError
from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.log import logger as protocol_log

from cameras.ingest.ftp.accounts import Accounts
from cameras.ingest.ftp.files import CameraFiles, Upload, is_full
from cameras.ingest.stability import Kind, kind_of

logger = structlog.get_logger(__name__)

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LEFT_OUT = ("RMD", "XRMD", "MFMT", "SITE CHMOD", "RETR")
DISK_FULL = "452 The disk is full; nothing was kept."


def refusal_of(error: OSError) -> str:
    """Give the answer to an upload that could not be kept."""
    return DISK_FULL if error.errno in FULL else "451 The file could not be kept."


class Channel(DTPHandler):  # type: ignore[misc]  # pyftpdlib is untyped
    """The data connection."""

    timeout = 60
    transfer_finished: bool
    is_doubtful = False
    """Whether the end of the connection may not be the end of the file."""
    _is_settled = False

    def __init__(self, sock: socket.socket, cmd_channel: Any) -> None:
        super().__init__(sock, cmd_channel)
        if not self.connected and cmd_channel._in_dtp_queue is not None:
            # It dropped before it was seen, and nobody else would say so.
            cmd_channel.drop_announced()
            cmd_channel.respond("426 The connection dropped; nothing was kept.")

    def enable_receiving(self, type: str, cmd: str) -> None:
        """Take every file as it is: firmware forgets to ask for binary."""
        super().enable_receiving("i", cmd)

    def handle_close(self) -> None:
        """Tell an end from a drop; called within the handling of what the socket raised, if it raised."""
        error = sys.exc_info()[1]
        if self.receive and not self._closed:
            if self._is_control_gone() or isinstance(error, SSL.SysCallError):
                # A clip would take too long to be looked at here: the intake judges it, as long as the camera is there.
                self.is_doubtful = self._is_control_gone() or kind_of(self.file_obj.name) is Kind.PICTURE
            elif isinstance(error, OSError):
                self._resp = ("426 The connection dropped; nothing was kept.", protocol_log.info)
                self.close()
                return
        super().handle_close()

    def handle_error(self) -> None:
        """Say what went wrong; a full disk by its own code."""
        error = sys.exc_info()[1]
        if isinstance(error, _FileReadWriteError):
            cause = error.__cause__
            self._resp = (refusal_of(cause if isinstance(cause, OSError) else error), protocol_log.warning)
        else:
            self.log_exception(self)
            self._resp = ("426 Internal error; transfer aborted.", protocol_log.warning)
        self.close()

    def close(self) -> None:
        """Keep or drop what was received before the camera is told."""
        if not self._closed and not self._is_settled and isinstance(self.file_obj, Upload):
            self._is_settled = True
            self._settle(self.file_obj)
        super().close()

    def _settle(self, upload: Upload) -> None:
        told = {"camera": self.cmd_channel.username, "name": upload.name, "bytes": upload.size}
        if self.transfer_finished and self.is_doubtful and not upload.is_whole():
            self.transfer_finished = False
            self._resp = ("426 The connection dropped; nothing was kept.", protocol_log.info)
        if not self.transfer_finished:
            upload.close()
            logger.warning("upload_aborted", **told)
            return
        try:
            upload.finish()
        except OSError as error:
            self.transfer_finished = False
            self._resp = (refusal_of(error), protocol_log.warning)
            logger.error("upload_not_kept", error=str(error), **told)

    def _is_control_gone(self) -> bool:
        control = self.cmd_channel
        if control._closed or not control.connected:
            return True
        try:
            with socket.socket(fileno=os.dup(control.socket.fileno())) as twin:
                return twin.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True


class TlsChannel(TLS_DTPHandler, Channel):  # type: ignore[misc]
    """The data connection under TLS."""

    def handle_error(self) -> None:
        """Say what went wrong; a failed connection cannot be shut down in order."""
        self._error = True
        Channel.handle_error(self)


class Session(FTPHandler):  # type: ignore[misc]
    """The control connection."""

    authorizer: ClassVar[Accounts]
    abstracted_fs = CameraFiles
    dtp_handler = Channel
    _quit_pending: bool
    _in_dtp_queue: Any
    proto_cmds: ClassVar[dict[str, Any]] = {
        name: value for name, value in FTPHandler.proto_cmds.items() if name not in LEFT_OUT
    }
    banner = "siteadmin takes pictures."
    timeout = 120
    max_login_attempts = 3
    auth_failed_timeout = 2
    use_sendfile = False

    def on_connect(self) -> None:
        """Turn away who guessed too often."""
        if self.authorizer.is_barred(self.remote_ip):
            self.respond("421 Too many failed logins. Try again later.")
            self.close_when_done()

    def on_login_failed(self, username: str, password: str) -> None:
        """Say so in the log."""
        logger.warning("ftp_login_failed", user=username[:64], address=self.remote_ip)

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        """Refuse what no path can be."""
        if "\x00" in line:
            self.respond("501 A NUL is part of no name.")
            return
        super().pre_process_command(line, cmd, arg)

    def handle_close(self) -> None:
        """Let an upload end whose camera hung up right after its last byte."""
        channel = self.data_channel
        if channel is not None and channel.receive and not channel._closed and not self._quit_pending:
            channel.is_doubtful = True
            self._quit_pending = True
            self.del_channel()
            return
        super().handle_close()

    def flush_account(self) -> None:
        """Forget the login, and an upload that was announced and never came."""
        self.drop_announced()
        super().flush_account()

    def ftp_PASS(self, line: str) -> None:
        """Check a password; without the database nobody can be let in."""
        try:
            super().ftp_PASS(line)
        except (OperationalError, InterfaceError) as error:
            logger.error("ftp_login_impossible", error=str(error))
            self.respond("421 Service temporarily unavailable. Try again later.")
            self.close_when_done()
        finally:
            close_old_connections()

    def ftp_REST(self, line: str) -> None:
        """Begin at the start; what an aborted upload left is gone, so there is nothing to resume."""
        if line.strip() == "0":
            self.respond("350 Restarting at position 0.")
        else:
            self.respond("502 Resuming is not supported; send the whole file.")

    def ftp_STOR(self, file: str, mode: str = "w") -> str | None:
        """Begin an upload, if there is room for it and the camera is still welcome."""
        self.drop_announced()
        if not self._is_welcome():
            self.respond("530 Log in again.")
            self.close_when_done()
            return None
        try:
            if is_full(self.fs.root):
                self._refuse_full()
                return None
            stored: str | None = super().ftp_STOR(file, mode)
        except OSError as error:
            self.respond(refusal_of(error))
            return None
        return stored

    def ftp_STOU(self, line: str) -> str | None:
        """Store under the name given, which is never overwritten, or under one of ours."""
        path = self.fs.ftp2fs(line or "upload.jpg")
        if not self.fs.validpath(path):
            self.respond("550 The name leads out of the folder.")
            return None
        return self.ftp_STOR(path)

    def _is_welcome(self) -> bool:
        try:
            return self.authorizer.is_still_welcome(self.username)
        except (OperationalError, InterfaceError):
            return True  # the folder takes pictures while the database is away
        finally:
            close_old_connections()

    def _refuse_full(self) -> None:
        logger.error("disk_full", camera=self.username)
        self.respond(DISK_FULL)

    def drop_announced(self) -> None:
        """Drop an upload that was announced and never came."""
        if self._in_dtp_queue is not None:
            self._in_dtp_queue[0].close()
            self._in_dtp_queue = None


class TlsSession(TLS_FTPHandler, Session):  # type: ignore[misc]
    """The control connection, under TLS once the camera asks for it."""

    dtp_handler = TlsChannel
    proto_cmds: ClassVar[dict[str, Any]] = {
        name: value for name, value in TLS_FTPHandler.proto_cmds.items() if name not in LEFT_OUT
    }
