"""Connections to addresses that callers name, and to no place they must not reach."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from urllib.parse import urlsplit

import anyio
from httpcore import (
    AnyIOBackend,
    AsyncNetworkBackend,
    AsyncNetworkStream,
    ConnectError,
    ConnectTimeout,
)

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses that a name leads to now."""

_LOOKUPS_AT_ONCE = 64
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",  # Azure's WireServer: public by its number, private by its place
        "192.0.0.0/24",  # IETF protocol assignments; Oracle's metadata is in it
        "64:ff9b:1::/48",  # NAT64 of a local network, RFC 8215
    )
)


class AddressRefused(Exception):
    """The name leads to an address that callers may not have us reach."""


class GuardedBackend(AsyncNetworkBackend):
    """Connects to public addresses only, checked on the very address that is connected to.

    `allowed_hosts` are names that may lead to private addresses.
    """

    def __init__(self, allowed_hosts: frozenset[str], resolve: Resolve | None = None) -> None:
        self._allowed_hosts = allowed_hosts
        self._resolve = resolve or Resolver()
        self._inner = AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the interface is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Resolve, leave out what is not public, connect to the first that answers.

        Raises `AddressRefused` where nothing is left, `UnicodeError` for what can be no name, and
        httpcore's own errors.
        """
        deadline = anyio.current_time() + timeout if timeout is not None else None
        left = await self._reachable(host, port, timeout)
        while True:
            address = left.pop(0)
            share = None
            if deadline is not None:
                share = max(deadline - anyio.current_time(), 0.0) / (len(left) + 1)
            try:
                return await self._inner.connect_tcp(
                    address, port, share, local_address, socket_options
                )
            except (ConnectError, ConnectTimeout):
                if not left:
                    raise

    async def sleep(self, seconds: float) -> None:
        """Wait, as httpcore asks for between connection retries."""
        await self._inner.sleep(seconds)

    async def _reachable(self, host: str, port: int, seconds: float | None) -> list[str]:
        try:
            with anyio.fail_after(seconds):
                found = await self._resolve(host, port)
        except TimeoutError as error:
            raise ConnectTimeout(f"the name is not resolved in time [host={host}]") from error
        except OSError as error:
            raise ConnectError(f"the name is not resolved [host={host}]") from error
        if not is_allowed(host, self._allowed_hosts):
            found = [address for address in found if is_public(address)]
        if not found:
            raise AddressRefused(f"private addresses are not reached [host={host}]")
        return found


class Resolver:
    """The system's resolver, on threads of its own: a name server that hangs holds up no other."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUPS_AT_ONCE, thread_name_prefix="names")

    async def __call__(self, host: str, port: int) -> list[str]:
        """The addresses, in the system's order, none twice; raises `OSError`, `UnicodeError`."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet's, whatever it is wrapped in."""
    found = _unwrapped(ipaddress.ip_address(address))
    if found.is_multicast or found.is_reserved or getattr(found, "is_site_local", False):
        return False
    if any(found in network for network in _REFUSED if network.version == found.version):
        return False
    return found.is_global


def is_allowed(host: str, allowed_hosts: frozenset[str]) -> bool:
    """Whether a host is among those that may lead anywhere."""
    return host.lower().rstrip(".") in allowed_hosts


def unreachable(url: str, allowed_hosts: frozenset[str]) -> str | None:
    """Why a request to this address would never be sent, as far as the address itself tells."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in ("http", "https") or not host:
        return "must be an http or https address"
    if parts.username is not None or parts.password is not None:
        return "must hold no credentials: the signature says who sends"
    if is_allowed(host, allowed_hosts):
        return None
    if host == "localhost" or host.endswith(".localhost") or not _may_be_public(host):
        return "leads to a private address, which only names that are allowed may"
    return None


def _may_be_public(host: str) -> bool:
    try:
        return is_public(host)
    except ValueError:  # a name: only its resolution can tell
        return True


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and (address in _NAT64 or address in _IPV4_COMPATIBLE):
        inner = IPv4Address(int(address) & 0xFFFF_FFFF)
    return inner or address
