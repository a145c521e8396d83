"""Why rules do not hold yet was a row for each rule and event; it becomes one row an event."""

from django.db import migrations

MOVE = """
INSERT INTO alerts_evaluation (event_id, reasons, changed_at)
SELECT event_id, jsonb_object_agg(rule_id, reason), max(decided_at)
FROM alerts_ruledecision WHERE outcome = 'not_yet' GROUP BY event_id;
DELETE FROM alerts_ruledecision WHERE outcome = 'not_yet';
"""


class Migration(migrations.Migration):
    dependencies = [("alerts", "0005_one_row_of_reasons_an_event")]

    # What is not decided is judged again when its event changes, so that going back loses nothing.
    operations = [migrations.RunSQL(MOVE, migrations.RunSQL.noop)]
