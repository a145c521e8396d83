"""The whole product under fire: processes killed, Redis emptied, PostgreSQL restarted, and nothing is lost."""

import contextlib
import json
import shutil
import signal
import urllib.request
from collections import Counter
from collections.abc import Iterator

import psutil
import pytest

from tests.cameras.pictures import drop, make_picture
from tests.fakes.http_server import HttpServer
from tests.fakes.mqtt_broker import MqttBroker
from tests.product import Product
from tests.waiting import wait_until

# amqtt, the broker, warns of what it uses itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

BACK_WITHIN = 5.0
PROCESSES = 10


@pytest.fixture(scope="module")
def receiver() -> Iterator[HttpServer]:
    """Give a receiver of webhooks."""
    with HttpServer() as server:
        yield server


@pytest.fixture(scope="module")
def broker() -> Iterator[MqttBroker]:
    """Give an MQTT broker."""
    with MqttBroker() as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def told(product: Product, receiver: HttpServer, broker: MqttBroker) -> None:
    """Let a rule tell the receiver of everything, and the broker be connected to."""
    key = product.api_key("admin")
    channel = {"name": "everything", "kind": "webhook", "config": {"url": receiver.url}}
    _, made = product.request("POST", "/api/channels", key=key, body=channel)
    home = {"name": "home", "kind": "mqtt", "config": {"host": "127.0.0.1", "port": broker.port}}
    product.request("POST", "/api/channels", key=key, body=home)
    rule = {"name": "all", "cooldown_seconds": 0, "channel_ids": [made["id"]]}
    status, body = product.request("POST", "/api/alert-rules", key=key, body=rule)
    assert status == 201, body


def drop_pictures(product: Product, *, prefix: str, count: int) -> None:
    """Move one picture into the folder of each of so many new cameras."""
    for number in range(count):
        drop(product.camera_root, f"{prefix}_{number:03d}/picture.jpg", make_picture(number, size=(640, 480)))


def count_detected(product: Product, prefix: str) -> int:
    """Count the snapshots of these cameras that were looked at."""
    query = "SELECT count(*) FROM cameras_snapshot WHERE camera_id LIKE %s AND state = 'detected'"
    return int(product.rows(query, f"{prefix}%")[0][0])


def alerts_by_camera(receiver: HttpServer, prefix: str) -> dict[str, set[str]]:
    """Give for each camera the ids under which its alerts arrived."""
    arrived: dict[str, set[str]] = {}
    for request in receiver.requests:
        camera = json.loads(request.body)["data"]["camera"]["id"]
        if camera.startswith(prefix):
            arrived.setdefault(camera, set()).add(request.headers["webhook-id"])
    return arrived


def test_a_killed_worker_an_emptied_redis_and_a_restarted_database_lose_and_double_nothing(
    product: Product, receiver: HttpServer
) -> None:
    drop_pictures(product, prefix="storm", count=100)
    wait_until(lambda: count_detected(product, "storm") >= 5, timeout=60)
    assert count_detected(product, "storm") < 80, "the kill comes too late to show anything"

    for worker in product.processes("celery", "pipeline@"):
        worker.kill()
    (redis,) = [p for p in product.processes("redis") if "python" not in p.name()]
    shutil.rmtree(product.var / "redis", ignore_errors=True)
    redis.kill()
    wait_until(lambda: count_detected(product, "storm") >= 50, timeout=90)
    for postmaster in [p for p in product.processes("postgres") if p.name() == "postgres"][:1]:
        postmaster.send_signal(signal.SIGQUIT)

    wait_until(lambda: len(alerts_by_camera(receiver, "storm")) == 100, timeout=120)
    assert count_detected(product, "storm") == 100
    assert Counter(len(ids) for ids in alerts_by_camera(receiver, "storm").values()) == {1: 100}
    assert product.rows("SELECT count(*) FROM alerts_alert WHERE camera_id LIKE %s", "storm%") == [(100,)]


@pytest.mark.parametrize(
    "words",
    [
        # First: whoever has only just begun does not outlive their death, and need not.
        ("redis-server",),
        ("postgres", "-D"),
        ("uvicorn",),
        ("celery", "pipeline@"),
        ("celery", "notifier@"),
        ("celery", "sender@"),
        ("celery", "services@"),
        ("celery", "beat"),
        ("manage.py", "watch"),
    ],
    ids=["redis", "postgres", "web", "pipeline", "notifier", "sender", "services", "beat", "watcher"],
)
def test_a_killed_process_is_back_within_five_seconds_and_the_rest_runs_on(
    product: Product, words: tuple[str, ...]
) -> None:
    kill_and_see_it_back(product, *words)


