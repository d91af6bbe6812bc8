from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from domain.batches import BatchFlow
from domain.errors import CapabilityMissing, InvalidRequest, ModelShutDown, ProviderNotConfigured
from domain.jobs import Consistency, JobRequest, Target
from domain.once import Once
from domain.renders import SuccessorOrder
from domain.reviews import FinalChoices, Revision
from domain.sizes import AspectRatio, Quality
from domain.wishes import Wish
from pipeline.house import House, HouseStyle, Placement, Preference
from pipeline.planning import Planner
from providers.catalogue import Catalogue
from storage.keys import original_key

SECONDS = {"draft": 1, "standard": 2, "high": 3, "ultra": 4}
TODAY = date(2026, 11, 23)


def model(**more: Any) -> dict[str, Any]:
    return {"expected_seconds": SECONDS, **more}


def price(usd: float) -> dict[str, Any]:
    return {"per_image_usd": usd, "source": "the test", "date": TODAY}


def entry(models: dict[str, Any], **defaults: str) -> dict[str, Any]:
    first = next(iter(models))
    return {
        "title": "Vendor",
        "defaults": {**dict.fromkeys(SECONDS, first), **defaults},
        "models": models,
    }


CATALOGUE = Catalogue(
    {
        "defaults": {"provider": "studio"},
        "providers": {
            "studio": entry({"studio-1": model(seed=True, seed_at_any_size=True, price=price(0))}),
            "seeded": entry(
                {
                    "quick": model(seed=True, seed_at_any_size=True, price=price(0.01)),
                    "fine": model(seed=True),
                },
                high="fine",
            ),
            "seedless": entry(
                {
                    "sketch": model(references=1),
                    "paint": model(),
                    "gone": model(shutdown_on=TODAY, successor="paint"),
                },
                high="paint",
            ),
            "referring": entry(
                {
                    "lead": model(seed=True, sizes={"min_megapixels": 1}),
                    "oil": model(references=1, price=price(0.2)),
                    "collage": model(seed=True, references=4, price=price(0.3)),
                },
                high="oil",
            ),
            "ratios": entry(
                {"some": model(sizes={"ratios": ["1:1", "5:4"], "tiers": {"": 1}})},
            ),
            "small": entry({"tiny": model(sizes={"max_side_px": 512})}),
        },
    },
    lambda: TODAY,
)


def planner(*configured: str, stand_in: bool = True) -> Planner:
    return Planner(
        CATALOGUE,
        frozenset(configured or ("studio", "seeded", "seedless", "small", "referring", "ratios")),
        {"stability_ai": "set STABILITY_API_KEY"},
        stand_in=stand_in,
        review_seconds=60,
    )


HOUSE = House(
    {
        "gouache": HouseStyle(
            prefix="Gouache of",
            negative="text",
            palette=["teal"],
            draft=Preference(provider="seeded"),
            high=Preference(provider="referring", model="collage"),
        ),
        "plain": HouseStyle(suffix="plain"),
    },
    {
        "hero": Placement(width=900, height=300, prompt="{prompt}, much sky"),
        "card": Placement(aspect_ratio=AspectRatio.R4_3),
    },
)


def housed(house: House = HOUSE) -> Planner:
    configured = frozenset({"studio", "seeded", "referring", "small"})
    return Planner(CATALOGUE, configured, {}, stand_in=False, review_seconds=60, house=house)


def draft_of(request: JobRequest, **more: Any) -> SuccessorOrder:
    first = request.targets[0]
    return SuccessorOrder(
        job_id="img_1",
        asset_token="successor",
        seed=99,
        request=request,
        provider=first.provider,
        model=first.model,
        **more,
    )


def names(request: JobRequest) -> list[str]:
    return [f"{target.provider}/{target.model}" for target in request.targets]


