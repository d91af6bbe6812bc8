"""One format for every log line of a process: of ours, of libraries, and of Temporal's core."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from opentelemetry import trace
from temporalio import activity, workflow
from temporalio.runtime import LogForwardingConfig, LoggingConfig, TelemetryFilter

from domain.names import TENANT
from observing import facts

Format = Literal["text", "json"]
MoreFacts = Callable[[], Mapping[str, str | None]]

_ONE_OF_SEVERAL = re.compile(r"whsec_[^\s,]+|[A-Za-z0-9+/]{43}=")
"""A webhook's secret; 256 bits in base64."""
_SECRET_NAME = re.compile(r"(KEYS?|TOKEN|SECRET|PASSWORD|HEADERS)(_DATA)?\Z")
_SHORTEST_SECRET = 8
_SERVERS_OWN = ("uvicorn", "uvicorn.access")
_TELL_ADDRESSES = ("httpx", "httpcore")
"""They log whole URLs, and those of vendors' pictures are signed."""


def install(
    level: str, form: Format, secrets: Iterable[str] = (), more_facts: MoreFacts = dict
) -> None:
    """Write this process's log lines to standard error, in one format.

    `secrets` are blotted out wherever they turn up; `more_facts` is asked with every line. Whoever
    has set up logging before us is left in charge.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(form, secrets, more_facts))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for server in map(logging.getLogger, _SERVERS_OWN):
        if server.handlers:
            server.handlers.clear()
            server.propagate = True
    for name in _TELL_ADDRESSES:
        logging.getLogger(name).setLevel(logging.WARNING)
    if form == "json":
        # What these append to each message is in fields of their own.
        workflow.logger.workflow_info_on_message = False
        activity.logger.activity_info_on_message = False


def formatter(
    form: Format, secrets: Iterable[str] = (), more_facts: MoreFacts = dict
) -> logging.Formatter:
    """The formatter that `install` installs."""
    kind = JsonFormatter if form == "json" else TextFormatter
    return kind(secrets, more_facts)


def of_core(level: str) -> LoggingConfig:
    """Temporal's core, whose lines else go to standard output in a format of its own."""
    core_level = "INFO" if level == "debug" else "WARN"
    return LoggingConfig(
        filter=TelemetryFilter(core_level=core_level, other_level="ERROR"),
        forwarding=LogForwardingConfig(
            logger=logging.getLogger("temporalio.core"),
            append_target_to_name=False,
            prepend_target_on_message=False,
        ),
    )


def secrets_in(environment: Mapping[str, str]) -> frozenset[str]:
    """The values of variables whose names say that they are secret, each of several."""
    values = (value for name, value in environment.items() if _SECRET_NAME.search(name))
    # Of webhooks' secrets and of encryption keys there may be several in one.
    named = (part for value in values for part in (value, *_ONE_OF_SEVERAL.findall(value)))
    whole = {value for value in named if len(value) >= _SHORTEST_SECRET}
    return frozenset(whole | {value.removeprefix("whsec_") for value in whole})


class _Formatter(logging.Formatter):
    """Knows the facts of a line, and blots out what must not be in any."""

    def __init__(self, secrets: Iterable[str] = (), more_facts: MoreFacts = dict) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")
        longest_first = sorted(filter(None, secrets), key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        self._more_facts = more_facts

    def blotted(self, line: str) -> str:
        """The line without any secret."""
        return self._secrets.sub("…", line)

    def facts(self, record: logging.LogRecord) -> dict[str, str]:
        """What is known of the work that the record is about."""
        more = {name: fact for name, fact in self._more_facts().items() if fact}
        return {**more, **facts.told(), **_workflow_facts(record), **_trace_facts()}


class TextFormatter(_Formatter):
    """For people: time, level, message, and in brackets what the message does not say itself."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and below it the traceback if there is one."""
        line, *traceback = super().format(record).split("\n")
        known = self.facts(record)
        unsaid = [f"{name}={fact}" for name, fact in known.items() if f"={fact}" not in line]
        if unsaid:
            line = f"{line} [{', '.join(unsaid)}]"
        return self.blotted("\n".join([line, *traceback]))


class JsonFormatter(_Formatter):
    """For machines: one object in one line. Fields that a line does not need are left out."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever is in the message."""
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self.facts(record),
        }
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return self.blotted(json.dumps(fields, ensure_ascii=False, default=str))


def _workflow_facts(record: logging.LogRecord) -> dict[str, str]:
    """What `workflow.logger` knows of its workflow."""
    info = getattr(record, "temporal_workflow", None)
    if info is None:
        return {}
    known = {**facts.ids_of(info["workflow_id"]), "workflow": str(info["workflow_type"])}
    if workflow.in_workflow():
        tenant = workflow.info().typed_search_attributes.get(TENANT)
        known |= {"tenant": tenant} if tenant else {}
    return known


def _trace_facts() -> dict[str, str]:
    context = trace.get_current_span().get_span_context()
    return {"trace_id": trace.format_trace_id(context.trace_id)} if context.is_valid else {}
