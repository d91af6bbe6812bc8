from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from domain.sizes import AspectRatio, Quality, Size, size_for
from providers.models import Price, Sizes

RATIOS = Sizes(
    multiple_of=64,
    max_side_px=4096,
    ratios=[AspectRatio.SQUARE, AspectRatio.WIDE, AspectRatio.TALL],
    tiers={"1K": 1.0, "2K": 4.0},
)
PIXELS = Sizes(
    multiple_of=16, max_side_px=3840, min_megapixels=0.625, max_megapixels=7.9, max_ratio=3
)


def price(**parts: Any) -> Price:
    return Price(source="the test", date=date(2026, 11, 23), **parts)


class TestPixels:
    @pytest.mark.parametrize(
        ("asked", "made"),
        [
            (Size(1024, 1024), Size(1024, 1024)),
            (Size(1000, 500), Size(1152, 576)),
            (Size(512, 288), Size(1088, 608)),
            (Size(1920, 1080), Size(1920, 1088)),
        ],
    )
    def test_a_size_comes_out_as_near_as_the_model_makes_it(self, asked: Size, made: Size) -> None:
        fit = PIXELS.fit(asked)
        assert fit
        assert fit.size == made

    def test_what_is_too_large_is_refused_unless_it_may_shrink(self) -> None:
        assert PIXELS.fit(Size(4096, 4096)) is None
        smaller = PIXELS.fit(Size(4096, 4096), may_shrink=True)
        assert smaller
        assert smaller.size == Size(2864, 2864)

    def test_what_is_too_long_is_refused(self) -> None:
        assert PIXELS.fit(Size(2000, 500), may_shrink=True) is None

    @pytest.mark.parametrize("ratio", list(AspectRatio))
    @pytest.mark.parametrize("quality", list(Quality))
    @pytest.mark.parametrize("sizes", [PIXELS, RATIOS], ids=["pixels", "ratios"])
    def test_what_was_fitted_fits_itself(
        self, sizes: Sizes, ratio: AspectRatio, quality: Quality
    ) -> None:
        fit = sizes.fit(size_for(quality, ratio), may_shrink=True)
        if fit is not None:
            assert sizes.fit(fit.size) == fit
            assert fit.size.width_px % sizes.multiple_of == 0
            assert fit.size.height_px % sizes.multiple_of == 0


class TestRatios:
    def test_the_nearest_ratio_is_asked_for_at_the_smallest_tier_that_will_do(self) -> None:
        fit = RATIOS.fit(Size(1000, 570))
        assert fit
        assert (fit.ratio, fit.tier, fit.size) == ("16:9", "1K", Size(1344, 768))

    def test_more_pixels_than_a_tier_has_are_the_next_ones(self) -> None:
        fit = RATIOS.fit(Size(1600, 1600))
        assert fit
        assert (fit.tier, fit.size) == ("2K", Size(2048, 2048))

    def test_more_pixels_than_there_are_is_the_largest_tier(self) -> None:
        fit = RATIOS.fit(Size(4000, 4000))
        assert fit
        assert fit.tier == "2K"

    def test_a_ratio_that_is_far_from_all_is_refused(self) -> None:
        assert RATIOS.fit(Size(1024, 768)) is None

    def test_ratios_without_an_area_are_a_mistake(self) -> None:
        with pytest.raises(ValidationError, match="go together"):
            Sizes(ratios=[AspectRatio.SQUARE])


class TestPrice:
    @pytest.mark.parametrize(
        ("parts", "usd"),
        [
            ({"per_image_usd": 0.03}, 0.03),
            ({"per_image_usd": 0}, 0),
            ({"per_megapixel_usd": 0.025}, 0.1),
            ({"per_image_usd": 0.03, "per_further_megapixel_usd": 0.015}, 0.075),
            ({"by_quality_usd": {"high": 0.2}}, 0.8),
            ({"by_quality_usd": {"draft": 0.2}}, None),
            ({"by_tier_usd": {"2K": 0.134}}, 0.134),
            ({"tokens_usd": {"image_out": 30}}, None),
        ],
    )
    def test_what_an_image_costs(self, parts: dict[str, Any], usd: float | None) -> None:
        assert price(**parts).of(Quality.HIGH, Size(2048, 2048), "2K") == usd

    def test_a_part_of_a_megapixel_after_the_first_counts_whole(self) -> None:
        found = price(per_image_usd=0.03, per_further_megapixel_usd=0.015)
        assert found.of(Quality.HIGH, Size(1024, 1024), None) == 0.03
        assert found.of(Quality.HIGH, Size(1024, 1040), None) == 0.045

    def test_tokens_are_worth_their_rates(self) -> None:
        found = price(tokens_usd={"text_in": 5, "image_out": 30})
        assert found.of_tokens({"text_in": 20, "image_out": 1000}) == 0.0301

    def test_a_kind_of_token_without_a_rate_makes_the_whole_unknown(self) -> None:
        found = price(tokens_usd={"image_out": 30})
        assert found.of_tokens({"text_in": 20, "image_out": 1000}) is None
        assert found.of_tokens({"text_in": 0, "image_out": 1000}) == 0.03
        assert found.of_tokens({}) is None
