"""Keeping an upload that is no camera's until somebody says whose it is."""

import hashlib
from datetime import datetime
from io import BytesIO
from pathlib import PurePath

import structlog

from cameras.folders import slugify_folder
from cameras.ingest.decode import DecodedPicture, UndecodableError, decode_picture
from cameras.ingest.names import read_name
from cameras.ingest.stability import Kind, kind_of
from cameras.models import UnassignedUpload
from cameras.results import IntakeOutcome, IntakeResult
from cameras.services.cameras import storable_folder
from siteadmin.core import media
from siteadmin.core.clean import clean_text

logger = structlog.get_logger(__name__)

ROOT_NAME = "unassigned"
LONGEST_NAME = 255


def keep_unassigned(data: bytes, *, folder: str, name: str, file_time: datetime | None, final: bool) -> IntakeResult:
    """Keep it with its picture and what its path tells of its camera; the same again adds nothing.

    UNDECIDED, unless `final`, where it is no whole picture: it may still grow.
    """
    picture: DecodedPicture | None = None
    error = ""
    if kind_of(name) is Kind.PICTURE:
        try:
            picture = decode_picture(data)
        except UndecodableError as refusal:
            error = str(refusal)
    if picture is None and not final:
        return IntakeResult(IntakeOutcome.UNDECIDED, reason=error)
    facts = read_name(f"{folder}/{name}")
    known = facts.identity
    row = UnassignedUpload(
        folder=storable_folder(folder),
        slug=slugify_folder(folder),
        name=clean_text(name)[-LONGEST_NAME:],
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        width=None if picture is None else picture.width,
        height=None if picture is None else picture.height,
        error=error,
        trigger=facts.trigger,
        maker=known.maker,
        serial=clean_text(known.serial, limit=LONGEST_NAME),
        mac=known.mac,
        ip=known.ip,
        alias=clean_text(known.alias, limit=LONGEST_NAME),
        file_time=file_time,
        due_at=None,
    )
    row.file = media.store(
        BytesIO(data), sha256=row.sha256, suffix=_suffix(name, picture), prefix=f"{ROOT_NAME}/{_own_place(row)}"
    )
    kept = UnassignedUpload.objects.insert_if_absent(row)
    logger.info("upload_waits_for_a_camera", folder=kept.folder, name=kept.name)
    return IntakeResult(IntakeOutcome.UNASSIGNED)


def _suffix(name: str, picture: DecodedPicture | None) -> str:
    if picture is not None:
        return picture.suffix
    suffix = PurePath(name).suffix.lower()
    return suffix if media.SUFFIX.fullmatch(suffix) else ".bin"


def _own_place(row: UnassignedUpload) -> str:
    """Give a folder that no other upload's file is in, so that one can be deleted without a look at the others."""
    return hashlib.sha256(f"{row.folder}/{row.name}".encode()).hexdigest()[:16]
