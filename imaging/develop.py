"""From an original to what a page needs: marked encodings, social crop, placeholder, colour."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from PIL import Image

from domain.errors import Billed, InvalidOutput
from imaging.assets import AssetSettings
from imaging.cropping import attentive_crop
from imaging.decode import Decoded, decode
from imaging.encode import encode
from imaging.placeholder import placeholder
from imaging.provenance import TRAINED_ALGORITHMIC_MEDIA, mark_jpeg, mark_png, xmp_packet

T = TypeVar("T")
R = TypeVar("R")

_Page = tuple[Image.Image, str]
"""A picture at one size, and the format that it is wanted in."""

Seal = Callable[[bytes, str], bytes]
"""Takes a finished encoding and its format, gives it signed; called on many threads."""


@dataclass(frozen=True)
class Encoded:
    """One encoding of the picture, finished: sealed and hashed."""

    data: bytes
    format: str
    width_px: int
    height_px: int
    sha256: str
    """Hex digest of the bytes."""


@dataclass(frozen=True)
class Developed:
    """A developed picture."""

    main: Encoded
    """The full size in the original's format: what `url` serves."""
    variants: list[Encoded]
    """The full size and smaller ones in the web's formats, each format from large to small."""
    social: Encoded | None
    thumbhash: str
    """Base64, see https://evanw.github.io/thumbhash/."""
    dominant_color: str
    """`#rrggbb`."""

    @property
    def encodings(self) -> list[Encoded]:
        """All of them, the main one first."""
        return [self.main, *self.variants, *([self.social] if self.social else [])]


def as_it_is(data: bytes, image_format: str) -> bytes:
    """The file itself: the seal of what is not signed."""
    return data


def develop_original(
    data: bytes,
    settings: AssetSettings | None = None,
    *,
    is_preview: bool = False,
    packet: bytes | None = None,
    seal: Seal = as_it_is,
    hands: Executor | None = None,
) -> Developed:
    """Encode an original for the web, every encoding marked with how it came to be; blocks.

    A preview has one variant. `packet` is the XMP of each, `seal` the last that is done to it.
    Encoders run on `hands`, of which the calling thread is none, or here where there are none.
    Raises `InvalidOutput` when the bytes are no usable picture, and what `seal` raises.
    """
    settings = settings or AssetSettings()
    decoded = decode(data)
    work = _Work(settings, packet or xmp_packet(TRAINED_ALGORITHMIC_MEDIA), seal)
    crop = None
    if is_preview or settings.is_small(decoded.image.width):
        pages = _preview(decoded, settings)
    else:
        pages = _pages(decoded, settings, hands)
        crop = _social_crop(decoded.image, settings)
    jobs = [partial(work.encoded, image, kind) for image, kind in pages]
    jobs.append(partial(work.main, decoded, data))
    if crop is not None:
        jobs.append(partial(work.encoded, crop, "jpeg"))
    done = _each(hands, lambda job: job(), jobs)
    thumbhash, dominant_color = placeholder(decoded.image)
    return Developed(
        main=done[len(pages)],
        variants=done[: len(pages)],
        social=done[-1] if crop is not None else None,
        thumbhash=thumbhash,
        dominant_color=dominant_color,
    )


def _each(hands: Executor | None, do: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """What doing it to each item gives, in their order."""
    return list(hands.map(do, items) if hands else map(do, items))


@dataclass(frozen=True)
class _Work:
    """What every encoding of a picture has in common."""

    settings: AssetSettings
    xmp: bytes
    seal: Seal

    def encoded(self, image: Image.Image, image_format: str) -> Encoded:
        try:
            data = encode(image, image_format, self.settings, self.xmp)
        except (OSError, RuntimeError, ValueError) as error:
            problem = f"The picture cannot be encoded as {image_format}."
            raise InvalidOutput(problem, billed=Billed.YES) from error
        return self._finished(data, image_format, image)

    def main(self, decoded: Decoded, data: bytes) -> Encoded:
        """The original itself with a mark where it can be served, else its pixels encoded anew."""
        if decoded.is_plain and decoded.format == "PNG":
            return self._finished(mark_png(data, self.xmp), "png", decoded.image)
        if decoded.is_plain and decoded.format == "JPEG":
            return self._finished(mark_jpeg(data, self.xmp), "jpeg", decoded.image)
        return self.encoded(decoded.image, _main_format(decoded))

    def _finished(self, data: bytes, image_format: str, image: Image.Image) -> Encoded:
        data = self.seal(data, image_format)
        return Encoded(data, image_format, *image.size, hashlib.sha256(data).hexdigest())


def _preview(decoded: Decoded, settings: AssetSettings) -> list[_Page]:
    """What shows the whole picture soon."""
    return _in_formats(decoded, [decoded.image], (settings.preview_format,))


def _pages(decoded: Decoded, settings: AssetSettings, hands: Executor | None) -> list[_Page]:
    """Every width in every format; the slowest to encode are the first."""
    widths = reversed(settings.widths_of(decoded.image.width))
    scaled = _each(hands, partial(_scaled, decoded.image), widths)
    return _in_formats(decoded, scaled, settings.formats)


def _in_formats(decoded: Decoded, images: list[Image.Image], formats: Iterable[str]) -> list[_Page]:
    """Each image in each format, PNG instead of JPEG where something shines through.

    What the main encoding is already is left out; but a vendor's JPEG is larger than ours.
    """
    kinds = ["png" if kind == "jpeg" and decoded.is_transparent else kind for kind in formats]
    main = _main_format(decoded)
    return [
        (image, kind)
        for kind in kinds
        for image in images
        if image is not decoded.image or kind != main or kind == "jpeg"
    ]


def _scaled(image: Image.Image, width_px: int) -> Image.Image:
    if width_px == image.width:
        return image
    height_px = max(1, round(image.height * width_px / image.width))
    return image.resize((width_px, height_px), Image.Resampling.LANCZOS, reducing_gap=2.0)


def _social_crop(image: Image.Image, settings: AssetSettings) -> Image.Image | None:
    """What a link preview shows of a wide picture, on white where something shines through."""
    if not settings.social or image.width <= image.height:
        return None
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return attentive_crop(image, settings.social_width, settings.social_height)


def _main_format(decoded: Decoded) -> str:
    return "png" if decoded.format == "GIF" else decoded.format.lower()
