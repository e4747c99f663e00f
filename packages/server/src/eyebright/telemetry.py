"""What the server says about itself: structured logs for people or collectors, and the instruments that Prometheus reads."""

import logging
import logging.config
import re
import sys
from dataclasses import dataclass, field
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from eyebright.settings import LogSettings
from eyebright_wire.jobs import trace_id

HIDDEN = "***"
_SECRET_KEYS = re.compile(r"(?i)(^|_)(token|secret|password|authorization|api_key|cookie)$")
_SECRET_TEXT = re.compile(
    r"""(?i)(bearer\s+)[^\s"'\\]+|(://[^/:@\s"']+:)[^@/\s"'\\]+(?=@)|([?&](?:key|%6bey)=)[^&\s"'\\#]+|(\beb(?:t|mcp)_)[\w-]+"""
)


def configure(settings: LogSettings) -> None:
    """Send our own lines and those of the libraries through one formatter to standard error."""
    shared = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        traced,
        redact,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    logging.config.dictConfig(_logging(settings, shared))


def traced(_logger: Any, _method: str, event: Any) -> Any:
    """Give lines about a job the id by which it is followed over all processes and machines."""
    if isinstance(job := event.get("job"), str):
        event.setdefault("trace_id", trace_id(job))
    return event


def redact(_logger: Any, _method: str, event: Any) -> Any:
    """Hide the values of telling names from whoever reads logs. What stands in running text is hidden at the very end."""
    for key, value in event.items():
        if _SECRET_KEYS.search(key) and value is not None:
            event[key] = HIDDEN
    return event


def hide(text: str) -> str:
    """The text without tokens and without the passwords and keys of URLs."""
    return _SECRET_TEXT.sub(lambda found: f"{found[1] or found[2] or found[3] or found[4]}{HIDDEN}", text)


@dataclass(frozen=True, slots=True)
class Instruments:
    """Everything that is counted, in a registry of its own, so that two apps in one process don't add up."""

    registry: CollectorRegistry
    transitions: Counter
    trainings: Counter
    durations: Histogram
    active: Gauge
    events: Counter
    heartbeats: Counter
    event_conflicts: Counter
    queued: Gauge
    live: Gauge
    loop_age: Gauge
    loop_failures: Counter
    requests: Histogram
    streams: Gauge
    breaker: Gauge
    seen: dict[tuple[str, ...], Any] = field(default_factory=dict[tuple[str, ...], Any])

    @classmethod
    def make(cls) -> "Instruments":
        registry = CollectorRegistry()
        return cls(
            registry=registry,
            transitions=Counter(
                "eyebright_job_transitions", "Changes of state", ["state", "reason", "trainer"], registry=registry
            ),
            trainings=Counter(
                "training_jobs", "Trainings that came to this status", ["framework", "status"], registry=registry
            ),
            durations=Histogram(
                "training_duration_seconds",
                "From the start of a training to its end, however it ended",
                ["framework"],
                buckets=(10, 60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400, 259_200),
                registry=registry,
            ),
            active=Gauge("active_training_jobs", "Trainings that have a live attempt", registry=registry),
            events=Counter("eyebright_events_ingested", "Events acknowledged to trainers", registry=registry),
            heartbeats=Counter("eyebright_heartbeats", "Heartbeats acknowledged to trainers", registry=registry),
            event_conflicts=Counter(
                "eyebright_event_conflicts",
                "Numbers that were used for another event; each is a bug",
                registry=registry,
            ),
            queued=Gauge("eyebright_jobs_queued", "Jobs that wait", registry=registry),
            live=Gauge("eyebright_jobs_live", "Jobs with a live attempt", registry=registry),
            loop_age=Gauge(
                "eyebright_loop_age_seconds", "Since the loop last finished a round", ["loop"], registry=registry
            ),
            loop_failures=Counter("eyebright_loop_failures", "Rounds that raised", ["loop"], registry=registry),
            requests=Histogram(
                "eyebright_http_request_seconds",
                "Until the answer begins",
                ["method", "route", "status"],
                buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
                registry=registry,
            ),
            streams=Gauge("eyebright_http_open_requests", "Requests and streams under way", registry=registry),
            breaker=Gauge(
                "eyebright_breaker",
                "1 for the state of a place's circuit breaker, 0 for the others",
                ["executor", "state"],
                registry=registry,
            ),
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """One HTTP request. The labelled child is kept: looking it up costs more than counting."""
        key = (method, route, str(status))
        child = self.seen.get(key)
        if child is None:
            child = self.seen[key] = self.requests.labels(*key)
        child.observe(seconds)

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)


EXPOSITION_TYPE = CONTENT_TYPE_LATEST


def _logging(settings: LogSettings, shared: list[Any]) -> dict[str, Any]:
    level = settings.level.upper()
    # What libraries say while they are debugged holds whole headers, signatures, and addresses that open something by themselves.
    of_others = "INFO" if level == "DEBUG" else level
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "all": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(settings)],
            }
        },
        "filters": {"streams": {"()": lambda: _unless_cut_off}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "formatter": "all"}},
        "root": {"handlers": ["stderr"], "level": of_others},
        "loggers": {
            "eyebright": {"level": level},
            "eyebright_kit": {"level": level},
            "httpx": {"level": "WARNING"},  # a line for every webhook
            "botocore": {"level": "WARNING"},  # where it found credentials
            "uvicorn.error": {"filters": ["streams"]},
            "uvicorn": {"level": "WARNING"},  # its start-up lines repeat what we say ourselves
            "uvicorn.access": {"level": "INFO" if settings.access else "CRITICAL"},
            "sqlalchemy": {"level": "WARNING"},
            "aiosqlite": {"level": "WARNING"},
            "alembic": {"level": "WARNING"},
            "aiormq": {"level": "CRITICAL"},  # tracebacks of a broker that is away, which the consumer says in a line
            "aio_pika": {"level": "CRITICAL"},
        },
    }


def _unless_cut_off(record: logging.LogRecord) -> bool:
    """A server that stops cuts off the streams of those who watch, and they connect again: uvicorn calls that an error."""
    return "returned without completing response" not in record.getMessage()


def _renderers(settings: LogSettings) -> list[Any]:
    if settings.format == "json":  # plain tracebacks: the structured ones show local variables, and tokens with them
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(), _hide_rendered]
    console = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    return [console, _hide_rendered]


def _hide_rendered(_logger: Any, _method: str, line: str) -> str:
    """The message of an exception may quote what it was given."""
    return hide(line)