class TestJob:
    def test_what_is_not_wished_is_chosen(self) -> None:
        request = planner().job(Wish(prompt="sea"))
        assert names(request) == ["studio/studio-1"]
        assert request.spec.quality is Quality.STANDARD
        assert request.spec.aspect_ratio is AspectRatio.SQUARE
        assert (request.spec.width_px, request.spec.height_px) == (1024, 1024)
        assert 0 <= request.spec.seed < 2**32
        assert request.review_seconds == 60
        assert request.stand_in_for is None

    def test_seeds_and_tokens_are_fresh_each_time(self) -> None:
        requests = [planner().job(Wish(prompt="sea")) for _ in range(20)]
        assert len({request.asset_token for request in requests}) == 20
        assert len({request.spec.seed for request in requests}) > 15

    def test_a_seed_of_zero_is_a_seed(self) -> None:
        assert planner().job(Wish(prompt="sea", seed=0)).spec.seed == 0

    def test_pixels_win_over_the_ratio(self) -> None:
        wish = Wish(prompt="sea", width=300, height=200, aspect_ratio=AspectRatio.WIDE)
        spec = planner().job(wish).spec
        assert (spec.width_px, spec.height_px, spec.aspect_ratio) == (300, 200, None)

    def test_fallbacks_follow_in_order_and_none_is_tried_twice(self) -> None:
        wish = Wish(
            prompt="sea", provider="seeded", fallback_providers=["studio", "seeded", "seedless"]
        )
        assert names(planner().job(wish)) == ["seeded/quick", "studio/studio-1", "seedless/sketch"]

    def test_a_model_is_of_the_first_choice_only(self) -> None:
        wish = Wish(prompt="sea", provider="seeded", model="fine", fallback_providers=["studio"])
        assert names(planner().job(wish)) == ["seeded/fine", "studio/studio-1"]

    def test_the_default_model_is_the_qualitys(self) -> None:
        wish = Wish(prompt="sea", provider="seeded", quality=Quality.HIGH)
        assert names(planner().job(wish)) == ["seeded/fine"]

    def test_a_model_that_is_shut_down_is_refused_with_its_successor(self) -> None:
        with pytest.raises(ModelShutDown, match="Use 'paint' instead"):
            planner().job(Wish(prompt="sea", provider="seedless", model="gone"))

    def test_every_fallback_must_be_able_too(self) -> None:
        wish = Wish(prompt="sea", fallback_providers=["small"], width=1024, height=1024)
        with pytest.raises(CapabilityMissing) as refused:
            planner().job(wish)
        assert {field for field, _ in refused.value.errors} == {"width"}

    def test_a_size_of_ours_is_made_smaller_where_the_model_ends(self) -> None:
        (target,) = planner().job(Wish(prompt="sea", provider="small")).targets
        assert (target.width_px, target.height_px) == (512, 512)

    def test_pixels_that_come_out_otherwise_are_said(self) -> None:
        wish = Wish(prompt="sea", provider="referring", width=512, height=256)
        request = planner().job(wish)
        assert (request.targets[0].width_px, request.targets[0].height_px) == (1449, 725)
        assert request.warnings == [
            "lead makes 1449x725 pixels for the 512x256 that were asked for."
        ]

    def test_a_ratio_that_comes_out_otherwise_is_said(self) -> None:
        wish = Wish(prompt="sea", provider="ratios", aspect_ratio=AspectRatio.R4_3)
        request = planner().job(wish)
        assert request.warnings == [
            "some makes 1145x916 pixels for the 1024x768 that were asked for."
        ]
        square = wish.model_copy(update={"aspect_ratio": AspectRatio.SQUARE})
        assert planner().job(square).warnings is None

    def test_a_seed_is_refused_where_the_model_takes_none(self) -> None:
        with pytest.raises(CapabilityMissing) as refused:
            planner().job(Wish(prompt="sea", provider="seedless", seed=7))
        assert [field for field, _ in refused.value.errors] == ["seed"]

    def test_a_seed_is_a_hint_to_a_fallback(self) -> None:
        wish = Wish(prompt="sea", provider="seeded", seed=7, fallback_providers=["seedless"])
        assert names(planner().job(wish)) == ["seeded/quick", "seedless/sketch"]


