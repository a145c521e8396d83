"""Asks a language model by the OpenAI protocol: llama.cpp, vLLM, Ollama and others.

The answer is JSON by a schema; what is not is an error, never a guess. Some servers know no schema, or refuse a limit
of tokens or a temperature, and answer 400: these are asked once more, for any JSON object and without the rest. Both
requests together keep the one time limit.
"""

import base64
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from events.analyzers.base import Assessment, EventFacts
from events.analyzers.prompts import INSTRUCTIONS, render_prompt
from events.exceptions import AnswerNotUsableError, RequestRefusedError
from siteadmin.core import http
from siteadmin.core.clean import clean_text
from siteadmin.core.exceptions import AnalyzerUnavailableError

MAX_ANSWER_BYTES = 1024 * 1024
MAX_ANSWER_TOKENS = 2000
"""Room for a model that thinks aloud first; the answer itself takes a hundred."""
LONGEST_SUMMARY, LONGEST_REASONING = 300, 2000
LONGEST_REFUSAL = 200
"""Signs of a service's own error message that are kept."""
TRY_LATER = (408, 425, 429)
UNKNOWN_FORMAT = (400, 422)
"""What servers answer to a `response_format` that they do not know."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "score": {"type": "integer", "minimum": 0, "maximum": 100},
        "summary": {"type": "string"},
        "reasoning": {"type": "string"},
    },
    "required": ["score", "summary", "reasoning"],
    "additionalProperties": False,
}
BY_SCHEMA = {"type": "json_schema", "json_schema": {"name": "assessment", "strict": True, "schema": SCHEMA}}
ANY_OBJECT = {"type": "json_object"}
LIMITS = {"temperature": 0, "max_tokens": MAX_ANSWER_TOKENS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a model is asked about one event."""

    prompt: str
    """The template (`events.analyzers.prompts`)."""
    facts: EventFacts
    builtin: Assessment
    pictures: tuple[bytes, ...] = ()
    """JPEGs."""

    def render(self) -> str:
        """Give the prompt as the model reads it."""
        return render_prompt(self.prompt, facts=self.facts, builtin=self.builtin, pictures=len(self.pictures))


class LlmAnalyzer:
    """One model behind an endpoint; asking it changes nothing."""

    name = "llm"

    def __init__(
        self, *, url: str, model: str, api_key: str = "", timeout: timedelta, sends_pictures: bool = False
    ) -> None:
        self.model = model
        self.sends_pictures = sends_pictures
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._api_key = api_key
        self._timeout = timeout

    def ask(self, question: Question) -> Assessment:
        """Judge one event.

        AnalyzerUnavailableError where another try may work, AnswerNotUsableError where the answer makes no sense,
        RequestRefusedError where the server wants something else.
        """
        deadline = time.monotonic() + self._timeout.total_seconds()
        messages = _messages(question)
        response = self._post(messages, {"response_format": BY_SCHEMA, **LIMITS}, deadline=deadline)
        if response.status in UNKNOWN_FORMAT:
            response = self._post(messages, {"response_format": ANY_OBJECT}, deadline=deadline)
        if response.status >= 500 or response.status in TRY_LATER:
            raise AnalyzerUnavailableError(f"The analyzer answered with status {response.status}{self._said(response)}")
        if not response.is_success:
            raise RequestRefusedError(
                f"The analyzer refuses the request with status {response.status}{self._said(response)}"
            )
        return read_assessment(read_content(response.body))

    def _post(
        self, messages: Sequence[dict[str, Any]], options: dict[str, Any], *, deadline: float
    ) -> http.HttpResponse:
        body = {"model": self.model, "messages": messages, "stream": False, **options}
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
        left = timedelta(seconds=max(deadline - time.monotonic(), 0))
        try:
            return http.request(
                "POST",
                self._url,
                headers=headers,
                content=json.dumps(body).encode(),
                timeout=left,
                max_bytes=MAX_ANSWER_BYTES,
                trusted=True,
            )
        except http.OutboundError as error:
            if error.kind is http.OutboundErrorKind.TOO_LARGE:
                raise AnswerNotUsableError(error.message, original_error=error) from error
            raise AnalyzerUnavailableError(error.message, original_error=error) from error

    def _said(self, response: http.HttpResponse) -> str:
        """Give what the server says of its trouble, without the key that some repeat; nothing where it is silent."""
        said: Any = _parse(response.body.decode("utf-8", "replace"))
        said = said.get("error", "") if isinstance(said, dict) else ""
        said = said.get("message", "") if isinstance(said, dict) else said
        text = said if isinstance(said, str) else ""
        if self._api_key:
            text = text.replace(self._api_key, "***")
        text = " ".join(clean_text(text).split())[:LONGEST_REFUSAL]
        return f": {text}" if text else ""


def read_content(body: bytes) -> str:
    """Give the text of a completion; AnswerNotUsableError where there is none, or only a part of it."""
    answer = _parse(body.decode("utf-8", "replace"))
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise AnswerNotUsableError("The analyzer's answer is no chat completion")
    message = choices[0].get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if choices[0].get("finish_reason") == "length":
        raise AnswerNotUsableError("The model's answer was cut off: it is too long")
    if not isinstance(content, str) or not content.strip():
        raise AnswerNotUsableError("The model answered nothing")
    return content


def read_assessment(content: str) -> Assessment:
    """Read a model's text; AnswerNotUsableError for all but a JSON object with score, summary and reasoning."""
    answer = _parse(_without_code_fence(content))
    if not isinstance(answer, dict):
        raise AnswerNotUsableError("The model did not answer with a JSON object")
    score, summary, reasoning = (answer.get(name) for name in ("score", "summary", "reasoning"))
    return Assessment(
        score=_score(score),
        summary=_text(summary, name="summary", limit=LONGEST_SUMMARY),
        reasoning=_text(reasoning, name="reasoning", limit=LONGEST_REASONING),
    )


def _score(value: Any) -> int:
    # A whole number may be too large to be a float.
    if isinstance(value, int) and not isinstance(value, bool):
        return min(max(value, 0), 100)
    if isinstance(value, float) and math.isfinite(value):
        return round(min(max(value, 0.0), 100.0))
    raise AnswerNotUsableError("The model's answer has no number as 'score'")


def _text(value: Any, *, name: str, limit: int) -> str:
    text = " ".join(clean_text(value).split()) if isinstance(value, str) else ""
    if not text:
        raise AnswerNotUsableError(f"The model's answer has no text as '{name}'")
    return text[:limit]


def _messages(question: Question) -> list[dict[str, Any]]:
    text = question.render()
    content: str | list[dict[str, Any]] = text
    if question.pictures:
        content = [{"type": "text", "text": text}]
        for picture in question.pictures:
            url = "data:image/jpeg;base64," + base64.b64encode(picture).decode()
            content.append({"type": "image_url", "image_url": {"url": url}})
    return [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": content}]


def _without_code_fence(text: str) -> str:
    """Give what stands between the lines of a Markdown code fence that holds the whole text."""
    lines = text.strip().splitlines()
    fenced = len(lines) > 2 and lines[0].startswith("```") and lines[-1].strip() == "```"
    return "\n".join(lines[1:-1]) if fenced else text


def _parse(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
