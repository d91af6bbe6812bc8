"""The page on provenance: its commands make a certificate that signs, its tables are the code's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from domain.provenance import ManifestState, SigningAlgorithm, SigningPlan
from imaging.marks import MarkReader
from pipeline.marking import load_mark_reader, load_sealer
from settings import Settings
from tests.docs.pages import page, snippets
from tests.fakes import png
from tests.imaging.test_sealing import STORY

PAGE = page("provenance.md")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_the_commands_make_a_certificate_that_signs(tmp_path: Path) -> None:
    commands, exports, *_ = snippets(PAGE, "sh")
    subprocess.run(["bash", "-euc", commands], cwd=tmp_path, check=True, capture_output=True)
    for name in ("chain.pem", "pictures.key", "authority.pem"):
        assert f"=$PWD/{name}" in exports
    sealer = load_sealer(
        SigningPlan(certificate=tmp_path / "chain.pem", private_key=tmp_path / "pictures.key"), "9"
    )
    assert sealer
    original = png(64, 48)
    signed = sealer.seal_for(original, MarkReader().read(original), STORY)(original, "png")
    found = load_mark_reader(tmp_path / "authority.pem").read(signed).c2pa
    assert found
    assert found.state is ManifestState.TRUSTED


def test_every_setting_state_and_algorithm_is_told() -> None:
    for name in Settings.model_fields:
        if name.startswith("c2pa_"):
            assert f"| `DARKROOM_{name.upper()}` |" in PAGE
    for state in ManifestState:
        assert f"| `{state}` |" in PAGE
    assert f"`{' '.join(get_args(SigningAlgorithm))}`" in PAGE