class TestStandIn:
    def test_the_studio_renders_for_whom_is_not_configured(self) -> None:
        request = planner("studio").job(
            Wish(prompt="sea", provider="stability_ai", model="sd3", fallback_providers=["fal"])
        )
        assert names(request) == ["studio/studio-1"]
        assert request.stand_in_for == "stability_ai"

    def test_it_does_not_where_a_vendor_is_configured(self) -> None:
        with pytest.raises(ProviderNotConfigured, match="configured: seeded, studio") as refused:
            planner("studio", "seeded").job(Wish(prompt="sea", provider="stability_ai"))
        assert refused.value.errors == [("provider", "set STABILITY_API_KEY")]

    def test_it_does_not_where_it_is_turned_off(self) -> None:
        with pytest.raises(ProviderNotConfigured):
            planner("studio", stand_in=False).job(Wish(prompt="sea", provider="stability_ai"))

    def test_it_stands_in_for_the_final_too(self) -> None:
        stage = planner("studio")
        request = stage.job(Wish(prompt="sea", provider="stability_ai", quality=Quality.DRAFT))
        final = stage.final(draft_of(request), None)
        assert names(final) == ["studio/studio-1"]
        assert final.stand_in_for == "stability_ai"


class TestBatchItem:
    @pytest.mark.parametrize(
        ("asked", "final"),
        [
            (None, Quality.HIGH),
            (Quality.DRAFT, Quality.HIGH),
            (Quality.STANDARD, Quality.STANDARD),
            (Quality.ULTRA, Quality.ULTRA),
        ],
    )
    def test_the_quality_asked_for_is_its_finals(
        self, asked: Quality | None, final: Quality
    ) -> None:
        item = planner().batch_item(Wish(prompt="sea", quality=asked), BatchFlow.DRAFT_THEN_FINAL)
        assert item.is_draft
        assert item.final_quality is final
        assert planner().final(draft_of(item), None).spec.quality is final

    def test_a_batch_of_finals_has_no_drafts(self) -> None:
        asked = [None, Quality.DRAFT, Quality.STANDARD, Quality.HIGH]
        made = [
            planner().batch_item(Wish(prompt="sea", quality=each), BatchFlow.FINAL_ONLY)
            for each in asked
        ]
        assert [item.spec.quality for item in made] == ["standard", "standard", "standard", "high"]


