"""From a folder to its camera's id. Pure."""

import hashlib
import re

LONGEST_ID = 64
LONGEST_NAME = 100
_GAPS = re.compile(r"[\s\-]+")
_DROPPED = re.compile(r"[^a-z0-9_]")


def slugify_folder(folder: str) -> str:
    """Give the camera id of a folder's name: `Front Door` and `front-door` are `front_door`.

    A name of which nothing is left gets `camera_` and a digest; so does, at its end, one that is too long for an id.
    """
    slug = _DROPPED.sub("", _GAPS.sub("_", folder.strip().lower()))
    digest = hashlib.sha256(folder.encode("utf-8", "surrogateescape")).hexdigest()[:10]
    if not slug.strip("_"):
        return f"camera_{digest}"
    if len(slug) > LONGEST_ID:
        return f"{slug[: LONGEST_ID - len(digest) - 1]}_{digest}"
    return slug
