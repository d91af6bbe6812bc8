"""Every hosted vendor, played by one stand-in that no kill of a stack reaches."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from providers.registry import KINDS
from tests.e2e.stack import FEW_FILES, Stack
from tests.vendors.stand_in import StandIn, Vendor

SYNCHRONOUS = ("gemini", "openai", "stability_ai")
"""One request brings the picture; a lost answer is lost."""
TICKETED = ("bfl", "comfyui", "fal", "huggingface", "replicate")
"""The answer to a request is a ticket for the picture, which outlives a crash."""
FINDING = ("comfyui", "fal", "replicate")
"""Of `TICKETED`, those that tell which submissions they know."""
HOSTED = (*SYNCHRONOUS, *TICKETED)

SECOND = "second_stability"
"""Another address that serves the models of `stability_ai`."""

_COMFYUI_KEY = "COMFYUI_KEY"
_URL_SAFE = str.maketrans("-_", "+/")
"""Both alphabets of base64 become one."""


def key_of(vendor: str) -> str:
    """The key that the stand-in takes."""
    return f"{vendor.removesuffix('_ai')}-key"


def new_stack(
    folder: Path, stand_in: StandIn, besides: Mapping[str, str] = MappingProxyType({})
) -> Stack:
    """A Darkroom that knows all vendors, and asks the stand-in for them."""
    _configure(folder, stand_in)
    return Stack(folder, {**environment(stand_in), **besides})


def environment(stand_in: StandIn) -> Mapping[str, str]:
    """Where the vendors are, and their keys."""
    told = {_COMFYUI_KEY: key_of("comfyui")}
    for vendor in HOSTED:
        kind = KINDS[vendor]
        if kind.base_url_env is not None:
            told[kind.base_url_env] = stand_in[vendor].base_url
        if kind.key_env is not None:
            told[kind.key_env] = key_of(vendor)
    return told


def _configure(folder: Path, stand_in: StandIn) -> None:
    """Write a `darkroom.toml` that makes nobody wait for long."""
    (folder / "darkroom.toml").write_text(f"""\
[providers.comfyui]
api_key_env = "{_COMFYUI_KEY}"
options = {{ poll_seconds = 0.1 }}

[providers.bfl.options]
poll_seconds = 0.1

[providers.huggingface.options]
poll_seconds = 0.1

[providers.fal.options]
poll_seconds = 0.1
history_url = "{stand_in["fal"].base_url}/v1"
settle_seconds = 1

[providers.replicate.options]
poll_seconds = 0.1
settle_seconds = 1

[providers.{SECOND}]
kind = "stability_ai"
title = "Stability AI elsewhere"
base_url = "{stand_in["stability_ai"].base_url}"
api_key_env = "STABILITY_API_KEY"
{FEW_FILES}""")


def original_of(stack: Stack, job_id: str, index: int = 0) -> Path:
    """The file with one of a job's pictures as the vendor made it; it may not be there yet."""
    assets = stack.home / "s3" / "darkroom" / "assets" / job_id
    return next(assets.glob(f"*/{index}.original"), assets / f"{index}.original")


def pictures_given_to(vendor: Vendor) -> list[bytes]:
    """Every picture that a vendor was sent, in a paying request or uploaded before it."""
    inlined = [data for charge in vendor.charges for data in _bytes_in(charge.body)]
    uploaded = [job["data"] for job in vendor.jobs.values() if "data" in job]
    named = [data for name, data in vendor.files.items() if name.startswith("input/")]
    return inlined + uploaded + named


def _bytes_in(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, str):
        with suppress(ValueError):
            yield base64.b64decode(value.rpartition(",")[2].translate(_URL_SAFE), validate=True)
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _bytes_in(part)