def test_killing_the_keeper_of_connections_sends_the_last_will_and_it_comes_back(
    product: Product, broker: MqttBroker
) -> None:
    wait_until(lambda: broker.kept("siteadmin/status") == b"online", timeout=30)
    told = len(broker.on("siteadmin/status"))

    kill_and_see_it_back(product, "manage.py", "mqtt")

    def said() -> list[bytes]:
        return broker.payloads("siteadmin/status")[told:]

    wait_until(lambda: b"offline" in said(), timeout=30)
    wait_until(lambda: said()[-1] == b"online", timeout=30)
    broker.publish("siteadmin/mode/set", "away")
    wait_until(lambda: broker.kept("siteadmin/mode") == b"away", timeout=10)
    assert product.rows("SELECT mode_name, by FROM alerts_modechange ORDER BY id DESC LIMIT 1") == [
        ("away", "mqtt: home")
    ]


def kill_and_see_it_back(product: Product, *words: str) -> None:
    """Kill -9 the process whose command line has these words; see another in time and the rest untouched."""
    wait_until(lambda: len(masters(product)) >= PROCESSES, timeout=15)
    before = masters(product)
    (victim,) = [pid for pid, line in before.items() if all(word in line for word in words)]

    psutil.Process(victim).kill()

    def is_back() -> bool:
        now = {pid for pid, line in masters(product).items() if all(word in line for word in words)}
        return len(now) == 1 and victim not in now

    wait_until(is_back, timeout=BACK_WITHIN)
    assert set(before) - {victim} <= set(masters(product))


def masters(product: Product) -> dict[int, str]:
    """Give the supervised processes with their command lines."""
    lines = {}
    for child in psutil.Process(product.process.pid).children():
        with contextlib.suppress(psutil.Error):  # dead, and not yet reaped
            lines[child.pid] = " ".join(child.cmdline())
    return lines


def test_after_every_kill_a_picture_still_reaches_the_receiver(product: Product, receiver: HttpServer) -> None:
    drop_pictures(product, prefix="after", count=1)

    wait_until(lambda: len(alerts_by_camera(receiver, "after")) == 1, timeout=30)


def test_an_uploads_request_id_is_in_the_log_lines_of_every_step_to_the_delivery(product: Product) -> None:
    key = product.api_key("admin")
    camera = {"name": "Yard", "id": "yard", "folder_path": "yard"}
    assert product.request("POST", "/api/cameras", key=key, body=camera)[0] == 201
    picture = make_picture(9, size=(640, 480))
    headers = {"Content_Type": "image/jpeg", "X_Request_ID": "follow-me"}

    status, body = product.request("POST", "/api/cameras/yard/snapshots", key=key, body=picture, **headers)

    assert status == 202, body
    told = wait_until(lambda: product.log_lines(event="delivery_attempt", request_id="follow-me"), timeout=30)
    assert {(line["process"], line["task"]) for line in told} == {("sender", "alerts.deliver")}


def test_metrics_add_up_what_the_workers_counted(product: Product) -> None:
    key = product.api_key("viewer")

    def text() -> str:
        address = f"http://127.0.0.1:{product.port}/metrics"
        asked = urllib.request.Request(address, headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(asked, timeout=20) as answer:  # noqa: S310 - always http to loopback
            return str(answer.read().decode())

    # Beat's sweep is run by the notifier, the detection by the pipeline's children, requests by the web's two.
    for task in ("core.sweep", "events.detect"):
        wait_until(lambda task=task: f'siteadmin_task_seconds_count{{state="SUCCESS",task="{task}"}}' in text())
    assert 'siteadmin_up{part="database"} 1.0' in text()


def test_a_key_that_another_process_revokes_ends_at_once(product: Product) -> None:
    key = product.api_key("viewer")
    # As often as both web processes need to know it.
    assert {product.request("GET", "/api/cameras", key=key)[0] for _ in range(20)} == {200}

    imports = "from django.db.models.functions import Now; from siteadmin.core.models import ApiKey"
    revoke = "ApiKey.objects.filter(role='viewer').update(revoked_at=Now())"
    product.manage("shell", "-v", "0", "-c", f"{imports}; {revoke}")

    assert {product.request("GET", "/api/cameras", key=key)[0] for _ in range(20)} == {401}
