from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from providers.catalogue import load_catalogue
from providers.registry import KINDS, Roster, build_roster
from tests.fakes import FakeCall
from tests.providers.vendors import order
from tests.vendors.stand_in import StandIn

KEYS = {
    "OPENAI_API_KEY": "1",
    "GEMINI_API_KEY": "2",
    "STABILITY_API_KEY": "3",
    "REPLICATE_API_TOKEN": "4",
    "FAL_KEY": "5",
    "BFL_API_KEY": "6",
    "HF_TOKEN": "7",
    "COMFYUI_BASE_URL": "http://127.0.0.1:8188",
}
HOSTED = set(KINDS) - {"diffusers"}


def roster(config: Path, text: str = "", **environment: str) -> Roster:
    config.write_text(text)
    return build_roster(load_catalogue(config), environment, studio_concurrency=1)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "darkroom.toml"


def test_without_keys_only_the_studio_can_be_used(config: Path) -> None:
    found = roster(config)
    assert set(found.providers) == {"studio"}
    assert {name: found.problems[name] for name in ("stability_ai", "openai", "comfyui")} == {
        "stability_ai": "set STABILITY_API_KEY",
        "openai": "set OPENAI_API_KEY",
        "comfyui": "set COMFYUI_BASE_URL",
    }


async def test_with_keys_every_hosted_provider_can(config: Path) -> None:
    found = roster(config, **KEYS)
    assert set(found.providers) >= {"studio", *HOSTED}
    for name, provider in found.providers.items():
        assert provider.name == name
        assert provider.is_paid is (name not in ("studio", "diffusers"))
    await found.close()


def test_every_kind_is_in_the_catalogue(config: Path) -> None:
    assert set(load_catalogue(config).providers) == {"studio", *KINDS}


def test_an_empty_key_is_none(config: Path) -> None:
    assert roster(config, STABILITY_API_KEY="").problems["stability_ai"] == "set STABILITY_API_KEY"


@pytest.mark.parametrize("key", ["stability-key\n", " stability-key "])
async def test_a_key_from_a_file_is_one_line(config: Path, stand_in: StandIn, key: str) -> None:
    address = stand_in["stability_ai"].base_url
    found = roster(config, STABILITY_API_KEY=key, STABILITY_BASE_URL=address)
    stability = found.providers["stability_ai"]
    assert len(await stability.generate(order("stability_ai"), FakeCall())) == 1
    await found.close()


async def test_one_kind_can_be_configured_more_than_once(config: Path) -> None:
    text = """
    [providers.stability-eu]
    kind = "stability_ai"
    title = "Stability, Europe"
    api_key_env = "STABILITY_EU_KEY"
    """
    found = roster(config, text, STABILITY_EU_KEY="k")
    assert set(found.providers) == {"studio", "stability-eu"}
    models = load_catalogue(config).providers["stability-eu"].models
    assert models == load_catalogue(config).providers["stability_ai"].models
    await found.close()


async def test_a_server_of_ones_own_needs_no_key(config: Path) -> None:
    text = '[providers.own]\nkind = "openai"\nbase_url = "http://127.0.0.1:9/v1"'
    found = roster(config, text)
    assert "own" in found.providers
    await found.close()


def test_a_kind_that_is_not_known_is_said(config: Path) -> None:
    text = """
    [providers.midway]
    title = "Midway"
    defaults = { draft = "m", standard = "m", high = "m", ultra = "m" }
    models.m.expected_seconds = { draft = 1, standard = 1, high = 1, ultra = 1 }
    """
    assert "set kind in [providers.midway]" in roster(config, text).problems["midway"]


def test_a_provider_can_be_switched_off(config: Path) -> None:
    found = roster(config, "[providers.stability_ai]\nenabled = false", STABILITY_API_KEY="k")
    assert "stability_ai" not in found.offered
    assert "enabled" in found.problems["stability_ai"]


def test_a_provider_that_other_workers_serve_is_offered(config: Path) -> None:
    found = roster(config, "[providers.comfyui]\nenabled = true")
    assert found.offered == {"studio", "comfyui"}
    assert set(found.providers) == {"studio"}
    assert "comfyui" not in found.problems


def test_no_sdk_is_imported_before_it_is_used() -> None:
    script = """
import subprocess
import sys
from pathlib import Path
from providers.catalogue import load_catalogue
from providers.registry import build_roster
build_roster(load_catalogue(Path("none.toml")), {}, 1)
heavy = {"openai", "google.genai", "replicate", "huggingface_hub", "diffusers", "torch"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"
