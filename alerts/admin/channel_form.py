"""The form of a channel: the settings of each kind as fields."""

from typing import Any

from django import forms
from django.urls import reverse
from django.utils.functional import lazy
from django.utils.html import format_html
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from alerts.channels.base import Config, ConfigError
from alerts.channels.registry import transport_of
from alerts.choices import DEFAULT_PERIOD_SECONDS, ChannelKind
from alerts.models import Channel
from alerts.services.channels import shown_config
from siteadmin.core.admin import VersionedForm
from siteadmin.core.timezones import find_zone

SETTINGS_OF: dict[str, dict[str, str]] = {
    ChannelKind.INBOX: {},
    ChannelKind.WEBHOOK: {"url": "url", "headers": "headers"},
    ChannelKind.EMAIL: {"to": "to"},
    ChannelKind.APPRISE: {"url": "service_url"},
    ChannelKind.MQTT: {
        "host": "mqtt_host",
        "port": "mqtt_port",
        "tls": "mqtt_tls",
        "ca_certificate": "mqtt_ca_certificate",
        "username": "mqtt_username",
        "password": "mqtt_password",
        "topic_prefix": "mqtt_topic_prefix",
        "discovery_prefix": "mqtt_discovery_prefix",
    },
    ChannelKind.WEBPUSH: {"users": "users"},
}
"""The form's field for each setting, by kind."""
FIELDS_OF: dict[str, list[str]] = {
    kind: [*names.values(), *(["new_secret"] if kind == ChannelKind.WEBHOOK else [])]
    for kind, names in SETTINGS_OF.items()
}
"""The form's own fields, by kind."""
OPTIONS = ["timezone", "action_links", "max_messages", "period_seconds"]
"""What channels of every kind have."""
LISTS = ("to", "users")
"""Fields that take one value a line."""


def _help_of_users() -> str:
    """Lead to the page where devices are enabled; its address is known only when the pages are."""
    return format_html(
        'User names, one a line; empty: everybody. Each enables their own devices at <a href="{0}">{0}</a>.',
        reverse("devices"),
    )


class ChannelForm(VersionedForm[Channel]):
    """A channel with its settings as fields; masked values that are left as they are keep the old ones."""

    url = forms.CharField(label="URL", required=False, widget=UnfoldAdminTextInputWidget)
    headers = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="One a line, as Name: value. Values are not shown again; *** keeps the old one.",
    )
    new_secret = forms.CharField(
        label="Secret",
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="whsec_..., to sign with. Empty: one is made, or the old one is kept.",
    )
    to = forms.CharField(
        required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}), help_text="Addresses, one a line."
    )
    service_url = forms.CharField(
        label="Apprise URL",
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Such as ntfy://ntfy.sh/topic. Not shown again; left as it is, it is kept.",
    )
    mqtt_host = forms.CharField(label="Broker", required=False, widget=UnfoldAdminTextInputWidget)
    mqtt_port = forms.IntegerField(
        label="Port", required=False, widget=UnfoldAdminIntegerFieldWidget, help_text="Empty: 1883, or 8883 with TLS."
    )
    mqtt_tls = forms.BooleanField(label="TLS", required=False, widget=UnfoldBooleanSwitchWidget)
    mqtt_ca_certificate = forms.CharField(
        label="Authority's certificate",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="In PEM, for a broker whose certificate is signed by an authority of your own. "
        "Empty: those that the system trusts.",
    )
    mqtt_username = forms.CharField(label="User name", required=False, widget=UnfoldAdminTextInputWidget)
    mqtt_password = forms.CharField(
        label="Password",
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}, render_value=True),
        help_text="Not shown again; *** keeps the old one.",
    )
    mqtt_topic_prefix = forms.CharField(
        label="Topic prefix", required=False, initial="siteadmin", widget=UnfoldAdminTextInputWidget
    )
    mqtt_discovery_prefix = forms.CharField(
        label="Home Assistant's discovery prefix",
        required=False,
        initial="homeassistant",
        widget=UnfoldAdminTextInputWidget,
    )
    users = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=lazy(_help_of_users, str)(),
    )

    class Meta:
        model = Channel
        fields = ["name", "kind", "enabled", *OPTIONS]

    def clean_period_seconds(self) -> int:
        """Take the usual period where none is given."""
        return self.cleaned_data["period_seconds"] or DEFAULT_PERIOD_SECONDS

    def clean_timezone(self) -> str:
        """Refuse a zone that this machine does not know."""
        name: str = self.cleaned_data["timezone"]
        if name and find_zone(name) is None:
            raise forms.ValidationError("There is no such time zone; take one such as Europe/Berlin.")
        return name

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["period_seconds"].required = False
        if self.instance._state.adding:
            return
        # Chosen once; not read-only, since the page shows or hides fields by it.
        self.fields["kind"].disabled = True
        shown = shown_config(self.instance)
        for key, name in SETTINGS_OF[self.instance.kind].items():
            self.initial[name] = _as_text(shown.get(key, ""))

    def clean(self) -> dict[str, Any]:
        """Check the settings of the kind as the API does."""
        cleaned = super().clean() or {}
        kind = cleaned.get("kind") or self.instance.kind
        if kind not in FIELDS_OF:
            return cleaned
        transport = transport_of(kind)
        cleaned["config"] = self._config(kind, cleaned)
        try:
            transport.validate(cleaned["config"], old=self._old_config())
            if kind == ChannelKind.WEBHOOK and cleaned.get("new_secret"):
                transport.make_secret(cleaned["new_secret"])
        except ConfigError as error:
            self._show(error, kind=kind)
        return cleaned

    def _show(self, error: ConfigError, *, kind: str) -> None:
        for name, problem in error.problems.items():
            key, *rest = name.removeprefix("config.").split(".", 1)
            shown = ": ".join([*rest, problem]) if key == "headers" else problem
            self.add_error("new_secret" if key == "secret" else SETTINGS_OF[kind].get(key), shown)

    def _old_config(self) -> Config | None:
        return None if self.instance._state.adding or not self.instance.is_readable else self.instance.config

    def _config(self, kind: str, cleaned: dict[str, Any]) -> Config:
        config: Config = {}
        for key, name in SETTINGS_OF[kind].items():
            value = cleaned.get(name, "")
            if name == "headers":
                value = self._headers(value)
            elif name in LISTS:
                value = value.replace(",", "\n").split()
            config[key] = value
        return config

    def _headers(self, text: str) -> dict[str, str]:
        headers = {}
        for line in filter(None, map(str.strip, text.splitlines())):
            name, colon, value = line.partition(":")
            if not colon:
                self.add_error("headers", f"'{name[:40]}' is not of the form Name: value")
            headers[name.strip()] = value.strip()
        return headers


def _as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return "\n".join(f"{name}: {text}" for name, text in value.items())
    return "\n".join(map(str, value)) if isinstance(value, list) else value
