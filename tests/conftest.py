"""Fixtures that every test may use."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import TransactionTestCase
from rest_framework.test import APIClient
from xdist.scheduler import LoadScopeScheduling

from siteadmin.core.keys import create_api_key
from siteadmin.core.roles import Role
from tests import databases
from tests.factories import UserFactory

PRODUCT_DRILLS = "tests/pipeline"


class OneWorkerForEachFile(LoadScopeScheduling):
    """Gives each file to one worker, and all drills of the product to the same one: they would starve each other."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return PRODUCT_DRILLS if file.startswith(PRODUCT_DRILLS) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneWorkerForEachFile:
    """Say how the workers share the files."""
    return OneWorkerForEachFile(config, log)


def pytest_collection_finish() -> None:
    """Leave what was loaded out of collections: the fakes ask for whole ones, a quarter of a second each otherwise."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the drills of the product, as they take longest."""
    items.sort(key=lambda item: not item.nodeid.startswith(PRODUCT_DRILLS))


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: Any) -> Iterator[None]:
    """Stand in for pytest-django's own, which migrates in each worker."""
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock():
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: databases.restore())
        with databases.own_database():
            yield


@pytest.fixture(autouse=True)
def own_folders(settings: Any, tmp_path: Path) -> Iterator[None]:
    """Give every test a camera root and a media storage of its own, and an empty cache."""
    settings.CAMERA_ROOT = tmp_path / "cameras"
    settings.CAMERA_ROOT.mkdir()
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "media", "base_url": None},
        },
    }
    yield
    cache.clear()


@pytest.fixture
def api(db: None) -> APIClient:
    """Give a client that nobody is logged in with."""
    return APIClient()


@pytest.fixture
def client_as(db: None) -> Any:
    """Give a function that makes an API client of a member of staff with this role."""

    def make(role: str) -> APIClient:
        client = APIClient()
        client.force_login(UserFactory(is_superuser=role == "admin", role=None if role == "admin" else role))
        return client

    return make


@pytest.fixture
def key_client(db: None) -> Callable[..., APIClient]:
    """Give a function that makes a client with a key of this role, limited to cameras where wanted."""

    def make(role: str = "admin", *, cameras: tuple[str, ...] = ()) -> APIClient:
        _, key = create_api_key(name=f"{role} of {cameras}", role=Role(role), camera_ids=cameras)
        client = APIClient(raise_request_exception=False)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
        return client

    return make
