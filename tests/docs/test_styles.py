"""The page on styles: its tables are taken, and what it says of prompts and sizes is so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domain.jobs import Asked
from domain.reviews import Revision
from domain.sizes import Quality
from pipeline.house import House, dressed, load_house
from providers.catalogue import load_catalogue
from tests.docs.pages import page, snippets

PAGE = page("styles.md")
EXAMPLE = Path(__file__).parents[2] / "darkroom.example.toml"


@pytest.fixture
def house(tmp_path: Path) -> House:
    config = tmp_path / "darkroom.toml"
    config.write_text("\n".join(snippets(PAGE, "toml")))
    return load_house(config, load_catalogue(config))


def test_the_pages_tables_are_taken(house: House) -> None:
    assert set(house.styles) == {"gouache", "night-shift"}
    assert set(house.placements) - set(House().placements) == {"banner", "sidebar"}


def test_the_pages_prompt_is_what_the_house_makes(house: House) -> None:
    [told] = (json.loads(text) for text in snippets(PAGE, "json"))
    asked = Asked(prompt=told["prompt"], style="gouache", placement="hero")
    made = dressed(asked, house.style("gouache", "default"), house.placement("hero"))
    assert made["prompt"] == told["full_prompt"]


def test_the_page_lists_the_built_in_placements_with_their_sizes() -> None:
    rows = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
    assert rows == [
        [f"`{name}`", *(f"{w}×{h}" for w, h in map(placement.size, Quality))]  # noqa: RUF001
        for name, placement in House().placements.items()
    ]


def test_the_page_names_all_that_a_revision_may_change() -> None:
    told = PAGE.partition("`revise` starts")[2].partition("All\nelse")[0]
    assert {name for name in Revision.model_fields if f"`{name}`" not in told} == set()


def test_the_examples_tables_are_taken(tmp_path: Path) -> None:
    """All that is commented out there, switched on."""
    _, _, ours = EXAMPLE.read_text().partition("# --- House styles")
    tables, _, _ = ours.partition("# --- Placements")[2].partition("# --- Webhooks")
    styles = ours.partition("# --- Placements")[0]
    config = tmp_path / "darkroom.toml"
    lines = (styles + tables).splitlines()
    config.write_text(
        "\n".join(line[1:] for line in lines if line.startswith("#") and line[1:2] not in (" ", ""))
    )
    house = load_house(config, load_catalogue(config))
    assert house.styles
    assert len(house.placements) > len(House().placements)
