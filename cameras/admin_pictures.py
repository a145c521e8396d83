"""How the admin pages show what cameras sent."""

from django.utils.html import format_html

NO_PICTURE = "–"


def player(snapshot_id: int) -> str:
    """Give a player of a clip; browsers that cannot play its kind may save it."""
    address = f"/api/snapshots/{snapshot_id}/image"
    return format_html(
        '<video controls preload="metadata" src="{}" style="max-height: 480px; max-width: 100%">'
        '<a href="{}">Save the clip</a></video><p><a href="{}" download>Save the clip</a></p>',
        address,
        address,
        address,
    )


def thumbnail(snapshot_id: int | None, *, height: int) -> str:
    """Give the picture of a snapshot, small, as a link to the whole."""
    if snapshot_id is None:
        return NO_PICTURE
    return picture_link(f"/api/snapshots/{snapshot_id}/image", f"Picture {snapshot_id}", height=height)


def picture_link(address: str, told: str, *, height: int) -> str:
    """Give a picture, small, as a link to the whole."""
    # A table would squeeze it.
    look = '<a href="{}"><img src="{}" alt="{}" loading="lazy" style="height: {}px; width: auto; max-width: none"></a>'
    return format_html(look, address, address, told, height)
