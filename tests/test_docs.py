"""Documents that a machine can hold to the truth."""

import re
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")
SETTING = re.compile(r"""env\.\w+\(\s*["']([A-Z_]+)["']""")


def test_the_data_models_page_is_that_of_the_models() -> None:
    call_command("describe_models", "--check")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    missing = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]

    assert missing == []


@pytest.mark.parametrize("page", ["README.md", ".env.example"])
def test_every_setting_is_documented(page: str) -> None:
    sources = (ROOT / "siteadmin" / "settings").glob("*.py")
    settings = {name for source in sources for name in SETTING.findall(source.read_text())}

    assert sorted(name for name in settings if name not in (ROOT / page).read_text()) == []
