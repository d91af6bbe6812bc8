"""What the documents say of the catalogue is what the catalogue says."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.jobs import ImageSpec
from domain.sizes import AspectRatio, Quality, size_for
from providers.catalogue import load_catalogue

ROOT = Path(__file__).parents[1]
CATALOGUE = load_catalogue(ROOT / "no-such.toml")
OWN = ("comfyui", "diffusers")
"""Whatever model the operator has."""


def row_of(provider: str) -> str:
    lines = (ROOT / "README.md").read_text().splitlines()
    (row,) = [line for line in lines if line.startswith(f"| `{provider}` |")]
    return row


@pytest.mark.parametrize("provider", sorted(CATALOGUE.providers))
def test_the_readme_has_a_row_for_each_provider(provider: str) -> None:
    row, defaults = row_of(provider), CATALOGUE.providers[provider].defaults
    for quality in (Quality.DRAFT, Quality.HIGH):
        spec = ImageSpec(
            prompt="sea",
            quality=quality,
            aspect_ratio=AspectRatio.SQUARE,
            width_px=size_for(quality, AspectRatio.SQUARE).width_px,
            height_px=size_for(quality, AspectRatio.SQUARE).height_px,
            seed=1,
        )
        target = CATALOGUE.target(provider, None, spec)
        if provider not in OWN:
            assert f"`{defaults[quality]}`" in row
        if target.price_usd:
            assert f"${round(target.price_usd, 3):g}" in row
        assert ("| yes |" in row) is CATALOGUE.model(target).seed
    assert f"| {CATALOGUE.model(target).references or '–'} |" in row  # noqa: RUF001
