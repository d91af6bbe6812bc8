from __future__ import annotations

import asyncio

import httpcore
import pytest

from pipeline.guarding import GuardedBackend, Resolver, is_public, unreachable
from tests.receivers import LOOPBACK, receiving


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.0.9", "0.0.0.0", "::1", "::"),
        *("10.1.2.3", "172.16.0.1", "192.168.0.1", "fd00::1", "fec0::1"),
        *("169.254.169.254", "fe80::1", "fe80::1%eth0", "fd00:ec2::254"),
        *("100.64.0.1", "100.100.100.200", "198.18.0.1", "192.0.2.1", "240.0.0.1"),
        *("168.63.129.16", "192.0.0.192", "224.0.0.1", "255.255.255.255", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808"),
        *("2002:7f00:1::", "2001::1", "2001:db8::1"),
    ],
)
def test_any_other_is_not_whatever_it_is_wrapped_in(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://example.com/hook?site=1", None),
        ("http://example.com:8080", None),
        ("https://8.8.8.8/hook", None),
        ("http://desk.internal/hook", None),
        ("ftp://example.com", "http"),
        ("https:///hook", "http"),
        ("https://ann:word@example.com/", "credentials"),  # pragma: allowlist secret
        ("https://ann@example.com/", "credentials"),
        ("http://localhost/", "private"),
        ("http://api.localhost:9000/", "private"),
        ("http://127.0.0.1/", "private"),
        ("http://[::1]:8000/", "private"),
        ("http://[::ffff:10.0.0.1]/", "private"),
        ("http://169.254.169.254/latest/meta-data", "private"),
    ],
)
def test_an_address_that_can_never_be_reached_is_told_by_itself(
    url: str, problem: str | None
) -> None:
    found = unreachable(url, frozenset())
    assert (found is None) if problem is None else (found is not None and problem in found)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "10.0.0.1"])
def test_a_host_that_is_allowed_may_be_private(host: str) -> None:
    assert unreachable(f"http://{host}/", frozenset({"localhost", "10.0.0.1"})) is None


async def test_a_name_server_that_hangs_is_not_waited_for() -> None:
    async def hanging(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(httpcore.ConnectTimeout, match="not resolved in time"):
        await GuardedBackend(frozenset(), hanging).connect_tcp("slow.example", 80, timeout=0.05)


async def test_the_systems_resolver_names_no_address_twice() -> None:
    found = await Resolver()("localhost", 80)
    assert found
    assert len(set(found)) == len(found)


async def test_the_last_address_that_is_away_says_so() -> None:
    async with receiving() as receiver:
        port = receiver.port
    with pytest.raises(httpcore.ConnectError):
        await GuardedBackend(LOOPBACK).connect_tcp("127.0.0.1", port, timeout=5)
