"""Notifications in a real browser: enabled on the page, sent, shown by the service worker, and opened by a click.

Browsers subscribe at their maker's push service, which no test reaches. So the page's `subscribe` is answered with
keys of the test's own and a push service on loopback, and what arrives there is decrypted and handed to the browser as
the push service would: by its own debugging protocol. Everything else is real.
"""

import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from alerts.models import PushSubscription
from alerts.services.channels import create_channel, send_test_message
from siteadmin.core.http import close_connections
from tests.alerts.telling import deliver_now, delivery_to
from tests.events.seen import seen_event
from tests.factories import AlertFactory, CameraFactory
from tests.fakes.certificates import make_certificate
from tests.fakes.http_server import HttpServer
from tests.fakes.push_browser import Browser
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
FAKE_SUBSCRIBE = """
    const given = %s;
    PushManager.prototype.getSubscription = async () => (
        window.sessionStorage.getItem("asked") && { ...given, unsubscribe: async () => true }
    );
    PushManager.prototype.subscribe = async function (options) {
        window.sessionStorage.setItem("asked", JSON.stringify({
            visible: options.userVisibleOnly, key: options.applicationServerKey.length,
        }));
        return { toJSON: () => given };
    };
"""
SHOWN = """
    async () => (await (await navigator.serviceWorker.ready).getNotifications()).map(
        ({ title, body, data, actions }) => ({ title, body, data, actions: actions.map((one) => one.action) }),
    )
"""
CLICK = """
    async (action) => {
        const opened = [];
        Clients.prototype.openWindow = async (url) => { opened.push(url); };
        const [notification] = await self.registration.getNotifications();
        self.dispatchEvent(new NotificationEvent("notificationclick", { notification, action }));
        return opened;
    }
"""


@pytest.fixture
def push_service(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpServer]:
    """Give a push service on loopback, over TLS as browsers' makers have it."""
    tls, certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    settings.OUTBOUND_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    close_connections()  # the next one trusts the certificate
    with HttpServer(tls=tls) as server:
        yield server
    close_connections()


class Device:
    """The page in a browser that subscribes at the push service, and what the service would hand to it."""

    def __init__(self, page: Page, service: HttpServer) -> None:
        self.page = page
        self._service = service
        self._keys = Browser()
        endpoint = f"https://localhost:{service.port}/push/1"
        page.add_init_script(FAKE_SUBSCRIBE % json.dumps({"endpoint": endpoint, "keys": self._keys.keys}))

    def enable(self, name: str) -> None:
        """Enable notifications as a person does, and wait until the device is listed."""
        self.page.goto("/notifications/")
        self.page.get_by_label("Name of this device").fill(name)
        self.page.get_by_role("button", name="Enable notifications").click()
        expect(self.page.get_by_text(f"{name}, since")).to_be_visible()

    def hand_over(self) -> list[dict[str, Any]]:
        """Give the browser what arrived last, as a push service does; what is shown then."""
        registrations: list[str] = []
        protocol = self.page.context.new_cdp_session(self.page)
        protocol.on(
            "ServiceWorker.workerRegistrationUpdated",
            lambda event: registrations.extend(one["registrationId"] for one in event["registrations"]),
        )
        protocol.send("ServiceWorker.enable")
        message = {
            "origin": self.page.evaluate("async () => new URL((await navigator.serviceWorker.ready).scope).origin"),
            "registrationId": registrations[-1],
            "data": json.dumps(self._keys.open(self._service.requests[-1].body)),
        }

        def is_shown() -> bool:
            # Now and then a worker that has just become active is given nothing; one that comes twice is shown once.
            protocol.send("ServiceWorker.deliverPushMessage", message)
            self.page.wait_for_timeout(500)
            return bool(self.page.evaluate(SHOWN))

        wait_until(is_shown, what="the notification")
        return list(self.page.evaluate(SHOWN))

    def click(self, action: str = "") -> list[str]:
        """Click what is shown, or one of its buttons; the addresses that are opened."""
        [worker] = self.page.context.service_workers
        return list(worker.evaluate(CLICK, action))


@pytest.fixture
def device(admin_page: Page, context: BrowserContext, push_service: HttpServer) -> Device:
    """Give a browser that an admin is logged in with and that may show notifications."""
    context.grant_permissions(["notifications"])
    return Device(admin_page, push_service)


