"""How each maker names what its cameras upload, as data: a further maker is one more row. Pure.

A pattern looks at the end of the path below the camera root, folders included, and fills named groups:
`y m d H M S ms` the camera's wall clock, `mark` why it was taken, `channel`, and who it is: `serial mac ip alias`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cameras.choices import Trigger

DATE = r"(?P<y>(?:19|20)\d\d)(?P<m>\d\d)(?P<d>\d\d)"
TIME = r"(?P<H>\d\d)(?P<M>\d\d)(?P<S>\d\d)"
DASHED_DATE = r"(?P<y>(?:19|20)\d\d)-(?P<m>\d\d)-(?P<d>\d\d)"
MAC = r"[0-9A-F]{2}(?:[-:]?[0-9A-F]{2}){5}"
IP = r"\d{1,3}(?:\.\d{1,3}){3}"
CLIP_OR_PICTURE = r"\.[A-Za-z0-9]{2,5}\Z"

EVENT_WORDS = {"timing": Trigger.TIMER, "manual": Trigger.MANUAL}


@dataclass(frozen=True, slots=True)
class Vendor:
    """One maker's way of naming; `triggers` says what a mark means, in lower case, and `otherwise` any other mark."""

    name: str
    pattern: re.Pattern[str]
    triggers: Mapping[str, Trigger] = field(default_factory=dict)
    otherwise: Trigger = Trigger.UNKNOWN

    def trigger_of(self, mark: str | None) -> Trigger:
        """Say why the picture was taken."""
        return self.otherwise if mark is None else self.triggers.get(mark.lower(), self.otherwise)


def _end_of_path(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:\A|/){pattern}{CLIP_OR_PICTURE}", re.IGNORECASE | re.ASCII)


_FOSCAM_FOLDER = rf"(?:(?P<alias>[^/]*?)_(?P<mac>{MAC})/(?:[^/]+/)*)?"
_DAHUA_FOLDERS = rf"(?:(?P<serial>[^/]+)/)?{DASHED_DATE}/(?P<channel>\d{{1,3}})/\w+/"
_DAHUA_MARKS = r"(?:\[(?P<mark>[A-Z])\])(?:\[[^/\]]*\])*_?"
_DAHUA_TRIGGERS = {"m": Trigger.ALARM, "a": Trigger.ALARM, "r": Trigger.TIMER}

VENDORS: tuple[Vendor, ...] = (
    # <MODEL>_<MAC>/snap/MDAlarm_20260314-215800.jpg, record/MDalarm_20260314_215800.mkv; H: human motion
    Vendor(
        "Foscam",
        _end_of_path(rf"{_FOSCAM_FOLDER}(?P<mark>MDAlarm|HMDAlarm|alarm|Schedule|Manual)_{DATE}[-_]{TIME}(?!\d)[^/]*"),
        {
            "mdalarm": Trigger.ALARM,
            "hmdalarm": Trigger.ALARM,
            "alarm": Trigger.ALARM,
            "schedule": Trigger.TIMER,
            "manual": Trigger.MANUAL,
        },
    ),
    # <MAC>(<alias>)_<n>_20260314215800_<seq>.jpg; what n means differs by model
    Vendor("Foscam", _end_of_path(rf"(?P<mac>{MAC})\((?P<alias>[^/()]*)\)_\d+_{DATE}{TIME}_\d+")),
    # <IP>_<ch>_20260314215800250_MOTION_DETECTION.jpg
    Vendor(
        "Hikvision",
        _end_of_path(rf"(?P<ip>{IP})_(?P<channel>\d{{1,3}})_{DATE}{TIME}(?P<ms>\d{{3}})_(?P<mark>[A-Z][A-Z0-9_]*)"),
        EVENT_WORDS,
        Trigger.ALARM,
    ),
    # <SERIAL>/2026-03-14/001/jpg/21/58/03[M][0@0][0].jpg, .../21/58.03[M][0@0][0].jpg
    Vendor(
        "Dahua",
        _end_of_path(rf"{_DAHUA_FOLDERS}(?P<H>\d\d)/(?P<M>\d\d)[/.](?P<S>\d\d){_DAHUA_MARKS}"),
        _DAHUA_TRIGGERS,
    ),
    # .../001/dav/21/21.58.03-21.58.33[M][0@0][0].dav
    Vendor(
        "Dahua",
        _end_of_path(
            rf"{_DAHUA_FOLDERS}(?:\d\d/)?(?P<H>\d\d)\.(?P<M>\d\d)\.(?P<S>\d\d)-\d\d\.\d\d\.\d\d{_DAHUA_MARKS}"
        ),
        _DAHUA_TRIGGERS,
    ),
    # <MAC>/<EVENT>/2026-03-14/21/EVENT_2026-03-14-21-58-03-250_1.jpg
    Vendor(
        "GeoVision",
        _end_of_path(
            rf"(?:(?P<mac>{MAC})/)?(?:[^/]+/)*(?P<mark>[A-Z][A-Z0-9 _]*)_{DASHED_DATE}"
            r"-(?P<H>\d\d)-(?P<M>\d\d)-(?P<S>\d\d)-(?P<ms>\d{3})_\d+"
        ),
        EVENT_WORDS,
        Trigger.ALARM,
    ),
    # IP_cam_20260314215803250.jpg, the camera's address or the letters IP
    Vendor("Uniview", _end_of_path(rf"(?:(?P<ip>{IP})|IP)_cam_{DATE}{TIME}(?P<ms>\d{{3}})")),
    # prefix_20260314215803_3_trg.jpg: before, at or after an event
    Vendor(
        "Vivotek",
        _end_of_path(rf"(?P<alias>[^/]*?)_?{DATE}{TIME}_\d+_(?P<mark>pre|trg|pos)"),
        otherwise=Trigger.ALARM,
    ),
    # <Name>_<ch>_20260314215803.jpg
    Vendor("Reolink", _end_of_path(rf"(?P<alias>[^/]+)_(?P<channel>\d\d)_{DATE}{TIME}")),
    # 2026Y03M14D21H/58M03S60.mp4; the last number is the clip's length
    Vendor(
        "Yi",
        _end_of_path(r"(?P<y>(?:19|20)\d\d)Y(?P<m>\d\d)M(?P<d>\d\d)D(?P<H>\d\d)H/E?(?P<M>\d\d)M(?P<S>\d\d)S?\d*"),
    ),
)
