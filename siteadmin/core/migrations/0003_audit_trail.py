"""The audit trail, to which the database itself lets nobody do more than add."""

import django.core.serializers.json
import django.db.models.functions.datetime
from django.db import migrations, models

# Retention says in its own transaction that it deletes; tests, which empty tables between them, by their connection.
GUARD = """
CREATE FUNCTION core_auditentry_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('siteadmin.audit_retention', true) = 'on' THEN
        RETURN OLD;
    ELSIF TG_OP = 'TRUNCATE' AND current_setting('siteadmin.audit_retention', true) = 'truncate' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'audit entries are only ever added' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER core_auditentry_rows BEFORE UPDATE OR DELETE ON core_auditentry
    FOR EACH ROW EXECUTE FUNCTION core_auditentry_guard();
CREATE TRIGGER core_auditentry_whole BEFORE TRUNCATE ON core_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION core_auditentry_guard();
"""
UNGUARD = "DROP FUNCTION core_auditentry_guard() CASCADE"


class Migration(migrations.Migration):

    dependencies = [
        ('core', '0002_changes'),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('actor_kind', models.CharField(max_length=8)),
                ('actor', models.CharField(blank=True, help_text="Name of the user, key, link's channel or command.", max_length=200)),
                ('actor_id', models.BigIntegerField(blank=True, help_text='Id of the user or the key.', null=True)),
                ('address', models.GenericIPAddressField(blank=True, help_text="The client's, behind trusted proxies.", null=True)),
                ('request_id', models.CharField(blank=True, max_length=64)),
                ('action', models.CharField(max_length=32)),
                ('resource_type', models.CharField(max_length=64)),
                ('resource_id', models.CharField(max_length=64)),
                ('resource', models.CharField(blank=True, help_text='What it was called then.', max_length=200)),
                ('camera_id', models.CharField(blank=True, help_text='The camera that it belongs to, if any.', max_length=64)),
                ('before', models.JSONField(blank=True, encoder=django.core.serializers.json.DjangoJSONEncoder, help_text='Empty: it is new.', null=True)),
                ('after', models.JSONField(blank=True, encoder=django.core.serializers.json.DjangoJSONEncoder, help_text='Empty: it is gone.', null=True)),
            ],
            options={
                'verbose_name_plural': 'audit entries',
                'ordering': ['-created_at', '-id'],
                'indexes': [models.Index(fields=['-created_at', '-id'], name='audit_newest'), models.Index(fields=['resource_type', 'resource_id', '-created_at', '-id'], name='audit_resource'), models.Index(fields=['actor', '-created_at', '-id'], name='audit_actor'), models.Index(fields=['action', '-created_at', '-id'], name='audit_action'), models.Index(condition=models.Q(('camera_id', ''), _negated=True), fields=['camera_id', '-created_at', '-id'], name='audit_camera'), models.Index(condition=models.Q(('request_id', ''), _negated=True), fields=['request_id'], name='audit_request')],
            },
        ),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
