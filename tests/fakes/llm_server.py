"""A language model's server by the OpenAI protocol, over a socket: it answers what the test says, well or badly."""

import json
from typing import Any

from tests.fakes.http_server import Answer, HttpServer, Received

JSON = {"Content-Type": "application/json"}


def completion(content: Any, *, finish_reason: str = "stop") -> Answer:
    """Answer a chat completion with this content."""
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": content}}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "model": "test", "choices": [choice]}
    return Answer(body=json.dumps(body).encode(), headers=JSON)


def verdict(
    score: Any = 91, summary: Any = "Somebody tries the door", reasoning: Any = "At night, at the lock"
) -> Answer:
    """Answer as asked."""
    return completion(json.dumps({"score": score, "summary": summary, "reasoning": reasoning}))


def refusal(status: int = 400, message: str = "response_format is not supported") -> Answer:
    """Refuse the request as these servers do."""
    return Answer(status=status, body=json.dumps({"error": {"message": message}}).encode(), headers=JSON)


def prose() -> Answer:
    """Answer like somebody who was not listening."""
    return completion("I would say this is a rather risky situation, about 90 of 100!")


def cut_off() -> Answer:
    """Answer the first part of what was asked."""
    return completion('{"score": 91, "summary": "Somebody tr', finish_reason="length")


def huge(size: int = 2 * 1024 * 1024) -> Answer:
    """Answer more than anybody reads."""
    return completion("9" * size)


def byte_by_byte(pause: float = 0.05) -> Answer:
    """Answer well, but so slowly that each byte alone is in time."""
    well = verdict()
    return Answer(body=well.body, headers=well.headers, drip=pause)


class LlmServer(HttpServer):
    """The server; `base_url` is what LLM_URL takes."""

    def __init__(self, *answers: Answer, default: Answer | None = None) -> None:
        super().__init__(*answers, default=default or verdict())

    @property
    def base_url(self) -> str:
        """The URL below which the protocol begins."""
        return f"{self.url}/v1"

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The requests' bodies."""
        return [body_of(received) for received in self.requests]


def body_of(received: Received) -> dict[str, Any]:
    """Give a request's JSON."""
    body: dict[str, Any] = json.loads(received.body)
    return body


def text_of(body: dict[str, Any]) -> str:
    """Give all text that a request's user message holds."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else content[0]["text"]
