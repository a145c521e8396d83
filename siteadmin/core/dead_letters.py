"""Dead letters as people settle them, over the API and on the pages: refused with a reason where that cannot be."""

from siteadmin.core.exceptions import InvalidInputError, InvalidStateTransitionError
from siteadmin.core.models import DeadLetter
from siteadmin.core.retry import discard, requeue


def requeue_letter(letter_id: int, *, by: str) -> None:
    """Requeue an open letter; InvalidStateTransitionError where that cannot be."""
    if not requeue(letter_id, by=by):
        raise _refusal(letter_id, gone="What it was about is gone, or waits already; it can only be discarded")


def discard_letter(letter_id: int, *, by: str, reason: str) -> None:
    """Discard an open letter; InvalidStateTransitionError where it is not open, InvalidInputError without a reason."""
    if not reason.strip():
        raise InvalidInputError("Say why the work is let go", details={"dead_letter_id": letter_id})
    if not discard(letter_id, by=by, reason=reason):
        raise _refusal(letter_id, gone="It cannot be discarded")


def _refusal(letter_id: int, *, gone: str) -> InvalidStateTransitionError:
    letter = DeadLetter.objects.get_by_id(letter_id)
    is_open = letter is not None and letter.state == DeadLetter.State.DEAD
    text = gone if letter is None or is_open else f"A letter that is {letter.state} cannot be requeued or discarded"
    return InvalidStateTransitionError(text, details={"dead_letter_id": letter_id})
