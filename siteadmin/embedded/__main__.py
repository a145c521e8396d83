"""`python -m siteadmin.embedded`: look at, stop or become the embedded servers, or lend a throw-away pair."""

import argparse
import sys
from pathlib import Path

from siteadmin.embedded import EmbeddedError, Ownership, servers, stop
from siteadmin.embedded.throwaway import run_with_throwaway
from siteadmin.settings.env import ROOT, Env


def main(arguments: list[str]) -> int:
    """Run one command and give its exit code."""
    parser = argparse.ArgumentParser(prog="python -m siteadmin.embedded", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("status", help="say which servers answer")
    commands.add_parser("stop", help="stop the servers that outlived a command")
    for name in ("postgres", "redis"):
        command = commands.add_parser(name, help=f"run {name} in the foreground, taking over a running one")
        command.add_argument("--throwaway", action="store_true", help="fast, and not safe against a crash")
    lend = commands.add_parser("throwaway", help="run a command with servers of its own, then remove them")
    lend.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")
    options = parser.parse_args(arguments)
    if options.command == "throwaway":
        argv = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
        if not argv:
            parser.error("throwaway takes a command to run")
        return run_with_throwaway(argv)
    var = Env().path("SITEADMIN_VAR", default=ROOT / "var")
    if options.command == "status":
        return _status(var)
    if options.command == "stop":
        return _stop(var)
    chosen = servers(var, throwaway=options.throwaway)
    server = next(server for server in chosen if server.name == options.command)
    return server.serve()


def _status(var: Path) -> int:
    answers = {server.title: server.is_running() for server in servers(var)}
    for title, answer in answers.items():
        sys.stdout.write(f"{title}: {'running' if answer else 'not running'}\n")
    return 0 if all(answers.values()) else 1


def _stop(var: Path) -> int:
    if Ownership(var).is_taken():
        raise EmbeddedError("the site is running and owns its servers; stop it instead (Ctrl-C in `make run`)")
    stop(var)
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except EmbeddedError as error:
        sys.stderr.write(f"siteadmin: {error}\n")
        raise SystemExit(1) from None
