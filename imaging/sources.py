"""Pictures that callers bring: as they are kept and shown to models, and masks that belong to them.

Raises `InvalidOutput` where bytes are no usable picture.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageCms

from imaging.decode import Decoded, decode

MAX_SIDE_PX = 4096
_JPEG_QUALITY = 95
_SAME_SHAPE = 1.02
_SAYS = re.compile(rb"cv\.iptc\.org/newscodes/digitalsourcetype/(\w{1,64})")
_TELLTALE = ("exif", "xmp", "icc_profile", "comment", "photoshop")


@dataclass(frozen=True)
class Brought:
    """A picture without what its file tells besides, such as where it was taken."""

    data: bytes
    media_type: str
    width_px: int
    height_px: int
    digital_source_type: str | None
    """What its mark said, an IPTC NewsCode."""


def bring_in(data: bytes) -> Brought:
    """Upright, in sRGB, at most `MAX_SIDE_PX` a side; its bytes as they are where all is so."""
    decoded = decode(data)
    said = _SAYS.search(data)
    kept, media_type = _without_metadata(data, decoded)
    with Image.open(io.BytesIO(kept)) as image:
        width_px, height_px = image.size
    return Brought(kept, media_type, width_px, height_px, said[1].decode() if said else None)


def read_mask(data: bytes, width_px: int, height_px: int) -> bytes | None:
    """The mask of a picture of that size: a PNG of greys, white where it may change.

    In a mask with transparency the transparent parts are meant, in any other the white ones. None
    where its shape is another.
    """
    image = decode(data).image
    shape = (image.width / image.height) / (width_px / height_px)
    if not 1 / _SAME_SHAPE < shape < _SAME_SHAPE:
        return None
    greys = ImageChops.invert(image.getchannel("A")) if _is_holed(image) else image.convert("L")
    encoded = io.BytesIO()
    greys.resize((width_px, height_px), Image.Resampling.BILINEAR).save(encoded, "PNG")
    return encoded.getvalue()


def _is_holed(image: Image.Image) -> bool:
    if image.mode != "RGBA":
        return False
    return image.getchannel("A").histogram()[255] < image.width * image.height


def marks_anything(mask: bytes) -> bool:
    """Whether a mask that `read_mask` gave has any white."""
    with Image.open(io.BytesIO(mask)) as image:
        return bool(image.getextrema()[1])


def _without_metadata(data: bytes, decoded: Decoded) -> tuple[bytes, str]:
    with Image.open(io.BytesIO(data)) as opened:
        is_silent = not any(opened.info.get(name) for name in _TELLTALE)
        profile = opened.info.get("icc_profile") if opened.mode in ("RGB", "RGBA") else None
    if decoded.is_plain and is_silent and max(decoded.image.size) <= MAX_SIDE_PX:
        return data, f"image/{decoded.format.lower()}"
    image = _in_srgb(decoded.image, profile)
    image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), Image.Resampling.LANCZOS)
    image.info.clear()
    encoded = io.BytesIO()
    if decoded.format == "JPEG":
        image.save(encoded, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
        return encoded.getvalue(), "image/jpeg"
    image.save(encoded, "PNG")
    return encoded.getvalue(), "image/png"


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile is None:
        return image
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        turned = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"))
    except (ImageCms.PyCMSError, OSError):
        return image  # a broken profile says nothing about the colours
    return turned or image
