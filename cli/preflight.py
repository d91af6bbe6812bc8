"""What must hold before anything starts: an address that is safe, ports that are free, programs."""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from api.loopback import is_loopback
from cli.errors import CommandError


def check_exposure(host: str, *, insecure: bool, has_keys: bool) -> None:
    """Refuse an address that others can reach while there is nothing to ask them for."""
    if insecure or has_keys or is_loopback(host):
        return
    raise CommandError(
        f"DARKROOM_HOST={host} can be reached from other machines and there are no API keys yet, "
        "so anyone who reaches it can spend your money; make one with `darkroom keys create`, "
        "set DARKROOM_HOST=127.0.0.1, "
        "or pass --insecure if something in front of it keeps strangers out"
    )


def check_ports(wanted: Mapping[str, tuple[str, int]]) -> None:
    """Open and close each address; raises `CommandError` naming the setting of one in use."""
    with ExitStack() as opened:
        for setting, (host, port) in wanted.items():
            try:
                opened.enter_context(_listening(host, port))
            except socket.gaierror as error:
                raise CommandError(
                    f"DARKROOM_HOST={host} is not an address of this machine ({error.strerror})"
                ) from error
            except OSError as error:
                raise CommandError(
                    f"port {port} on {host} cannot be used ({error.strerror}); "
                    f"stop what uses it, or set {setting} to a free port"
                ) from error


def find_program(name: str, wheel: str, instead: str) -> str:
    """The path of an executable that a wheel brings, beside this Python or else on PATH."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise CommandError(
            f"the program `{name}` is neither beside {sys.executable} nor on PATH; "
            f"install the package {wheel} (`make up` does), or set {instead} to use your own"
        )
    return found


def _listening(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    opened = socket.socket(family, kind, protocol)
    try:
        # As the servers do: a port whose last connections are still closing counts as free.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen()
    except OSError:
        opened.close()
        raise
    return opened
