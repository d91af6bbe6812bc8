"""A crop of another shape that keeps what the eye goes to."""

from __future__ import annotations

from PIL import Image
from smartcrop import SmartCrop

_LOOKED_AT_PX = 400
_STEP_PX = 8
_MOST_ENLARGED = 1.5

_WEIGHTS = {
    # Small figures stay in the picture, and glowing skies do not win over them.
    "detail_weight": 0.4,
    "saturation_weight": 0.1,
    # What lies at the picture's own edge is kept rather than shut out for lying at the crop's.
    "edge_weight": -2,
    "rule_of_thirds": False,
}
"""Where they are not the library's own."""


def attentive_crop(image: Image.Image, width_px: int, height_px: int) -> Image.Image | None:
    """The most telling part of an RGB picture at that size, as much of it as the shape allows.

    None where it would have to be enlarged by more than a half.
    """
    share = min(image.width / width_px, image.height / height_px)
    if share * _MOST_ENLARGED < 1:
        return None
    across, down = width_px * share, height_px * share
    left, top = _place(image, width_px / height_px)
    left, top = min(left, image.width - across), min(top, image.height - down)
    return image.resize(
        (width_px, height_px),
        Image.Resampling.LANCZOS,
        box=(left, top, left + across, top + down),
        reducing_gap=2.0,
    )


def _place(image: Image.Image, shape: float) -> tuple[float, float]:
    """The left and top edge, in the picture's pixels, of its best part of a shape."""
    small = image.copy()
    small.thumbnail((1.5 * _LOOKED_AT_PX, 1.5 * _LOOKED_AT_PX), Image.Resampling.BOX)
    found = SmartCrop(**_WEIGHTS).crop(
        small, _LOOKED_AT_PX, round(_LOOKED_AT_PX / shape), min_scale=1, step=_STEP_PX
    )
    best = found["top_crop"]
    return best["x"] * image.width / small.width, best["y"] * image.height / small.height