class TestFinal:
    def test_it_is_bound_by_seed_where_the_model_takes_one(self) -> None:
        request = planner().job(
            Wish(
                prompt="sea",
                quality=Quality.DRAFT,
                aspect_ratio=AspectRatio.R3_2,
                provider="seeded",
                seed=7,
                num_images=1,
                style="ink",
                negative_prompt="people",
                blog_id="post-1",
            )
        )
        final = planner().final(draft_of(request), None)
        assert names(final) == ["seeded/quick"]
        assert final.consistency is Consistency.SEED
        assert final.draft_job_id == "img_1"
        assert final.asset_token == "successor"
        assert not final.is_draft
        assert final.blog_id == "post-1"
        spec = final.spec
        assert (spec.prompt, spec.style, spec.negative_prompt) == ("sea", "ink", "people")
        assert (spec.seed, spec.width_px, spec.height_px) == (7, 1536, 1024)

    def test_the_seed_that_was_drawn_wins_over_the_one_that_was_asked_for(self) -> None:
        request = planner().job(Wish(prompt="sea", quality=Quality.DRAFT, seed=7))
        assert planner().final(draft_of(request, drawn_seed=0), None).spec.seed == 0

    def test_another_model_is_not_bound(self) -> None:
        request = planner().job(Wish(prompt="sea", quality=Quality.DRAFT, provider="seeded"))
        final = planner().final(draft_of(request), FinalChoices(model="fine"))
        assert final.consistency is Consistency.NONE

    def test_a_model_without_seeds_gives_way_to_the_qualitys_default(self) -> None:
        request = planner().job(Wish(prompt="sea", quality=Quality.DRAFT, provider="seedless"))
        final = planner().final(draft_of(request), None)
        assert names(final) == ["seedless/paint"]
        assert final.consistency is Consistency.NONE

    def test_it_is_bound_by_reference_where_the_model_takes_one(self) -> None:
        request = planner().job(
            Wish(prompt="sea", quality=Quality.DRAFT, provider="referring", seed=7)
        )
        final = planner().final(draft_of(request), None)
        assert names(final) == ["referring/oil"]
        assert final.consistency is Consistency.REFERENCE
        assert final.spec.reference_key == original_key("img_1", request.asset_token, 0)

    def test_the_same_seed_at_another_size_binds_nothing(self) -> None:
        request = planner().job(
            Wish(prompt="sea", quality=Quality.DRAFT, provider="seeded", model="fine")
        )
        assert planner().final(draft_of(request), None).consistency is Consistency.NONE

    def test_the_same_seed_at_the_same_size_binds(self) -> None:
        wish = Wish(prompt="sea", quality=Quality.DRAFT, provider="seeded", model="fine")
        request = planner().job(wish.model_copy(update={"width": 300, "height": 200}))
        assert planner().final(draft_of(request), None).consistency is Consistency.SEED

    def test_seed_and_reference_bind_together(self) -> None:
        wish = Wish(
            prompt="sea",
            quality=Quality.DRAFT,
            provider="referring",
            model="collage",
            width=300,
            height=200,
            reference_image_url="https://example.com/mood.png",
        )
        request = planner().job(wish)
        final = planner().final(draft_of(request), FinalChoices(model="collage"))
        assert final.consistency is Consistency.SEED_AND_REFERENCE
        assert final.spec.reference_key
        assert final.spec.reference_image_url == "https://example.com/mood.png"

    def test_the_callers_reference_gives_way_to_the_draft(self) -> None:
        wish = Wish(
            prompt="sea",
            quality=Quality.DRAFT,
            provider="referring",
            model="oil",
            reference_image_url="https://example.com/mood.png",
        )
        final = planner().final(draft_of(planner().job(wish)), None)
        assert final.spec.reference_key
        assert final.spec.reference_image_url is None

    def test_its_offer_is_what_approving_starts(self) -> None:
        request = planner().job(Wish(prompt="sea", quality=Quality.DRAFT, provider="referring"))
        offer = planner().offer(request, "referring", "lead")
        assert (offer.provider, offer.model, offer.price_usd) == ("referring", "oil", 0.2)
        assert (offer.quality, offer.width_px, offer.height_px) == (Quality.HIGH, 1536, 1536)

    def test_it_follows_the_provider_that_drew_not_the_one_that_was_asked_first(self) -> None:
        request = planner().job(
            Wish(
                prompt="sea",
                quality=Quality.DRAFT,
                provider="seedless",
                fallback_providers=["studio"],
            )
        )
        drawn = draft_of(request).model_copy(update={"provider": "studio", "model": "studio-1"})
        final = planner().final(drawn, None)
        assert names(final) == ["studio/studio-1"]
        assert final.consistency is Consistency.SEED

    def test_one_picture_of_many_is_made(self) -> None:
        request = planner().job(Wish(prompt="sea", quality=Quality.DRAFT, num_images=4))
        assert planner().final(draft_of(request), None).spec.num_images == 1

    def test_a_draft_with_pixels_of_its_own_keeps_them(self) -> None:
        request = planner().job(Wish(prompt="sea", quality=Quality.DRAFT, width=300, height=200))
        spec = planner().final(draft_of(request), None).spec
        assert (spec.width_px, spec.height_px) == (300, 200)

    def test_what_cannot_be_made_is_refused(self) -> None:
        request = planner().job(Wish(prompt="sea", quality=Quality.DRAFT))
        for choices, refusal in (
            (FinalChoices(width=4096, height=4096), CapabilityMissing),
            (FinalChoices(provider="small", width=1024, height=1024), CapabilityMissing),
            (FinalChoices(provider="seedless", model="gone"), ModelShutDown),
            (FinalChoices(model="unknown"), InvalidRequest),
        ):
            with pytest.raises(refusal):
                planner().final(draft_of(request), choices)


