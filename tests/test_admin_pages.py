"""Every admin page on which something is made opens, and shows no more than there is."""

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory
from django.urls import reverse

from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def test_a_page_for_something_new_shows_no_value_that_only_the_database_makes(rf: RequestFactory) -> None:
    boss: Any = UserFactory(is_superuser=True)
    client, request = Client(), rf.get("/")
    client.force_login(boss)
    request.user = boss
    pages = [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")
        for model, page in admin.site._registry.items()
        if page.has_add_permission(request)
    ]

    answers = {page: client.get(page) for page in pages}

    assert len(pages) > 10
    assert {page: answer.status_code for page, answer in answers.items()} == dict.fromkeys(pages, 200)
    assert [page for page, answer in answers.items() if "DatabaseDefault" in answer.content.decode()] == []
