"""Connections to addresses that callers name, and to no place they must not reach."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import anyio
from httpcore import AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream


class AddressRefused(Exception):
    """The name leads to an address that callers may not have us reach."""


class GuardedBackend(AsyncNetworkBackend):
    """Connects to public addresses only, checked on the very address that is connected to.

    `allowed_hosts` are names that may lead to private addresses.
    """

    def __init__(self, allowed_hosts: frozenset[str]) -> None:
        self._allowed_hosts = allowed_hosts
        self._inner = AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the interface is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Resolve, refuse what is not public, connect to what was checked."""
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        address = str(found[0][4][0])
        if host not in self._allowed_hosts and not ipaddress.ip_address(address).is_global:
            raise AddressRefused(f"private addresses are not reached [host={host}]")
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        """Wait, as httpcore asks for between connection retries."""
        await self._inner.sleep(seconds)
