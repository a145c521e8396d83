"""The second factor of a login: codes of an authenticator app (TOTP, RFC 6238), and recovery codes.

The secret is sealed and recovery codes are hashed, so that a copy of the database alone lets nobody in. Every code
works once. After FAILURES wrong ones in a row the next is looked at only after PAUSE, whoever sends it and from where.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import segno
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from siteadmin.accounts.locks import told
from siteadmin.accounts.models import TwoFactor
from siteadmin.core.audit import CHANGED, HIDDEN, record
from siteadmin.core.exceptions import InvalidInputError, InvalidStateTransitionError
from siteadmin.core.fields import UnreadableText
from siteadmin.core.sealing import UnsealError

STEP_SECONDS, DIGITS, SECRET_BYTES = 30, 6, 20
"""What every authenticator app knows; RFC 4226 recommends 160 bits."""
DRIFT_STEPS = 1
"""How many spans the app's clock may be off, either way."""
FAILURES, PAUSE = 5, timedelta(minutes=15)
RECOVERY_CODES, RECOVERY_BYTES = 10, 10
ISSUER = "siteadmin"
UNREADABLE = "The secret cannot be read, as SECRET_KEY was changed; an admin can reset two-factor login"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an app needs to know, before it is confirmed."""

    secret: str
    """In base32, to be typed where no camera is at hand."""
    qr_code: str
    """The same as an SVG element, made here."""


def begin_enrolment(user: User) -> Enrolment:
    """Make a new secret for the user; InvalidStateTransitionError where one is in force."""
    secret = base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()
    if not TwoFactor.objects.begin(user.pk, secret=secret):
        raise InvalidStateTransitionError("Two-factor login is on already")
    return _shown(user, secret)


def show_enrolment(user: User) -> Enrolment | None:
    """Give the secret that waits for its first code, or None where none does."""
    found = TwoFactor.objects.get_by_id(user.pk)
    return None if found is None or found.confirmed_at is not None else _shown(user, _secret_of(found))


def confirm_enrolment(user: User, code: str) -> list[str]:
    """Put the secret into force by a first code and give the recovery codes, which are known only now.

    InvalidInputError for a wrong code, InvalidStateTransitionError where nothing waits for one.
    """
    found = TwoFactor.objects.get_by_id(user.pk)
    if found is None or found.confirmed_at is not None:
        raise InvalidStateTransitionError("No secret waits for its first code")
    step = _step_of(code, secret=_secret_of(found))
    if step is None:
        raise InvalidInputError("This is not the code that the app shows now; the clocks may differ")
    codes = _new_recovery_codes()
    with transaction.atomic():
        if not TwoFactor.objects.confirm(user.pk, step=step, recovery_hashes=_hashes(codes)):
            raise InvalidStateTransitionError("Two-factor login is on already")
        record("enable_two_factor", user, before={"two_factor": False}, after={"two_factor": True})
    return codes


def check_code(user_id: int, code: str) -> bool:
    """Use up a code of the app or a recovery code; False for a wrong or used one.

    InvalidStateTransitionError while too many wrong codes were sent, or where the user has no second factor.
    """
    found = TwoFactor.objects.get_confirmed(user_id)
    if found is None:
        raise InvalidStateTransitionError("Two-factor login is off")
    if not TwoFactor.objects.take_try(user_id, most=FAILURES, pause=PAUSE):
        raise InvalidStateTransitionError(f"Too many wrong codes; try again after {told(_paused_until(user_id))}")
    step = _step_of(code, secret=_secret_of(found))
    if step is not None:
        return TwoFactor.objects.use_step(user_id, step=step)
    return TwoFactor.objects.use_recovery(user_id, code_hash=_hash(code))


def renew_recovery_codes(user: User) -> list[str]:
    """Make new recovery codes, which end the old ones, and give them this once."""
    codes = _new_recovery_codes()
    with transaction.atomic():
        if not TwoFactor.objects.replace_recovery(user.pk, recovery_hashes=_hashes(codes)):
            raise InvalidStateTransitionError("Two-factor login is off")
        record("renew_recovery_codes", user, before={"recovery_codes": HIDDEN}, after={"recovery_codes": CHANGED})
    return codes


def remove_second_factor(user: User, *, action: str = "disable_two_factor") -> bool:
    """Let the user log in by password alone again; False where that is so already.

    The `action` is what the audit trail calls it: `reset_two_factor` where somebody else does it.
    """
    with transaction.atomic():
        was_on = TwoFactor.objects.get_confirmed(user.pk) is not None
        if TwoFactor.objects.remove(user.pk) and was_on:
            record(action, user, before={"two_factor": True}, after={"two_factor": False})
    return was_on


def _paused_until(user_id: int) -> datetime:
    found = TwoFactor.objects.get_confirmed(user_id)
    failed_at = None if found is None else found.failed_at
    return (failed_at or timezone.now()) + PAUSE


def _secret_of(factor: TwoFactor) -> str:
    if isinstance(factor.secret, UnreadableText):
        raise UnsealError(UNREADABLE)
    return factor.secret


def _shown(user: User, secret: str) -> Enrolment:
    address = _app(secret).get_provisioning_uri(user.get_username(), ISSUER)
    return Enrolment(secret=secret, qr_code=segno.make(address, error="m").svg_inline(scale=5, light="#fff", border=2))


def _app(secret: str) -> TOTP:
    return TOTP(base64.b32decode(secret), DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303 - what apps know


def _step_of(code: str, *, secret: str) -> int | None:
    """Give the span of time whose code this is, or None."""
    given = "".join(code.split()).encode()
    app = _app(secret)
    now = int(time.time()) // STEP_SECONDS
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        if hmac.compare_digest(app.generate(step * STEP_SECONDS), given):
            return step
    return None


def _new_recovery_codes() -> list[str]:
    made = [base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    return [f"{code[:4]}-{code[4:8]}-{code[8:12]}-{code[12:]}" for code in made]


def _hashes(codes: Sequence[str]) -> list[str]:
    return [_hash(code) for code in codes]


def _hash(code: str) -> str:
    """80 random bits need neither salt nor stretching."""
    plain = "".join(sign for sign in code.lower() if sign.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()
