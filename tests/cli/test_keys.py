from __future__ import annotations

import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from api.keyring import KeyRing, digest_of, filed_keys
from cli import keys_file
from cli.main import app
from domain.keys import Scope
from tests.api.keys import key

Darkroom = Callable[..., Result]


@pytest.fixture
def darkroom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Darkroom:
    """Run `darkroom keys …` in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("DARKROOM_"):
            monkeypatch.delenv(name)
    return lambda *words, **env: CliRunner().invoke(app, ["keys", *words], env=env)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".darkroom" / "keys.toml"


class TestCreate:
    def test_it_prints_the_key_once_and_keeps_its_hash(
        self, darkroom: Darkroom, file: Path
    ) -> None:
        words = ("--tenant", "blog", "--scope", "generate", "--scope", "read", "--name", "bot")
        made = darkroom("create", *words, "--requests-per-minute", "60")
        assert made.exit_code == 0
        secret = made.stdout.strip()
        assert secret.startswith("dk_")
        assert len(secret) == len("dk_") + 43
        assert secret not in file.read_text()
        [kept] = filed_keys(file)
        assert kept.sha256 == digest_of(secret)
        assert (kept.name, kept.tenant, kept.requests_per_minute) == ("bot", "blog", 60)
        assert kept.scopes == {Scope.GENERATE, Scope.READ}
        assert kept.created_at

    def test_only_its_owner_can_read_the_file(self, darkroom: Darkroom, file: Path) -> None:
        darkroom("create", "--scope", "admin")
        darkroom("create", "--scope", "admin")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert len(filed_keys(file)) == 2

    def test_a_key_without_a_name_gets_one(self, darkroom: Darkroom, file: Path) -> None:
        made = darkroom("create", "--tenant", "blog", "--scope", "admin")
        [kept] = filed_keys(file)
        assert kept.name.startswith("blog-")
        assert kept.name in made.stderr

    def test_a_name_is_given_once(self, darkroom: Darkroom, file: Path) -> None:
        darkroom("create", "--scope", "admin", "--name", "bot")
        again = darkroom("create", "--scope", "read", "--name", "bot")
        assert again.exit_code == 1
        assert "'bot'" in again.stderr
        assert len(filed_keys(file)) == 1

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("--tenant", "../x", "--scope", "read"), "--tenant"),
            (("--name", '"x"', "--scope", "read"), "--name"),
            (("--tenant", "x" * 64, "--scope", "read"), "--tenant"),
        ],
    )
    def test_what_cannot_be_is_one_sentence(
        self, darkroom: Darkroom, file: Path, words: tuple[str, ...], told: str
    ) -> None:
        refused = darkroom("create", *words)
        assert refused.exit_code == 1
        assert told in refused.stderr
        assert refused.stderr.count("\n") == 1
        assert not file.exists()

    def test_a_scope_must_be_given_and_known(self, darkroom: Darkroom, file: Path) -> None:
        assert darkroom("create").exit_code == 2
        assert darkroom("create", "--scope", "everything").exit_code == 2
        assert not file.exists()

    def test_the_file_may_be_elsewhere(self, darkroom: Darkroom, tmp_path: Path) -> None:
        elsewhere = tmp_path / "secrets" / "api.toml"
        darkroom("create", "--scope", "read", DARKROOM_KEYS_FILE=str(elsewhere))
        assert len(filed_keys(elsewhere)) == 1

    def test_a_file_that_cannot_be_written_is_one_sentence(
        self, darkroom: Darkroom, tmp_path: Path
    ) -> None:
        (tmp_path / "keys.toml.lock").mkdir()
        refused = darkroom(
            "create", "--scope", "read", DARKROOM_KEYS_FILE=str(tmp_path / "keys.toml")
        )
        assert refused.exit_code == 1
        assert "DARKROOM_KEYS_FILE" in refused.stderr


class TestList:
    def test_it_tells_everything_but_the_keys(self, darkroom: Darkroom) -> None:
        secret = darkroom("create", "--tenant", "blog", "--scope", "review", "--name", "ada")
        listed = darkroom("list", DARKROOM_API_KEYS=f"[{key('env').model_dump_json()}]")
        assert "ada" in listed.stdout
        assert "blog" in listed.stdout
        assert "review" in listed.stdout
        assert "env" in listed.stdout
        assert digest_of(secret.stdout.strip()) not in listed.stdout

    def test_none_is_said(self, darkroom: Darkroom) -> None:
        assert "no keys" in darkroom("list").stdout


class TestRevoke:
    def test_it_takes_out_that_key_alone(self, darkroom: Darkroom, file: Path) -> None:
        for name in ("ada", "bob", "eve"):
            darkroom("create", "--scope", "read", "--name", name)
        assert darkroom("revoke", "bob").exit_code == 0
        assert [kept.name for kept in filed_keys(file)] == ["ada", "eve"]

    def test_a_name_that_is_not_there_is_said(self, darkroom: Darkroom) -> None:
        refused = darkroom("revoke", "nobody")
        assert refused.exit_code == 1
        assert "no key named 'nobody'" in refused.stderr

    def test_a_key_that_is_set_up_elsewhere_is_told_where(self, darkroom: Darkroom) -> None:
        refused = darkroom("revoke", "env", DARKROOM_API_KEYS=f"[{key('env').model_dump_json()}]")
        assert refused.exit_code == 1
        assert "DARKROOM_API_KEYS" in refused.stderr


class TestKeysFile:
    def test_commands_at_the_same_time_lose_nothing(self, file: Path) -> None:
        names = [f"key-{number}" for number in range(40)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: keys_file.add(file, key(name)), names))
        assert sorted(kept.name for kept in filed_keys(file)) == sorted(names)
        assert sorted(path.name for path in file.parent.iterdir()) == [
            "keys.toml",
            "keys.toml.lock",
        ]

    def test_what_is_written_is_read_again_as_it_was(self, file: Path, tmp_path: Path) -> None:
        kept = key("a.B_c@d-e f", Scope.READ, Scope.REVIEW, tenant="T.1", requests_per_minute=3)
        keys_file.add(file, kept)
        assert filed_keys(file) == [kept]
        assert KeyRing(tmp_path / "none.toml", file, []).is_locked
