from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from imaging.marks import MarkReader
from imaging.provenance import mark_png, xmp_packet
from tests.fakes import png
from tests.imaging.certificates import ORGANISATION, credentials, sealer
from tests.imaging.test_sealing import STORY


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["provenance", *arguments], env={"COLUMNS": "500"})


def write(name: str, data: bytes) -> str:
    Path(name).write_bytes(data)
    return name


def marked() -> bytes:
    return mark_png(png(64, 48), xmp_packet("trainedAlgorithmicMedia", ai_system="fal/flux"))


def test_a_marked_file_is_told_of_and_exits_with_0() -> None:
    done = run(write("a.png", marked()))
    assert done.exit_code == 0
    assert "a.png  marked as AI-made" in done.output
    assert "fal/flux" in done.output
    assert "no manifest" in done.output


def test_an_unmarked_file_exits_with_1() -> None:
    done = run(write("a.png", png(8, 8)), write("b.png", marked()))
    assert done.exit_code == 1
    assert "a.png  not marked as AI-made" in done.output


@pytest.mark.parametrize("name", ["no-such.png", "text.png"])
def test_what_cannot_be_read_exits_with_2(name: str) -> None:
    write("text.png", b"no picture")
    done = run(name, write("b.png", marked()))
    assert done.exit_code == 2
    assert f"{name}  unreadable: " in done.output
    assert "b.png  marked" in done.output


def test_a_signed_file_shows_its_chain_and_what_the_signature_is_worth() -> None:
    found = credentials()
    original = png(64, 48)
    seal = sealer(found).seal_for(original, MarkReader().read(original), STORY)
    name = write("final.png", seal(marked(), "png"))
    done = run(name)
    assert done.exit_code == 0
    assert "on no trust list" in done.output
    assert f"signed by {ORGANISATION} / Example Press pictures (Es256)" in done.output
    assert "reviewer ann" in done.output
    assert "c2pa.created" in done.output
    Path("root.pem").write_bytes(found.root)
    assert "on the trust list" in run(name, "--trust-anchors", "root.pem").output


def test_json_is_one_object_a_line() -> None:
    done = run("--json", write("a.png", marked()), "none.png")
    first, second = map(json.loads, done.output.splitlines())
    assert first["file"] == "a.png"
    assert first["marked"] is True
    assert first["digital_source_type"] == "trainedAlgorithmicMedia"
    assert second == {"file": "none.png", "error": "No such file or directory"}
    assert done.exit_code == 2
