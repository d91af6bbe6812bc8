"""What is known of one model: what it takes, what it makes, what it costs, how long it lives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, model_validator

from domain.jobs import ImageSpec
from domain.operations import Operation
from domain.sizes import NEAR_RATIO, AspectRatio, Quality, Size, nearest_ratio

_MEGAPIXEL = 1024 * 1024


class Table(BaseModel):
    """A table of the catalogue; a field that is not known is a mistake, said at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Price(Table):
    """What one image costs, in USD; all parts that are given are added up."""

    per_image_usd: float | None = Field(default=None, ge=0)
    by_quality_usd: dict[Quality, float] | None = None
    """At 1024x1024; other sizes in proportion to their area."""
    by_tier_usd: dict[str, float] | None = None
    """By the name of the size tier (`Sizes.tiers`)."""
    per_megapixel_usd: float | None = None
    """For each megapixel (1024x1024), also a part of one."""
    per_further_megapixel_usd: float | None = None
    """For each megapixel begun after the first."""
    tokens_usd: dict[str, float] | None = None
    """Per million tokens, by the vendor's kind: what the usage in an answer is worth."""
    source: str
    date: date

    def of(self, quality: Quality, size: Size, tier: str | None) -> float | None:
        """USD for one image; None where nothing but token rates is known."""
        megapixels = size.width_px * size.height_px / _MEGAPIXEL
        parts = [
            self.per_image_usd,
            _times((self.by_quality_usd or {}).get(quality), megapixels),
            (self.by_tier_usd or {}).get(tier or ""),
            _times(self.per_megapixel_usd, megapixels),
            _times(self.per_further_megapixel_usd, max(0, math.ceil(megapixels) - 1)),
        ]
        known = [part for part in parts if part is not None]
        return round(sum(known), 6) if known else None

    def of_tokens(self, tokens: Mapping[str, int]) -> float | None:
        """USD for the tokens of an answer, by kind; None where one of them has no rate."""
        rates = self.tokens_usd or {}
        used = {kind: count for kind, count in tokens.items() if count}
        if not used or not used.keys() <= rates.keys():
            return None
        return round(sum(count * rates[kind] for kind, count in used.items()) / 1_000_000, 6)


class Fit(Table):
    """A size as a model makes it."""

    size: Size
    ratio: AspectRatio | None = None
    """Where the model is asked by ratio."""
    tier: str | None = None
    """Where the model is asked by a named size."""


class Sizes(Table):
    """The sizes a model makes; lengths in pixels, areas in megapixels of 1024x1024."""

    multiple_of: int = Field(default=1, ge=1)
    min_side_px: int = 64
    max_side_px: int = 2048
    min_megapixels: float = 0.0
    max_megapixels: float = 4.0
    max_ratio: PositiveFloat = 64.0
    """Long side to short side."""
    ratios: list[AspectRatio] | None = None
    """The model is asked by one of these, at the area of a tier."""
    tiers: dict[str, float] | None = None
    """Named areas in megapixels; the only one of a model that takes no name is called `""`."""

    @model_validator(mode="after")
    def _a_ratio_has_an_area(self) -> Self:
        if (self.ratios is None) != (self.tiers is None):
            raise ValueError("ratios and tiers go together")
        return self

    def fit(self, asked: Size, *, may_shrink: bool = False) -> Fit | None:
        """The size that the model makes for what is asked; None where it makes nothing near.

        Too small is made larger, at the same ratio; too large is None unless it may shrink. What
        was fitted fits itself.
        """
        if self.ratios is not None and self.tiers is not None:
            return self._fit_ratio(asked, self.ratios, self.tiers)
        return self._fit_pixels(asked, may_shrink)

    def _fit_pixels(self, asked: Size, may_shrink: bool) -> Fit | None:
        long, short, area = max(asked), min(asked), asked.width_px * asked.height_px
        if long / short > self.max_ratio:
            return None
        least = max(self.min_side_px / short, math.sqrt(self.min_megapixels * _MEGAPIXEL / area))
        most = min(self.max_side_px / long, math.sqrt(self.max_megapixels * _MEGAPIXEL / area))
        if least > most or (most < 1 and not may_shrink):
            return None
        scale = min(max(1.0, least), most)
        to_unit = math.ceil if scale > 1 else math.floor if scale < 1 else round
        unit = self.multiple_of
        # Rounding up must not be provoked by the last bit of a product.
        sides = (max(unit, to_unit(round(side * scale / unit, 6)) * unit) for side in asked)
        return Fit(size=Size(*sides))

    def _fit_ratio(
        self, asked: Size, ratios: list[AspectRatio], tiers: dict[str, float]
    ) -> Fit | None:
        ratio = nearest_ratio(asked, ratios)
        area = asked.width_px * asked.height_px / _MEGAPIXEL
        by_area = sorted(tiers.items(), key=lambda tier: tier[1])
        # A preset of ours, such as 1536x1024, may be a little over a tier's own area.
        enough = [tier for tier in by_area if tier[1] * NEAR_RATIO * NEAR_RATIO >= area]
        tier, megapixels = (enough or by_area[-1:])[0]
        if ratio is None or max(asked) > self.max_side_px:
            return None
        height = math.sqrt(megapixels * _MEGAPIXEL / ratio.width_to_height)
        sides = (height * ratio.width_to_height, height)
        size = Size(*(round(side / self.multiple_of) * self.multiple_of for side in sides))
        return Fit(size=size, ratio=ratio, tier=tier or None)


