"""The files made of an image: how they are named, and how a history holds them in few bytes."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from domain.model import Model

_ENDINGS = {"jpeg": "jpg"}
_DIGEST_CHARACTERS = 22
"""Of the name: more than 128 bits, so that another content has another name."""


class Variant(Model):
    """One encoding of an image in the store, under the result's `asset_prefix`."""

    name: str
    width_px: int
    height_px: int
    format: str
    size_bytes: int | None = None
    sha256: str | None = None
    """Hexadecimal."""

    @classmethod
    def of(
        cls, image_format: str, width_px: int, height_px: int, size_bytes: int, sha256: str
    ) -> Variant:
        """One that is named by its content, so that its key never gets other bytes."""
        digest = _base64(sha256)[:_DIGEST_CHARACTERS]
        return cls(
            name=f"{width_px}w-{digest}.{_ENDINGS.get(image_format, image_format)}",
            width_px=width_px,
            height_px=height_px,
            format=image_format,
            size_bytes=size_bytes,
            sha256=sha256,
        )


def _packed(variant: Variant) -> str:
    size = f"{variant.width_px}x{variant.height_px}"
    return f"{variant.format} {size} {variant.size_bytes} {_base64(variant.sha256 or '')}"


def _unpacked(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    image_format, size, size_bytes, digest = value.split(" ")
    width_px, height_px = size.split("x")
    sha256 = base64.urlsafe_b64decode(f"{digest}=").hex()
    return Variant.of(image_format, int(width_px), int(height_px), int(size_bytes), sha256)


def _base64(sha256: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")


PackedVariant = Annotated[
    Variant, BeforeValidator(_unpacked), PlainSerializer(_packed, return_type=str)
]
"""One made by `Variant.of`, stored as one short line: `avif 960x640 12506 vX3…`."""
