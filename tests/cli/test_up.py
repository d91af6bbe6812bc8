"""`darkroom up` as a process: real engine and store, with a worker and an API played beside."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.up import CODE_ROOT
from tests.cli.conftest import Command, House, Watch, launcher

READY = "curl -s"
OF_THE_USERS_OWN = {
    "TEMPORAL_API_KEY": "mine",
    "AWS_PROFILE": "mine",
    "AWS_SESSION_TOKEN": "mine",
}


class Inhabited(NamedTuple):
    house: House
    up: Command


@pytest.fixture(scope="module")
def inhabited(tmp_path_factory: pytest.TempPathFactory, watch: Watch) -> Iterator[Inhabited]:
    """A `darkroom up` that is ready, for tests that leave it so."""
    folder = tmp_path_factory.mktemp("inhabited")
    with launcher(folder) as launch:
        house = House(folder, launch)
        up = house.up(**OF_THE_USERS_OWN)
        watch.until(lambda: up.has_said(READY))
        yield Inhabited(house, up)


def test_the_banner_tells_the_addresses_and_where_things_are(inhabited: Inhabited) -> None:
    house, up = inhabited
    for told in (f"http://127.0.0.1:{house.port}", "/docs", str(house.home), "studio"):
        assert told in up.output
    assert house.answers("/health/ready")


def test_a_wrong_darkroom_toml_is_said_before_anything_starts(tmp_path: Path, house: House) -> None:
    config = tmp_path / "darkroom.toml"
    config.write_text("[[budgets]]\namount_usd = -1\nperiod = 'day'\n")
    up = house.up(DARKROOM_CONFIG=str(config))
    assert up.process.wait(20) == 1
    assert "darkroom.toml: budgets.1.amount_usd" in up.output
    assert "Traceback" not in up.output
    assert "starting" not in up.output


def test_children_know_the_embedded_servers_and_nothing_of_the_users_own(
    inhabited: Inhabited,
) -> None:
    env = inhabited.house.get("/environment").json()
    assert "mine" not in env.values()
    assert env["TEMPORAL_ADDRESS"] == f"127.0.0.1:{inhabited.house.temporal_port}"
    assert env["TEMPORAL_NAMESPACE"] == "default"
    assert env["DARKROOM_S3_ENDPOINT"] == f"http://127.0.0.1:{inhabited.house.s3_port}"
    assert env["DARKROOM_S3_BUCKET"] == "darkroom"
    assert env["DARKROOM_STAND_IN"] == "true"
    assert env["AWS_ACCESS_KEY_ID"].startswith("darkroom")


def test_a_second_up_on_one_home_is_refused(inhabited: Inhabited) -> None:
    second = inhabited.house.up()
    assert second.process.wait(20) == 1
    assert f"another `darkroom up` (process {inhabited.up.process.pid}) runs on" in second.output
    assert "Traceback" not in second.output
    assert inhabited.house.answers("/health/ready")


def test_a_request_to_stop_drains_and_leaves_nothing_running(house: House, watch: Watch) -> None:
    up = house.up()
    watch.until(lambda: up.has_said(READY))
    children = watch.children_of(up.process.pid)
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(20) == 0
    assert watch.group(children[0].group) == []
    assert "worker drained" in (house.home / "logs" / "worker.log").read_text()
    assert house.is_empty()


def test_every_killed_child_comes_back_and_the_others_stay(
    inhabited: Inhabited, watch: Watch
) -> None:
    house, up = inhabited
    for told in ("serve s3", "start-dev", "uvicorn", "worker.py", "reaper.py"):
        kill_and_await_successor(up.process.pid, told, watch)
    watch.until(lambda: house.answers("/health/ready"))
    assert up.output.count("starting it again") == 4


def kill_and_await_successor(owner: int, command: str, watch: Watch) -> None:
    before = watch.children_of(owner)
    [victim] = [row for row in before if command in row.command]
    os.kill(victim.pid, signal.SIGKILL)
    watch.until(
        lambda: any(command in row.command for row in set(watch.children_of(owner)) - {victim})
    )
    assert set(before) - set(watch.children_of(owner)) == {victim}


def test_up_after_its_predecessor_was_killed_waits_and_serves(house: House, watch: Watch) -> None:
    first = house.up()
    watch.until(lambda: first.has_said(READY))
    group = watch.children_of(first.process.pid)[0].group
    first.process.kill()
    second = house.up()
    watch.until(lambda: second.has_said(READY))
    assert house.answers("/health/ready")
    watch.until(lambda: watch.group(group) == [])


def test_a_second_request_to_stop_does_not_wait(house: House, watch: Watch) -> None:
    up = house.up()
    watch.until(lambda: up.has_said(READY))
    [worker] = [row for row in watch.children_of(up.process.pid) if "worker.py" in row.command]
    os.kill(worker.pid, signal.SIGSTOP)  # it will never drain
    up.process.send_signal(signal.SIGINT)
    watch.until(lambda: up.has_said("stopping"))
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(20) == 0
    assert watch.group(worker.group) == []


def test_a_port_in_use_names_its_setting(house: House) -> None:
    with socket.create_server(("127.0.0.1", house.port)):
        up = house.up()
        assert up.process.wait(20) == 1
    assert "set DARKROOM_PORT to a free port" in up.output
    assert "Traceback" not in up.output


def test_an_api_that_does_not_start_is_told_with_its_log(house: House, watch: Watch) -> None:
    up = house.up(DARKROOM_STAND_IN_BREAKS="yes")
    assert up.process.wait(20) == 1
    assert "api stopped before it was ready" in up.output
    assert "broken on purpose" in up.output
    assert house.is_empty()


def test_outside_servers_are_not_brought_along(house: House, watch: Watch) -> None:
    up = house.up(
        TEMPORAL_ADDRESS="temporal.example:7233", DARKROOM_S3_ENDPOINT="http://s3.example"
    )
    watch.until(lambda: up.has_said(READY))
    commands = " ".join(row.command for row in watch.children_of(up.process.pid))
    assert "start-dev" not in commands
    assert "serve s3" not in commands
    env = house.get("/environment").json()
    assert env["TEMPORAL_ADDRESS"] == "temporal.example:7233"
    assert env["DARKROOM_S3_ENDPOINT"] == "http://s3.example"
    assert not (house.home / "s3").exists()


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"DARKROOM_HOST": "0.0.0.0"}, "DARKROOM_HOST"),
        ({"DARKROOM_PORT": "none"}, "DARKROOM_PORT"),
        ({"DARKROOM_HOME": f"{__file__}/home"}, "DARKROOM_HOME"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    env: dict[str, str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["up"], env=env)
    assert result.exit_code == 1
    assert told in result.output
    assert result.output.count("\n") == 1


def test_the_version_and_the_help_are_told() -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["--version"]).output.startswith("darkroom ")
    assert "up" in runner.invoke(app, ["--help"]).output


def test_the_code_root_holds_the_worker() -> None:
    assert (CODE_ROOT / "worker.py").is_file()
