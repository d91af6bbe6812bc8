from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageStat

from domain.sizes import Size
from providers.studio.art import Scene, compose
from providers.studio.rework import Given, edit, upscale, variation

SIZE = Size(256, 144)
SCENE = Scene("a lighthouse above the sea at sunset", None, None, 7, *SIZE)


def encoded(image: Image.Image) -> bytes:
    into = io.BytesIO()
    image.save(into, "PNG")
    return into.getvalue()


DRAWN = compose(SCENE)
PHOTO = compose(Scene("a city street at noon", None, None, 3, *SIZE))


def given(words: str = "", picture: Image.Image = DRAWN, scene: Scene | None = SCENE) -> Given:
    return Given(encoded(picture), None, words, None, None, 11, SIZE, 1.0, scene)


def quiet(share: float) -> None:
    """Take a progress report."""


def distance(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two pictures, 0 to 255."""
    stat = ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB")))
    return float(np.mean(stat.mean))


def outlines(image: Image.Image) -> Image.Image:
    """Where the large shapes are, whatever their light."""
    grey = np.asarray(image.convert("L").resize((64, 36)), dtype=np.float32)
    steps = np.abs(np.diff(grey, axis=1, append=grey[:, -1:]))
    return Image.fromarray(np.clip(steps * 4, 0, 255).astype(np.uint8)).convert("RGB")


def left_half() -> bytes:
    image = Image.new("L", SIZE, 0)
    ImageDraw.Draw(image).rectangle((0, 0, SIZE.width_px // 2 - 1, SIZE.height_px), fill=255)
    return encoded(image)


class TestOfItsOwnScenes:
    def test_a_variation_is_the_same_scene_with_other_dice(self) -> None:
        made = variation(given(), quiet)
        assert made.tobytes() == compose(replace(SCENE, seed=11)).tobytes()
        assert distance(made, DRAWN) > 4

    def test_an_edit_changes_the_light_and_not_the_composition(self) -> None:
        night, other = edit(given("at night"), quiet), variation(given("at night"), quiet)
        assert distance(night, DRAWN) > 20
        shape = outlines(DRAWN)
        assert distance(outlines(night), shape) < distance(outlines(other), shape)

    def test_words_that_mean_nothing_to_it_change_something_all_the_same(self) -> None:
        assert distance(edit(given("xylograph quux"), quiet), DRAWN) > 2

    def test_strength_is_how_much_of_the_change_is_seen(self) -> None:
        whole = distance(edit(given("at night"), quiet), DRAWN)
        half = distance(edit(replace(given("at night"), strength=0.5), quiet), DRAWN)
        assert half == pytest.approx(whole / 2, rel=0.15)

    def test_the_same_edit_at_another_size_is_the_same_picture(self) -> None:
        small = edit(given("at night"), quiet)
        large = edit(replace(given("at night"), size=Size(512, 288)), quiet)
        assert distance(large.resize(SIZE, Image.Resampling.BOX), small) < 6


@pytest.mark.parametrize("scene", [SCENE, None], ids=["own", "photo"])
def test_what_the_mask_keeps_is_kept_to_the_pixel(scene: Scene | None) -> None:
    picture = DRAWN if scene else PHOTO
    wanted = replace(given("a balloon at night", picture, scene), mask=left_half())
    made = edit(wanted, quiet)
    right = (SIZE.width_px // 2, 0, *SIZE)
    assert made.crop(right).tobytes() == picture.crop(right).tobytes()
    left = (0, 0, SIZE.width_px // 2, SIZE.height_px)
    assert distance(made.crop(left), picture.crop(left)) > 8


class TestOfOtherPictures:
    def test_a_variation_is_another_cut_and_tone(self) -> None:
        first = variation(given("", PHOTO, None), quiet)
        second = variation(replace(given("", PHOTO, None), seed=12), quiet)
        assert first.size == SIZE
        assert distance(first, PHOTO) > 4
        assert distance(first, second) > 4

    def test_an_edit_puts_it_in_another_light(self) -> None:
        night = edit(given("at night", PHOTO, None), quiet)
        assert ImageStat.Stat(night.convert("L")).mean < ImageStat.Stat(PHOTO.convert("L")).mean
        assert distance(outlines(night), outlines(PHOTO)) < 40

    def test_what_is_transparent_is_taken_for_white(self) -> None:
        clear = Image.new("RGBA", SIZE, (0, 0, 0, 0))
        made = edit(replace(given("warm", clear, None), strength=0.01), quiet)
        assert made.getpixel((5, 5)) > (240, 240, 240)  # type: ignore[operator]


def test_an_upscale_keeps_transparency() -> None:
    clear = Image.new("RGBA", (32, 18), (200, 10, 10, 90))
    made = upscale(replace(given("", clear, None), size=Size(64, 36)), quiet)
    assert (made.mode, made.size) == ("RGBA", (64, 36))
