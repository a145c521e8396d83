"""The child process in which Apprise runs: it reads one request as JSON from standard input and answers with JSON.

Apprise's services open their own connections, files and programs, so the process judges each of them itself, by the
interpreter's audit events, which no service can get around or take away: connections obey the product's address
policy at the address connected to; no files are opened but Python's own, the system's few, and the picture to
attach; no programs are started. It is given no environment and knows no setting of the product.

Request: {"do": "check" or "send", "url", "allowed": [CIDR], "title", "body", "picture": path or null, "timeout"}.
Answer: {"error"} or, for a check, {"scheme", "shown", "host"}, for a sending {"status", "http_status", "retry_after",
"refused"}.
"""

import ipaddress
import json
import os
import sys
import sysconfig
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import requests
from apprise import Apprise, AppriseAsset, NotifyType
from apprise.attachment.file import AttachFile
from apprise.common import PersistentStoreMode
from apprise.plugins.base import NotifyBase

from siteadmin.core.net import AddressRefusedError, Network, check_address

LOCAL_SCHEMES = frozenset(
    {"dbus", "qt", "kde", "glib", "gio", "gnome", "macosx", "windows", "syslog", "blink1", "file", "vapid"}
)
"""They act on this machine, or on keys kept in its files."""
STARTS_PROGRAMS = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn", "os.startfile"}
)
CHANGES_FILES = frozenset(
    {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "shutil.rmtree"}
)
SYSTEM_FILES = (
    "/etc/hosts",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/resolv.conf",
    "/etc/ssl/",
    "/usr/share/zoneinfo/",
)
Audit = Callable[[tuple[Any, ...]], None]


class Guard:
    """Judges what this process does; the reasons of its refusals are kept."""

    def __init__(self, *, allowed: Iterable[Network], picture: str | None) -> None:
        self.refused: list[str] = []
        self._allowed = list(allowed)
        self._files = (
            tuple(
                {
                    f"{os.path.realpath(folder)}/"
                    for folder in (sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"))
                }
            )
            + SYSTEM_FILES
        )
        self._picture = picture

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            self._judge_address(args[1])
        elif event == "open":
            self._judge_file(args[0], flags=args[2])
        elif event in STARTS_PROGRAMS or event in CHANGES_FILES:
            raise PermissionError("services may not start programs or change files")

    def _judge_address(self, address: Any) -> None:
        if address is None:  # a socket that is connected already
            return
        try:
            if not isinstance(address, tuple):
                raise AddressRefusedError("only internet addresses are connected to")
            check_address(ipaddress.ip_address(str(address[0]).partition("%")[0]), allowed=self._allowed)
        except (OSError, ValueError) as error:
            self.refused.append(str(error))
            raise AddressRefusedError(str(error)) from error

    def _judge_file(self, path: Any, *, flags: int) -> None:
        if isinstance(path, int):  # a descriptor that is open already
            return
        full = os.path.realpath(os.fsdecode(path))
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        if full in (self._picture, "/dev/null") or (full.startswith(self._files) and not writes):
            return
        raise PermissionError("services may not open files of this machine")


class LastAnswer:
    """The last HTTP answer that a service got, for which Apprise itself has no place."""

    status: int | None = None
    retry_after: str | None = None

    def watch(self) -> None:
        """Look at every answer, and let no redirect be followed."""
        adapters: Any = requests.adapters.HTTPAdapter
        sessions: Any = requests.Session
        send = adapters.send

        def watched(adapter: requests.adapters.HTTPAdapter, *args: Any, **options: Any) -> requests.Response:
            response: requests.Response = send(adapter, *args, **options)
            self.status, self.retry_after = response.status_code, response.headers.get("Retry-After")
            return response

        adapters.send = watched
        sessions.resolve_redirects = lambda *args, **options: iter(())


def make_service(url: str) -> Any:
    """Make the one service that the URL names; None where it names none."""
    asset = AppriseAsset(
        storage_mode=PersistentStoreMode.MEMORY,
        async_mode=False,
        http_redirects=False,
        pem_autogen=False,
        pgp_autogen=False,
        allow_templates=False,
        default_service_retry=0,
        secure_logging=True,
    )
    service = Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if not isinstance(service, NotifyBase):
        return None
    # Whatever the URL says of them.
    service.retry, service.redirects = 0, False
    return service


def check(request: dict[str, Any]) -> dict[str, Any]:
    """Say what the URL names, and how it may be shown."""
    service = make_service(request["url"])
    if service is None:
        return {"error": "Apprise knows no service with such a URL"}
    return {"host": str(getattr(service, "host", "") or ""), "shown": service.url(privacy=True)}


def send(request: dict[str, Any], *, guard: Guard) -> dict[str, Any]:
    """Notify once."""
    service = make_service(request["url"])
    if service is None:
        return {"error": "Apprise knows no service with such a URL", "refused": guard.refused[:1]}
    answer = LastAnswer()
    answer.watch()
    sender = Apprise()
    sender.add(service)
    attach: Any = AttachFile
    attachment = attach(request["picture"], mimetype="image/jpeg", name="event.jpg") if request["picture"] else None
    result = sender.notify(
        body=request["body"],
        title=request["title"],
        notify_type=NotifyType.WARNING,
        body_format="text",
        attach=attachment,
        timeout=request["timeout"],
    )
    return {
        "status": result.status.name,
        "http_status": answer.status,
        "retry_after": answer.retry_after,
        "refused": guard.refused[:1],
    }


def main() -> None:
    """Answer one request."""
    request = json.loads(sys.stdin.buffer.read())
    scheme = request["url"].partition(":")[0].strip().lower()
    if scheme in LOCAL_SCHEMES:
        answer: dict[str, Any] = {"error": f"{scheme}:// acts on this machine and cannot be used"}
    else:
        picture = request.get("picture")
        guard = Guard(
            allowed=[ipaddress.ip_network(network) for network in request["allowed"]],
            picture=None if picture is None else str(Path(picture).resolve()),
        )
        sys.addaudithook(guard)
        answer = check(request) if request["do"] == "check" else send(request, guard=guard)
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
