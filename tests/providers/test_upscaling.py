from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from domain.sizes import Size
from providers import upscaling
from providers.upscaling import enlarged


def edge() -> Image.Image:
    """A slanted edge of two greys."""
    image = Image.new("RGB", (64, 48), (60, 60, 60))
    ImageDraw.Draw(image).polygon([(0, 0), (40, 0), (20, 48), (0, 48)], fill=(190, 190, 190))
    return image


def steepness(image: Image.Image) -> float:
    values = np.asarray(image.convert("L"), dtype=np.float32)
    return float(np.abs(np.diff(values, axis=1)).max())


def test_an_edge_is_sharper_than_lanczos_leaves_it_and_has_no_halo() -> None:
    size = Size(256, 192)
    made = enlarged(edge(), size)
    plain = edge().resize(size, Image.Resampling.LANCZOS)
    assert made.size == size
    assert steepness(made) > 1.15 * steepness(plain)
    low, high = made.convert("L").getextrema()
    assert low >= 58  # type: ignore[operator]
    assert high <= 192  # type: ignore[operator]
    assert plain.convert("L").getextrema()[1] > 195  # type: ignore[operator]


def test_grain_is_not_amplified() -> None:
    noise = np.random.default_rng(1).normal(128, 1.2, (48, 64, 1)).repeat(3, axis=2)
    image = Image.fromarray(noise.astype(np.uint8))
    made = np.asarray(enlarged(image, Size(128, 96)), dtype=np.float32)
    plain = np.asarray(image.resize((128, 96), Image.Resampling.LANCZOS), dtype=np.float32)
    assert made.std() <= 1.05 * plain.std()


def test_bands_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.asarray(enlarged(edge(), Size(256, 192)), dtype=np.int16)
    monkeypatch.setattr(upscaling, "_BAND_ROWS", 50)
    banded = np.asarray(enlarged(edge(), Size(256, 192)), dtype=np.int16)
    assert np.abs(whole - banded).max() <= 1


def test_transparency_is_enlarged_too() -> None:
    clear = edge().convert("RGBA")
    clear.putalpha(Image.new("L", clear.size, 128))
    made = enlarged(clear, Size(100, 75))
    assert (made.mode, made.size) == ("RGBA", (100, 75))
    assert made.getchannel("A").getextrema() == (128, 128)