def test_a_device_is_enabled_on_the_page_and_removed_there(device: Device) -> None:
    device.enable("Ann's phone")

    [kept] = PushSubscription.objects.get_all()
    assert (kept.user.username, kept.device) == ("admin", "Ann's phone")
    expect(device.page.get_by_role("listitem").filter(has_text="Ann's phone")).to_contain_text("(this browser)")
    assert device.page.evaluate("async () => (await navigator.serviceWorker.ready).active.scriptURL").endswith("/sw.js")
    assert json.loads(device.page.evaluate("sessionStorage.getItem('asked')")) == {"visible": True, "key": 65}
    device.page.get_by_role("button", name="Disable notifications on Ann's phone").click()
    expect(device.page.get_by_text("None has notifications enabled")).to_be_visible()
    assert PushSubscription.objects.count() == 0


def test_an_alert_becomes_a_notification_whose_click_opens_the_event(device: Device) -> None:
    channel = create_channel(name="Push", kind="webpush", config={}, action_links=True)
    device.enable("Phone")
    event = seen_event(camera=CameraFactory(name="Front <b>Door</b>"), object_types=["person"])

    outcome = deliver_now(delivery_to(channel, alert=AlertFactory(event=event, severity="high")))
    [shown] = device.hand_over()

    assert outcome.outcome == "delivered", outcome.error
    assert shown["title"] == "High: person at Front <b>Door</b>"
    assert shown["actions"] == ["acknowledge", "snooze"]
    [opened] = device.click()
    device.page.goto(opened)
    expect(device.page.get_by_role("heading", name="Alert rules")).to_be_visible()
    assert opened.endswith(f"/admin/events/event/{event.pk}/change/")


def test_a_button_of_the_notification_leads_to_the_page_that_asks_for_a_click(device: Device) -> None:
    channel = create_channel(name="Push", kind="webpush", config={}, action_links=True)
    device.enable("Phone")
    alert = AlertFactory(event=seen_event())
    deliver_now(delivery_to(channel, alert=alert))
    device.hand_over()

    [opened] = device.click("snooze")
    device.page.context.clear_cookies()  # nobody is logged in on the phone
    device.page.goto(opened)
    device.page.get_by_label("Tell nobody of more like it for").select_option("4 hours")
    device.page.get_by_role("button", name="Snooze").click()

    expect(device.page.get_by_role("status")).to_contain_text("Snoozed until")
    alert.refresh_from_db()
    assert alert.snoozed_by == "link in Push"


def test_a_test_is_shown_as_one(device: Device) -> None:
    channel = create_channel(name="Push", kind="webpush", config={})
    device.enable("Phone")

    assert send_test_message(channel.pk).all_successful
    [shown] = device.hand_over()

    assert shown["title"] == "Test of the channel Push"
    assert "Nothing happened" in shown["body"] and shown["actions"] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_and_breaks_no_accessibility_rule(device: Device, scheme: Any) -> None:
    device.enable("A phone with a very long name that somebody typed in without a thought for narrow screens")
    device.page.set_viewport_size({"width": 360, "height": 740})
    device.page.emulate_media(color_scheme=scheme)
    device.page.goto("/notifications/")

    found = Axe().run(device.page, context=".sa-dashboard", options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]})

    assert device.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert found.violations_count == 0, found.generate_report()


def test_a_browser_that_was_told_no_says_so(admin_page: Page) -> None:
    admin_page.goto("/notifications/")
    admin_page.evaluate("Notification.requestPermission = async () => 'denied'")

    admin_page.get_by_role("button", name="Enable notifications").click()

    expect(admin_page.get_by_role("status")).to_contain_text("its settings can change that")
    assert PushSubscription.objects.count() == 0


def test_without_a_push_service_the_browsers_own_words_are_shown(admin_page: Page, context: BrowserContext) -> None:
    context.grant_permissions(["notifications"])
    admin_page.goto("/notifications/")

    admin_page.get_by_role("button", name="Enable notifications").click()

    expect(admin_page.get_by_role("status")).to_contain_text("The browser refused: ", timeout=20_000)


def test_over_plain_http_the_page_says_what_it_needs(admin_page: Page) -> None:
    admin_page.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false })")
    admin_page.goto("/notifications/")

    expect(admin_page.get_by_role("status")).to_contain_text("over HTTPS or on localhost")
    expect(admin_page.get_by_role("button", name="Enable notifications")).to_be_disabled()
