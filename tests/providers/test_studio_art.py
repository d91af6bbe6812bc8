import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from providers.studio import lexicon
from providers.studio.art import Scene, compose

PROMPTS = [
    "a mountain lake at dawn",
    "city skyline at night",
    "a cup of coffee and a book on a table",
    "neural network, abstract technology",
    "a cosy room with a plant by the window",
    "saturn and a purple nebula",
    "stock market growth",
    "jazz music",
    "roses in a garden",
    "xyzzy",
]
STYLES = [
    "photorealistic", "cinematic", "illustration", "flat", "minimalist", "watercolor",
    "oil-painting", "line-art", "abstract", "isometric", "digital-art", "anime", "vintage",
    "noir", "pastel",
]  # fmt: skip


def paint(
    prompt: str = PROMPTS[0],
    style: str | None = None,
    negative: str | None = None,
    seed: int = 1,
    size: tuple[int, int] = (160, 90),
) -> Image.Image:
    return compose(Scene(prompt, style, negative, seed, *size))


def far_apart(first: Image.Image, second: Image.Image) -> float:
    """Mean difference, 0 to 255, of two pictures at a small common size."""
    small = [
        np.asarray(image.resize((64, 36), Image.Resampling.BOX), dtype=np.float32)
        for image in (first, second)
    ]
    return float(np.abs(small[0] - small[1]).mean())


def digest(image: Image.Image) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_same_scene_gives_the_same_bytes(prompt: str) -> None:
    assert paint(prompt).tobytes() == paint(prompt).tobytes()


def test_a_picture_does_not_depend_on_the_pictures_before_it() -> None:
    first = digest(paint("lighthouse at night"))
    paint("forest in the fog", "watercolor", seed=9)
    assert digest(paint("lighthouse at night")) == first


def test_another_hash_seed_gives_the_same_bytes() -> None:
    code = (
        "import hashlib;from providers.studio.art import Scene, compose;"
        "print(hashlib.sha256(compose(Scene('a red boat', 'oil', 'bird', 5, 96, 64))"
        ".tobytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": salt, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for salt in ("1", "77")
    }
    assert digests == {digest(paint("a red boat", "oil", "bird", 5, (96, 64)))}


@pytest.mark.parametrize(
    "size",
    [(64, 64), (65, 64), (210, 90), (90, 210), (160, 90), (90, 160), (120, 90), (257, 131)],
)
@pytest.mark.parametrize("prompt", [PROMPTS[0], PROMPTS[4]])
def test_every_ratio_has_exactly_the_size_asked_for(prompt: str, size: tuple[int, int]) -> None:
    picture = paint(prompt, size=size)
    assert picture.size == size
    assert picture.mode == "RGB"


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_final_is_its_draft_in_higher_resolution(prompt: str) -> None:
    draft, final = paint(prompt, size=(256, 144)), paint(prompt, size=(640, 360))
    other = paint(prompt, seed=2, size=(256, 144))
    assert far_apart(draft, final) < 7
    assert far_apart(draft, final) < far_apart(draft, other) / 2


def test_a_final_survives_a_ratio_that_was_rounded() -> None:
    draft, final = paint(size=(256, 109)), paint(size=(640, 274))
    assert far_apart(draft, final) < 7


def test_a_final_shows_more_detail_than_its_draft() -> None:
    def detail(image: Image.Image) -> float:
        grey = np.asarray(image.convert("L"), dtype=np.float32)
        return float(np.abs(np.diff(grey, axis=1)).mean())

    draft, final = paint(size=(192, 108)), paint(size=(768, 432))
    assert detail(final) > detail(draft.resize(final.size, Image.Resampling.BICUBIC))


@pytest.mark.parametrize("prompt", PROMPTS)
def test_two_seeds_give_two_compositions(prompt: str) -> None:
    assert far_apart(paint(prompt, seed=1), paint(prompt, seed=2)) > 5


def test_two_prompts_give_two_pictures() -> None:
    pictures = [paint(prompt) for prompt in PROMPTS]
    for index, picture in enumerate(pictures):
        assert all(far_apart(picture, other) > 10 for other in pictures[:index])


def test_case_and_spaces_in_a_prompt_do_not_matter() -> None:
    assert digest(paint("A  Mountain Lake")) == digest(paint("a mountain lake"))


def test_styles_are_told_apart() -> None:
    pictures = [paint(style=style) for style in STYLES]
    for index, picture in enumerate(pictures):
        assert all(far_apart(picture, other) > 0.8 for other in pictures[:index])


@pytest.mark.parametrize("style", ["oil-painting", "Oil Painting", "OIL_PAINTING"])
def test_the_spelling_of_a_style_does_not_matter(style: str) -> None:
    assert digest(paint(style=style)) == digest(paint(style="oil painting"))


@pytest.mark.parametrize("style", ["", "  ", "-", "steampunk baroque", "日本画", "😀"])
def test_unknown_styles_are_harmless(style: str) -> None:
    assert far_apart(paint(style=style), paint()) < 20


def test_noir_has_no_colour() -> None:
    pixels = np.asarray(paint("red boat at sunset", "noir"), dtype=np.float32)
    assert np.ptp(pixels, axis=2).mean() < 6


def test_a_named_colour_shows() -> None:
    red, teal = (
        np.asarray(paint(f"abstract {name}"), dtype=np.float32).mean(axis=(0, 1))
        for name in ("red", "teal")
    )
    assert red[0] - red[2] > teal[0] - teal[2] + 15


def test_a_negative_prompt_removes_a_motif() -> None:
    assert lexicon.read("a boat on the sea").has("boat")
    assert not lexicon.read("a boat on the sea", "boats").has("boat")
    assert digest(paint("a boat on the sea")) != digest(paint("a boat on the sea", None, "boat"))


def test_a_negative_prompt_removes_a_colour() -> None:
    def warmth(negative: str | None) -> float:
        picture = paint("red abstract shapes", negative=negative)
        pixels = np.asarray(picture, dtype=np.float32).mean(axis=(0, 1))
        return float(pixels[0] - pixels[2])

    assert warmth("red") < warmth(None) - 10


def test_a_negation_in_the_prompt_is_understood() -> None:
    assert not lexicon.read("a beach without people").has("person")


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        " ",
        "日本の美しい風景",
        "🎉🎉",
        "Привет мир",
        "a\x00b\n",
        "\ud800",
        "word " * 800,
        "ü" * 4000,
    ],
)
def test_any_text_gives_a_picture(prompt: str) -> None:
    pixels = np.asarray(paint(prompt, size=(96, 64)), dtype=np.float32)
    assert pixels.std() > 4


@pytest.mark.parametrize("prompt", PROMPTS)
def test_progress_rises_to_one_in_many_steps(prompt: str) -> None:
    seen: list[float] = []
    compose(Scene(prompt, None, None, 1, 64, 64), seen.append)
    assert len(seen) >= 8
    assert seen == sorted(seen)
    assert seen[0] > 0
    assert seen[-1] == 1


def test_an_exception_from_progress_ends_the_work() -> None:
    class CancelledError(Exception):
        pass

    seen: list[float] = []

    def stop(progress: float) -> None:
        seen.append(progress)
        if len(seen) == 3:
            raise CancelledError

    with pytest.raises(CancelledError):
        compose(Scene(PROMPTS[0], None, None, 1, 64, 64), stop)
    assert len(seen) == 3
