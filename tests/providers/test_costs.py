from __future__ import annotations

from typing import Any

import pytest

from domain.jobs import CostBasis
from domain.sizes import Quality, Size
from providers.costs import cost_of
from providers.models import Fit, Model

FIT = Fit(size=Size(1024, 1024))
RATES = {"text_in": 5, "image_out": 30}


def priced(**price: Any) -> Model:
    known = {"source": "https://example.com", "date": "2026-11-01", **price}
    return Model.model_validate({"expected_seconds": {}, "price": known})


class TestCostOf:
    def test_usage_is_trusted_before_the_list_price(self) -> None:
        model = priced(per_image_usd=0.5, tokens_usd=RATES)
        found = cost_of(model, Quality.DRAFT, FIT, {"text_in": 100, "image_out": 1000})
        assert found == (0.0305, CostBasis.USAGE)

    def test_usage_is_shared_by_the_pictures(self) -> None:
        model = priced(tokens_usd=RATES)
        assert cost_of(model, Quality.DRAFT, FIT, {"image_out": 1000}, 4)[0] == 0.0075

    @pytest.mark.parametrize(
        "tokens", [None, {}, {"image_out": 0}, {"image_out": 1000, "text_out": 1}]
    )
    def test_usage_that_tells_too_little_gives_way_to_the_list_price(
        self, tokens: dict[str, int] | None
    ) -> None:
        model = priced(per_image_usd=0.5, tokens_usd=RATES)
        assert cost_of(model, Quality.DRAFT, FIT, tokens) == (0.5, CostBasis.CATALOGUE)

    def test_a_kind_without_a_rate_that_was_not_used_does_not_matter(self) -> None:
        model = priced(tokens_usd=RATES)
        used = {"image_out": 1000, "text_out": 0}
        assert cost_of(model, Quality.DRAFT, FIT, used) == (0.03, CostBasis.USAGE)

    @pytest.mark.parametrize(
        "model", [Model.model_validate({"expected_seconds": {}}), priced(tokens_usd=RATES)]
    )
    def test_nothing_known_is_unknown(self, model: Model) -> None:
        assert cost_of(model, Quality.DRAFT, FIT) == (None, CostBasis.UNKNOWN)
