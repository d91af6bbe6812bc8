"""A source and its mask as vendors want them: of one size, white or clear where it may change."""

from __future__ import annotations

import io

from PIL import Image, ImageChops, ImageOps

from domain.sizes import Size
from providers.base import Reference


def resized(picture: Reference, size: Size) -> Reference:
    """The picture as a PNG of exactly that size, its overhang cut off."""
    with Image.open(io.BytesIO(picture.data)) as image:
        fitted = ImageOps.fit(image.convert("RGB"), size, Image.Resampling.LANCZOS)
    return Reference(_png(fitted), "image/png", picture.is_draft)


def resized_mask(mask: bytes, size: Size) -> bytes:
    """The mask cut like its picture."""
    with Image.open(io.BytesIO(mask)) as image:
        return _png(ImageOps.fit(image.convert("L"), size, Image.Resampling.BILINEAR))


def as_png(picture: Reference) -> Reference:
    """The same pixels, for who wants picture and mask in one format."""
    if picture.media_type == "image/png":
        return picture
    with Image.open(io.BytesIO(picture.data)) as image:
        return Reference(_png(image.convert("RGB")), "image/png", picture.is_draft)


def holed(mask: bytes) -> bytes:
    """The mask as black with transparency where the picture may change."""
    with Image.open(io.BytesIO(mask)) as image:
        made = Image.new("RGBA", image.size, "black")
        made.putalpha(ImageChops.invert(image.convert("L")))
    return _png(made)


def _png(image: Image.Image) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, "PNG")
    return encoded.getvalue()
