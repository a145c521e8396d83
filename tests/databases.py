"""The tests' databases: migrated once a run and cloned for each worker; emptied by what they hold, not by truncation.

Django truncates every table after a test that commits and sends `post_migrate` again, which takes as long as fifty
tests; migrating takes as long as a thousand.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection

from siteadmin.embedded.state import exclusive

TEMPLATE = "siteadmin_template"
MIGRATE_SECONDS = 120
VACUUM_BYTES = 1_000_000
"""A table that grew so large is vacuumed, as its size would tell in the next test's plans."""

# What the migrations wrote is kept aside, and put back by `restore`: in one transaction, as the tables come in no order
# and foreign keys are judged at its end, and with the settings by which the triggers let somebody clear up.
KEEP = """
CREATE SCHEMA pristine;
DO $$ DECLARE name text; is_filled bool; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('SELECT EXISTS (TABLE public.%I)', name) INTO is_filled;
        IF is_filled THEN
            EXECUTE format('CREATE TABLE pristine.%1$I AS TABLE public.%1$I', name);
        END IF;
    END LOOP;
END $$;
CREATE PROCEDURE pristine.restore() LANGUAGE plpgsql AS $$ DECLARE name text; is_filled bool; BEGIN
    SET LOCAL siteadmin.untold = 'on';
    SET LOCAL siteadmin.audit_retention = 'on';
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('SELECT EXISTS (TABLE public.%I)', name) INTO is_filled;
        IF is_filled THEN
            EXECUTE format('DELETE FROM public.%I', name);
        END IF;
    END LOOP;
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'pristine' LOOP
        EXECUTE format('INSERT INTO public.%1$I OVERRIDING SYSTEM VALUE TABLE pristine.%1$I', name);
    END LOOP;
END $$;
"""


@contextmanager
def own_database() -> Iterator[None]:
    """Give this process a clone of the migrated database, and take it away afterwards.

    The migrated one stays on a server that outlives the run; the next run makes it anew.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    server, own = connection.settings_dict["NAME"], f"test_siteadmin_{worker}"
    folder = Path(settings.VAR)
    with exclusive(folder / "template.lock", seconds=MIGRATE_SECONDS):
        made_by = folder / "template.run"
        if not made_by.exists() or made_by.read_text() != run:
            connection.settings_dict["TEST"]["NAME"] = TEMPLATE
            connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
            with connection.cursor() as cursor:
                cursor.execute(KEEP)
            _connect_to(server)
            made_by.write_text(run)
        _execute(f"DROP DATABASE IF EXISTS {own} WITH (FORCE)", f"CREATE DATABASE {own} TEMPLATE {TEMPLATE}")
    _connect_to(own)
    yield
    _connect_to(server)
    _execute(f"DROP DATABASE {own} WITH (FORCE)")


def _execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _connect_to(database: str) -> None:
    connection.close()
    connection.close_pool()
    connection.settings_dict["NAME"] = database


def restore() -> None:
    """Leave the database as the migrations left it."""
    with connection.cursor() as cursor:
        cursor.execute("CALL pristine.restore()")
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace "
            "AND pg_relation_size(oid) > %s",
            [VACUUM_BYTES],
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f'VACUUM "{name}"')