class TestChosenImage:
    def test_the_final_has_its_seed_and_its_original(self) -> None:
        wish = Wish(prompt="sea", quality=Quality.DRAFT, provider="referring", num_images=3)
        request = planner().job(wish)
        final = planner().final(draft_of(request, image_index=2, drawn_seed=44), None)
        assert (final.spec.seed, final.spec.num_images) == (44, 1)
        assert final.spec.reference_key == original_key("img_1", request.asset_token, 2)

    def test_a_seed_that_nobody_told_is_the_orders_and_binds_nothing(self) -> None:
        request = planner().job(Wish(prompt="sea", quality=Quality.DRAFT, seed=7, num_images=3))
        final = planner().final(draft_of(request, image_index=2), None)
        assert (final.spec.seed, final.consistency) == (9, Consistency.NONE)
        told = planner().final(draft_of(request, image_index=2, drawn_seed=9), None)
        assert told.consistency is Consistency.SEED

    @pytest.mark.parametrize(
        ("count", "index", "told"), [(1, 1, "image_index is 0"), (3, 3, "0 to 2"), (3, -1, "0 to")]
    )
    def test_one_that_is_not_there_is_refused(self, count: int, index: int, told: str) -> None:
        request = planner().job(Wish(prompt="sea", quality=Quality.DRAFT, num_images=count))
        with pytest.raises(InvalidRequest, match=told) as refused:
            planner().final(draft_of(request, image_index=index), None)
        assert [field for field, _ in refused.value.errors] == ["image_index"]


