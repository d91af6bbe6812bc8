"""What begins from a picture: who makes it, how large, and what binds its final."""

from __future__ import annotations

from typing import Any

import pytest

from domain.errors import CapabilityMissing
from domain.jobs import Consistency, JobRequest
from domain.operations import Operation, Source
from domain.reviews import FinalChoices, Revision
from domain.sizes import Quality, Size
from domain.wishes import Wish
from pipeline.editing import rework_size
from pipeline.planning import Planner
from providers.catalogue import Catalogue
from storage.keys import original_key
from tests.pipeline.test_planning import draft_of, entry, model, names

SOURCE = Source(key="assets/img_0/t/0.original", width_px=1536, height_px=1024, job_id="img_0")
LARGE = {"max_side_px": 8192, "max_megapixels": 32}
ALL = ["generate", "variations", "edit"]


def catalogue(**defaults: str) -> Catalogue:
    return Catalogue(
        {
            "defaults": {"provider": "plain", **defaults},
            "providers": {
                "plain": entry({"words": model()}),
                "studio": entry(
                    {
                        "studio-1": model(
                            seed=True,
                            seed_at_any_size=True,
                            operations=ALL,
                            mask=True,
                            strength=["edit"],
                        ),
                        "lanczos": model(operations=["upscale"], only_resamples=True, sizes=LARGE),
                    },
                ),
                "many": entry(
                    {
                        "collage": model(references=4, operations=ALL),
                        "fill": model(operations=["edit"], mask=True, needs_mask=True),
                    }
                ),
                "single": entry({"one": model(references=1, operations=ALL, mask=True, seed=True)}),
                "fixed": entry(
                    {"four": model(operations=["generate", "upscale"], scales=[4], sizes=LARGE)}
                ),
            },
        }
    )


def planner(*configured: str, **defaults: str) -> Planner:
    known = frozenset(configured or ("plain", "studio", "many", "single", "fixed"))
    return Planner(catalogue(**defaults), known, {}, stand_in=False, review_seconds=60)


def wish(operation: Operation, source: Source = SOURCE, **more: Any) -> Wish:
    quality = more.get("quality", Quality.STANDARD)
    size = rework_size(operation, quality, source)
    sized = {"width": size.width_px, "height": size.height_px}
    return Wish(prompt="at night", operation=operation, source=source, **{**sized, **more})


EDIT, VARIATIONS, UPSCALE = Operation.EDIT, Operation.VARIATIONS, Operation.UPSCALE


class TestSize:
    @pytest.mark.parametrize(
        ("operation", "quality", "size"),
        [
            (VARIATIONS, Quality.DRAFT, Size(512, 341)),
            (VARIATIONS, Quality.STANDARD, Size(1024, 683)),
            (EDIT, Quality.DRAFT, Size(512, 341)),
            (EDIT, Quality.STANDARD, Size(1536, 1024)),
            (EDIT, Quality.ULTRA, Size(2048, 1365)),
        ],
    )
    def test_it_has_the_sources_shape(
        self, operation: Operation, quality: Quality, size: Size
    ) -> None:
        assert rework_size(operation, quality, SOURCE) == size


class TestWho:
    def test_the_default_gives_way_to_who_can(self) -> None:
        assert names(planner().job(wish(EDIT))) == ["studio/studio-1"]
        assert names(planner().job(wish(UPSCALE, width=3072, height=2048))) == ["studio/lanczos"]

    def test_who_made_the_source_goes_before(self) -> None:
        source = SOURCE.model_copy(update={"provider": "many"})
        assert names(planner().job(wish(EDIT, source))) == ["many/collage"]

    def test_who_is_configured_for_it_goes_before_all(self) -> None:
        source = SOURCE.model_copy(update={"provider": "many"})
        assert names(planner(edit="single").job(wish(EDIT, source))) == ["single/one"]

    def test_a_mask_chooses_the_model_that_takes_one(self) -> None:
        request = planner().job(wish(EDIT, provider="many", mask_key="records/m"))
        assert names(request) == ["many/fill"]

    def test_what_it_only_resamples_is_on_record(self) -> None:
        request = planner().job(wish(UPSCALE, width=3072, height=2048))
        assert request.targets[0].only_resamples
        assert request.digital_source_type("studio", "lanczos") == "algorithmicallyEnhanced"

    @pytest.mark.parametrize(
        ("wished", "field", "able"),
        [
            (wish(EDIT, provider="plain"), "model", "many, single, studio"),
            (wish(EDIT, provider="many", strength=0.5), "strength", "studio"),
            (
                wish(UPSCALE, provider="fixed", width=3072, height=2048),
                "scale",
                "studio",
            ),
        ],
    )
    def test_who_cannot_is_told_who_can(self, wished: Wish, field: str, able: str) -> None:
        with pytest.raises(CapabilityMissing, match=f"These can: {able}\\.") as refused:
            planner().job(wished)
        assert field in {named for named, _ in refused.value.errors}

    def test_a_size_that_is_too_large_is_what_is_said_of_who_does_it(self) -> None:
        with pytest.raises(
            CapabilityMissing, match=r"studio/lanczos makes no 9000x6000"
        ) as refused:
            planner("plain", "studio").job(wish(UPSCALE, width=9000, height=6000))
        assert [named for named, _ in refused.value.errors] == ["width"]

    def test_that_nobody_can_is_said(self) -> None:
        with pytest.raises(CapabilityMissing, match="No provider that is configured can"):
            planner("plain").job(wish(EDIT))

    def test_an_upscaler_draws_nothing(self) -> None:
        with pytest.raises(CapabilityMissing):
            planner().job(Wish(prompt="sea", provider="studio", model="lanczos"))


