"""Every maker's way of naming, written by a row of its own and read back."""

# ruff: noqa: DTZ001 - cameras state wall-clock times

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cameras.choices import Trigger
from cameras.ingest.names import Identity, NameFacts, read_name

FIRST, LAST = datetime(1970, 1, 1), datetime(2099, 12, 31)
MAC, PLAIN_MAC = "00:12:3E:45:E0:60", "00123E45E060"
SERIAL = "4K05A1BPAG2C3D4"


@dataclass(frozen=True)
class Row:
    """A maker's path for a time, and what it must be read as."""

    write: Callable[[datetime], str]
    trigger: Trigger = Trigger.UNKNOWN
    channel: int | None = None
    identity: Identity = Identity()
    milliseconds: bool = False


def ms(moment: datetime) -> str:
    return f"{moment.microsecond // 1000:03d}"


FOSCAM = Identity("Foscam", mac=MAC, alias="FI9800P")
DAHUA = Identity("Dahua", serial=SERIAL)
HIKVISION = Identity("Hikvision", ip="192.168.1.64")
ALARM, TIMER = Trigger.ALARM, Trigger.TIMER
ROWS = {
    "foscam still": Row(lambda t: f"FI9800P_{PLAIN_MAC}/snap/MDAlarm_{t:%Y%m%d-%H%M%S}.jpg", ALARM, None, FOSCAM),
    "foscam newer": Row(
        lambda t: f"FoscamCamera_{PLAIN_MAC}/snap/MDAlarm_{t:%Y%m%d-%H%M%S}.jpg",
        ALARM,
        identity=Identity("Foscam", mac=MAC, alias="FoscamCamera"),
    ),
    "foscam human": Row(lambda t: f"snap/HMDAlarm_{t:%Y%m%d-%H%M%S}.jpg", ALARM, identity=Identity("Foscam")),
    "foscam timer": Row(lambda t: f"snap/Schedule_{t:%Y%m%d-%H%M%S}.jpg", TIMER, identity=Identity("Foscam")),
    "foscam manual": Row(lambda t: f"snap/Manual_{t:%Y%m%d-%H%M%S}.jpg", Trigger.MANUAL, identity=Identity("Foscam")),
    "foscam clip": Row(lambda t: f"record/MDalarm_{t:%Y%m%d_%H%M%S}.mkv", ALARM, identity=Identity("Foscam")),
    "foscam older clip": Row(lambda t: f"record/alarm_{t:%Y%m%d_%H%M%S}.avi", ALARM, identity=Identity("Foscam")),
    "foscam mjpeg": Row(
        lambda t: f"{PLAIN_MAC}(Back Yard)_1_{t:%Y%m%d%H%M%S}_12.jpg",
        identity=Identity("Foscam", mac=MAC, alias="Back Yard"),
    ),
    "reolink flat": Row(
        lambda t: f"Front Door_00_{t:%Y%m%d%H%M%S}.jpg", channel=0, identity=Identity("Reolink", alias="Front Door")
    ),
    "reolink dated": Row(
        lambda t: f"{t:%Y/%m}/Drive_01_{t:%Y%m%d%H%M%S}.jpg", channel=1, identity=Identity("Reolink", alias="Drive")
    ),
    "reolink clip": Row(
        lambda t: f"{t:%Y/%m/%d}/Drive_01_{t:%Y%m%d%H%M%S}.mp4", channel=1, identity=Identity("Reolink", alias="Drive")
    ),
    "hikvision": Row(
        lambda t: f"192.168.1.64_01_{t:%Y%m%d%H%M%S}{ms(t)}_MOTION_DETECTION.jpg", ALARM, 1, HIKVISION, True
    ),
    "hikvision line": Row(
        lambda t: f"DVR/Channel1/192.168.1.64_02_{t:%Y%m%d%H%M%S}{ms(t)}_LINE_CROSSING.jpg", ALARM, 2, HIKVISION, True
    ),
    "hikvision timer": Row(lambda t: f"192.168.1.64_01_{t:%Y%m%d%H%M%S}{ms(t)}_TIMING.jpg", TIMER, 1, HIKVISION, True),
    "dahua": Row(lambda t: f"{SERIAL}/{t:%Y-%m-%d}/001/jpg/{t:%H/%M/%S}[M][0@0][0].jpg", ALARM, 1, DAHUA),
    "dahua dotted": Row(lambda t: f"{SERIAL}/{t:%Y-%m-%d}/001/jpg/{t:%H/%M.%S}[M][0@0][0].jpg", ALARM, 1, DAHUA),
    "dahua timer": Row(lambda t: f"{SERIAL}/{t:%Y-%m-%d}/002/jpg/{t:%H/%M/%S}[R][0@0][0].jpg", TIMER, 2, DAHUA),
    "dahua clip": Row(
        lambda t: f"{SERIAL}/{t:%Y-%m-%d}/001/dav/{t:%H}/{t:%H.%M.%S}-23.59.59[M][0@0][0].mp4", ALARM, 1, DAHUA
    ),
    "vivotek timer": Row(lambda t: f"lobby_{t:%Y%m%d%H%M%S}.jpg"),
    "vivotek event": Row(
        lambda t: f"lobby_{t:%Y%m%d%H%M%S}_2_trg.jpg", ALARM, identity=Identity("Vivotek", alias="lobby")
    ),
    "vivotek before": Row(
        lambda t: f"lobby_{t:%Y%m%d%H%M%S}_1_pre.jpg", ALARM, identity=Identity("Vivotek", alias="lobby")
    ),
    "axis": Row(lambda t: f"image{t:%y}-{t:%Y-%m-%d_%H-%M-%S}.jpg"),
    "geovision": Row(
        lambda t: f"{PLAIN_MAC}/Motion/{t:%Y-%m-%d/%H}/Motion_{t:%Y-%m-%d-%H-%M-%S}-{ms(t)}_1.jpg",
        ALARM,
        identity=Identity("GeoVision", mac=MAC),
        milliseconds=True,
    ),
    "uniview": Row(
        lambda t: f"{t:%Y-%m-%d}/IP_cam_{t:%Y%m%d%H%M%S}{ms(t)}.jpg", identity=Identity("Uniview"), milliseconds=True
    ),
    "uniview address": Row(
        lambda t: f"{t:%Y-%m-%d}/10.0.0.7_cam_{t:%Y%m%d%H%M%S}{ms(t)}.jpg",
        identity=Identity("Uniview", ip="10.0.0.7"),
        milliseconds=True,
    ),
    "yi": Row(lambda t: f"record/{t:%Y}Y{t:%m}M{t:%d}D{t:%H}H/{t:%M}M{t:%S}S23.mp4", identity=Identity("Yi")),
    "motioneye": Row(lambda t: f"{t:%Y-%m-%d/%H-%M-%S}.jpg"),
}


