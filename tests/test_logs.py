"""Log lines: their form, which requests leave one, and what none of them says."""

import json
import logging
import subprocess
import sys
from typing import Any

import pytest
from django.test import Client

from siteadmin.supervise.runner import as_json_line, as_text_line

PROGRAM = """
import logging, structlog
from siteadmin.settings.logs import logging_config
logging_config(debug=False, log_format={log_format!r})
structlog.get_logger("ours").info("picture_failed", camera="front_door", id=7)
logging.getLogger("theirs").warning("watch %s", "out")
secret = "hunter2"
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger("ours").exception("broke")
"""


def lines_of(log_format: str) -> list[str]:
    """Give what a program logs in this form, to a pipe."""
    program = [sys.executable, "-c", PROGRAM.format(log_format=log_format)]
    return subprocess.run(program, capture_output=True, text=True, check=True).stderr.splitlines()


@pytest.mark.parametrize("log_format", ["json", "auto"])
def test_what_no_person_reads_is_one_json_object_a_line(log_format: str) -> None:
    ours, theirs, broke = map(json.loads, lines_of(log_format))

    assert (ours["event"], ours["camera"], ours["id"], ours["level"]) == ("picture_failed", "front_door", 7, "info")
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("watch out", "theirs", "warning")
    assert "ZeroDivisionError" in broke["exception"]


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_traceback_shows_no_variables(log_format: str) -> None:
    shown = "\n".join(lines_of(log_format))

    assert "ZeroDivisionError" in shown
    assert 'secret = "hunter2"' not in shown
    assert "'hunter2'" not in shown


def test_the_supervisor_names_the_process_in_text_and_json_alike() -> None:
    assert as_text_line(b"hello", name="web") == b"web      | hello"
    assert json.loads(as_json_line(b'{"event": "hello"}', name="web")) == {"process": "web", "event": "hello"}
    assert json.loads(as_json_line(b"LOG:  ready \xff", name="postgres")) == {
        "process": "postgres",
        "event": "LOG:  ready \N{REPLACEMENT CHARACTER}",
    }
    assert json.loads(as_json_line(b"{}", name="web")) == {"process": "web", "event": "{}"}


def requests_in(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    found = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    return [line for line in found if line["event"] == "request"]


@pytest.mark.django_db
@pytest.mark.parametrize(("wanted", "logged"), [("none", []), ("errors", [404]), ("all", [200, 404])])
def test_the_setting_says_which_requests_leave_a_line(
    settings: Any, caplog: pytest.LogCaptureFixture, wanted: str, logged: list[int]
) -> None:
    settings.LOG_REQUESTS = wanted
    caplog.set_level(logging.INFO)

    Client().get("/health/live")
    Client().get("/problems/nothing/")

    assert [line["status"] for line in requests_in(caplog)] == logged


@pytest.mark.django_db
def test_a_line_says_who_asked_for_what_and_for_how_long(
    settings: Any, caplog: pytest.LogCaptureFixture, key_client: Any
) -> None:
    settings.LOG_REQUESTS = "all"
    caplog.set_level(logging.INFO)

    key_client("viewer").get("/api/cameras", headers={"x-request-id": "abc"})

    (line,) = requests_in(caplog)
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/cameras", 200)
    assert (line["user"], line["client"], line["request_id"]) == ("key:viewer of ()", "127.0.0.1", "abc")
    assert line["duration_ms"] > 0


@pytest.mark.django_db
def test_an_address_that_is_a_secret_is_not_logged(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    Client().get("/links/very-secret/")

    assert [line["path"] for line in requests_in(caplog)] == ["links/<str:token>/"]
    assert "very-secret" not in json.dumps(requests_in(caplog))
