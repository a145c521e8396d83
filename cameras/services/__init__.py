"""What can be done with cameras and their pictures; the one door for commands, API, admin and tasks."""

from cameras.services.cameras import (
    create_camera,
    delete_camera,
    find_camera,
    find_or_create_camera,
    lock_camera,
    mark_silent_cameras,
    normalize_folder_path,
    restore_camera,
    update_camera,
)
from cameras.services.ftp import make_ftp_password, remove_ftp_password
from cameras.services.intake import accept_picture, accept_upload, accept_uploads, parts_below_root
from cameras.services.limits import create_detection_limit, delete_detection_limit, update_detection_limit
from cameras.services.staff import limit_staff
from cameras.services.unassigned import (
    admit_upload,
    assign_folder,
    channel_of,
    discard_upload,
    release_waiting,
    remove_folder,
)
from cameras.services.zones import create_mask, create_zone, delete_mask, delete_zone, update_mask, update_zone

__all__ = [
    "accept_picture",
    "accept_upload",
    "accept_uploads",
    "admit_upload",
    "assign_folder",
    "channel_of",
    "create_camera",
    "create_detection_limit",
    "create_mask",
    "create_zone",
    "delete_camera",
    "delete_detection_limit",
    "delete_mask",
    "delete_zone",
    "discard_upload",
    "find_camera",
    "find_or_create_camera",
    "limit_staff",
    "lock_camera",
    "make_ftp_password",
    "mark_silent_cameras",
    "normalize_folder_path",
    "parts_below_root",
    "release_waiting",
    "remove_folder",
    "remove_ftp_password",
    "restore_camera",
    "update_camera",
    "update_detection_limit",
    "update_mask",
    "update_zone",
]
