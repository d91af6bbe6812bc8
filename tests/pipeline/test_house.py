from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import InvalidRequest
from domain.jobs import Asked
from domain.sizes import AspectRatio, Quality, Size
from pipeline.house import House, HouseStyle, Placement, dressed, load_house
from providers.catalogue import CatalogueError, load_catalogue
from providers.studio import lexicon

QUALITIES = tuple(Quality)


def loaded(folder: Path, tables: str) -> House:
    config = folder / "darkroom.toml"
    config.write_text(tables)
    return load_house(config, load_catalogue(config))


class TestLoad:
    def test_without_a_file_there_are_placements_and_no_styles(self, tmp_path: Path) -> None:
        house = load_house(tmp_path / "none.toml", load_catalogue(tmp_path / "none.toml"))
        assert list(house.placements) == ["hero", "featured", "inline", "social"]
        assert house.styles == {}

    def test_names_are_the_same_with_either_dash(self, tmp_path: Path) -> None:
        tables = "[styles.night_shift]\n[placements.side-bar]\naspect_ratio = '9:21'\n"
        house = loaded(tmp_path, tables)
        assert house.style("night-shift", "a") is house.style("night_shift", "a") is not None
        assert house.placement("side_bar").aspect_ratio is AspectRatio.R9_21

    def test_a_placement_of_the_same_name_replaces_the_one_built_in(self, tmp_path: Path) -> None:
        house = loaded(tmp_path, "[placements.hero]\naspect_ratio = '21:9'\n")
        assert house.placement("hero") == Placement(aspect_ratio=AspectRatio.R21_9)
        assert house.placement("social").size(Quality.HIGH) == (1200, 630)

    @pytest.mark.parametrize(
        ("tables", "sentence"),
        [
            ("styles = []", "styles are written"),
            ("styles.bold = 3", "styles.bold: "),
            ("[styles.Bold]", "styles.Bold: name it with lower-case"),
            ("[styles.a-b]\n[styles.a_b]", "styles.a_b: there is one of that name already"),
            ("[styles.bold]\nprefx = 'x'", "styles.bold.prefx: Extra inputs"),
            ("[styles.bold]\npalette = ['#12']", "styles.bold.palette.0: .*'#12' is no colour"),
            ("[styles.bold]\nmodel = 'studio-1'", "styles.bold: .*model needs provider"),
            ("[styles.bold]\nprovider = 'nobody'", "styles.bold: the provider 'nobody' is not"),
            (
                "[styles.bold]\nhigh = { provider = 'studio', model = 'studio-9' }",
                "styles.bold: studio has no model 'studio-9'",
            ),
            ("[placements.wide]\nprompt = 'a banner'", "placements.wide.prompt: .*{prompt}"),
            ("[placements.wide]", "placements.wide: .*needs aspect_ratio, or width and height"),
            ("[placements.wide]\nwidth = 900", "needs aspect_ratio, or width and height"),
            (
                "[placements.wide]\nwidth = 900\nheight = 300\naspect_ratio = '16:9'",
                "needs aspect_ratio, or width and height",
            ),
            ("[placements.wide]\nwidth = 4000\nheight = 400", "placements.wide.width: .*3072"),
            ("[placements.wide]\naspect_ratio = '5:1'", "placements.wide.aspect_ratio: "),
        ],
    )
    def test_a_mistake_is_told_in_one_sentence(
        self, tmp_path: Path, tables: str, sentence: str
    ) -> None:
        with pytest.raises(CatalogueError, match=f"darkroom.toml: .*{sentence}") as wrong:
            loaded(tmp_path, tables)
        assert "\n" not in str(wrong.value)


