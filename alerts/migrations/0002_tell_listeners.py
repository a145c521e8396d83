from django.db import migrations

TRIGGERS = """
CREATE TRIGGER alert_created AFTER INSERT ON alerts_alert
    FOR EACH ROW EXECUTE FUNCTION core_note_change('alert.created');
CREATE TRIGGER alert_changed AFTER UPDATE ON alerts_alert
    FOR EACH ROW WHEN (
        (OLD.event_id, OLD.severity, OLD.status, OLD.suppressed_count, OLD.suppression_reason, OLD.delivered_at,
         OLD.acknowledged_at, OLD.dismissed_at, OLD.snoozed_until, OLD.note)
        IS DISTINCT FROM
        (NEW.event_id, NEW.severity, NEW.status, NEW.suppressed_count, NEW.suppression_reason, NEW.delivered_at,
         NEW.acknowledged_at, NEW.dismissed_at, NEW.snoozed_until, NEW.note)
    ) EXECUTE FUNCTION core_note_change('alert.changed');
"""

DROP = """
DROP TRIGGER alert_created ON alerts_alert;
DROP TRIGGER alert_changed ON alerts_alert;
"""


class Migration(migrations.Migration):
    """Note what listeners are told of, whoever writes it (siteadmin.core.stream)."""

    dependencies = [("core", "0002_changes"), ("alerts", "0001_initial")]

    operations = [migrations.RunSQL(TRIGGERS, DROP)]
