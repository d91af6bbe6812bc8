"""The home folder: writable, not full, and owned by one `darkroom up` at a time."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from cli.errors import CommandError
from cli.home import claimed, prepare_home, writing_to


def test_a_home_with_spaces_is_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = prepare_home(Path("my pictures/darkroom"))
    assert home == tmp_path / "my pictures" / "darkroom"
    assert (home / "logs").is_dir()


def test_others_may_not_look_into_a_new_home(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_home_that_cannot_be_written_to_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match=r"cannot write to .*file.*set DARKROOM_HOME"):
        prepare_home(tmp_path / "file" / "home")


def test_a_folder_in_the_home_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    home = prepare_home(tmp_path)
    (home / "s3").touch()
    with (
        pytest.raises(CommandError, match=r"cannot write to .*s3.*DARKROOM_HOME"),
        writing_to(home),
    ):
        (home / "s3" / "bucket").mkdir()


def test_a_full_disk_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"only \d+ MB are free at .*DARKROOM_HOME"):
        prepare_home(tmp_path, minimum_free_bytes=1 << 80)


def test_a_second_owner_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    home = prepare_home(tmp_path)
    with (
        claimed(home, print),
        pytest.raises(CommandError, match=rf"process {os.getpid()}\) .*DARKROOM_HOME"),
        claimed(home, print),
    ):
        pass


def test_a_home_is_free_again_after_its_owner(tmp_path: Path) -> None:
    home = prepare_home(tmp_path)
    for _ in range(2):
        with claimed(home, print) as lock:
            assert lock.path.parent == home


def test_remains_of_an_earlier_owner_are_waited_for(tmp_path: Path) -> None:
    home = prepare_home(tmp_path)
    remains = os.open(home / "children.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(remains, fcntl.LOCK_EX)
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        os.close(remains)

    with claimed(home, say):
        assert said == [f"waiting for what an earlier `darkroom up` left running on {home} to stop"]


def test_remains_that_never_stop_are_told(tmp_path: Path) -> None:
    home = prepare_home(tmp_path)
    remains = os.open(home / "children.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(remains, fcntl.LOCK_EX)
    with (
        pytest.raises(CommandError, match="still run on"),
        claimed(home, print, predecessor_seconds=0.1),
    ):
        pass
    os.close(remains)
