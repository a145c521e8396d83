"""One alert a key and cooldown, whoever comes first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.choices import DEFAULT_COOLDOWN_SECONDS, Severity
from alerts.models import Alert, Cooldown
from alerts.results import DedupResult


@dataclass(slots=True, frozen=True)
class KeyClaim:
    """What somebody wants to alert under a key."""

    key: str
    cooldown: timedelta
    """0: none, so it is never a duplicate."""
    severity: Severity


@dataclass(slots=True, frozen=True)
class ClaimOutcome:
    """Either the time at which the key was taken, or the alert that this is a duplicate of.

    `existing_alert_id` is None where that alert has been deleted since.
    """

    fired_at: datetime | None = None
    existing_alert_id: int | None = None
    twin: int | None = None
    """Where a claim of the same call took the key, so that its alert is the existing one: that claim's index."""

    @property
    def is_claimed(self) -> bool:
        """Whether the alert may be made; it must carry `fired_at` as its time."""
        return self.fired_at is not None


def claim_key(key: str, *, cooldown: timedelta, severity: Severity) -> ClaimOutcome:
    """Take a key for an alert made in the caller's transaction, or say which alert it is a duplicate of.

    A duplicate is what comes while an alert of the same or a higher severity was made at most `cooldown` ago,
    by the database's clock. The key stays locked until the transaction ends; a rollback gives it back.
    """
    return claim_keys([KeyClaim(key, cooldown, severity)])[0]


def claim_keys(claims: Sequence[KeyClaim]) -> list[ClaimOutcome]:
    """Take several keys by one statement; gives an outcome each, in order.

    Of claims that share a key the higher severity goes first, then the earlier claim.
    """
    outcomes: dict[int, ClaimOutcome] = {}
    waiting = sorted(range(len(claims)), key=lambda index: (-claims[index].severity.rank, index))
    while waiting:
        turn: dict[str, int] = {}
        for index in waiting:
            turn.setdefault(claims[index].key, index)
        fired = Cooldown.objects.claim([_wanted(claims[index]) for index in turn.values()])
        lost = {index for key, index in turn.items() if key not in fired}
        outcomes |= {turn[key]: ClaimOutcome(fired_at=at) for key, at in fired.items()}
        outcomes |= _find_existing(claims, lost)
        waiting = [index for index in waiting if index not in outcomes]
        for index in list(waiting):
            first = turn[claims[index].key]
            if first not in lost:
                # Of no higher severity than the first, so that without a cooldown of its own it fires and leaves the
                # key as the first one did.
                outcomes[index] = ClaimOutcome(twin=first) if claims[index].cooldown else outcomes[first]
                waiting.remove(index)
    return [outcomes[index] for index in range(len(claims))]


def check_duplicate(dedup_key: str, cooldown_seconds: int = DEFAULT_COOLDOWN_SECONDS) -> DedupResult:
    """Tell whether an alert under this key would be a duplicate now; reads only, so it decides nothing."""
    cooldown = timedelta(seconds=max(cooldown_seconds, 0))
    found = Alert.objects.newest_within(dedup_key, cooldown=cooldown) if cooldown else None
    if found is None:
        return DedupResult(is_duplicate=False)
    alert, age = found
    remaining = max(0, int((cooldown - age).total_seconds()))
    return DedupResult(is_duplicate=True, existing_alert=alert, seconds_until_cooldown_expires=remaining)


def _wanted(claim: KeyClaim) -> tuple[str, int, timedelta]:
    return claim.key, claim.severity.rank, claim.cooldown


def _find_existing(claims: Sequence[KeyClaim], lost: Iterable[int]) -> dict[int, ClaimOutcome]:
    pairs = {index: (claims[index].key, claims[index].severity.rank) for index in lost}
    found = Alert.objects.newest_of_rank(list(pairs.values()))
    return {index: ClaimOutcome(existing_alert_id=found.get(pair)) for index, pair in pairs.items()}
