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
    # Pillow keeps an encoder's options in the picture itself, which other threads encode too.
    image, into = image.copy(), io.BytesIO()
    if image_format == "avif":
        image.save(
            into,
            "AVIF",
            quality=settings.avif_quality,
            speed=settings.avif_speed,
            # Several are encoded at once, each on a thread of its own: tiles would only cost bytes.
            max_threads=1,
            autotiling=False,
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
