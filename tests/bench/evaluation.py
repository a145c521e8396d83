"""What judging rules costs: one event against many, and many workers on one key or on keys of their own."""

import json
import os
import subprocess
import sys

from tests.product import ROOT

START = "import django; django.setup(); from tests.bench.evaluation_run import main; main({!r})"
Figures = dict[str, float | int | str]


def one_event_against_200_rules() -> Figures:
    """Milliseconds and statements of one event that 200 rules are judged for; ten of them hold."""
    return _run("one")


def workers_on_one_key() -> Figures:
    """Evaluations a second of 8 workers whose events all want one key."""
    return _run("one key")


def workers_on_many_keys() -> Figures:
    """Evaluations a second of 8 workers whose events have 1,000 keys."""
    return _run("many keys")


def _run(which: str) -> Figures:
    """Measure in a process and a database of its own."""
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "siteadmin.settings.test"}
    command = [sys.executable, "-c", START.format(which)]
    run = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    figures: Figures = json.loads(run.stdout.strip().splitlines()[-1])
    return figures
