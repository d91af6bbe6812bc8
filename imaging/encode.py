"""A picture in one of the web's formats, with its mark."""

from __future__ import annotations

import io

from PIL import Image

from imaging.assets import AssetSettings
from imaging.provenance import mark_png

CONTENT_TYPES = {
    "avif": "image/avif",
    "webp": "image/webp",
    "jpeg": "image/jpeg",
    "png": "image/png",
}


def encode(image: Image.Image, image_format: str, settings: AssetSettings, xmp: bytes) -> bytes:
    """The bytes of an RGB or RGBA picture, RGB for JPEG, marked with an XMP packet; blocks."""
    into = io.BytesIO()
    if image_format == "avif":
        image.save(
            into,
            "AVIF",
            quality=settings.avif_quality,
            speed=settings.avif_speed,
            max_threads=1,  # several are encoded at once, each on a thread of its own
            xmp=xmp,
        )
    elif image_format == "webp":
        image.save(
            into, "WEBP", quality=settings.webp_quality, method=settings.webp_effort, xmp=xmp
        )
    elif image_format == "jpeg":
        image.save(
            into, "JPEG", quality=settings.jpeg_quality, progressive=True, optimize=True, xmp=xmp
        )
    else:
        image.save(into, "PNG")
        return mark_png(into.getvalue(), xmp)
    return into.getvalue()
