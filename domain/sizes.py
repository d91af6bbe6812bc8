"""Pixel sizes from a quality and an aspect ratio."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Quality(StrEnum):
    """How much an image is worth: a cheap draft up to the largest final."""

    DRAFT = "draft"
    STANDARD = "standard"
    HIGH = "high"
    ULTRA = "ultra"


class AspectRatio(StrEnum):
    """Width to height, in smallest whole numbers."""

    SQUARE = "1:1"
    WIDE = "16:9"
    TALL = "9:16"
    R4_3 = "4:3"
    R3_4 = "3:4"
    R3_2 = "3:2"
    R2_3 = "2:3"
    R4_5 = "4:5"
    R5_4 = "5:4"
    R21_9 = "21:9"
    R9_21 = "9:21"

    @property
    def width_to_height(self) -> float:
        """Width divided by height."""
        across, down = (int(part) for part in self.split(":"))
        return across / down


class Size(NamedTuple):
    """Width and height in pixels."""

    width_px: int
    height_px: int


LONG_SIDE_PX = {
    Quality.DRAFT: 512,
    Quality.STANDARD: 1024,
    Quality.HIGH: 1536,
    Quality.ULTRA: 2048,
}
NEAR_RATIO = 1.1
"""How far a shape may be from a ratio to be taken for it."""
MIN_SIDE_PX = 64
MAX_SIDE_PX = 4096


def nearest_ratio(
    size: Size, ratios: Iterable[AspectRatio] = tuple(AspectRatio)
) -> AspectRatio | None:
    """The ratio that a size has, or nearly has; None where it is far from all."""
    shape = size.width_px / size.height_px
    ratio = min(ratios, key=lambda ratio: abs(math.log(shape / ratio.width_to_height)))
    off = max(shape / ratio.width_to_height, ratio.width_to_height / shape)
    return ratio if off <= NEAR_RATIO else None


def size_for(quality: Quality, ratio: AspectRatio) -> Size:
    """The largest size of exactly that ratio whose long side is at most the quality's."""
    across, down = (int(part) for part in ratio.split(":"))
    unit = LONG_SIDE_PX[quality] // max(across, down)
    return Size(across * unit, down * unit)
