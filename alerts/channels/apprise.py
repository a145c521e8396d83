"""Apprise: one URL a channel for a hundred services (docs/channels.md), in a child process (apprise_child)."""

import base64
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from alerts.channels.base import (
    MASK,
    MASK_IN_URL,
    ChannelError,
    Config,
    ConfigError,
    Message,
    Sent,
    address_problem,
    mask_path,
    mask_query,
    refuse_secret,
    refuse_unknown_keys,
)
from alerts.channels.webhook import refusal_of
from alerts.choices import LinkAction
from alerts.results import Notice
from siteadmin.core import http

SEND_DEADLINE = timedelta(seconds=40)
"""For the child as a whole; far below the lease of a delivery."""
SERVICE_DEADLINE = timedelta(seconds=30)
CHECK_DEADLINE = timedelta(seconds=20)
LONGEST_URL = 2000
PLAIN_SCHEMES = ("json://", "jsons://", "xml://", "xmls://", "form://", "forms://")
"""Services of one's own, of whose paths Apprise cannot know what is secret."""
LONGEST_TARGET = 120

CALL = re.compile(r"(?<!\w)[@!](?=[\w&!])")
"""Begins a call to people: @everyone, @room and <@&role>, or <!channel> as Slack writes it. Not the @ of an address."""
UNSEEN_BREAK = "\u200b"


class ChildError(Exception):
    """The child did not answer; the text holds no secret."""


class AppriseTransport:
    """One notification by one Apprise URL an attempt; Apprise's own retries are off, ours are on."""

    wants_picture = True
    knows_keys = False

    def validate(self, config: Config, *, old: Config | None = None) -> Config:
        """Let Apprise check the URL; the shown one keeps the old one."""
        refuse_unknown_keys(config, known={"url"})
        url = config.get("url")
        if old is not None and url == self.mask(old)["url"]:
            return old
        if not isinstance(url, str) or not url:
            raise ConfigError({"config.url": "This field is required"})
        if len(url) > LONGEST_URL or not url.isprintable():
            raise ConfigError({"config.url": f"Takes a URL of up to {LONGEST_URL} signs without control characters"})
        if MASK in url:
            raise ConfigError({"config.url": MASK_IN_URL})
        try:
            answer = _ask({"do": "check", "url": url}, deadline=CHECK_DEADLINE)
        except ChildError as error:
            raise ConfigError({"config.url": "Apprise cannot read this URL"}) from error
        problem = answer.get("error") or address_problem(answer.get("host", ""))
        if problem:
            raise ConfigError({"config.url": problem})
        return {"url": url, "shown": answer["shown"]}

    def mask(self, config: Config) -> Config:
        """Show the URL as Apprise masks it, which leaves headers and parameters in its query, and plain paths."""
        shown = mask_query(config["shown"])
        return {"url": mask_path(shown) if shown.startswith(PLAIN_SCHEMES) else shown}

    def make_secret(self, given: str) -> str:
        """There is no secret beside the URL."""
        return refuse_secret(given)

    def target(self, config: Config) -> str | None:
        """Name the service, masked."""
        return str(config["shown"]).partition("?")[0][:LONGEST_TARGET]

    def problem(self) -> str:
        """It needs no set-up of the site."""
        return ""

    def compose(self, notice: Notice, *, key: str, config: Config) -> bytes:
        """Give title, text and picture as JSON."""
        lines = [f"{label}: {_call_nobody(text)}" for label, text in notice.facts]
        if notice.page:
            lines.append(notice.page)
        lines += [f"{word.capitalize()}: {notice.links[word]}" for word in LinkAction.values if word in notice.links]
        picture = None if notice.picture is None else base64.b64encode(notice.picture).decode()
        return json.dumps({"title": _call_nobody(notice.title), "body": "\n".join(lines), "picture": picture}).encode()

    def send(self, message: Message, *, config: Config, secrets: tuple[str, ...] = ()) -> Sent:
        """Notify in a child process; a service that tells an HTTP status is judged by it."""
        content = json.loads(message.body)
        request = {
            "do": "send",
            "url": config["url"],
            "title": content["title"],
            "body": content["body"],
            "timeout": SERVICE_DEADLINE.total_seconds(),
        }
        with tempfile.TemporaryDirectory(prefix="siteadmin-") as folder:
            if content["picture"]:
                path = Path(folder) / "event.jpg"
                path.write_bytes(base64.b64decode(content["picture"]))
                request["picture"] = str(path)
            try:
                answer = _ask(request, deadline=SEND_DEADLINE)
            except ChildError as error:
                raise ChannelError(str(error), permanent=False) from error
        return _judge(answer)


def _call_nobody(text: str) -> str:
    """Give the text so that no chat takes a word of it for a call to its members; it looks as before."""
    return CALL.sub(lambda found: found[0] + UNSEEN_BREAK, text)


def _judge(answer: dict[str, Any]) -> Sent:
    status = answer.get("http_status")
    match answer.get("status"):
        case "SUCCESS":
            return Sent(status_code=status)
        case "PARTIAL":
            # Trying again would tell those twice who were told.
            return Sent(status_code=status, note="Some of the service's targets did not accept it")
        case "TIMEOUT":
            raise ChannelError("The service did not answer in time", permanent=False)
    if answer.get("refused"):
        raise ChannelError(f"The service may not be connected to: {answer['refused'][0]}", permanent=True)
    if answer.get("error"):
        raise ChannelError(answer["error"], permanent=True)
    if status is not None and not 200 <= status < 300:
        wait = answer.get("retry_after")
        headers = {"retry-after": wait} if wait else {}
        refusal = refusal_of(http.HttpResponse(status=status, headers=headers, body=b""))
        refusal.gone = False  # of one message, perhaps; only a webhook's 410 is about the address
        raise refusal
    raise ChannelError("The service did not accept the message", permanent=False)


def _ask(request: dict[str, Any], *, deadline: timedelta) -> dict[str, Any]:
    """Run the child and give its answer; ChildError where there is none in time."""
    allowed = [str(network) for network in settings.OUTBOUND_ALLOWED_NETWORKS]
    question = json.dumps({"picture": None, **request, "allowed": allowed}).encode()
    # Neither settings nor proxies of the product reach it.
    child = subprocess.Popen(
        [sys.executable, "-m", "alerts.channels.apprise_child"],
        cwd=settings.BASE_DIR,
        env={"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        output, _ = child.communicate(question, timeout=deadline.total_seconds())
        return dict(json.loads(output))
    except subprocess.TimeoutExpired as error:
        raise ChildError("The service did not answer in time") from error
    except (OSError, ValueError) as error:
        raise ChildError("Apprise failed on this message") from error
    finally:
        # Also where this worker itself is told to stop meanwhile.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()
