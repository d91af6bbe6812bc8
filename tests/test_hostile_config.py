"""Whatever stands in `darkroom.toml` and `keys.toml`: they are read, or what is wrong is said."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from api.keyring import configured_keys, filed_keys
from domain.retention import Keeping
from pipeline.developing import load_assets
from pipeline.house import load_house
from pipeline.keeping import load_policy
from pipeline.spending import load_budgets
from pipeline.subscribing import load_subscriptions
from providers.catalogue import CatalogueError, load_catalogue
from tests.receivers import SECRET

ROOT = Path(__file__).parents[1]
SECRETS = {"CMS_WEBHOOK_SECRET": SECRET, "MAGAZINE_WEBHOOK_SECRET": SECRET}
READERS: list[Callable[[Path], object]] = [
    load_catalogue,
    load_assets,
    load_budgets,
    configured_keys,
    filed_keys,
    lambda file: load_house(file, load_catalogue(file)),
    lambda file: load_policy(Keeping(), file),
    lambda file: load_subscriptions(file, SECRETS, (), frozenset()),
]


def example() -> dict[str, Any]:
    """All that the example shows, as if none of it were commented out."""
    text = (ROOT / "darkroom.example.toml").read_text()
    text = text.replace("64 hexadecimal digits", "a" * 64)
    return tomllib.loads(re.sub(r"(?m)^#(?=[\[a-z\"])", "", text))


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every table or list of a document, with each of its keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    inner = [value[key] for key in keys if isinstance(value[key], dict | list)]
    return [(value, key) for key in keys] + [place for each in inner for place in places(each)]


SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.dates(),
    st.text(max_size=20),
    st.sampled_from(["studio", "*", "", "http://[", "https://x:99999/", "\x00", "a/b/c", "1e999"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def assert_read_or_refused(file: Path) -> None:
    for read in READERS:
        with suppress(CatalogueError):
            read(file)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config") / "darkroom.toml"


def test_the_example_is_read_whole(file: Path) -> None:
    file.write_text(tomlkit.dumps(example()))
    for read in READERS:
        read(file)


@settings(max_examples=60)
@given(st.data())
def test_one_value_of_another_kind(file: Path, data: st.DataObject) -> None:
    document = deepcopy(example())
    within, key = data.draw(st.sampled_from(places(document)))
    within[key] = data.draw(VALUES)
    file.write_text(tomlkit.dumps(document))
    assert_read_or_refused(file)


@settings(max_examples=60)
@given(st.data())
def test_one_more_value(file: Path, data: st.DataObject) -> None:
    document = deepcopy(example())
    tables = [within for within, _ in places(document) if isinstance(within, dict)]
    data.draw(st.sampled_from(tables))[data.draw(st.text(max_size=12))] = data.draw(VALUES)
    file.write_text(tomlkit.dumps(document))
    assert_read_or_refused(file)


@settings(max_examples=40)
@given(st.binary(max_size=60), st.floats(0, 1))
def test_bytes_that_got_into_it(file: Path, stray: bytes, where: float) -> None:
    text = tomlkit.dumps(example()).encode()
    at = int(where * len(text))
    file.write_bytes(text[:at] + stray + text[at + len(stray) :])
    assert_read_or_refused(file)
