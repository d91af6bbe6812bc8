from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import doctor
from cli.main import COMMANDS, app
from cli.screen import plain, print_table, usd


def test_text_from_elsewhere_is_shown_and_never_obeyed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert plain("a\x1b]52;c;x\x07b\u202ec\x9bd") == "a]52;c;xbcd"
    print_table(("a",), [["[red]x[/red]\t\x1b[2J", None]])
    assert capsys.readouterr().out == "[red]x[/red] [2J\t\n"


def test_what_is_not_known_is_never_nothing() -> None:
    assert [usd(None), usd(0), usd(0.0034), usd(1234.5)] == ["unknown", "$0", "$0.0034", "$1,234.5"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_does(command: str) -> None:
    told = CliRunner().invoke(app, [command, "--help"])
    assert told.exit_code == 0
    assert "Usage" in told.stdout


class TestDoctor:
    TODAY = date(2026, 11, 1)

    def model(self, days: int | None, *default_for: str) -> Any:
        ends = None if days is None else str(self.TODAY + timedelta(days=days))
        return {
            "provider": "openai",
            "model": "m",
            "shutdown_on": ends,
            "default_for": list(default_for),
            "successor": "n",
        }

    @pytest.mark.parametrize(
        ("days", "default_for", "state"),
        [
            (None, ("draft",), "ok"),
            (61, ("draft",), "ok"),
            (60, ("draft",), "warn"),
            (30, (), "warn"),
            (0, ("high",), "bad"),
            (-9, (), "ok"),
        ],
    )
    def test_a_model_that_ends_is_said_in_time(
        self, days: int | None, default_for: tuple[str, ...], state: str
    ) -> None:
        known = [self.model(days, *default_for)]
        [found] = doctor.models(known, {"openai"}, self.TODAY)
        assert found.state == state
        [elsewhere] = doctor.models(known, {"studio"}, self.TODAY)
        assert elsewhere.state == "ok"

    @pytest.mark.parametrize(("seconds", "state"), [(0, "ok"), (-30, "ok"), (31, "bad")])
    def test_a_clock_that_is_off_is_said(self, seconds: int, state: str) -> None:
        now = datetime(2026, 11, 1, tzinfo=UTC)
        [found] = doctor.clock(now + timedelta(seconds=seconds), now)
        assert found.state == state
