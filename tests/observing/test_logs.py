from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from observing import facts, logs

SECRET = "sk-very-secret-1234"


class Written(logging.Handler):
    """Keeps what a formatter makes of each record."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def told(form: logs.Format, **more: str | None) -> tuple[logging.Logger, list[str]]:
    """A logger of the test's own, and the lines that it writes."""
    written = Written(logs.formatter(form, [SECRET], lambda: more))
    logger = logging.Logger("darkroom.test")
    logger.addHandler(written)
    return logger, written.lines


def fields(line: str) -> dict[str, Any]:
    assert "\n" not in line
    return dict(json.loads(line))


class TestJson:
    def test_a_line_is_one_object_with_time_level_logger_and_message(self) -> None:
        logger, lines = told("json")
        logger.warning("the store is %s", "away\nfor now")
        line = fields(lines[0])
        assert line.pop("time").endswith("+00:00")
        assert line == {
            "level": "warning",
            "logger": "darkroom.test",
            "message": "the store is away\nfor now",
        }

    def test_it_says_what_is_known_of_the_work(self) -> None:
        logger, lines = told("json", request_id="r-1", tenant=None)
        with facts.gathering({"job_id": "img_1", "batch_id": "bat_1", "tenant": "acme"}):
            logger.info("rendering")
        line = fields(lines[0])
        assert (line["job_id"], line["batch_id"], line["tenant"]) == ("img_1", "bat_1", "acme")
        assert line["request_id"] == "r-1"

    def test_a_traceback_is_a_field(self) -> None:
        logger, lines = told("json")
        try:
            raise ValueError("broken")
        except ValueError:
            logger.exception("it failed")
        assert "ValueError: broken" in fields(lines[0])["error"]

    def test_what_has_no_json_is_written_all_the_same(self) -> None:
        logger, lines = told("json")
        logger.info("%s", {"a": object})
        assert "object" in fields(lines[0])["message"]


class TestText:
    def test_a_line_ends_with_what_it_does_not_say_itself(self) -> None:
        logger, lines = told("text", request_id="r-1")
        with facts.gathering({"job_id": "img_1"}):
            logger.info("render failed [job=img_1]")
        assert lines[0].endswith("INFO render failed [job=img_1] [request_id=r-1]")

    def test_a_traceback_stands_below(self) -> None:
        logger, lines = told("text", request_id="r-1")
        try:
            raise ValueError("broken")
        except ValueError:
            logger.exception("it failed")
        first, *below = lines[0].splitlines()
        assert first.endswith("it failed [request_id=r-1]")
        assert below[-1] == "ValueError: broken"


class TestSecrets:
    @pytest.mark.parametrize("form", ["text", "json"])
    def test_they_are_blotted_out_wherever_they_turn_up(self, form: logs.Format) -> None:
        logger, lines = told(form, request_id=f"sent-{SECRET}")
        try:
            raise ValueError(f"401 for {SECRET}")
        except ValueError:
            logger.exception("the key %s is refused", SECRET)
        assert SECRET not in lines[0]
        assert "the key … is refused" in lines[0]

    def test_they_are_known_by_the_names_of_their_variables(self) -> None:
        environment = {
            "OPENAI_EU_API_KEY": "sk-1234567890",
            "HF_TOKEN": "hf-1234567890",
            "AWS_SECRET_ACCESS_KEY": "aws-1234567890",
            "DARKROOM_WEBHOOK_SECRET": "whsec_c2VjcmV0c2VjcmV0",
            "TEMPORAL_TLS_CLIENT_KEY_DATA": "pem-1234567890",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer 12345",
            "AWS_ACCESS_KEY_ID": "AKIA1234567890",
            "DARKROOM_PORT": "8000",
            "FAL_KEY": "",
        }
        assert logs.secrets_in(environment) == {
            "sk-1234567890",
            "hf-1234567890",
            "aws-1234567890",
            "whsec_c2VjcmV0c2VjcmV0",
            "c2VjcmV0c2VjcmV0",
            "pem-1234567890",
            "authorization=Bearer 12345",
        }


def test_whoever_set_up_logging_before_us_stays_in_charge() -> None:
    root = logging.getLogger()
    before = list(root.handlers)
    assert before, "pytest's own are there"
    logs.install("info", "text")
    assert root.handlers == before


def test_no_library_tells_whole_addresses() -> None:
    logs.install("debug", "text")
    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
