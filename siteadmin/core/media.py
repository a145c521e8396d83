"""Files under names made of their content, in Django's default storage, and the answers that serve them.

The same content is stored once. Whether a caller may see a file is decided before anything here is called.
"""

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import IO

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import patch_cache_control
from django.utils.http import content_disposition_header, parse_etags, quote_etag

from siteadmin.core.exceptions import MediaNotFoundError

CHUNK = 256 * 1024
SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
SHA256 = re.compile(r"[0-9a-f]{64}")
CACHE_FOR = timedelta(days=1)
"""How long a browser keeps a picture whose name is its content's digest."""
BYTE_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))")


class ContentMismatchError(ValueError):
    """The bytes are not those that the digest stands for."""


def content_name(prefix: str, sha256: str, suffix: str) -> str:
    """Give the storage name of this content, such as `snapshots/ab/cd/abcd….jpg`; ValueError for a wrong part."""
    if not SHA256.fullmatch(sha256):
        raise ValueError("a SHA-256 is 64 hexadecimal digits in lower case")
    if not SUFFIX.fullmatch(suffix):
        raise ValueError(f"not a file suffix: {suffix!r}")
    return f"{prefix}/{sha256[:2]}/{sha256[2:4]}/{sha256}{suffix}"


def store(source: Path | IO[bytes], *, sha256: str, suffix: str, prefix: str = "snapshots") -> str:
    """Copy this content into the storage, once however often it comes, and give its name.

    ContentMismatchError where the bytes are not those of `sha256`; then nothing is kept.
    """
    name = content_name(prefix, sha256, suffix)
    if exists(name):
        return name
    with _opened(source) as file:
        _write(name, file, sha256=sha256)
    return name


def adopt(path: Path, *, name: str, keep_original: bool = False) -> str:
    """Take the file at `path` into the storage under this content name; the original goes unless it is to stay.

    The bytes are copied even where a rename would do: whoever still has the original open could write on into
    a renamed file. ContentMismatchError where they are not what the name says; then the original stays.
    """
    sha256 = Path(name).stem
    if not SHA256.fullmatch(sha256):
        raise ValueError("not a name made by content_name")
    with path.open("rb") as file:
        if not exists(name):
            _write(name, file, sha256=sha256)
        elif not keep_original and hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise ContentMismatchError("the file's content has changed since its digest was taken")
    if not keep_original:
        path.unlink(missing_ok=True)
    return name