class Model(Table):
    """One model of one provider."""

    seed: bool = False
    """Takes a seed and honours it."""
    seed_at_any_size: bool = False
    """The same seed gives the same picture at another size too."""
    operations: list[Operation] = Field(default=[Operation.GENERATE], min_length=1)
    """What it does; all but `generate` begin from a picture."""
    mask: bool = False
    """Its edits take a mask."""
    needs_mask: bool = False
    """It edits nothing without one."""
    strength: list[Operation] = Field(default_factory=list)
    """What it does where it takes how far a picture may depart from its source."""
    scales: list[int] | None = None
    """The only multiples of its source's sides that an upscale makes."""
    only_resamples: bool = False
    """Its upscales invent nothing."""
    references: int = Field(default=0, ge=0)
    """How many reference pictures it takes, the source of an edit or variation among them."""
    negative_prompt: bool = False
    """Takes one as a parameter; else it is folded into the prompt."""
    styles: list[str] | None = None
    """Styles that it takes as a parameter; all others are folded into the prompt."""
    images_per_call: int = Field(default=1, ge=1)
    sizes: Sizes = Sizes()
    quality: dict[Quality, str] = Field(default_factory=dict)
    """The vendor's word for each quality, where it has one."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What its adapter sends besides, or needs to know; see the adapter."""
    price: Price | None = None
    expected_seconds: dict[Quality, float]
    deprecated_on: date | None = None
    shutdown_on: date | None = None
    successor: str | None = None
    source: str | None = None
    """Where capabilities and dates were read."""

    def cannot(self, spec: ImageSpec) -> list[tuple[str, str]]:
        """What it cannot do of what a spec asks to be done: field and problem of each."""
        problems = []
        if spec.task not in self.operations:
            does = ", ".join(self.operations)
            problems.append(("model", f"does no {spec.task}: it does {does}"))
        if spec.mask_key is not None and not self.mask:
            problems.append(("mask_image_url", "takes no mask"))
        if spec.mask_key is None and self.needs_mask:
            problems.append(("mask_image_url", "needs a mask"))
        if spec.strength is not None and spec.task not in self.strength:
            problems.append(("strength", f"takes no strength for {spec.task}; leave it out"))
        if spec.task is Operation.UPSCALE and not self._scales(spec):
            scales = " or ".join(map(str, self.scales or ()))
            problems.append(("scale", f"makes a picture {scales} times as large, nothing else"))
        return problems

    def _scales(self, spec: ImageSpec) -> bool:
        if self.scales is None or spec.source is None:
            return True
        return any(
            (spec.width_px, spec.height_px)
            == (spec.source.width_px * scale, spec.source.height_px * scale)
            for scale in self.scales
        )

    def fitted(self, size: Size) -> Fit:
        """How the model is asked for a size that the catalogue has fitted to it."""
        return self.sizes.fit(size, may_shrink=True) or Fit(size=size)

    def price_usd(self, quality: Quality, fit: Fit) -> float | None:
        """USD for one image; None when unknown."""
        return self.price.of(quality, fit.size, fit.tier) if self.price else None


def _times(usd: float | None, count: float) -> float | None:
    return None if usd is None else usd * count
