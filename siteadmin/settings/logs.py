"""Log lines: structlog for our own and for the standard library's, one line each, to standard error."""

import logging.config
import sys

import structlog

LOG_FORMATS = ("auto", "json", "text")
"""`auto`: text for a person at a terminal, JSON for whatever else collects the lines."""
LOG_REQUESTS = ("none", "errors", "all")
QUIET = (
    "axes.handlers.database",
    "PIL",
    "watchdog",
    "httpcore",
    "celery.worker.strategy",
    "celery.app.trace",
    "urllib3",
)


def logging_config(*, debug: bool, log_format: str) -> None:
    """Send all loggers through structlog: the same fields everywhere, as JSON or to be read."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        *(_json_processors() if as_json else _text_processors()),
                    ],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": "DEBUG" if debug else "INFO"},
            # Our own line of a request says more, and never an address that is a secret.
            "loggers": {name: {"level": "WARNING"} for name in QUIET} | {"django.request": {"level": "ERROR"}},
        }
    )


# Neither form prints the variables of a traceback's frames: secrets are among them.


def _json_processors() -> list[structlog.typing.Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]


def _text_processors() -> list[structlog.typing.Processor]:
    return [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
