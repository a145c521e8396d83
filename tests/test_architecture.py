"""Rules of the house that a machine can keep."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from celery import current_app
from django.apps import apps
from django.contrib import admin
from django.core.management import call_command

from siteadmin.core.pipeline import Step
from siteadmin.core.repository import Repository

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("siteadmin", "cameras", "events", "alerts")
OURS = ("core", "accounts", "cameras", "events", "alerts")
SOURCES = sorted(
    path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts
)
TESTS = sorted((ROOT / "tests").rglob("*.py"))
# `update(entity)` and `create(entity)` are the repository's own; with fields they are Django's.
RAW_QUERY = re.compile(
    r"\.objects\s*\.(?:(?:filter|exclude|get|raw|extra|bulk_create|bulk_update|annotate|aggregate|values)\("
    r"|(?:update|create)\(\s*(?:\w+\s*=|\*\*))"
)
EDITED_ELSEWHERE = {
    "StaffCameras": "on the page of its user (siteadmin/accounts/admin.py)",
    "TwoFactor": "by its user at /account/two-factor/; an admin may remove it in the list of users",
}
MODELS = [model for label in OURS for model in apps.get_app_config(label).get_models() if not model._meta.auto_created]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_raw_queries_stay_in_repositories(path: Path) -> None:
    assert path.name.endswith("repositories.py") or not RAW_QUERY.findall(path.read_text())


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name_of)
def test_no_file_is_longer_than_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_everything_outbound_goes_through_the_kernels_client(path: Path) -> None:
    client = re.compile(r"^\s*(import|from) (requests|httpx|httpcore|urllib\.request|urllib3|http\.client)\b", re.M)

    # Apprise's process brings a client of its own, and a guard before every connection of the process.
    allowed = ("siteadmin/core/http.py", "alerts/channels/apprise_child.py")
    assert name_of(path) in allowed or not client.findall(path.read_text())


def test_layers_hold() -> None:
    run = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr


def test_every_pipeline_step_is_a_registered_task() -> None:
    current_app.loader.import_default_modules()

    assert {step.value for step in Step} <= set(current_app.tasks)


def test_every_scheduled_task_exists() -> None:
    current_app.loader.import_default_modules()

    assert {entry["task"] for entry in current_app.conf.beat_schedule.values()} <= set(current_app.tasks)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_has_a_repository(model: type) -> None:
    assert isinstance(model._default_manager, Repository)  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_has_an_admin(model: type) -> None:
    inlined = {inline.model for kind in admin.site._registry.values() for inline in kind.inlines}

    assert model in admin.site._registry or model in inlined or model.__name__ in EDITED_ELSEWHERE


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
