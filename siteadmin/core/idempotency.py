"""Requests that may be sent twice and act once: the `Idempotency-Key` header.

As draft-ietf-httpapi-idempotency-key-header has it: the first answer to a key is kept for a day and given again. It is
written in the transaction of what it answers for, so that no crash leaves something done and not remembered. Where an
action reaches beyond the database (a picture stored, a message sent), the key is claimed first and the answer recorded
afterwards; a claim whose process died ends by itself. Refusals are not kept: nothing was done, and the same key may be
tried again.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from siteadmin.core.actors import current_actor
from siteadmin.core.exceptions import ConflictError
from siteadmin.core.fields import UnreadableText
from siteadmin.core.idempotency_exceptions import (
    IdempotencyKeyInUseError,
    IdempotencyKeyInvalidError,
    IdempotencyKeyReusedError,
)
from siteadmin.core.models import RememberedRequest

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
LONGEST_KEY = 255
KEPT_FOR = timedelta(days=1)
CLAIM_LEASE = timedelta(minutes=2)
"""How long an action that reaches beyond the database may take; afterwards its process counts as dead."""
NOT_KEPT = ("Content-Type", "Content-Length")
"""Headers that belong to the form of an answer, which each request chooses anew."""
_BARE = re.compile(r"[!#-~]+")
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])+)"')


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """Who asks, under which key, and for what: the same key is another request where the fingerprint differs."""

    actor: str
    key: str
    fingerprint: str


def answer_once(request: Request, act: Callable[[], Response], *, reaches_outside: bool = False) -> Response:
    """Act and give the answer, or the first answer again where this very request was answered before.

    IdempotencyKeyInvalidError (400), IdempotencyKeyReusedError (422) for a key of another request,
    IdempotencyKeyInUseError (409) while the first one is under way.
    """
    header = request.headers.get(HEADER)
    if header is None:
        return act()
    asked = KeyedRequest(_who(), read_key(header), fingerprint_of(request))
    run = _claim_and_act if reaches_outside else _act_in_one_transaction
    return run(asked, act)


def read_key(header: str) -> str:
    """Read the key: a structured field's string in quotes (RFC 8941), or the bare text that most clients send."""
    text = header.strip()
    quoted = _QUOTED.fullmatch(text)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text if _BARE.fullmatch(text) else ""
    if not 1 <= len(key) <= LONGEST_KEY:
        message = (
            f"The {HEADER} header takes 1 to {LONGEST_KEY} visible ASCII signs, such as a UUID, alone or in quotes"
        )
        raise IdempotencyKeyInvalidError(message, errors=[{"field": HEADER, "code": "invalid", "detail": message}])
    return key


def fingerprint_of(request: Request) -> str:
    """Give a digest of method, address and content; of a form with files by their content, whatever its boundaries."""
    told = [
        request.method,
        request.path.rstrip("/"),
        sorted(request.query_params.lists()),
        list(_content(request.data)),
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True, cls=JSONEncoder).encode()).hexdigest()


def _content(data: Any) -> Iterator[Any]:
    if not hasattr(data, "items"):
        yield data
        return
    lists = data.lists() if hasattr(data, "lists") else ((name, [value]) for name, value in data.items())
    for name, values in sorted(lists):
        if name != "csrfmiddlewaretoken":
            yield name, [_file(value) if isinstance(value, UploadedFile) else value for value in values]


def _file(file: "UploadedFile[Any]") -> list[Any]:
    digest = hashlib.sha256()
    file.seek(0)
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return [file.name, file.content_type, digest.hexdigest()]


def _who() -> str:
    actor = current_actor()
    return f"{actor.kind}:{actor.id}"


def _act_in_one_transaction(asked: KeyedRequest, act: Callable[[], Response]) -> Response:
    with transaction.atomic():
        known = _known_answer(asked)
        if known is not None:
            return known
        answer = act()
        if answer.status_code < 300:
            RememberedRequest.objects.remember(
                actor=asked.actor,
                key=asked.key,
                fingerprint=asked.fingerprint,
                status=answer.status_code,
                answer=_pack(answer),
            )
        return answer


def _claim_and_act(asked: KeyedRequest, act: Callable[[], Response]) -> Response:
    token = uuid.uuid4()
    with transaction.atomic():
        known = _known_answer(asked)
        if known is not None:
            return known
        RememberedRequest.objects.claim(
            actor=asked.actor, key=asked.key, fingerprint=asked.fingerprint, token=token, lease=CLAIM_LEASE
        )
    with _released_on_failure(token):
        answer = act()
    if answer.status_code < 300:
        RememberedRequest.objects.finish(token, status=answer.status_code, answer=_pack(answer))
    else:
        RememberedRequest.objects.release(token)
    return answer


@contextmanager
def _released_on_failure(token: uuid.UUID) -> Iterator[None]:
    try:
        yield
    except BaseException:
        RememberedRequest.objects.release(token)
        raise


def _known_answer(asked: KeyedRequest) -> Response | None:
    """Give the answer that is kept, or None where there is none; holds the key until the transaction ends."""
    if not RememberedRequest.objects.try_lock(actor=asked.actor, key=asked.key):
        raise IdempotencyKeyInUseError
    known = RememberedRequest.objects.get_kept(actor=asked.actor, key=asked.key, kept_for=KEPT_FOR)
    if known is None:
        return None
    if known.fingerprint != asked.fingerprint:
        raise IdempotencyKeyReusedError
    if known.status is None:
        raise IdempotencyKeyInUseError
    if isinstance(known.answer, UnreadableText):
        raise ConflictError("This was done already, but its answer cannot be read: SECRET_KEY was changed since")
    kept = json.loads(known.answer)
    return Response(kept["data"], status=known.status, headers={**kept["headers"], REPLAYED: "true"})


def _pack(answer: Response) -> str:
    headers = {name: value for name, value in answer.headers.items() if name not in NOT_KEPT}
    return json.dumps({"headers": headers, "data": answer.data}, cls=JSONEncoder)