class TestStyle:
    def test_a_name_that_is_no_house_style_is_left_to_the_model(self) -> None:
        assert House().style("watercolor", "a") is None
        assert House().style(None, "a") is None

    def test_a_tenants_style_is_there_for_that_tenant_alone(self) -> None:
        house = House({"acme": HouseStyle(tenants=["acme"])})
        assert house.style("acme", "acme") is not None
        assert house.style("acme", "default") is None

    def test_the_preference_of_a_quality_wins_over_that_of_all(self, tmp_path: Path) -> None:
        style = loaded(
            tmp_path,
            "[styles.bold]\nprovider = 'studio'\nhigh = { provider = 'openai' }\n",
        ).styles["bold"]
        preferred = [style.preference(quality) for quality in QUALITIES]
        told = [each.provider for each in preferred if each]
        assert told == ["studio", "studio", "openai", "studio"]


class TestPlacement:
    @pytest.mark.parametrize("name", list(House().placements))
    def test_sizes_are_in_proportion_and_of_a_known_shape(self, name: str) -> None:
        placement = House().placement(name)
        sizes = [placement.size(quality) for quality in QUALITIES]
        assert sizes == sorted(sizes)
        assert {round(width / height, 4) for width, height in sizes} == {
            round(sizes[0].width_px / sizes[0].height_px, 4)
        }
        assert placement.ratio is not None

    def test_a_ratio_alone_has_the_qualitys_size(self) -> None:
        banner = Placement(aspect_ratio=AspectRatio.R21_9)
        assert banner.size(Quality.DRAFT) == (504, 216)

    def test_a_shape_that_no_ratio_is_near_has_none(self) -> None:
        assert Placement(width=2000, height=400).ratio is None

    def test_an_unknown_one_is_refused_with_the_known_ones(self) -> None:
        with pytest.raises(InvalidRequest, match="featured, hero, inline, social") as refused:
            House().placement("footer")
        assert [field for field, _ in refused.value.errors] == ["placement"]

    @pytest.mark.parametrize("name", list(House().placements))
    def test_its_own_words_are_none_that_the_studio_would_draw(self, name: str) -> None:
        assert lexicon.read(House().placement(name).prompt) == lexicon.read("")


class TestDressed:
    STYLE = HouseStyle(
        prefix="Gouache of",
        suffix="flat shapes",
        negative="text",
        palette=["teal", "#F4E9D8"],
        style="illustration",
    )

    def test_a_callers_own_words_are_left_alone(self) -> None:
        made = dressed(Asked(prompt="sea", style="ink", negative_prompt="people"), None, None)
        assert made == {
            "prompt": "sea",
            "negative_prompt": "people",
            "style": "ink",
            "palette": None,
            "asked": None,
        }

    def test_a_style_is_put_around_them_and_they_are_kept(self) -> None:
        asked = Asked(prompt="a lighthouse", style="gouache", negative_prompt="people")
        assert dressed(asked, self.STYLE, None) == {
            "prompt": "Gouache of a lighthouse, flat shapes. Palette: teal, #F4E9D8.",
            "negative_prompt": "people, text",
            "style": "illustration",
            "palette": ["teal", "#F4E9D8"],
            "asked": asked,
        }

    def test_a_placement_and_a_style_go_together(self) -> None:
        placement = Placement(aspect_ratio=AspectRatio.WIDE, prompt="Banner: {prompt}. Much sky.")
        made = dressed(Asked(prompt="The sea!"), HouseStyle(suffix="flat shapes"), placement)
        assert made["prompt"] == "Banner: The sea! flat shapes. Much sky."
        assert made["style"] is None

    def test_braces_in_a_prompt_are_only_braces(self) -> None:
        placement = Placement(aspect_ratio=AspectRatio.WIDE, prompt="{prompt} {other}")
        made = dressed(Asked(prompt="{prompt} {0}"), None, placement)
        assert made["prompt"] == "{prompt} {0} {other}"


def test_sizes_hold_for_every_model_of_ours() -> None:
    """Where no pixels fit, the nearest ratio does: no placement is refused by a default model."""
    catalogue = load_catalogue(Path("none.toml"))
    for placement in House().placements.values():
        for entry in catalogue.providers.values():
            for quality in QUALITIES:
                model = entry.models[entry.defaults[quality]]
                asked = Size(*placement.size(quality))
                assert model.sizes.fit(asked, may_shrink=placement.ratio is not None), entry.title
