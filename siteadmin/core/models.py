"""What the kernel keeps for all apps: dead letters, API keys, circuit breakers, the audit trail, answers."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models.functions import Now

from siteadmin.core.audit_repositories import AuditRepository
from siteadmin.core.change_repositories import ChangeRepository
from siteadmin.core.fields import SealedTextField
from siteadmin.core.idempotency_repositories import RememberedRequestRepository
from siteadmin.core.known_keys import tell_of_change
from siteadmin.core.repositories import ApiKeyRepository, BreakerStateRepository, DeadLetterRepository
from siteadmin.core.roles import Role


class DeadLetter(models.Model):
    """Work that failed for good, kept with its error to be requeued or discarded.

    dead -> requeued (its row waits for the step again) or discarded (a person let it go).
    """

    class State(models.TextChoices):
        DEAD = "dead"
        REQUEUED = "requeued"
        DISCARDED = "discarded"

    queue = models.CharField(max_length=64)
    task = models.CharField(max_length=128, help_text="Name of the step or operation.")
    subject = models.CharField(max_length=200, help_text="Id of the row, or of the job, that it was about.")
    payload = models.JSONField(default=dict, blank=True, help_text="What the operation was given.")

    state = models.CharField(max_length=16, choices=State.choices, default=State.DEAD)
    error = models.TextField(blank=True)
    attempts = models.PositiveIntegerField(default=0)

    first_failed_at = models.DateTimeField(db_default=Now())
    last_failed_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True, blank=True, help_text="When it was requeued or discarded.")
    settled_by = models.CharField(max_length=200, blank=True)
    reason = models.TextField(blank=True, help_text="Why it was discarded.")

    objects = DeadLetterRepository()

    class Meta:
        ordering = ["-last_failed_at", "-id"]
        constraints = [
            # A subject has one open dead letter a task; failing again adds to it.
            models.UniqueConstraint(
                fields=["task", "subject"], condition=models.Q(state="dead"), name="dead_letter_one_open"
            ),
        ]
        indexes = [
            models.Index(fields=["state", "-last_failed_at", "-id"], name="dead_letter_by_state"),
            models.Index(fields=["-last_failed_at", "-id"], name="dead_letter_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.subject}"


class ApiKey(models.Model):
    """A key of the API: only its hash is stored, so it is shown once, when it is made."""

    name = models.CharField(max_length=100, unique=True, validators=[MinLengthValidator(1)])
    prefix = models.CharField(max_length=16, editable=False, help_text="The key's first signs, to tell keys apart.")
    key_hash = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 in hex.")

    role = models.CharField(max_length=16, choices=Role.choices)
    camera_ids = ArrayField(
        models.CharField(max_length=64), default=list, blank=True, help_text="Only these cameras; empty: all."
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    created_at = models.DateTimeField(db_default=Now(), editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ApiKeyRepository()
    audit_hidden = ("key_hash",)

    class Meta:
        ordering = ["name"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store it, and tell those who remember it."""
        super().save(*args, **kwargs)
        tell_of_change(str(self._state.db))

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete it, and tell those who remember it."""
        using = str(self._state.db)
        deleted = super().delete(*args, **kwargs)
        tell_of_change(using)
        return deleted


class BreakerState(models.Model):
    """The state of one circuit breaker, shared by all processes.

    closed -> open (after failures in a row) -> half-open (one probe) -> closed, or open again.
    """

    name = models.CharField(max_length=200, primary_key=True, help_text="The target it stands before.")
    failures = models.PositiveIntegerField(default=0, help_text="Failures in a row.")
    open_until = models.DateTimeField(null=True, blank=True, help_text="Calls are held back until then.")
    probe_until = models.DateTimeField(null=True, blank=True, help_text="One probe is under way until then.")
    last_error = models.TextField(blank=True)
    changed_at = models.DateTimeField(db_default=Now())

    objects = BreakerStateRepository()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Change(models.Model):
    """Something that listeners are told of; written by triggers, in the transaction of the change itself."""

    camera_path: ClassVar = "camera_id"

    transaction = models.BigIntegerField(editable=False, help_text="The database's own number of the transaction.")
    topic = models.CharField(max_length=32)
    subject = models.CharField(max_length=64, help_text="Id of the row.")
    camera_id = models.CharField(max_length=64, help_text="Who may not see the camera hears nothing of it.")
    at = models.DateTimeField(db_default=Now())

    objects = ChangeRepository()

    class Meta:
        ordering = ["transaction", "id"]
        indexes = [models.Index(fields=["transaction", "id"], name="change_in_order")]

    def __str__(self) -> str:
        return f"{self.topic} {self.subject}"


class AuditEntry(models.Model):
    """One thing that somebody did; written with it, and never changed. Only retention removes what is old."""

    created_at = models.DateTimeField(db_default=Now())

    actor_kind = models.CharField(max_length=8)
    actor = models.CharField(max_length=200, blank=True, help_text="Name of the user, key, link's channel or command.")
    actor_id = models.BigIntegerField(null=True, blank=True, help_text="Id of the user or the key.")
    address = models.GenericIPAddressField(null=True, blank=True, help_text="The client's, behind trusted proxies.")
    request_id = models.CharField(max_length=64, blank=True)

    action = models.CharField(max_length=32)
    resource_type = models.CharField(max_length=64)
    resource_id = models.CharField(max_length=64)
    resource = models.CharField(max_length=200, blank=True, help_text="What it was called then.")
    camera_path: ClassVar = "camera_id"
    # Plain text: the kernel knows no camera, and an entry outlives what it is about.
    camera_id = models.CharField(max_length=64, blank=True, help_text="The camera that it belongs to, if any.")
    before = models.JSONField(null=True, blank=True, encoder=DjangoJSONEncoder, help_text="Empty: it is new.")
    after = models.JSONField(null=True, blank=True, encoder=DjangoJSONEncoder, help_text="Empty: it is gone.")

    objects = AuditRepository()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="audit_newest"),
            models.Index(fields=["resource_type", "resource_id", "-created_at", "-id"], name="audit_resource"),
            models.Index(fields=["actor", "-created_at", "-id"], name="audit_actor"),
            models.Index(fields=["action", "-created_at", "-id"], name="audit_action"),
            models.Index(
                fields=["camera_id", "-created_at", "-id"], condition=~models.Q(camera_id=""), name="audit_camera"
            ),
            models.Index(fields=["request_id"], condition=~models.Q(request_id=""), name="audit_request"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.resource_type} {self.resource_id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write a new entry; one that is written is never changed."""
        if not self._state.adding:
            raise TypeError("An audit entry is never changed")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse; old entries go by `AuditRepository.remove_old` alone."""
        raise TypeError("An audit entry is never deleted")


class RememberedRequest(models.Model):
    """A request that was sent with a key, and its answer, to be given again; kept for a day.

    Under way while `status` is empty: only for what reaches beyond the database, and until `running_until` at most.
    """

    actor = models.CharField(max_length=40, help_text="user:ID or key:ID.")
    key = models.CharField(max_length=255, help_text="The Idempotency-Key header.")
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, address and content, in hex.")
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    answer = SealedTextField(blank=True, editable=False, help_text="Sealed: it may hold a secret that is shown once.")
    token = models.UUIDField(null=True, blank=True, editable=False)
    running_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = RememberedRequestRepository()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [models.UniqueConstraint(fields=["actor", "key"], name="remembered_request_once")]
        indexes = [
            models.Index(fields=["created_at"], name="remembered_request_age"),
            models.Index(fields=["token"], condition=models.Q(token__isnull=False), name="remembered_request_claim"),
        ]

    def __str__(self) -> str:
        return f"{self.actor}: {self.key}"