def keep_aside(path: Path, *, folder: str, keep_original: bool = False) -> str:
    """Keep a file that could not be used, under its content's digest in `folder`, and give its name."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    suffix = path.suffix.lower()
    name = content_name(folder, sha256, suffix if SUFFIX.fullmatch(suffix) else ".bin")
    return adopt(path, name=name, keep_original=keep_original)


def put(name: str, content: bytes) -> None:
    """Keep this content under this name, which nobody else uses."""
    storages["default"].save(name, ContentFile(content))


def exists(name: str) -> bool:
    """Tell whether the storage has this file."""
    return bool(name) and storages["default"].exists(name)


def open_file(name: str) -> File[bytes]:
    """Open a stored file for reading; MediaNotFoundError where it is gone or the name leads out of the storage."""
    try:
        if not name:
            raise FileNotFoundError(name)
        return storages["default"].open(name, "rb")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, SuspiciousFileOperation, ValueError) as error:
        raise MediaNotFoundError(message="The file does not exist") from error


def delete(name: str) -> None:
    """Delete a stored file; one that is gone already is as wanted."""
    if name:
        storages["default"].delete(name)


def delete_folder(folder: str) -> int:
    """Delete all below a folder of the storage, and it; gives the number of files. One that is gone is as wanted."""
    storage = storages["default"]
    try:
        folders, files = storage.listdir(folder)
    except FileNotFoundError:
        return 0
    for name in files:
        storage.delete(f"{folder}/{name}")
    number = len(files) + sum(delete_folder(f"{folder}/{name}") for name in folders)
    storage.delete(folder)  # where it is a real folder, it is empty now
    return number


def stream(
    request: HttpRequest,
    name: str,
    *,
    content_type: str,
    etag: str,
    download_name: str | None = None,
    immutable: bool = False,
) -> HttpResponseBase:
    """Answer with a stored file: conditional, by range, cached privately (RFC 9110, 13 and 14).

    `etag` stands for the content (its digest, say), without quotes. `immutable`: the URL never shows anything
    else. Without it a browser asks again each time and is answered 304.
    """
    quoted = quote_etag(etag)
    response: HttpResponseBase
    asked = parse_etags(request.headers.get("If-None-Match", ""))
    if asked == ["*"] or quoted in (tag.removeprefix("W/") for tag in asked):
        # A file that is gone is not "not modified".
        open_file(name).close()
        response = HttpResponse(status=304)
        del response["Content-Type"]
    else:
        response = _full_or_part(request, name, quoted=quoted, content_type=content_type)
        response["X-Content-Type-Options"] = "nosniff"
        response["Accept-Ranges"] = "bytes"
        if download_name:
            response["Content-Disposition"] = content_disposition_header(False, download_name) or "inline"
    response["ETag"] = quoted
    if immutable:
        patch_cache_control(response, private=True, max_age=int(CACHE_FOR.total_seconds()), immutable=True)
    else:
        patch_cache_control(response, private=True, no_cache=True)
    return response


def _full_or_part(request: HttpRequest, name: str, *, quoted: str, content_type: str) -> HttpResponseBase:
    file = open_file(name)
    size = file.size
    wanted = request.headers.get("Range", "")
    if_range = request.headers.get("If-Range")
    if request.method != "GET" or (if_range is not None and if_range != quoted):
        wanted = ""
    match = BYTE_RANGE.fullmatch(wanted.strip().lower())
    if match is None:
        # A unit or a list of ranges that we do not serve is ignored, as RFC 9110, 14.2, allows.
        response: HttpResponseBase
        if request.method == "HEAD":
            file.close()
            response = HttpResponse(content_type=content_type)
        else:
            response = FileResponse(file, content_type=content_type)
        response["Content-Length"] = str(size)
        return response
    span = _span(match, size)
    if span is None:
        file.close()
        response = HttpResponse(status=416)
        del response["Content-Type"]
        response["Content-Range"] = f"bytes */{size}"
        return response
    first, last = span
    response = StreamingHttpResponse(_part(file, first, last), status=206, content_type=content_type)
    response["Content-Length"] = str(last - first + 1)
    response["Content-Range"] = f"bytes {first}-{last}/{size}"
    return response


def _span(match: re.Match[str], size: int) -> tuple[int, int] | None:
    """Give the first and last byte asked for, both included; None where the file has none of them."""
    first, last, suffix = match.groups()
    if suffix is not None:
        return (max(size - int(suffix), 0), size - 1) if int(suffix) and size else None
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    return (start, end) if start <= end else None


def _part(file: File[bytes], first: int, last: int) -> Iterator[bytes]:
    with file:
        file.seek(first)
        left = last - first + 1
        while left > 0:
            chunk = file.read(min(CHUNK, left))
            if not chunk:
                return
            left -= len(chunk)
            yield chunk


@contextlib.contextmanager
def _opened(source: Path | IO[bytes]) -> Iterator[IO[bytes]]:
    if isinstance(source, Path):
        with source.open("rb") as file:
            yield file
    else:
        source.seek(0)
        yield source


def _write(name: str, source: IO[bytes], *, sha256: str) -> None:
    storage = storages["default"]
    if isinstance(storage, FileSystemStorage):
        _write_whole(Path(storage.path(name)), source, sha256=sha256)
        return
    _check_then_save(storage, name, source, sha256=sha256)


def _write_whole(target: Path, source: IO[bytes], *, sha256: str) -> None:
    """Write a file that is seen whole or not at all, and survives a crash once it is seen."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            digest = hashlib.sha256()
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                file.write(chunk)
            if digest.hexdigest() != sha256:
                raise ContentMismatchError("the file's content has changed since its digest was taken")
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check_then_save(storage: Storage, name: str, source: IO[bytes], *, sha256: str) -> None:
    with tempfile.SpooledTemporaryFile(max_size=8 * 1024 * 1024) as copy:
        shutil.copyfileobj(source, copy)
        copy.seek(0)
        digest = hashlib.sha256()
        while chunk := copy.read(CHUNK):
            digest.update(chunk)
        if digest.hexdigest() != sha256:
            raise ContentMismatchError("the file's content has changed since its digest was taken")
        copy.seek(0)
        saved = storage.save(name, File(copy))
        if saved != name:  # another process saved the same content first
            storage.delete(saved)