class TestHouse:
    def test_what_is_rendered_is_in_the_request_beside_the_callers_words(self) -> None:
        wish = Wish(prompt="sea", style="gouache", placement="hero", negative_prompt="people")
        spec = housed().job(wish).spec
        assert spec.prompt == "Gouache of sea, much sky. Palette: teal."
        assert (spec.negative_prompt, spec.style, spec.palette) == ("people, text", None, ["teal"])
        assert spec.words.model_dump() == {
            "prompt": "sea",
            "negative_prompt": "people",
            "style": "gouache",
            "placement": "hero",
        }

    def test_another_style_is_passed_on_and_nothing_is_kept_twice(self) -> None:
        spec = housed().job(Wish(prompt="sea", style="ink")).spec
        assert (spec.style, spec.asked, spec.words.style) == ("ink", None, "ink")

    def test_its_preference_counts_where_nobody_is_named(self) -> None:
        drafted = Wish(prompt="sea", style="gouache", quality=Quality.DRAFT)
        assert names(housed().job(drafted)) == ["seeded/quick"]
        named = drafted.model_copy(update={"provider": "studio"})
        assert names(housed().job(named)) == ["studio/studio-1"]
        other = drafted.model_copy(update={"quality": Quality.STANDARD})
        assert names(housed().job(other)) == ["studio/studio-1"]

    def test_the_final_is_the_styles_choice_unless_somebody_chose(self) -> None:
        wish = Wish(prompt="sea", style="gouache", quality=Quality.DRAFT)
        draft = housed().job(wish)
        final = housed().final(draft_of(draft), None)
        assert names(final) == ["referring/collage"]
        assert final.spec.prompt == draft.spec.prompt
        assert final.spec.words == draft.spec.words
        named = housed().job(wish.model_copy(update={"provider": "studio"}))
        assert names(housed().final(draft_of(named), None)) == ["studio/studio-1"]
        chosen = housed().final(draft_of(draft), FinalChoices(provider="studio"))
        assert names(chosen) == ["studio/studio-1"]
        fallen_back = draft_of(draft).model_copy(update={"provider": "studio", "model": "studio-1"})
        assert names(housed().final(fallen_back, None)) == ["studio/studio-1"]

    def test_a_placement_gives_every_quality_its_size(self) -> None:
        wish = Wish(prompt="sea", placement="hero", quality=Quality.ULTRA)
        item = housed().batch_item(wish, BatchFlow.DRAFT_THEN_FINAL)
        final = housed().final(draft_of(item), None)
        assert (item.spec.width_px, item.spec.height_px) == (300, 100)
        assert (final.spec.width_px, final.spec.height_px) == (1200, 400)

    @pytest.mark.parametrize(
        ("own", "size"),
        [
            ({"aspect_ratio": AspectRatio.WIDE}, (1536, 864)),
            ({"width": 300, "height": 200}, (300, 200)),
        ],
    )
    def test_the_callers_own_shape_wins(self, own: dict[str, Any], size: tuple[int, int]) -> None:
        request = housed().job(Wish(prompt="sea", placement="hero", quality=Quality.DRAFT, **own))
        final = housed().final(draft_of(request), None)
        assert (final.spec.width_px, final.spec.height_px) == size
        assert final.spec.prompt == "sea, much sky"

    def test_a_placement_that_is_gone_leaves_its_shape_behind(self) -> None:
        card = housed().job(Wish(prompt="sea", placement="card", quality=Quality.DRAFT))
        hero = housed().job(Wish(prompt="sea", placement="hero", quality=Quality.DRAFT))
        bare = housed(House({}, {}))
        final = bare.final(draft_of(card), None)
        assert (final.spec.width_px, final.spec.height_px) == (1536, 1152)
        again = bare.revision(draft_of(hero), Revision(prompt="a calm sea"))
        assert (again.spec.width_px, again.spec.height_px) == (300, 100)
        assert again.spec.prompt == "a calm sea"

    def test_an_unknown_placement_is_refused(self) -> None:
        with pytest.raises(InvalidRequest, match="card, hero"):
            housed().job(Wish(prompt="sea", placement="footer"))

    def test_a_revision_starts_from_the_callers_words(self) -> None:
        wish = Wish(prompt="sea", style="gouache", placement="hero", quality=Quality.DRAFT)
        draft = housed().job(wish.model_copy(update={"negative_prompt": "people"}))
        again = housed().revision(draft_of(draft), Revision(prompt="a calm sea"))
        assert again.spec.prompt == "Gouache of a calm sea, much sky. Palette: teal."
        assert again.spec.negative_prompt == "people, text"
        assert names(again) == ["seeded/quick"]
        assert names(housed().final(draft_of(again), None)) == ["referring/collage"]

    def test_a_revised_style_brings_its_own_provider_unless_one_was_named(self) -> None:
        wish = Wish(prompt="sea", style="plain", quality=Quality.DRAFT)
        restyle = Revision(style="gouache")
        assert names(housed().revision(draft_of(housed().job(wish)), restyle)) == ["seeded/quick"]
        named = housed().job(wish.model_copy(update={"provider": "small"}))
        assert names(housed().revision(draft_of(named), restyle)) == ["small/tiny"]

    def test_a_revised_placement_brings_its_shape(self) -> None:
        request = housed().job(Wish(prompt="sea", quality=Quality.DRAFT, width=300, height=200))
        again = housed().revision(draft_of(request), Revision(placement="hero"))
        assert (again.spec.width_px, again.spec.height_px) == (300, 100)
        square = Revision(placement="hero", aspect_ratio=AspectRatio.SQUARE)
        again = housed().revision(draft_of(request), square)
        assert (again.spec.width_px, again.spec.height_px) == (512, 512)
        assert again.spec.prompt == "sea, much sky"

    def test_a_retry_is_the_same_picture(self) -> None:
        request = housed().job(Wish(prompt="sea", style="gouache", placement="hero"))
        assert housed(House()).retry(request, "img_1").spec == request.spec


