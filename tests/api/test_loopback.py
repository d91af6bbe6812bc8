from __future__ import annotations

import pytest

from api.loopback import host_of, is_loopback


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST", "localhost.", "darkroom.localhost"),
        *("127.0.0.1", "127.8.9.10", "::1", "[::1]", "::ffff:127.0.0.1"),
    ],
)
def test_this_machine_alone(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        *("", "0.0.0.0", "::", "192.168.1.4", "10.0.0.1", "::ffff:10.0.0.1", "169.254.169.254"),
        *("localhost.example", "notlocalhost", "127.0.0.1.example", "pictures.example", "@"),
    ],
)
def test_anything_else(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost:8000", "localhost"),
        ("localhost", "localhost"),
        ("[::1]:8000", "[::1]"),
        ("[::1]", "[::1]"),
        ("", ""),
        ("[::1].example", "[::1]"),
    ],
)
def test_a_host_header_is_a_name_and_maybe_a_port(header: str, host: str) -> None:
    assert host_of(header) == host
