"""Content-addressed files and the answers that serve them."""

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.test import RequestFactory

from siteadmin.core import media
from siteadmin.core.exceptions import MediaNotFoundError
from siteadmin.core.media import ContentMismatchError, adopt, content_name, delete, keep_aside, open_file, store, stream

BYTES = bytes(range(256)) * 40
DIGEST = hashlib.sha256(BYTES).hexdigest()
NAME = f"snapshots/{DIGEST[:2]}/{DIGEST[2:4]}/{DIGEST}.jpg"


@pytest.fixture
def picture(tmp_path) -> Path:
    path = tmp_path / "camera" / "a b.JPG"
    path.parent.mkdir()
    path.write_bytes(BYTES)
    return path


def files() -> list[str]:
    root = Path(storages["default"].location)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def content(name: str) -> bytes:
    with open_file(name) as file:
        return file.read()


class TestStore:
    def test_names_the_file_by_its_content(self, picture):
        assert store(picture, sha256=DIGEST, suffix=".jpg") == NAME
        assert content(NAME) == BYTES
        assert picture.exists()

    def test_the_same_content_twice_is_one_file(self, picture):
        store(picture, sha256=DIGEST, suffix=".jpg")
        store(io.BytesIO(BYTES), sha256=DIGEST, suffix=".jpg")

        assert files() == [NAME]

    def test_content_that_does_not_match_its_digest_leaves_nothing(self):
        with pytest.raises(ContentMismatchError):
            store(io.BytesIO(b"other"), sha256=DIGEST, suffix=".jpg")

        assert files() == []

    def test_sixteen_at_once_make_one_whole_file(self):
        with ThreadPoolExecutor(16) as threads:
            names = set(threads.map(lambda _: store(io.BytesIO(BYTES), sha256=DIGEST, suffix=".jpg"), range(16)))

        assert names == {NAME}
        assert files() == [NAME]
        assert content(NAME) == BYTES

    def test_a_storage_that_is_no_file_system_is_served_too(self, settings):
        settings.STORAGES = {
            **settings.STORAGES,
            "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
        }
        store(io.BytesIO(BYTES), sha256=DIGEST, suffix=".jpg")
        store(io.BytesIO(BYTES), sha256=DIGEST, suffix=".jpg")

        assert content(NAME) == BYTES

    @pytest.mark.parametrize(
        ("sha256", "suffix"),
        [("../../etc/passwd", ".jpg"), (DIGEST.upper(), ".jpg"), (DIGEST, "/../x"), (DIGEST, ""), (DIGEST, ".JPG")],
    )
    def test_parts_that_would_make_another_name_are_refused(self, sha256, suffix):
        with pytest.raises(ValueError, match="SHA-256|suffix"):
            content_name("snapshots", sha256, suffix)