@pytest.mark.parametrize("name", ROWS)
@given(moment=st.datetimes(FIRST, LAST), folder=st.sampled_from(["", "gate/", "site/gate 2/"]))
def test_every_row_is_read_back(name: str, moment: datetime, folder: str) -> None:
    row = ROWS[name]
    kept = moment.microsecond // 1000 * 1000 if row.milliseconds else 0
    expected = NameFacts(moment.replace(microsecond=kept), row.trigger, row.channel, row.identity)

    assert read_name(folder + row.write(moment)) == expected


@pytest.mark.parametrize(
    ("path", "identity"),
    [
        ("FI9800P_00123E45E060/x.jpg", Identity(mac=MAC)),
        ("cam-00-12-3e-45-e0-60/x.jpg", Identity(mac=MAC)),
        ("10.1.2.3/x.jpg", Identity(ip="10.1.2.3")),
        ("999.1.2.3/x.jpg", Identity()),
        ("gate/202603142158.jpg", Identity()),
        ("gate/image.jpg", Identity()),
    ],
)
def test_camera_is_told_by_what_stands_in_the_path(path: str, identity: Identity) -> None:
    assert read_name(path).identity == identity


@pytest.mark.parametrize("name", ["a/Manual_x.jpg", "MANUAL-1.jpg", "1.2.3.4_01_20260314215803250_MANUAL.jpg"])
def test_manual_is_told_by_its_mark(name: str) -> None:
    assert read_name(name).trigger == Trigger.MANUAL


PIECES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["MDAlarm_", "Schedule_", "[M]", "[R]", "_cam_", "_00_", "TIMING", SERIAL, PLAIN_MAC, "dav", ".jpg"]
    ),
    st.from_regex(r"[0-9]{1,17}", fullmatch=True),
    st.from_regex(r"[0-9]{2,4}[-_.YMDHS/][0-9]{2}", fullmatch=True),
)


@given(st.lists(PIECES, max_size=10).map("".join))
def test_any_path_gives_an_answer(path: str) -> None:
    facts = read_name(path)
    assert facts.stated is None or facts.stated.tzinfo is None
    assert facts.trigger in Trigger
