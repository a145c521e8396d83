"""Keeps who reviewed an event by name, so that a key has one too and a deleted user leaves theirs."""

from django.db import migrations, models

# PostgreSQL alters no table whose foreign keys still wait to be checked.
CHECK_NOW = "SET CONSTRAINTS ALL IMMEDIATE"
TAKE_NAMES = """
UPDATE events_event e SET reviewer = u.username FROM auth_user u WHERE u.id = e.reviewed_by_id
"""
FIND_USERS = """
UPDATE events_event e SET reviewed_by_id = u.id FROM auth_user u WHERE u.username = e.reviewer
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0002_search_statistics")]

    operations = [
        migrations.AddField("event", "reviewer", models.CharField(max_length=200, blank=True, default="")),
        migrations.RunSQL([TAKE_NAMES, CHECK_NOW], [FIND_USERS, CHECK_NOW]),
        migrations.RemoveField("event", "reviewed_by"),
        migrations.RenameField("event", "reviewer", "reviewed_by"),
        migrations.AlterField(
            "event",
            "reviewed_by",
            models.CharField(max_length=200, blank=True, help_text="A user's name, or key:NAME."),
        ),
    ]
