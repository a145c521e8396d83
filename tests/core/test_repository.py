"""The thirteen methods, on a text key (BreakerState) and on a number (DeadLetter)."""

import pytest
from django.db import IntegrityError, transaction
from django.db.utils import DatabaseError

from siteadmin.core.models import BreakerState, DeadLetter

pytestmark = pytest.mark.django_db
IMPOSSIBLE_IDS = [None, "", "abc", "a\x00b", "\ud800", 2**63, -(2**63) - 1, 10**40, float("nan"), float("inf"), [], {}]


def letter(subject: str = "1", **fields) -> DeadLetter:
    return DeadLetter(queue="q", task="t", subject=subject, **fields)


@pytest.fixture
def letters() -> list[DeadLetter]:
    return [DeadLetter.objects.create(letter(str(n))) for n in range(5)]


class TestReading:
    def test_get_by_id_gives_the_row(self, letters):
        assert DeadLetter.objects.get_by_id(letters[0].pk) == letters[0]

    def test_get_by_id_takes_a_number_as_text(self, letters):
        assert DeadLetter.objects.get_by_id(str(letters[0].pk)) == letters[0]

    @pytest.mark.parametrize("entity_id", [*IMPOSSIBLE_IDS, 0, -1, 404], ids=repr)
    @pytest.mark.parametrize("model", [DeadLetter, BreakerState])
    def test_ids_that_nothing_has_give_nothing_and_spoil_no_transaction(self, model, entity_id, letters):
        assert model.objects.get_by_id(entity_id) is None
        assert not model.objects.exists(entity_id)
        assert not model.objects.delete_by_id(entity_id)
        assert list(model.objects.get_many([entity_id])) == []
        assert DeadLetter.objects.count() == 5

    def test_get_all_is_in_order_of_the_key(self, letters):
        assert list(DeadLetter.objects.get_all()) == letters

    @pytest.mark.parametrize(
        ("skip", "limit", "expected"),
        [(0, 2, [0, 1]), (3, 10, [3, 4]), (9, 2, []), (-5, 1, [0]), (0, -1, []), (0, 0, []), (10**30, 10**30, [])],
    )
    def test_list_paginated_gives_that_part(self, letters, skip, limit, expected):
        page = DeadLetter.objects.list_paginated(skip=skip, limit=limit)

        assert list(page) == [letters[index] for index in expected]

    def test_get_many_keeps_the_order_asked_and_leaves_unknown_ones_out(self, letters):
        first, second, *_ = letters

        found = DeadLetter.objects.get_many([second.pk, 404, "x", str(first.pk), 10**40, second.pk])

        assert list(found) == [second, first, second]

    def test_get_many_of_nothing_asks_nothing(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert list(DeadLetter.objects.get_many([])) == []

    def test_exists_and_count(self, letters):
        assert DeadLetter.objects.exists(letters[0].pk)
        assert not DeadLetter.objects.exists(404)
        assert DeadLetter.objects.exists()
        assert DeadLetter.objects.count() == 5


class TestWriting:
    def test_create_inserts_and_gives_back_with_key_and_defaults(self):
        created = DeadLetter.objects.create(letter())

        assert created.pk is not None
        assert created.first_failed_at is not None

    def test_create_never_overwrites(self):
        BreakerState.objects.create(BreakerState(name="a", failures=1))

        with pytest.raises(IntegrityError), transaction.atomic():
            BreakerState.objects.create(BreakerState(name="a", failures=2))

    def test_create_many_gives_all_back_with_keys(self):
        created = DeadLetter.objects.create_many(letter(str(n)) for n in range(3))

        assert [entity.subject for entity in created] == ["0", "1", "2"]
        assert all(entity.pk for entity in created)

    def test_create_many_of_nothing_is_nothing(self):
        assert list(DeadLetter.objects.create_many([])) == []

    def test_create_many_is_all_or_nothing(self):
        with pytest.raises(IntegrityError), transaction.atomic():
            DeadLetter.objects.create_many([letter("1"), letter("1")])

        assert DeadLetter.objects.count() == 0

    def test_update_writes_every_field(self, letters):
        letters[0].error = "changed"

        assert DeadLetter.objects.update(letters[0]) is letters[0]
        assert DeadLetter.objects.get_by_id(letters[0].pk).error == "changed"

    def test_update_of_what_is_not_stored_is_an_error(self, letters):
        letters[0].delete()

        with pytest.raises((DatabaseError, ValueError)):
            DeadLetter.objects.update(letters[0])

    def test_save_inserts_and_then_updates(self):
        state = BreakerState.objects.save(BreakerState(name="a", failures=1))
        state.failures = 2
        BreakerState.objects.save(state)
        BreakerState.objects.save(BreakerState(name="a", failures=3))

        assert [state.failures for state in BreakerState.objects.get_all()] == [3]

    def test_delete_and_delete_by_id(self, letters):
        DeadLetter.objects.delete(letters[0])

        assert DeadLetter.objects.delete_by_id(letters[1].pk)
        assert not DeadLetter.objects.delete_by_id(letters[2].pk + 100)
        assert DeadLetter.objects.count() == 3


class TestMerge:
    def test_puts_a_detached_copy_onto_the_stored_row(self, letters):
        copy = letter("new", pk=letters[0].pk, error="merged")

        stored = DeadLetter.objects.merge(copy)

        assert stored is not copy
        assert (stored.subject, stored.error) == ("new", "merged")
        assert DeadLetter.objects.get_by_id(letters[0].pk).error == "merged"

    def test_leaves_what_the_copy_does_not_hold(self, letters):
        DeadLetter.objects.filter(pk=letters[0].pk).update(error="kept")
        copy = DeadLetter.objects.defer("error").get(pk=letters[0].pk)
        copy.subject = "new"

        stored = DeadLetter.objects.merge(copy)

        assert (stored.subject, stored.error) == ("new", "kept")

    def test_leaves_times_that_the_database_gave(self, letters):
        stored = DeadLetter.objects.merge(letter("new", pk=letters[0].pk))

        assert stored.first_failed_at == letters[0].first_failed_at

    def test_inserts_what_is_not_stored(self):
        merged = BreakerState.objects.merge(BreakerState(name="a", failures=2))

        assert BreakerState.objects.get_by_id("a") == merged

    def test_inserts_a_new_entity_without_a_key(self):
        assert DeadLetter.objects.merge(letter()).pk is not None


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    def test_everything_joins_the_callers_transaction(self):
        kept = DeadLetter.objects.create(letter("kept"))
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            DeadLetter.objects.create(letter("a"))
            DeadLetter.objects.create_many([letter("b")])
            kept.error = "changed"
            DeadLetter.objects.update(kept)
            DeadLetter.objects.merge(letter("c", pk=kept.pk))
            DeadLetter.objects.save(letter("d"))
            DeadLetter.objects.delete_by_id(kept.pk)
            raise ZeroDivisionError

        assert [(row.subject, row.error) for row in DeadLetter.objects.get_all()] == [("kept", "")]

    def test_merge_works_without_one(self):
        kept = DeadLetter.objects.create(letter("kept"))

        assert DeadLetter.objects.merge(letter("new", pk=kept.pk)).subject == "new"


class TestDjangosOwnCalls:
    def test_keep_working_on_the_same_manager(self):
        made = DeadLetter.objects.create(queue="q", task="t", subject="1")
        DeadLetter.objects.filter(pk=made.pk).update(error="x")

        assert DeadLetter.objects.update(error="y") == 1
        assert DeadLetter.objects.get(pk=made.pk).error == "y"
        assert DeadLetter.objects.get_or_create(queue="q", task="t", subject="2")[1]
        assert DeadLetter.objects.bulk_create([letter("3")])[0].pk
        assert DeadLetter.objects.exclude(subject="1").count() == 2