class TestRevision:
    def test_only_what_the_editor_changed_changes(self) -> None:
        request = planner().job(
            Wish(
                prompt="sea",
                quality=Quality.DRAFT,
                aspect_ratio=AspectRatio.WIDE,
                style="ink",
                provider="seeded",
                model="fine",
                num_images=1,
                tags=["hero"],
            )
        )
        again = planner().revision(draft_of(request), Revision(prompt="a calm sea"))
        assert again.is_draft
        assert again.spec.prompt == "a calm sea"
        assert again.spec.style == "ink"
        assert (again.spec.width_px, again.spec.height_px) == (512, 288)
        assert names(again) == ["seeded/fine"]
        assert again.spec.seed == 99
        assert again.revision_of == "img_1"
        assert again.tags == ["hero"]
        assert again.asset_token == "successor"

    def test_a_seed_of_zero_is_a_wish(self) -> None:
        request = planner().job(Wish(prompt="sea", quality=Quality.DRAFT, seed=7))
        assert planner().revision(draft_of(request), Revision(seed=0)).spec.seed == 0

    def test_another_provider_brings_its_own_model(self) -> None:
        request = planner().job(Wish(prompt="sea", quality=Quality.DRAFT, provider="seeded"))
        again = planner().revision(draft_of(request), Revision(provider="seedless"))
        assert names(again) == ["seedless/sketch"]

    def test_how_many_and_what_they_follow_may_change(self) -> None:
        wish = Wish(prompt="sea", quality=Quality.DRAFT, provider="referring", model="collage")
        draft = planner().job(wish.model_copy(update={"negative_prompt": "people"}))
        revise = Revision.model_validate(
            {
                "num_images": 4,
                "reference_image_url": "https://example.com/mood.png",
                "negative_prompt": "",
            }
        )
        again = planner().revision(draft_of(draft), revise)
        assert again.spec.num_images == 4
        assert again.spec.reference_image_url == "https://example.com/mood.png"
        assert not again.spec.negative_prompt

    def test_pixels_and_ratios_replace_each_other(self) -> None:
        request = planner().job(Wish(prompt="sea", quality=Quality.DRAFT, width=300, height=200))
        square = planner().revision(draft_of(request), Revision(aspect_ratio=AspectRatio.SQUARE))
        assert (square.spec.width_px, square.spec.height_px) == (512, 512)
        pixels = planner().revision(draft_of(square), Revision(width=400, height=100))
        assert (pixels.spec.width_px, pixels.spec.height_px) == (400, 100)

    def test_fallbacks_stay_and_none_is_tried_twice(self) -> None:
        request = planner().job(
            Wish(
                prompt="sea",
                quality=Quality.DRAFT,
                provider="seeded",
                fallback_providers=["studio"],
            )
        )
        again = planner().revision(draft_of(request), Revision(provider="studio"))
        assert names(again) == ["studio/studio-1"]


class TestRetry:
    def failed(self, **more: Any) -> JobRequest:
        wish = Wish(prompt="sea", quality=Quality.HIGH, provider="seeded", seed=7, tags=["hero"])
        request = planner("seeded", "referring").job(wish)
        return request.model_copy(update={"batch_id": "bat_1", **more})

    def test_it_is_the_same_picture_under_another_token(self) -> None:
        failed = self.failed()
        again = planner("seeded").retry(failed, "img_1")
        assert (again.spec, again.tags) == (failed.spec, failed.tags)
        assert again.targets == failed.targets
        assert again.asset_token != failed.asset_token
        assert (again.retry_of, again.batch_id) == ("img_1", None)

    def test_what_its_first_request_was_answered_does_not_stick_to_it(self) -> None:
        failed = self.failed(once=Once(fingerprint="f", promised_seconds=3))
        assert planner("seeded").retry(failed, "img_1").once is None

    def test_its_successors_are_no_retries(self) -> None:
        again = planner("seeded").retry(self.failed(), "img_1")
        again = again.model_copy(update={"once": Once(promised_seconds=3)})
        final = planner("seeded").final(draft_of(again), None)
        revision = planner("seeded").revision(draft_of(again), Revision())
        for successor in (final, revision):
            assert (successor.retry_of, successor.once) == (None, None)

    def test_a_model_that_is_shut_down_by_now_is_refused(self) -> None:
        gone = Target(provider="seedless", model="gone", expected_seconds=1)
        with pytest.raises(ModelShutDown):
            planner("seedless").retry(self.failed(targets=[gone]), "img_1")

    def test_a_provider_that_is_not_configured_any_more_is_refused(self) -> None:
        with pytest.raises(ProviderNotConfigured):
            planner("seedless").retry(self.failed(), "img_1")
