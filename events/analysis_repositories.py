"""Reads and atomic writes of prompts, analyses and enrichments."""

import json
import uuid
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

from django.db import connections
from django.db.models import Max
from django.db.models.functions import Now

from events.choices import WorkState
from siteadmin.core.claims import ClaimableRepository
from siteadmin.core.repository import Repository, RepositoryQuerySet

if TYPE_CHECKING:
    from events.models import Analysis, Enrichment, PromptVersion

WAIT_AGAIN: dict[str, Any] = {
    "due_at": Now(),
    "attempts": 0,
    "claim_token": None,
    "swept_at": None,
    "state": WorkState.WAITING,
    "error": "",
    "requested_at": Now(),
    "finished_at": None,
}


class PromptVersionQuerySet(RepositoryQuerySet["PromptVersion"]):
    """Reads that chain."""

    def active(self) -> Self:
        """Keep the version in force of each prompt."""
        return self.filter(is_active=True)

    def of_prompt(self, name: str) -> Self:
        """Keep the versions of one prompt, newest first."""
        return self.filter(name=name).order_by("-version")


_PromptVersionRepository = Repository.from_queryset(PromptVersionQuerySet)


class PromptVersionRepository(_PromptVersionRepository["PromptVersion"]):
    """Look-ups and writes of prompts."""

    def get_active(self, name: str) -> "PromptVersion | None":
        """Give the version in force."""
        return self.active().filter(name=name).first()

    def get_version(self, name: str, version: int) -> "PromptVersion | None":
        """Give one version."""
        return self.filter(name=name, version=version).first()

    def add_first(self, name: str, *, text: str) -> None:
        """Insert version 1, unless the prompt has versions; any number may try at once."""
        self.bulk_create([self.model(name=name, version=1, text=text)], ignore_conflicts=True)

    def lock_newest(self, name: str) -> int:
        """Give the newest version's number, 0 where there is none; nobody else adds one until the transaction ends."""
        # The first version, which always stays, stands for the prompt.
        if not self.filter(name=name, version=1).select_for_update(no_key=True).values_list("pk", flat=True):
            return 0
        newest: int | None = self.filter(name=name).aggregate(newest=Max("version"))["newest"]
        return newest or 0

    def add_active(self, name: str, *, version: int, text: str, note: str, created_by: str) -> "PromptVersion":
        """Insert a version and put it in force instead of the one that is; inside the caller's transaction."""
        self.active().filter(name=name).update(is_active=False)
        return self.create(name=name, version=version, text=text, note=note, created_by=created_by)


class AnalysisQuerySet(RepositoryQuerySet["Analysis"]):
    """Reads that chain."""

    def with_event(self) -> Self:
        """Fetch the event with its camera and what its picture is made of along."""
        return self.select_related("event__camera", "event__key_detection__snapshot", "prompt_version")


_AnalysisRepository = ClaimableRepository.from_queryset(AnalysisQuerySet)


class AnalysisRepository(_AnalysisRepository["Analysis"]):
    """Look-ups and writes of analyses."""

    def get_claimed(self, event_id: int, *, token: uuid.UUID) -> "Analysis | None":
        """Give the analysis with its event, if the claim is still ours."""
        return self.with_event().filter(pk=event_id, claim_token=token).first()

    def request(self, event_ids: Sequence[int]) -> None:
        """Make these events wait for the analyzer; one that is being judged just now is judged anew."""
        rows = [self.model(event_id=event_id) for event_id in event_ids]
        self.bulk_create(rows, ignore_conflicts=True)
        self.filter(pk__in=event_ids).update(**WAIT_AGAIN, prompt_version=None, model="", score=None)

    def note_prompt(self, event_id: int, *, token: uuid.UUID, prompt_version: "PromptVersion", model: str) -> None:
        """Note by what, and by whom, the event is judged, if the claim is still ours."""
        self.filter(pk=event_id, claim_token=token).update(prompt_version=prompt_version, model=model)

    def wait_if_skipped(self, event_id: int) -> bool:
        """Make an analysis wait for which nobody was to be asked; False for any other."""
        return bool(self.filter(pk=event_id, state=WorkState.SKIPPED).update(**WAIT_AGAIN))

    def wait_again(self, event_id: int) -> bool:
        """Make an analysis that failed for good wait again; False where it did not fail."""
        return bool(self.filter(pk=event_id, state=WorkState.FAILED).update(**WAIT_AGAIN))


class EnrichmentQuerySet(RepositoryQuerySet["Enrichment"]):
    """Reads that chain."""


_EnrichmentRepository = ClaimableRepository.from_queryset(EnrichmentQuerySet)


class EnrichmentRepository(_EnrichmentRepository["Enrichment"]):
    """Look-ups and writes of enrichments."""

    def get_claimed(self, enrichment_id: int, *, token: uuid.UUID) -> "Enrichment | None":
        """Give the enrichment with detection and snapshot, if the claim is still ours."""
        return self.select_related("detection__snapshot").filter(pk=enrichment_id, claim_token=token).first()

    def request(self, pairs: Iterable[tuple[int, str]]) -> list[int]:
        """Insert a row for each detection's id and service, and give the rows' ids."""
        rows = [self.model(detection_id=detection_id, service=service) for detection_id, service in pairs]
        return [row.pk for row in self.create_many(rows)]

    def write_attributes(self, detection_id: int, *, service: str, attributes: dict[str, Any]) -> None:
        """Put what a service said under its name, by one statement; what others said stays."""
        table = self.model._meta.get_field("detection").related_model._meta.db_table
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                f"UPDATE {table} SET attributes = attributes || jsonb_build_object(%s::text, %s::jsonb) "  # noqa: S608 - the table's own name
                "WHERE id = %s",
                [service, json.dumps(attributes), detection_id],
            )

    def wait_again(self, enrichment_id: int) -> bool:
        """Make an enrichment that failed for good wait again; False where it did not fail."""
        return bool(self.filter(pk=enrichment_id, state=WorkState.FAILED).update(**WAIT_AGAIN))