def final_of(request: JobRequest, choices: FinalChoices | None = None) -> JobRequest:
    return planner().final(draft_of(request), choices)


class TestFinal:
    def draft(self, operation: Operation, provider: str, **more: Any) -> JobRequest:
        return planner().job(wish(operation, provider=provider, quality=Quality.DRAFT, **more))

    def test_the_same_seed_makes_the_same_edit_larger(self) -> None:
        final = final_of(self.draft(EDIT, "studio"))
        assert final.consistency is Consistency.SEED
        assert (final.spec.operation, final.spec.source) == (EDIT, SOURCE)
        assert final.spec.reference_key is None
        assert (final.spec.width_px, final.spec.height_px) == (1536, 1024)
        assert (final.operation, final.source_job_id) == (EDIT, "img_0")

    def test_an_edit_is_repeated_with_the_draft_beside_its_source(self) -> None:
        draft = self.draft(EDIT, "many")
        final = final_of(draft)
        assert final.consistency is Consistency.REFERENCE
        assert final.spec.operation is EDIT
        assert final.spec.reference_key == original_key("img_1", draft.asset_token, 0)

    def test_without_room_for_both_the_draft_is_drawn_again(self) -> None:
        final = final_of(self.draft(EDIT, "single"))
        assert final.consistency is Consistency.REFERENCE
        assert final.spec.operation is None
        assert final.spec.reference_key
        assert (final.operation, final.spec.source) == (EDIT, SOURCE)
        assert final.digital_source_type("single", "one") == "compositeWithTrainedAlgorithmicMedia"

    def test_a_mask_keeps_the_source_in_the_final(self) -> None:
        final = final_of(self.draft(EDIT, "single", mask_key="records/m"))
        assert final.spec.operation is EDIT
        assert (final.spec.mask_key, final.spec.reference_key) == ("records/m", None)
        assert final.consistency is Consistency.NONE

    def test_a_variation_is_drawn_after_its_draft(self) -> None:
        final = final_of(self.draft(VARIATIONS, "many"))
        assert final.consistency is Consistency.REFERENCE
        assert (final.operation, final.spec.operation) == (VARIATIONS, None)

    def test_pixels_that_are_asked_for_win(self) -> None:
        spec = final_of(self.draft(EDIT, "studio"), FinalChoices(width=900, height=600)).spec
        assert (spec.width_px, spec.height_px) == (900, 600)


def test_a_next_round_edits_the_same_source() -> None:
    draft = planner().job(
        wish(EDIT, provider="studio", quality=Quality.DRAFT, mask_key="m", strength=0.5)
    )
    again = planner().revision(draft_of(draft), Revision(prompt="in fog"))
    assert (again.spec.operation, again.spec.source) == (EDIT, SOURCE)
    assert (again.spec.prompt, again.spec.mask_key, again.spec.strength) == ("in fog", "m", 0.5)
    assert (again.operation, again.source_job_id) == (EDIT, "img_0")


def test_a_failed_edit_is_tried_again_as_one() -> None:
    failed = planner().job(wish(EDIT, provider="studio"))
    again = planner().retry(failed, "img_1")
    assert (again.operation, again.spec) == (EDIT, failed.spec)
