"""The page on editing: its table is the catalogue's, its tables of settings are taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.operations import Operation
from providers.catalogue import load_catalogue
from tests.docs.pages import page, snippets

PAGE = page("editing.md")
CATALOGUE = load_catalogue(Path("there-is-no-such.toml"))
NOTHING = "–"  # noqa: RUF001


def rows() -> dict[str, list[str]]:
    table = PAGE.split("| provider | variations |")[1].split("\n\n")[0]
    lines = [line.strip("| ").split("|") for line in table.splitlines()[2:]]
    return {cells[0].strip(" `"): [cell.strip() for cell in cells[1:]] for cells in lines}


@pytest.mark.parametrize("provider", sorted(CATALOGUE.providers))
def test_the_table_says_what_the_catalogue_says(provider: str) -> None:
    models = CATALOGUE.providers[provider].models.values()
    can = [
        any(operation in model.operations for model in models)
        for operation in (Operation.VARIATIONS, Operation.EDIT)
    ]
    can.append(any(model.mask for model in models))
    can.append(any(Operation.UPSCALE in model.operations for model in models))
    assert [cell != NOTHING for cell in rows()[provider]] == can


def test_the_pages_settings_are_taken(tmp_path: Path) -> None:
    [tables] = snippets(PAGE, "toml")
    (tmp_path / "darkroom.toml").write_text(tables)
    catalogue = load_catalogue(tmp_path / "darkroom.toml")
    assert catalogue.default_for(Operation.EDIT) == "openai"
    assert catalogue.default_for(Operation.UPSCALE) == "studio"
