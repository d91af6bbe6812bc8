from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from imaging.cropping import attentive_crop, largest_box


def house(left: int, top: int, size: tuple[int, int]) -> Image.Image:
    """Something with windows in front of nothing."""
    image = Image.new("RGB", size, "#cfd8dc")
    draw = ImageDraw.Draw(image)
    draw.rectangle((left, top, left + 260, top + 260), fill="#b71c1c")
    for across in range(4):
        for down in range(4):
            at = (left + 20 + 60 * across, top + 20 + 60 * down)
            draw.rectangle((*at, at[0] + 30, at[1] + 30), fill="#fff9c4")
    return image


class TestAttentiveCrop:
    @pytest.mark.parametrize("left", [20, 1700])
    def test_what_is_at_the_side_of_a_wide_picture_stays_in_it(self, left: int) -> None:
        crop = attentive_crop(house(left, 300, (2000, 840)), 1200, 630)
        assert crop
        assert crop.size == (1200, 630)
        assert red_px(crop) == pytest.approx((195, 195), abs=6)

    @pytest.mark.parametrize("top", [10, 700])
    def test_what_is_at_the_edge_of_a_squarish_one_stays_too(self, top: int) -> None:
        crop = attentive_crop(house(500, top, (1200, 980)), 1200, 630)
        assert crop
        assert red_px(crop) == pytest.approx((260, 260), abs=8)

    def test_nothing_is_enlarged_by_more_than_a_half(self) -> None:
        assert attentive_crop(house(10, 10, (800, 420)), 1200, 630)
        assert attentive_crop(house(10, 10, (799, 419)), 1200, 630) is None


def red_px(image: Image.Image) -> tuple[int, int]:
    """Width and height of the house."""
    box = image.getchannel("G").point(lambda value: 255 * (value < 100), "L").getbbox()
    assert box
    return box[2] - box[0], box[3] - box[1]


_SIDE = st.integers(1, 16_383)


class TestLargestBox:
    @settings(max_examples=500)
    @given(
        whole=st.tuples(_SIDE, _SIDE),
        shape=st.tuples(_SIDE, _SIDE),
        place=st.tuples(st.floats(0, 16_383), st.floats(0, 16_383)),
    )
    def test_it_lies_inside_the_whole_whatever_is_rounded(
        self, whole: tuple[int, int], shape: tuple[int, int], place: tuple[float, float]
    ) -> None:
        left, top, right, bottom = largest_box(whole, shape, *place)
        assert 0 <= left < right <= whole[0]
        assert 0 <= top < bottom <= whole[1]

    def test_a_picture_that_is_as_wide_as_it_may_be_is_cropped(self) -> None:
        crop = attentive_crop(house(500, 300, (1344, 768)), 1200, 630)
        assert crop
        assert crop.size == (1200, 630)
