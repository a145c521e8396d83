"""The inbox: staff see the alert inside the product, so that nothing outside can fail."""

from alerts.channels.base import Config, Message, Sent, refuse_secret, refuse_unknown_keys
from alerts.results import Notice


class InboxTransport:
    """Accepts everything at once; the dashboard and the admin pages show it."""

    wants_picture = False
    knows_keys = True

    def validate(self, config: Config, *, old: Config | None = None) -> Config:
        """There is nothing to set."""
        refuse_unknown_keys(config, known=set())
        return {}

    def mask(self, config: Config) -> Config:
        """There is nothing to hide."""
        return config

    def make_secret(self, given: str) -> str:
        """There is no secret."""
        return refuse_secret(given)

    def target(self, config: Config) -> str | None:
        """It reaches nothing outside."""
        return None

    def problem(self) -> str:
        """Nothing can be wrong."""
        return ""

    def compose(self, notice: Notice, *, key: str, config: Config) -> bytes:
        """Give what is shown, as plain text."""
        return "\n".join([notice.title, *(f"{label}: {text}" for label, text in notice.facts)]).encode()

    def send(self, message: Message, *, config: Config, secrets: tuple[str, ...] = ()) -> Sent:
        """The delivery's row is the message."""
        return Sent()
