from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from domain.errors import InvalidOutput
from domain.jobs import AltTextSource, ImageSpec, JobRequest, JobState, JobStatus, Stage, Target
from domain.operations import Source
from domain.renders import DevelopOrder, Original, Rendered
from domain.reviews import ReviewState
from domain.sizes import Quality
from imaging.assets import AssetSettings
from pipeline.developing import Developer, alt_text_of, load_assets, state_after
from pipeline.planning import Planner
from providers.catalogue import CatalogueError
from storage.archive import Archive
from storage.keys import original_key
from storage.objects import ObjectStore
from tests.fakes import png
from tests.providers.vendors import CATALOGUE

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def spec(prompt: str = "sea", quality: Quality = Quality.DRAFT) -> ImageSpec:
    return ImageSpec(prompt=prompt, quality=quality, width_px=64, height_px=48, seed=5)


async def order(
    store: ObjectStore, *pictures: bytes, quality: Quality = Quality.DRAFT, alt: str | None = None
) -> DevelopOrder:
    """An order for pictures that lie in the store."""
    originals = []
    for index, data in enumerate(pictures):
        key = original_key("img_1", "token", index)
        await store.put(key, data, "application/octet-stream")
        originals.append(
            Original(key=key, width_px=64, height_px=48, seed=5 + index, cost_usd=0.01)
        )
    return DevelopOrder(
        job_id="img_1",
        request=JobRequest(
            spec=spec(quality=quality),
            targets=[Target(provider="studio", model="studio-1", expected_seconds=1)],
            asset_token="token",
            created_at=NOW,
            review_seconds=60,
            alt_text=alt,
        ),
        rendered=Rendered(
            provider="studio",
            model="studio-1",
            originals=originals,
            started_at=NOW,
            generation_time_seconds=1.5,
            attempts=[],
        ),
    )


async def developed(
    store: ObjectStore,
    archive: Archive,
    wanted: DevelopOrder,
    assets: AssetSettings | None = None,
) -> JobState:
    """The job's state once the order is developed, as its workflow has it."""
    planner = Planner(CATALOGUE, frozenset({"studio"}), {}, stand_in=False, review_seconds=60)
    return state_after(
        wanted, await Developer(store, archive, planner, assets=assets).develop(wanted)
    )


