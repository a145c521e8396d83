"""The transcripts of docs/rest-api.md, run in their order."""

import json
import re
import shlex
from typing import Any
from urllib.parse import urlsplit

import pytest
from rest_framework.test import APIClient

from siteadmin.core.keys import create_api_key
from siteadmin.core.roles import Role
from tests.cameras.pictures import make_picture
from tests.product import ROOT

TRANSCRIPT = re.compile(r"```console\n\$ (curl .*?)\nHTTP (\d+)\n(.*?)```", re.DOTALL)
ANYTHING = "…"


def ask(command: str, *, key: str) -> Any:
    """Send what this curl command sends."""
    words = iter(shlex.split(command.replace("$KEY", key))[1:])
    method, headers, body, address = "", {}, b"", ""
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = next(words).encode()
        elif word == "--data-binary":
            assert next(words) == "@picture.jpg"
            body = make_picture(1)
        else:
            address = word
    parts = urlsplit(address)
    content_type = headers.pop("Content-Type", "application/octet-stream")
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    sent = method or ("POST" if body else "GET")
    return APIClient().generic(sent, path, body, content_type=content_type, headers=headers)


def assert_shows(shown: Any, found: Any, *, where: str) -> None:
    """Check that all that the page shows is in the answer."""
    if shown == ANYTHING:
        assert found is not None, where
    elif isinstance(shown, dict):
        for name, value in shown.items():
            assert name in found, f"{where} has no {name}: {found}"
            assert_shows(value, found[name], where=f"{where}.{name}")
    elif isinstance(shown, list):
        assert len(shown) == len(found), where
        for index, (one, other) in enumerate(zip(shown, found, strict=True)):
            assert_shows(one, other, where=f"{where}.{index}")
    else:
        assert shown == found, where


@pytest.mark.django_db
def test_every_transcript_answers_as_the_page_shows() -> None:
    _, key = create_api_key(name="docs", role=Role.ADMIN)
    transcripts = TRANSCRIPT.findall((ROOT / "docs" / "rest-api.md").read_text())

    for command, status, shown in transcripts:
        answer = ask(command, key=key)
        assert (answer.status_code, command) == (int(status), command), answer.content
        assert_shows(json.loads(shown), answer.json(), where=command)

    assert len(transcripts) >= 10
