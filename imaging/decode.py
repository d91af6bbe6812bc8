"""Reads a provider's bytes and says early when they are not a usable picture."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
                _refuse_huge(opened.width, opened.height)
                opened.load()
                return _normalised(opened)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InvalidOutput("The bytes are not a readable picture.", billed=Billed.YES) from error
    except Image.DecompressionBombError as error:
        raise InvalidOutput("The picture is too large to decode.", billed=Billed.YES) from error


def _refuse_huge(width_px: int, height_px: int) -> None:
    if width_px * height_px > _MAX_PIXELS:
        raise InvalidOutput(
            f"The picture is too large: {width_px} by {height_px} pixels.", billed=Billed.YES
        )


def _normalised(opened: Image.Image) -> Decoded:
    is_turned = opened.getexif().get(ExifTags.Base.Orientation, 1) != 1
    is_plain = (
        opened.mode in ("RGB", "RGBA")
        and not is_turned
        and not getattr(opened, "is_animated", False)
    )
    image = ImageOps.exif_transpose(opened) if is_turned else opened
    if image.mode.startswith("I"):
        image = image.point(lambda value: value / 257, "L")  # 16 bits to 8
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return Decoded(image=image.convert(mode), format=opened.format or "", is_plain=is_plain)
