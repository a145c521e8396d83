"""One running product, and what it asks and tells, for all drills that do not look at pictures themselves."""

from collections.abc import Iterator

import pytest

from tests.fakes.http_server import Answer, HttpServer
from tests.fakes.llm_server import LlmServer
from tests.product import Product, running_product


@pytest.fixture(scope="session")
def llm() -> Iterator[LlmServer]:
    """Give a model that judges events."""
    with LlmServer() as server:
        yield server


@pytest.fixture(scope="session")
def face() -> Iterator[HttpServer]:
    """Give a service that knows everybody."""
    with HttpServer(default=Answer(body=b'{"name": "Eve"}')) as server:
        yield server


@pytest.fixture(scope="session")
def product(llm: LlmServer, face: HttpServer) -> Iterator[Product]:
    """Give the product, with every process that it can have but the FTP server."""
    settings = {
        "OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8",
        "DETECTOR": "tests.fakes.detectors.SteadyDetector",
        "BATCH_IDLE_TIMEOUT_SECONDS": "1",
        "LATE_AFTER_SECONDS": "0",
        "DELIVERY_RETRY_BASE_SECONDS": "0.2",
        "BREAKER_COOL_OFF_SECONDS": "1",
        "WEBHOOK_TIMEOUT_SECONDS": "2",
        "LLM_URL": llm.base_url,
        "LLM_MODEL": "tiny",
        "LLM_SENDS_PICTURES": "1",
        "LLM_TIMEOUT_SECONDS": "8",
        "ENRICHERS": f"face={face.url}/faces types=person timeout=8",
    }
    with running_product(**settings) as running:
        yield running
