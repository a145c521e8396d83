"""Which analyzer judges closed events: the setting `ANALYZER`; the built-in one scores while they grow in any case."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from events.analyzers.llm import LlmAnalyzer

BUILTIN, LLM = "builtin", "llm"


def get_analyzer() -> LlmAnalyzer | None:
    """Give the analyzer that is asked about closed events; None where the built-in score is the last word."""
    if settings.ANALYZER != LLM:
        return None
    return LlmAnalyzer(
        url=settings.LLM_URL,
        model=settings.LLM_MODEL,
        api_key=settings.LLM_API_KEY,
        timeout=settings.LLM_TIMEOUT,
        sends_pictures=settings.LLM_SENDS_PICTURES,
    )


def check_setting() -> None:
    """Raise ImproperlyConfigured where `ANALYZER` names none, or one that lacks its settings."""
    if settings.ANALYZER not in (BUILTIN, LLM):
        raise ImproperlyConfigured(f"ANALYZER takes {BUILTIN} or {LLM}, not {settings.ANALYZER!r}")
    if settings.ANALYZER == LLM and not settings.LLM_URL:
        raise ImproperlyConfigured("LLM_URL takes the URL of an OpenAI-compatible server, which ANALYZER=llm needs")
    if settings.ANALYZER == LLM and not settings.LLM_MODEL:
        raise ImproperlyConfigured("LLM_MODEL takes the name of a model of LLM_URL, which ANALYZER=llm needs")
