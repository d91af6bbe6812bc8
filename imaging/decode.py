"""Reads a provider's bytes and says early when they are not a usable picture."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from domain.errors import Billed, InvalidOutput

_MAX_PIXELS = 64_000_000
_FORMATS = ("PNG", "JPEG", "WEBP")


@dataclass(frozen=True)
class Decoded:
    """A decoded picture, RGB or RGBA, 8 bits a channel, upright."""

    image: Image.Image
    format: str
    """`PNG`, `JPEG` or `WEBP`."""
    is_plain: bool
    """Whether the encoded bytes hold exactly these pixels, so that they can be served as is."""


def decode(data: bytes) -> Decoded:
    """Decode PNG, JPEG or WebP bytes; raises `InvalidOutput`, billed, for anything else."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            if opened.width * opened.height > _MAX_PIXELS:
                raise InvalidOutput(
                    f"the picture is too large [{opened.width}x{opened.height}]",
                    billed=Billed.YES,
                )
            opened.load()
            return _normalised(opened)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InvalidOutput("the bytes are not a readable picture", billed=Billed.YES) from error
    except Image.DecompressionBombError as error:
        raise InvalidOutput("the picture is too large to decode", billed=Billed.YES) from error


def _normalised(opened: Image.Image) -> Decoded:
    name = opened.format or ""
    is_plain = opened.mode in ("RGB", "RGBA") and not getattr(opened, "is_animated", False)
    mode = "RGBA" if opened.has_transparency_data else "RGB"
    return Decoded(image=opened.convert(mode), format=name, is_plain=is_plain)