class TestDevelop:
    async def test_every_variant_is_stored_as_it_is_described(
        self, store: ObjectStore, archive: Archive
    ) -> None:
        wanted = await order(store, png(64, 48, "teal"), png(64, 48, "red"))
        state = await developed(store, archive, wanted)
        assert state.result
        assert len(state.result.images) == 2
        assert state.result.cost_usd == pytest.approx(0.02)
        for image in state.result.images:
            for variant in [image.main, *image.further]:
                data = await store.get(state.result.key(variant))
                with Image.open(io.BytesIO(data)) as opened:
                    assert opened.size == (variant.width_px, variant.height_px)
                    assert (opened.format or "").lower() == variant.format
                assert hashlib.sha256(data).hexdigest() == variant.sha256
                assert len(data) == variant.size_bytes
        assert [image.dominant_color for image in state.result.images] == ["#008080", "#ff0000"]

    async def test_a_draft_awaits_review_and_its_record_says_so(
        self, store: ObjectStore, archive: Archive
    ) -> None:
        wanted = await order(store, png(64, 48))
        state = await developed(store, archive, wanted)
        assert (state.status, state.stage) == (JobStatus.COMPLETED, Stage.COMPLETED)
        assert state.progress_percentage == 100
        assert state.review
        assert state.review.state is ReviewState.AWAITING
        assert state.review.final
        assert (state.review.final.model, state.review.final.price_usd) == ("studio-1", 0)
        record = await archive.read_job("img_1")
        assert record
        assert record.state == state
        assert record.request == wanted.request

    async def test_a_final_does_not(self, store: ObjectStore, archive: Archive) -> None:
        wanted = await order(store, png(64, 48), quality=Quality.HIGH)
        assert (await developed(store, archive, wanted)).review is None

    async def test_again_gives_the_same_objects(self, store: ObjectStore, archive: Archive) -> None:
        wanted = await order(store, png(64, 48))
        first = await developed(store, archive, wanted)
        again = await developed(store, archive, wanted)
        assert again.result == first.result

    async def test_a_final_has_every_variant_and_a_draft_a_preview(
        self, store: ObjectStore, archive: Archive
    ) -> None:
        picture = png(1000, 600)
        draft = await developed(store, archive, await order(store, picture))
        final = await developed(store, archive, await order(store, picture, quality=Quality.HIGH))
        assert draft.result
        assert final.result
        assert [each.format for each in draft.result.images[0].further] == ["webp"]
        assert draft.result.images[0].social is None
        assert len(final.result.images[0].further) == 6
        social = final.result.images[0].social
        assert social
        data = await store.get(final.result.key(social))
        assert (social.width_px, len(data)) == (1200, social.size_bytes)

    async def test_other_settings_touch_no_file_that_is_there(
        self, store: ObjectStore, archive: Archive
    ) -> None:
        wanted = await order(store, png(1000, 600), quality=Quality.HIGH)
        first = await developed(store, archive, wanted)
        assert first.result
        keys = await store.keys(first.result.asset_prefix)
        held = {key: await store.get(key) for key in keys}
        changed = AssetSettings(webp_quality=30, avif_quality=20, jpeg_quality=20)
        again = await developed(store, archive, wanted, changed)
        assert again.result != first.result
        assert {key: await store.get(key) for key in keys} == held

    async def test_a_description_that_nobody_gave_says_so(
        self, store: ObjectStore, archive: Archive
    ) -> None:
        state = await developed(store, archive, await order(store, png(64, 48)))
        assert state.result
        assert state.result.images[0].alt_text_source is AltTextSource.PROMPT

    async def test_a_given_alt_text_is_kept(self, store: ObjectStore, archive: Archive) -> None:
        wanted = await order(store, png(64, 48), alt="The harbour at dawn")
        state = await developed(store, archive, wanted)
        assert state.result
        assert state.result.images[0].alt_text == "The harbour at dawn"
        assert state.result.images[0].alt_text_source is AltTextSource.CALLER

    async def test_bytes_that_are_no_picture_leave_no_record(
        self, store: ObjectStore, archive: Archive
    ) -> None:
        with pytest.raises(InvalidOutput):
            await developed(store, archive, await order(store, b"no picture"))
        assert await archive.read_job("img_1") is None


class TestLoadAssets:
    def test_without_a_table_there_are_the_defaults(self, tmp_path: Path) -> None:
        assert load_assets(tmp_path / "none.toml") == AssetSettings()

    @pytest.mark.parametrize(
        ("table", "told"),
        [
            ('formats = ["gif"]', "assets.formats.0"),
            ("formats = []", "assets.formats"),
            ('widths = ["480"]', "assets.widths.0"),
            ("widths = [0]", "assets.widths.0"),
            ("avif_quality = 101", "assets.avif_quality"),
            ("avif_speed = 8.5", "assets.avif_speed"),
            ('social = "yes"', "assets.social"),
            ("webp = 80", "assets.webp"),
        ],
    )
    def test_what_is_wrong_is_named(self, tmp_path: Path, table: str, told: str) -> None:
        config = tmp_path / "darkroom.toml"
        config.write_text(f"[assets]\n{table}\n")
        with pytest.raises(CatalogueError, match=f"darkroom.toml: {told}: "):
            load_assets(config)


class TestAltText:
    def test_it_is_the_prompt_on_one_line(self) -> None:
        assert alt_text_of(spec(" a  boat\n at dawn ")) == "a boat at dawn"

    def test_a_long_prompt_is_cut_at_a_word(self) -> None:
        text = alt_text_of(spec("lighthouse " * 50))
        assert len(text) <= 251
        assert text.endswith("lighthouse…")

    def test_one_endless_word_is_cut_too(self) -> None:
        assert len(alt_text_of(spec("x" * 4000))) <= 251


@pytest.mark.parametrize(
    ("shown", "said", "alt_text"),
    [
        ("a lighthouse", "at night", "a lighthouse; at night"),
        ("a lighthouse; at night", "at night", "a lighthouse; at night"),
        (None, "at night", "at night"),
        (None, "", "A picture"),
    ],
)
def test_a_picture_from_a_picture_is_described_by_both(
    shown: str | None, said: str, alt_text: str
) -> None:
    source = Source(key="k", width_px=64, height_px=64, alt_text=shown)
    assert alt_text_of(spec(said).model_copy(update={"source": source})) == alt_text
