from __future__ import annotations

from pathlib import Path

import pytest

from api.keyring import KeyRing, digest_of
from cli import keys_file
from domain.keys import Scope
from providers.catalogue import CatalogueError
from tests.api.keys import key, secret_of

TABLE = """
[[keys]]
name = "{name}"
tenant = "blog"
scopes = ["read"]
sha256 = "{sha256}"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "darkroom.toml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "home" / "keys.toml"


def table(name: str, **wrong: str) -> str:
    return TABLE.format(**{"name": name, "sha256": digest_of(secret_of(name)), **wrong})


def test_without_any_key_it_is_not_locked(config: Path, file: Path) -> None:
    ring = KeyRing(config, file, [])
    assert not ring.is_locked
    assert ring.find(secret_of("ada")) is None


def test_a_key_may_stand_in_the_configuration_the_environment_or_the_keys_file(
    config: Path, file: Path
) -> None:
    config.write_text(table("ada"))
    keys_file.add(file, key("bob", tenant="news"))
    ring = KeyRing(config, file, [key("eve", Scope.REVIEW)])
    assert ring.is_locked
    found = {name: ring.find(secret_of(name)) for name in ("ada", "bob", "eve", "mallory")}
    assert {name: known and known.tenant for name, known in found.items()} == {
        "ada": "blog",
        "bob": "news",
        "eve": "default",
        "mallory": None,
    }


def test_the_hash_of_a_key_is_no_key(config: Path, file: Path) -> None:
    ring = KeyRing(config, file, [key("ada")])
    assert ring.find(digest_of(secret_of("ada"))) is None


def test_a_key_that_is_created_is_known_at_once(config: Path, file: Path) -> None:
    ring = KeyRing(config, file, [])
    keys_file.add(file, key("ada"))
    assert ring.is_locked
    assert ring.find(secret_of("ada"))
    config.write_text(table("bob"))
    assert ring.find(secret_of("bob"))


def test_a_key_that_is_revoked_is_forgotten_at_once(config: Path, file: Path) -> None:
    keys_file.add(file, key("ada"))
    keys_file.add(file, key("bob"))
    ring = KeyRing(config, file, [])
    assert keys_file.remove(file, "ada")
    assert ring.find(secret_of("ada")) is None
    assert ring.find(secret_of("bob"))


def test_the_last_key_that_is_revoked_opens_nothing(config: Path, file: Path) -> None:
    keys_file.add(file, key("ada"))
    ring = KeyRing(config, file, [])
    file.unlink()
    assert ring.is_locked
    assert ring.find(secret_of("ada")) is None


def test_a_file_that_is_spoiled_while_running_changes_nothing(
    config: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys_file.add(file, key("ada"))
    ring = KeyRing(config, file, [])
    file.write_text("[[keys")
    assert ring.find(secret_of("ada"))
    assert "stay as they were" in caplog.text
    file.unlink()
    keys_file.add(file, key("bob"))
    assert ring.find(secret_of("bob"))
    assert ring.find(secret_of("ada")) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (table("ada", sha256="0123"), r"keys\.1\.sha256"),
        (table("-ada"), r"keys\.1\.name"),
        (table("ada").replace("blog", "../x"), r"keys\.1\.tenant"),
        (table("ada").replace("read", "write"), r"keys\.1\.scopes"),
        (table("ada").replace('"read"', ""), r"keys\.1\.scopes"),
        (table("ada") + 'key = "dk_in-the-clear"', r"keys\.1\.key"),
        (table("ada") + "requests_per_minute = 0", r"keys\.1\.requests_per_minute"),
        (table("ada") + table("ada"), "two API keys are named 'ada'"),
        ("keys = 1", r"written \[\[keys\]\]"),
    ],
)
def test_what_is_wrong_at_the_start_is_named(
    config: Path, file: Path, text: str, told: str
) -> None:
    for wrong in (config, file):
        wrong.parent.mkdir(exist_ok=True)
        wrong.write_text(text)
        with pytest.raises(CatalogueError, match=told):
            KeyRing(config, file, [])
        wrong.unlink()
