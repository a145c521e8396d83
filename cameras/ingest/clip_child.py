"""Reads one clip in a process of its own: a hostile file may hang, crash or eat this one, and nobody else.

Started by `cameras.ingest.clips`, without Django. Writes one line of JSON that tells what the clip is, then for each
frame a line of JSON and its JPEG; a clip that cannot be read makes it end with a sentence on standard error.
"""

import json
import math
import os
import resource
import sys

MEMORY_BYTES = 3 * 1024**3
CPU_SECONDS = 60
MOST_GRABBED = 20_000
"""Frames that are read through at most to reach the wanted ones."""
JPEG_QUALITY = 90


def limit_self() -> None:
    """Take away what reading a file does not need."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    # Nothing but files is opened, whatever the clip refers to; two threads decode.
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "protocol_whitelist;file|threads;2"
    os.environ["OPENCV_LOG_LEVEL"] = "SILENT"
    os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"


def main(path: str, *, every: float, most: int, most_pixels: int) -> None:
    """Write the facts of the clip and up to `most` frames, one every so many seconds."""
    limit_self()
    import cv2  # noqa: PLC0415 - reads the environment set above

    clip = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
    if not clip.isOpened():
        sys.exit("The clip cannot be opened: it is damaged or cut off.")
    width, height = int(clip.get(cv2.CAP_PROP_FRAME_WIDTH)), int(clip.get(cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > most_pixels:
        sys.exit(f"The clip is too large: {width} x {height} pixels, at most {most_pixels} are decoded.")
    rate, number = clip.get(cv2.CAP_PROP_FPS), clip.get(cv2.CAP_PROP_FRAME_COUNT)
    has_length = math.isfinite(rate) and math.isfinite(number) and rate > 0 and number > 0
    duration = number / rate if has_length else None
    told, offset = 0, 0.0
    for index in range(MOST_GRABBED):
        if not clip.grab():
            break
        at = clip.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if math.isfinite(at) and at >= offset:
            offset = at
        elif has_length:
            offset = max(offset, index / rate)
        if told and offset < told * every:
            continue
        read, frame = clip.retrieve()
        if not read or frame is None or frame.size == 0:
            continue
        if told == 0:
            height, width = frame.shape[:2]
            if width * height > most_pixels:
                sys.exit(f"The clip is too large: {width} x {height} pixels, at most {most_pixels} are decoded.")
            codec = codec_of(clip.get(cv2.CAP_PROP_FOURCC))
            facts = {"width": width, "height": height, "duration": duration, "codec": codec}
            write(json.dumps(facts).encode() + b"\n")
        if most:
            data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
            write(json.dumps({"offset": round(offset, 3), "size": len(data)}).encode() + b"\n" + data)
        told += 1
        if told >= max(most, 1):
            break
    if not told:
        sys.exit("The clip holds no frame that can be decoded.")


def codec_of(fourcc: float) -> str:
    """Give the four signs that name a codec."""
    number = int(fourcc) if math.isfinite(fourcc) else 0
    signs = (chr(number >> shift & 0xFF) for shift in (0, 8, 16, 24))
    return "".join(sign for sign in signs if sign.isascii() and sign.isalnum()).lower()


def write(data: bytes) -> None:
    """Write to the parent at once."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1], every=float(sys.argv[2]), most=int(sys.argv[3]), most_pixels=int(sys.argv[4]))
