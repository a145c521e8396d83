from django.db import migrations

TRIGGERS = """
CREATE TRIGGER camera_made AFTER INSERT ON cameras_camera
    FOR EACH ROW EXECUTE FUNCTION core_note_change('camera.status', 'itself');
CREATE TRIGGER camera_status AFTER UPDATE ON cameras_camera
    FOR EACH ROW WHEN ((OLD.status, OLD.name, OLD.deleted_at) IS DISTINCT FROM (NEW.status, NEW.name, NEW.deleted_at))
    EXECUTE FUNCTION core_note_change('camera.status', 'itself');
CREATE TRIGGER camera_removed AFTER DELETE ON cameras_camera
    FOR EACH ROW EXECUTE FUNCTION core_note_change('camera.status', 'itself');
"""

DROP = """
DROP TRIGGER camera_made ON cameras_camera;
DROP TRIGGER camera_status ON cameras_camera;
DROP TRIGGER camera_removed ON cameras_camera;
"""


class Migration(migrations.Migration):
    """Note what listeners are told of, whoever writes it (siteadmin.core.stream)."""

    dependencies = [("core", "0002_changes"), ("cameras", "0001_initial")]

    operations = [migrations.RunSQL(TRIGGERS, DROP)]
