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
    if min(image.width / width_px, image.height / height_px) * _MOST_ENLARGED < 1:
        return None
    left, top = _place(image, width_px / height_px)
    return image.resize(
        (width_px, height_px),
        Image.Resampling.LANCZOS,
        box=largest_box(image.size, (width_px, height_px), left, top),
        reducing_gap=2.0,
    )


def largest_box(
    whole: tuple[int, int], shape: tuple[int, int], left: float, top: float
) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the largest part of a shape, near a place, inside the whole.

    Inside also by the last bit of a product: an encoder refuses a box that is not.
    """
    share = min(whole[0] / shape[0], whole[1] / shape[1])
    across, down = min(shape[0] * share, whole[0]), min(shape[1] * share, whole[1])
    left, top = max(0.0, min(left, whole[0] - across)), max(0.0, min(top, whole[1] - down))
    return left, top, min(left + across, whole[0]), min(top + down, whole[1])


def _place(image: Image.Image, shape: float) -> tuple[float, float]:
    """The left and top edge, in the picture's pixels, of its best part of a shape."""
    small = image.copy()
    small.thumbnail((1.5 * _LOOKED_AT_PX, 1.5 * _LOOKED_AT_PX), Image.Resampling.BOX)
    found = SmartCrop(**_WEIGHTS).crop(
        small, _LOOKED_AT_PX, round(_LOOKED_AT_PX / shape), min_scale=1, step=_STEP_PX
    )
    best = found["top_crop"]
    return best["x"] * image.width / small.width, best["y"] * image.height / small.height