class TestAdopt:
    def test_takes_the_original_away(self, picture):
        adopt(picture, name=NAME)

        assert content(NAME) == BYTES
        assert not picture.exists()

    def test_keeps_the_original_where_asked(self, picture):
        adopt(picture, name=NAME, keep_original=True)

        assert picture.read_bytes() == BYTES

    def test_a_second_original_of_the_same_content_just_goes(self, picture):
        store(io.BytesIO(BYTES), sha256=DIGEST, suffix=".jpg")

        adopt(picture, name=NAME)

        assert not picture.exists()
        assert files() == [NAME]

    @pytest.mark.parametrize("stored_before", [False, True])
    def test_an_original_that_changed_meanwhile_is_neither_taken_nor_lost(self, picture, stored_before):
        if stored_before:
            store(io.BytesIO(BYTES), sha256=DIGEST, suffix=".jpg")
        picture.write_bytes(b"another picture")

        with pytest.raises(ContentMismatchError):
            adopt(picture, name=NAME)

        assert picture.read_bytes() == b"another picture"

    def test_never_overwrites(self, picture):
        store(io.BytesIO(BYTES), sha256=DIGEST, suffix=".jpg")
        before = Path(storages["default"].path(NAME)).stat()

        adopt(picture, name=NAME)

        assert Path(storages["default"].path(NAME)).stat().st_ino == before.st_ino

    def test_an_original_that_is_gone_says_so(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            adopt(tmp_path / "gone.jpg", name=NAME)

    def test_a_read_by_others_is_allowed(self, picture):
        adopt(picture, name=NAME)

        assert Path(storages["default"].path(NAME)).stat().st_mode & 0o777 == 0o644


class TestKeepAside:
    def test_keeps_a_failed_upload_by_its_content(self, picture):
        name = keep_aside(picture, folder="failed")

        assert name == NAME.replace("snapshots", "failed")
        assert content(name) == BYTES
        assert not picture.exists()

    def test_a_suffix_of_any_form_does_no_harm(self, tmp_path):
        odd = tmp_path / "x.j p;g"
        odd.write_bytes(b"")

        assert keep_aside(odd, folder="failed").endswith(".bin")


class TestOpenAndDelete:
    @pytest.mark.parametrize("name", ["", NAME, "../outside.txt", "/etc/passwd", "snapshots", "a\x00b"])
    def test_what_does_not_exist_or_lies_outside_is_not_found(self, name, tmp_path):
        (tmp_path / "outside.txt").write_text("secret")
        (tmp_path / "media" / "snapshots").mkdir(parents=True)

        with pytest.raises(MediaNotFoundError):
            open_file(name)

    def test_deleting_twice_is_as_good_as_once(self, picture):
        adopt(picture, name=NAME)

        delete(NAME)
        delete(NAME)

        assert files() == []


@pytest.fixture
def ask(picture):
    """Ask for the stored picture with these headers."""
    adopt(picture, name=NAME)

    def ask(method: str = "GET", **kwargs):
        headers = {name.replace("_", "-"): value for name, value in kwargs.pop("headers", {}).items()}
        request = RequestFactory().generic(method, "/image", headers=headers)
        return stream(request, NAME, content_type="image/jpeg", etag=DIGEST, **kwargs)

    return ask


def body(response) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


@pytest.mark.django_db  # closing an answer looks at this thread's connection, if a test before left one open
class TestStream:
    def test_gives_the_whole_file(self, ask):
        response = ask()

        assert response.status_code == 200
        assert body(response) == BYTES
        assert response["Content-Length"] == str(len(BYTES))
        assert response["Content-Type"] == "image/jpeg"
        assert response["ETag"] == f'"{DIGEST}"'
        assert response["Accept-Ranges"] == "bytes"
        assert response["X-Content-Type-Options"] == "nosniff"
        response.close()

    def test_no_shared_cache_may_keep_it(self, ask):
        response = ask()

        assert set(response["Cache-Control"].split(", ")) == {"private", "no-cache"}
        response.close()

    def test_a_url_that_never_changes_its_picture_is_kept_for_a_day(self, ask):
        response = ask(immutable=True)

        assert set(response["Cache-Control"].split(", ")) == {"private", "max-age=86400", "immutable"}
        response.close()

    @pytest.mark.parametrize("header", [f'"{DIGEST}"', f'W/"{DIGEST}"', f'"x", "{DIGEST}"', "*"])
    def test_a_picture_that_the_client_has_is_not_sent_again(self, ask, header):
        response = ask(headers={"If_None_Match": header})

        assert response.status_code == 304
        assert body(response) == b""
        assert response["ETag"] == f'"{DIGEST}"'
        assert "private" in response["Cache-Control"]

    def test_another_etag_gets_the_file(self, ask):
        response = ask(headers={"If_None_Match": '"other"'})

        assert response.status_code == 200
        response.close()

    @pytest.mark.parametrize(
        ("asked", "first", "last"),
        [
            ("bytes=0-99", 0, 99),
            ("bytes=100-", 100, len(BYTES) - 1),
            ("bytes=-10", len(BYTES) - 10, len(BYTES) - 1),
            ("bytes=-999999", 0, len(BYTES) - 1),
            ("bytes=10000-999999", 10000, len(BYTES) - 1),
            ("bytes=0-0", 0, 0),
        ],
    )
    def test_gives_the_range_asked_for(self, ask, asked, first, last):
        response = ask(headers={"Range": asked})

        assert response.status_code == 206
        assert response["Content-Range"] == f"bytes {first}-{last}/{len(BYTES)}"
        assert response["Content-Length"] == str(last - first + 1)
        assert body(response) == BYTES[first : last + 1]

    @pytest.mark.parametrize("asked", [f"bytes={len(BYTES)}-", "bytes=-0", "bytes=5-4", "bytes=999999999-9999999999"])
    def test_a_range_outside_the_file_is_a_416(self, ask, asked):
        response = ask(headers={"Range": asked})

        assert response.status_code == 416
        assert response["Content-Range"] == f"bytes */{len(BYTES)}"

    @pytest.mark.parametrize(
        "asked", ["bytes=0-1,3-4", "lines=1-2", "bytes=a-b", "bytes=-", "nonsense", "bytes=" + "9" * 40]
    )
    def test_ranges_of_another_form_are_ignored(self, ask, asked):
        response = ask(headers={"Range": asked})

        assert response.status_code == 200
        response.close()

    def test_a_range_of_an_older_picture_gets_the_whole_new_one(self, ask):
        response = ask(headers={"Range": "bytes=0-9", "If_Range": '"older"'})

        assert response.status_code == 200
        response.close()

    def test_a_range_of_the_same_picture_is_given(self, ask):
        response = ask(headers={"Range": "bytes=0-9", "If_Range": f'"{DIGEST}"'})

        assert body(response) == BYTES[:10]

    def test_head_gives_the_headers_alone(self, ask):
        response = ask(method="HEAD", headers={"Range": "bytes=0-9"})

        assert (response.status_code, response["Content-Length"], body(response)) == (200, str(len(BYTES)), b"")

    def test_a_download_name_cannot_break_the_header(self, ask):
        response = ask(download_name='a"b\r\nX: y.jpg')

        assert "\n" not in response["Content-Disposition"]
        response.close()

    @pytest.mark.parametrize("headers", [{}, {"If-None-Match": "*"}, {"Range": "bytes=0-1"}])
    def test_a_file_that_is_gone_is_not_found(self, headers):
        request = RequestFactory().get("/image", headers=headers)

        with pytest.raises(MediaNotFoundError):
            stream(request, NAME, content_type="image/jpeg", etag=DIGEST)

    def test_an_empty_file_has_no_range(self, tmp_path):
        empty = tmp_path / "empty.jpg"
        empty.write_bytes(b"")
        name = keep_aside(empty, folder="failed")
        request = RequestFactory().get("/image", headers={"Range": "bytes=0-"})

        assert stream(request, name, content_type="image/jpeg", etag="e").status_code == 416


def test_a_crash_while_writing_leaves_no_file_under_the_name(monkeypatch):
    def crash(_: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(media.os, "fsync", crash)

    with pytest.raises(OSError, match="No space"):
        store(io.BytesIO(BYTES), sha256=DIGEST, suffix=".jpg")
    assert files() == []
