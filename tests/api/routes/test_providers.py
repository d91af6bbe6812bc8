from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from settings import Settings
from tests.api.conftest import Caller, Json, Serve, problem

CONFIG = """
[providers.mirror]
title = "Mirror"
kind = "stability_ai"
base_url = "https://user:hunter2@images.example.com/v1"  # pragma: allowlist secret
defaults = { draft = "old", standard = "new", high = "new", ultra = "new" }

[styles.night_shift]
about = "After dark."
palette = ["navy", "#f2b632"]
high = { provider = "mirror" }

[styles.theirs]
tenants = ["acme"]

[placements.side-bar]
aspect_ratio = "9:16"

[providers.mirror.models.old]
expected_seconds = { draft = 1 }
deprecated_on = 2026-01-01
shutdown_on = 2026-02-01
successor = "new"

[providers.mirror.models.new]
expected_seconds = { standard = 1, high = 1, ultra = 1 }
references = 2
images_per_call = 4

[providers.mirror.models.new.price]
per_megapixel_usd = 0.08
source = "https://example.com/pricing"
date = 2026-11-01
"""


@pytest.fixture
def config(settings: Settings) -> None:
    settings.config.write_text(CONFIG)


@pytest.fixture
async def mirrored(
    config: None, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Caller]:
    monkeypatch.setenv("STABILITY_API_KEY", "sk-never-told")
    async with serve() as api:
        yield api


async def listed(api: Caller, what: str) -> list[Json]:
    answer = await api.get(f"/{what}")
    assert answer.status_code == 200, answer.text
    assert "hunter2" not in answer.text
    assert "sk-never-told" not in answer.text
    return list(answer.json()[what])


async def provider(api: Caller, name: str) -> Json:
    [found] = [each for each in await listed(api, "providers") if each["name"] == name]
    return found


async def model(api: Caller, provider: str, name: str) -> Json:
    wanted = (provider, name)
    models = await listed(api, "models")
    [found] = [each for each in models if (each["provider"], each["model"]) == wanted]
    return found


class TestProviders:
    async def test_the_built_in_one_is_there_for_everything(self, door: Caller) -> None:
        studio = await provider(door, "studio")
        assert studio["configured"]
        assert "problem" not in studio
        assert studio["default_for"] == ["draft", "standard", "high", "ultra"]
        assert studio["models"] == ["studio-1", "lanczos"]

    async def test_one_without_its_key_says_what_would_fix_it(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("STABILITY_API_KEY", raising=False)
        async with serve() as api:
            stability = await provider(api, "stability_ai")
            core = await model(api, "stability_ai", "core")
        assert not stability["configured"]
        assert stability["problem"] == core["problem"] == "set STABILITY_API_KEY"
        assert not core["available"]

    async def test_one_that_is_configured_is_told_without_key_or_address(
        self, mirrored: Caller
    ) -> None:
        mirror = await provider(mirrored, "mirror")
        assert mirror["configured"]
        assert mirror["defaults"]["draft"] == "old"
        assert "images.example.com" not in (await mirrored.get("/providers")).text


class TestModels:
    async def test_one_that_is_shut_down_says_so_and_names_its_successor(
        self, mirrored: Caller
    ) -> None:
        old = await model(mirrored, "mirror", "old")
        assert not old["available"]
        assert old["problem"] == "shut down on 2026-02-01; use 'new' instead"
        assert (old["deprecated_on"], old["shutdown_on"]) == ("2026-01-01", "2026-02-01")
        assert old["successor"] == "new"
        assert old["price"] is None

    async def test_one_that_lives_tells_what_it_can_and_what_it_costs(
        self, mirrored: Caller
    ) -> None:
        new = await model(mirrored, "mirror", "new")
        assert new["available"]
        assert (new["references"], new["images_per_call"], new["seed"]) == (2, 4, False)
        assert new["default_for"] == ["standard", "high", "ultra"]
        assert new["price"] == {
            "by_quality_usd": {"standard": 0.08, "high": 0.18, "ultra": 0.32},
            "source": "https://example.com/pricing",
            "date": "2026-11-01",
        }

    async def test_ratios_are_told_where_the_model_is_asked_by_ratio(self, door: Caller) -> None:
        core = await model(door, "stability_ai", "core")
        assert "21:9" in core["sizes"]["aspect_ratios"]
        studio = await model(door, "studio", "studio-1")
        assert "aspect_ratios" not in studio["sizes"]


class TestStyles:
    async def test_those_of_the_callers_tenant_are_told(self, mirrored: Caller) -> None:
        assert await listed(mirrored, "styles") == [
            {
                "name": "night-shift",
                "about": "After dark.",
                "palette": ["navy", "#f2b632"],
                "providers": {"high": "mirror"},
            }
        ]

    async def test_a_style_of_another_tenants_is_a_word_like_any_other(
        self, mirrored: Caller
    ) -> None:
        body = {"prompt": "sea at dawn", "style": "theirs", "quality": "high"}
        quoted = (await mirrored.post("/quote", body)).json()
        assert quoted["images"][0]["provider"] == "studio"
        own = (await mirrored.post("/quote", {**body, "style": "night_shift"})).json()
        assert own["images"][0]["provider"] == "mirror"


class TestPlacements:
    async def test_a_form_learns_names_and_sizes(self, mirrored: Caller) -> None:
        placements = {each["name"]: each for each in await listed(mirrored, "placements")}
        assert list(placements) == ["hero", "featured", "inline", "social", "side-bar"]
        assert placements["social"]["sizes"]["high"] == {"width": 1200, "height": 630}
        assert placements["side-bar"]["aspect_ratio"] == "9:16"
        assert placements["side-bar"]["prompt"] == "{prompt}"

    async def test_an_unknown_one_is_refused_with_those_that_are_known(
        self, mirrored: Caller
    ) -> None:
        for path, body in (
            ("/generate-async", {"prompt": "sea at dawn", "placement": "foot_er"}),
            ("/quote", {"images": [{"prompt": "sea at dawn", "placement": "foot_er"}]}),
        ):
            refused = problem(await mirrored.post(path, body), 422, "invalid_request")
            assert "side-bar, social" in refused["detail"]
            assert [error["field"].split(".")[-1] for error in refused["errors"]] == ["placement"]

    async def test_a_quote_is_of_its_size(self, mirrored: Caller) -> None:
        body = {"prompt": "sea at dawn", "placement": "hero", "quality": "draft"}
        [image] = (await mirrored.post("/quote", body)).json()["images"]
        assert (image["width"], image["height"]) == (640, 360)
        assert (image["final"]["width"], image["final"]["height"]) == (1920, 1080)
