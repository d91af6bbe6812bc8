"""Reads a provider's bytes and says early when they are not a usable picture."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageCms, ImageOps

from domain.errors import Billed, InvalidOutput

# What a decoder only warns of, a picture near its limit or odd metadata, is no defect. Once for
# the process: `catch_warnings` is for one thread, and pictures are decoded on many.
warnings.filterwarnings("ignore", module=r"PIL\.")

_MAX_PIXELS = 64_000_000
_MAX_SIDE_PX = 16_383
"""The most that WebP takes."""
_MAX_JPEG_SCANS = 100
"""An honest progressive JPEG has about ten; each is a pass over all pixels."""
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
_START_OF_SCAN = b"\xff\xda"
_SRGB = ImageCms.createProfile("sRGB")


@dataclass(frozen=True)
class Decoded:
    """A decoded picture, RGB or RGBA, 8 bits a channel, sRGB, upright, without metadata."""

    image: Image.Image
    format: str
    """`PNG`, `JPEG`, `WEBP` or `GIF`."""
    is_plain: bool
    """Whether a browser shows the encoded bytes as these pixels, so that they can be served."""

    @property
    def is_transparent(self) -> bool:
        """Whether something shines through."""
        return self.image.mode == "RGBA"


def decode(data: bytes) -> Decoded:
    """Decode PNG, JPEG, WebP or GIF bytes, of an animation the first picture.

    Raises `InvalidOutput`, billed, for anything else.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            _refuse_costly(opened, data)
            opened.load()
            return _normalised(opened)
    except InvalidOutput:
        raise
    except Image.DecompressionBombError as error:
        raise InvalidOutput("The picture is too large to decode.", billed=Billed.YES) from error
    except Exception as error:
        # Decoders meet hostile bytes with errors of every kind; each means the same.
        raise InvalidOutput("The bytes are not a readable picture.", billed=Billed.YES) from error


def _refuse_costly(opened: Image.Image, data: bytes) -> None:
    width_px, height_px = opened.size
    if width_px * height_px > _MAX_PIXELS or max(opened.size) > _MAX_SIDE_PX:
        raise InvalidOutput(
            f"The picture is too large: {width_px} by {height_px} pixels.", billed=Billed.YES
        )
    if _format(opened) == "JPEG" and data.count(_START_OF_SCAN) > _MAX_JPEG_SCANS:
        raise InvalidOutput("The picture takes too long to decode.", billed=Billed.YES)


def _format(opened: Image.Image) -> str:
    """A JPEG with further pictures in it is called MPO."""
    return "JPEG" if opened.format == "MPO" else opened.format or ""


def _normalised(opened: Image.Image) -> Decoded:
    is_turned = _orientation(opened) != 1
    is_plain = (
        opened.format != "GIF"
        and opened.mode in ("RGB", "RGBA")
        and not is_turned
        and not getattr(opened, "is_animated", False)
    )
    image = ImageOps.exif_transpose(opened) if is_turned else opened
    if image.mode.startswith("I"):
        image = image.point(lambda value: value / 257, "L")  # 16 bits to 8
    image = _in_srgb(image, opened.info.get("icc_profile"))
    # Or an encoder would put the original's profile and marks on pixels that they do not fit.
    image.info = {}
    return Decoded(image=image, format=_format(opened), is_plain=is_plain)


def _orientation(opened: Image.Image) -> int:
    try:
        turned: int = opened.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        # The picture is whole; only what is told of it is not.
        return 1
    return turned if turned in range(1, 9) else 1


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """A copy in sRGB; a profile that is damaged, or of another kind of picture, is ignored."""
    alpha = _transparency(image)
    colors = (_by_profile(image, profile) if profile else None) or image.convert("RGB")
    if alpha is not None:
        colors.putalpha(alpha)
    return colors


def _transparency(image: Image.Image) -> Image.Image | None:
    """The alpha channel; None also where nothing shines through."""
    if not image.has_transparency_data:
        return None
    alpha = image.convert("RGBA").getchannel("A")
    return None if alpha.getextrema() == (255, 255) else alpha


def _by_profile(image: Image.Image, data: bytes) -> Image.Image | None:
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        space = profile.profile.xcolor_space.strip()
        if (space == "CMYK") != (image.mode == "CMYK"):
            return None
        mode = {"RGB": "RGB", "CMYK": "CMYK", "GRAY": "L"}[space]
        return ImageCms.profileToProfile(image.convert(mode), profile, _SRGB, outputMode="RGB")
    except Exception:
        return None
