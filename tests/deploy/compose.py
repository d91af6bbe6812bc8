"""What `docker compose` would run, read from the file that it reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


@dataclass(frozen=True)
class Service:
    """One service, its variables filled in."""

    image: str
    command: list[str]
    environment: dict[str, str]
    healthcheck: list[str]
    replicas: int
    stop_grace_seconds: int


def document(variables: Mapping[str, str]) -> dict[str, Any]:
    """The whole file, with variables as compose fills them in; `KeyError` where one must be set."""
    text = "\n".join(
        line for line in FILE.read_text().splitlines() if not line.lstrip().startswith("#")
    )

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        if variables.get(name):
            return variables[name]
        if kind == "?":
            raise KeyError(name)
        return rest or ""

    return dict(yaml.safe_load(_VARIABLE.sub(value, text)))


def service(name: str, variables: Mapping[str, str]) -> Service:
    """One of them."""
    found = document(variables)["services"][name]
    test = found.get("healthcheck", {}).get("test", [])
    return Service(
        image=found["image"],
        command=found.get("command", []),
        environment=found.get("environment", {}),
        healthcheck=test[1:],
        replicas=found.get("deploy", {}).get("replicas", 1),
        stop_grace_seconds=int(str(found.get("stop_grace_period", "10s")).removesuffix("s")),
    )
