from django.db import migrations

TRIGGERS = """
CREATE TRIGGER event_opened AFTER INSERT ON events_event
    FOR EACH ROW EXECUTE FUNCTION core_note_change('event.opened');
CREATE TRIGGER event_reviewed AFTER UPDATE ON events_event
    FOR EACH ROW WHEN (OLD.reviewed <> NEW.reviewed) EXECUTE FUNCTION core_note_change('event.reviewed');
CREATE TRIGGER event_changed AFTER UPDATE ON events_event
    FOR EACH ROW WHEN (
        (OLD.started_at, OLD.ended_at, OLD.state, OLD.risk_score, OLD.scored_by, OLD.summary, OLD.reasoning,
         OLD.object_types, OLD.zones, OLD.detection_count, OLD.key_detection_id, OLD.notes, OLD.kept,
         OLD.deleted_at, OLD.merged_into_id)
        IS DISTINCT FROM
        (NEW.started_at, NEW.ended_at, NEW.state, NEW.risk_score, NEW.scored_by, NEW.summary, NEW.reasoning,
         NEW.object_types, NEW.zones, NEW.detection_count, NEW.key_detection_id, NEW.notes, NEW.kept,
         NEW.deleted_at, NEW.merged_into_id)
    ) EXECUTE FUNCTION core_note_change('event.changed');
CREATE TRIGGER event_removed AFTER DELETE ON events_event
    FOR EACH ROW EXECUTE FUNCTION core_note_change('event.removed');
"""

DROP = """
DROP TRIGGER event_opened ON events_event;
DROP TRIGGER event_reviewed ON events_event;
DROP TRIGGER event_changed ON events_event;
DROP TRIGGER event_removed ON events_event;
"""


class Migration(migrations.Migration):
    """Note what listeners are told of, whoever writes it (siteadmin.core.stream)."""

    dependencies = [("core", "0002_changes"), ("events", "0003_reviewer_by_name")]

    operations = [migrations.RunSQL(TRIGGERS, DROP)]
