"""From an original to what a page needs: marked encodings, placeholder, colour."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, replace

from PIL import Image
from thumbhash import rgba_to_thumb_hash

from imaging.decode import decode
from imaging.provenance import TRAINED_ALGORITHMIC_MEDIA, mark_jpeg, mark_png, xmp_packet

CONTENT_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
_EXTENSIONS = {"png": "png", "jpeg": "jpg", "webp": "webp"}

_THUMBHASH_SIDE_PX = 16
_WEBP_QUALITY = 82
_WEBP_EFFORT = 3


@dataclass(frozen=True)
class Encoded:
    """One encoding of the picture."""

    data: bytes
    format: str
    width_px: int
    height_px: int

    @property
    def extension(self) -> str:
        """The file name's ending, without the dot."""
        return _EXTENSIONS[self.format]

    @property
    def sha256(self) -> str:
        """Hex digest of the bytes."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Developed:
    """A developed picture; the first encoding, in the original's format, is what `url` serves."""

    encodings: list[Encoded]
    thumbhash: str
    """Base64, see https://evanw.github.io/thumbhash/."""
    dominant_color: str
    """`#rrggbb`."""


def as_it_is(data: bytes, image_format: str) -> bytes:
    """The file itself: the seal of what is not signed."""
    return data


def develop_original(
    data: bytes, packet: bytes | None = None, seal: Callable[[bytes, str], bytes] = as_it_is
) -> Developed:
    """Encode an original for the web, every encoding marked as AI-made; blocks.

    `packet` is the XMP of each, `seal` the last that is done to it, with its format. Raises
    `InvalidOutput` when the bytes are no usable picture, and what `seal` raises.
    """
    decoded = decode(data)
    packet = packet or xmp_packet(TRAINED_ALGORITHMIC_MEDIA)
    small = decoded.image.copy()
    small.thumbnail((_THUMBHASH_SIDE_PX, _THUMBHASH_SIDE_PX), Image.Resampling.BOX)
    webp = _encode(decoded.image, "webp", packet)
    encodings = [webp]
    if decoded.format != "WEBP":
        own = data if decoded.is_plain else None
        encodings.insert(0, _in_own_format(decoded.image, decoded.format, own, packet))
    return Developed(
        encodings=[replace(made, data=seal(made.data, made.format)) for made in encodings],
        thumbhash=_thumbhash(small),
        dominant_color=_dominant_color(small),
    )


def _in_own_format(
    image: Image.Image, pillow_format: str, data: bytes | None, packet: bytes
) -> Encoded:
    if data is None:
        return _encode(image, "png" if pillow_format == "PNG" else "jpeg", packet)
    if pillow_format == "PNG":
        return Encoded(mark_png(data, packet), "png", *image.size)
    return Encoded(mark_jpeg(data, packet), "jpeg", *image.size)


def _encode(image: Image.Image, image_format: str, packet: bytes) -> Encoded:
    into = io.BytesIO()
    if image_format == "webp":
        image.save(into, "WEBP", quality=_WEBP_QUALITY, method=_WEBP_EFFORT, xmp=packet)
        return Encoded(into.getvalue(), "webp", *image.size)
    if image_format == "jpeg":
        image.convert("RGB").save(into, "JPEG", quality=92, xmp=packet)
        return Encoded(into.getvalue(), "jpeg", *image.size)
    image.save(into, "PNG")
    return Encoded(mark_png(into.getvalue(), packet), "png", *image.size)


def _thumbhash(small: Image.Image) -> str:
    rgba = Image.alpha_composite(Image.new("RGBA", small.size, "white"), small.convert("RGBA"))
    hashed = rgba_to_thumb_hash(rgba.width, rgba.height, list(rgba.tobytes()))
    return base64.b64encode(bytes(hashed)).decode()


def _dominant_color(small: Image.Image) -> str:
    palette = small.convert("RGB").quantize(6)
    indices = palette.tobytes()
    commonest = max(range(6), key=indices.count)
    red, green, blue = (palette.getpalette() or [0, 0, 0])[3 * commonest : 3 * commonest + 3]
    return f"#{red:02x}{green:02x}{blue:02x}"
