from __future__ import annotations

import itertools
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from domain.errors import CapabilityMissing, InvalidRequest, ModelShutDown, ProviderNotConfigured
from domain.jobs import ImageSpec
from domain.sizes import AspectRatio, Quality, size_for
from pipeline.spending import load_budgets
from providers import catalogue
from providers.catalogue import Catalogue, CatalogueError, load_catalogue

SHUTDOWN = date(2026, 12, 1)
VENDOR = """
[providers.acme]
title = "Acme"
defaults = { draft = "quick", standard = "quick", high = "fine", ultra = "fine" }

[providers.acme.models.quick]
expected_seconds = { draft = 1.5, standard = 2, high = 3, ultra = 4 }
price = { per_image_usd = 0.003, source = "the test", date = 2026-11-23 }

[providers.acme.models.fine]
expected_seconds = { draft = 9, standard = 9, high = 9, ultra = 9 }
shutdown_on = 2026-12-01
successor = "finer"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "darkroom.toml"


def overlaid(config: Path, text: str) -> Catalogue:
    config.write_text(text)
    return load_catalogue(config)


def with_today(text: str, today: date) -> Catalogue:
    document = tomllib.loads(Path(catalogue.__file__).with_name("catalogue.toml").read_text())
    document["providers"] |= tomllib.loads(text)["providers"]
    return Catalogue(document, lambda: today)


def spec(**more: Any) -> ImageSpec:
    facts = {"width_px": 512, "height_px": 512, "quality": Quality.HIGH, **more}
    return ImageSpec(prompt="sea", seed=1, **facts)


def refused(known: Catalogue, provider: str, wanted: ImageSpec) -> CapabilityMissing | None:
    try:
        known.target(provider, None, wanted)
    except CapabilityMissing as refusal:
        return refusal
    return None


class TestBuiltIn:
    def test_the_studio_makes_every_size_of_every_quality(self, config: Path) -> None:
        known = load_catalogue(config)
        for quality in Quality:
            for ratio in AspectRatio:
                width, height = size_for(quality, ratio)
                wanted = spec(width_px=width, height_px=height, quality=quality)
                target = known.target("studio", None, wanted)
                assert target.price_usd == 0
                assert target.expected_seconds > 0
                assert target.width_px is None

    def test_every_default_is_a_model_and_every_price_has_its_source(self, config: Path) -> None:
        known = load_catalogue(config)
        for quality in Quality:
            assert known.default_provider(quality) in known.providers
        for entry in known.providers.values():
            assert set(entry.defaults) == set(Quality)
            for model in entry.models.values():
                assert set(model.expected_seconds) == set(Quality)

    def test_every_default_is_alive_today(self, config: Path) -> None:
        known = load_catalogue(config)
        for provider in known.providers:
            for quality in Quality:
                known.target(provider, None, spec(quality=quality, aspect_ratio="1:1"))

    def test_every_default_makes_every_ratio_of_its_quality(self, config: Path) -> None:
        known = load_catalogue(config)
        for provider, entry in known.providers.items():
            for quality, ratio in itertools.product(Quality, AspectRatio):
                width, height = size_for(quality, ratio)
                wanted = spec(width_px=width, height_px=height, quality=quality, aspect_ratio=ratio)
                ratios = entry.models[entry.defaults[quality]].sizes.ratios
                if refusal := refused(known, provider, wanted):
                    assert ratios
                    assert ratio not in ratios
                    assert "it takes the ratios 1:1" in refusal.message

    def test_a_successor_is_a_model_that_lives_on(self, config: Path) -> None:
        known = load_catalogue(config)
        for name, entry in known.providers.items():
            for model in entry.models.values():
                if model.successor is not None:
                    successor = known.find(name, model.successor)
                    assert successor
                    assert successor.shutdown_on is None


class TestOverlay:
    def test_a_file_adds_providers(self, config: Path) -> None:
        known = overlaid(config, VENDOR)
        target = known.target("acme", None, spec(quality=Quality.DRAFT))
        assert (target.model, target.price_usd, target.expected_seconds) == ("quick", 0.003, 1.5)
        assert known.target("studio", None, spec()).model == "studio-1"

    def test_a_file_overrides_one_value_and_leaves_the_rest(self, config: Path) -> None:
        before = load_catalogue(config).providers["studio"].models["studio-1"]
        known = overlaid(config, "[providers.studio.models.studio-1]\nreferences = 2")
        after = known.providers["studio"].models["studio-1"]
        assert after == before.model_copy(update={"references": 2})

    def test_a_price_that_is_not_given_is_unknown_not_nothing(self, config: Path) -> None:
        assert overlaid(config, VENDOR).target("acme", "fine", spec()).price_usd is None

    @pytest.mark.parametrize(
        ("text", "where"),
        [
            ("[providers", "darkroom.toml"),
            ("[providers.studio]\ntitel = 'x'", "providers.studio.titel"),
            ("[providers.studio.models.studio-1]\nseed = 'often'", "models.studio-1.seed"),
            ("[providers.new]\ntitle = 'New'", "providers.new"),
            ("providers = 'none'", "providers"),
            ("[defaults]\nprovider = 'nobody'", "defaults.provider"),
            ("[budget]\namount_usd = 1", "budget"),
            ("[providers.'A b']\ntitle = 'x'", "providers"),
            ("[providers.studio.defaults]\nhigh = 'studio-9'", "studio"),
        ],
        ids=[
            "syntax",
            "typo",
            "type",
            "incomplete",
            "shape",
            "default",
            "unknown-table",
            "name",
            "default-model",
        ],
    )
    def test_a_file_that_is_wrong_is_named_with_the_place(
        self, config: Path, text: str, where: str
    ) -> None:
        with pytest.raises(CatalogueError) as wrong:
            overlaid(config, text)
        assert str(config) in str(wrong.value)
        assert where in str(wrong.value)

    def test_a_file_that_is_no_text_is_named(self, config: Path) -> None:
        config.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(CatalogueError, match=r"darkroom\.toml"):
            load_catalogue(config)


class TestTarget:
    def test_a_model_works_until_its_last_day(self) -> None:
        known = with_today(VENDOR, date(2026, 11, 30))
        assert known.target("acme", None, spec()).model == "fine"

    @pytest.mark.parametrize("today", [SHUTDOWN, date(2027, 1, 1)])
    def test_a_model_that_is_shut_down_is_refused_with_its_successor(self, today: date) -> None:
        with pytest.raises(ModelShutDown) as refused:
            with_today(VENDOR, today).target("acme", None, spec())
        assert "2026-12-01" in refused.value.message
        assert "'finer'" in refused.value.message
        assert refused.value.errors == [("model", "shut down")]

    def test_an_unknown_provider_is_refused_with_those_there_are(self) -> None:
        with pytest.raises(ProviderNotConfigured, match=r"acme, .*, studio"):
            with_today(VENDOR, SHUTDOWN).target("nobody", None, spec())

    def test_an_unknown_model_is_refused_with_those_there_are(self) -> None:
        with pytest.raises(InvalidRequest, match="fine, quick"):
            with_today(VENDOR, SHUTDOWN).target("acme", "slow", spec())


class TestCheck:
    @pytest.mark.parametrize(
        ("wished", "fields"),
        [
            ({"reference_image_url": "https://example.com/a.png"}, ["reference_image_url"]),
            ({"width_px": 2049}, ["width"]),
            ({"height_px": 2049}, ["width"]),
            (
                {"width_px": 2049, "reference_image_url": "https://example.com/a.png"},
                ["width", "reference_image_url"],
            ),
        ],
    )
    def test_what_a_model_cannot_do_is_named(
        self, wished: dict[str, Any], fields: list[str]
    ) -> None:
        known = with_today(VENDOR, date(2026, 1, 1))
        with pytest.raises(CapabilityMissing) as refused:
            known.target("acme", "quick", spec(**wished))
        assert [field for field, _ in refused.value.errors] == fields
        assert refused.value.message.startswith("acme/quick ")


class TestExample:
    """`darkroom.example.toml`, as it is and with every line of it in force."""

    @pytest.mark.parametrize("in_force", [False, True])
    def test_it_is_valid(self, config: Path, in_force: bool) -> None:
        example = Path(__file__).parents[2] / "darkroom.example.toml"
        lines = example.read_text().splitlines()
        if in_force:
            lines = [line.removeprefix("#") for line in lines if not line.startswith("# ")]
        config.write_text("\n".join(lines))
        known = load_catalogue(config)
        assert ("openai-eu" in known.providers) is in_force
        assert bool(load_budgets(config)) is in_force
