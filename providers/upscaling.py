"""Making a picture larger without a model: Lanczos, edges drawn sharper, no halos around them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from domain.sizes import Size

Plane = npt.NDArray[np.float32]

_BAND_ROWS = 512
"""So many rows at once: a large picture would take a gigabyte otherwise."""
_AMOUNT = 0.9
_FLAT, _STEEP = 2.0, 14.0
"""Detail below the first, of 255, is grain and stays as it is; above the second it is an edge."""
_TOLERANCE = 1.5


def enlarged(
    image: Image.Image, size: Size, on_progress: Callable[[float], None] = lambda share: None
) -> Image.Image:
    """The RGB or RGBA picture at that size; `on_progress` gets the share of rows that are done.

    No pixel leaves the range of the source's pixels around it: what rings is cut off.
    """
    colours = image.convert("RGB")
    low, high = colours.filter(ImageFilter.MinFilter(3)), colours.filter(ImageFilter.MaxFilter(3))
    made = Image.new("RGB", size)
    for top in range(0, size.height_px, _BAND_ROWS):
        bottom = min(top + _BAND_ROWS, size.height_px)
        band = _band((colours, low, high), size, top, bottom)
        made.paste(Image.fromarray(band), (0, top))
        on_progress(bottom / size.height_px)
    if image.mode == "RGBA":
        made.putalpha(image.getchannel("A").resize(size, Image.Resampling.LANCZOS))
    return made


def _band(
    images: tuple[Image.Image, Image.Image, Image.Image], size: Size, top: int, bottom: int
) -> npt.NDArray[np.uint8]:
    colours, low, high = images
    scale = size.height_px / colours.height
    radius = max(0.6, 0.55 * scale)
    margin = math.ceil(4 * radius)
    first, last = max(0, top - margin), min(size.height_px, bottom + margin)
    box = (0.0, first / scale, float(colours.width), min(last / scale, colours.height))
    shape = (size.width_px, last - first)
    smooth = colours.resize(shape, Image.Resampling.LANCZOS, box=box)
    rgb = np.asarray(smooth, dtype=np.float32)
    edges = _edges(smooth.convert("L"), radius)
    limits = [
        np.asarray(limit.resize(shape, Image.Resampling.BILINEAR, box=box), dtype=np.float32)
        for limit in (low, high)
    ]
    sharp = rgb + edges[:, :, None]
    np.clip(sharp, limits[0] - _TOLERANCE, limits[1] + _TOLERANCE, out=sharp)
    kept = np.clip(sharp[top - first : bottom - first] + np.float32(0.5), 0, 255)
    band: npt.NDArray[np.uint8] = kept.astype(np.uint8)
    return band


def _edges(grey: Image.Image, radius: float) -> Plane:
    """What to add to all channels: the detail that an unsharp mask finds, where it is an edge."""
    values = np.asarray(grey, dtype=np.float32)
    blurred = np.asarray(grey.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32)
    detail = values - blurred
    share = np.clip((np.abs(detail) - _FLAT) / (_STEEP - _FLAT), 0, 1)
    weighted: Plane = detail * share * (2 - share) * np.float32(_AMOUNT)
    return weighted
