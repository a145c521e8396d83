"""`python -m siteadmin.supervise`: from nothing to the running site, and back without a trace."""

import os
import signal
import socket
import subprocess
import sys
from types import FrameType

from django.core.exceptions import ImproperlyConfigured

from siteadmin.embedded import EmbeddedError, Ownership, Server, servers
from siteadmin.embedded.state import run_folder
from siteadmin.settings.env import ROOT, Env
from siteadmin.settings.logs import LOG_FORMATS
from siteadmin.supervise.programs import Site, programs_of
from siteadmin.supervise.runner import supervise

BAD_SETTING = 2


def main() -> int:
    """Bring the site up, stay until a signal, take it down; gives the exit code."""
    env = Env()
    var = env.path("SITEADMIN_VAR", default=ROOT / "var")
    site = Site(
        var=var,
        host=env.text("BIND", "127.0.0.1"),
        port=env.integer("PORT", default=8000, minimum=1, maximum=65535),
        has_embedded_postgres=not env.text("DATABASE_URL"),
        has_embedded_redis=not env.text("REDIS_URL"),
        takes_ftp=env.integer("FTP_PORT", default=0, maximum=65535) > 0,
        asks_services=bool(env.text("LLM_URL") or env.text("ENRICHERS")),
    )
    _make_var(site)
    ownership = Ownership(var)
    if not ownership.take():
        raise ImproperlyConfigured(f"the site of {var} is running already; stop it, or set SITEADMIN_VAR to another")
    _refuse_taken_port(site)
    embedded = _embedded(site)
    try:
        for server in embedded:
            server.ensure(as_owner=True)
        code = _prepare()
        if code != 0:
            return code
    finally:
        for server in reversed(embedded):  # the supervisor starts them again as its own
            server.stop()
    address = env.text("SITE_URL") or f"http://localhost:{site.port}"
    sys.stdout.write(f"\nsiteadmin is at {address} (Ctrl-C stops it)\n\n")
    sys.stdout.flush()
    as_json = _settle_log_format(env)
    supervise(programs_of(site), folder=run_folder(var), directory=ROOT, as_json=as_json)
    return 0


def _settle_log_format(env: Env) -> bool:
    """Say to all programs how they log, since none of them sees the terminal; gives whether it is JSON."""
    chosen = env.choice("LOG_FORMAT", default="auto", choices=LOG_FORMATS)
    if chosen == "auto":
        chosen = "text" if sys.stdout.isatty() else "json"
    os.environ["LOG_FORMAT"] = chosen
    return chosen == "json"


def _make_var(site: Site) -> None:
    try:
        site.var.mkdir(parents=True, exist_ok=True)
        run_folder(site.var)
    except OSError as error:
        raise ImproperlyConfigured(
            f"SITEADMIN_VAR takes a folder we may write, not {site.var}: {error.strerror}"
        ) from error


def _embedded(site: Site) -> list[Server]:
    wanted = (site.has_embedded_postgres, site.has_embedded_redis)
    return [server for server, is_wanted in zip(servers(site.var), wanted, strict=True) if is_wanted]


def _refuse_taken_port(site: Site) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            site.host, site.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ImproperlyConfigured(f"BIND takes an address of this machine, not {site.host!r}") from error
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except PermissionError as error:
            raise ImproperlyConfigured(f"PORT {site.port} is for root alone; choose one above 1023") from error
        except OSError as error:
            raise ImproperlyConfigured(
                f"PORT {site.port} at BIND {site.host} cannot be had ({error.strerror}); set another PORT"
            ) from error


def _prepare() -> int:
    """Run the preparation; a Ctrl-C at the terminal reaches it too."""
    process = subprocess.Popen([sys.executable, "-m", "siteadmin.supervise.prepare"], cwd=ROOT)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    try:
        raise SystemExit(main())
    except (ImproperlyConfigured, EmbeddedError) as error:
        sys.stderr.write(f"siteadmin: {error}\n")
        raise SystemExit(BAD_SETTING) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
