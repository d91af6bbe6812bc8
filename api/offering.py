"""What can be asked for here: providers and models, house styles and placements.

Addresses and keys of providers are never part of it.
"""

from __future__ import annotations

from api.schemas import (
    ModelAnswer,
    ModelsAnswer,
    PlacementAnswer,
    PlacementsAnswer,
    PriceAnswer,
    ProviderAnswer,
    ProvidersAnswer,
    SizeAnswer,
    SizesAnswer,
    StyleAnswer,
    StylesAnswer,
)
from domain.operations import Operation
from domain.sizes import AspectRatio, Quality, size_for
from pipeline.house import House, HouseStyle, Placement
from providers.catalogue import Catalogue, ProviderEntry
from providers.models import Model, Price
from providers.registry import Roster


class Offering:
    """The catalogue as callers see it, and what this installation has of it."""

    def __init__(self, catalogue: Catalogue, roster: Roster, house: House) -> None:
        self._catalogue = catalogue
        self._roster = roster
        self._house = house

    def providers(self) -> ProvidersAnswer:
        """Every provider; one that cannot be used says what would fix it."""
        return ProvidersAnswer(
            providers=[
                self._provider(name, entry) for name, entry in self._catalogue.providers.items()
            ]
        )

    def models(self) -> ModelsAnswer:
        """Every model; one that cannot be used says why."""
        return ModelsAnswer(
            models=[
                self._model(provider, entry, name, model)
                for provider, entry in self._catalogue.providers.items()
                for name, model in entry.models.items()
            ]
        )

    def styles(self, tenant: str) -> StylesAnswer:
        """The house styles of a tenant."""
        return StylesAnswer(
            styles=[
                _style(name, style)
                for name, style in self._house.styles.items()
                if self._house.style(name, tenant)
            ]
        )

    def placements(self) -> PlacementsAnswer:
        """Every placement."""
        return PlacementsAnswer(
            placements=[_placement(name, each) for name, each in self._house.placements.items()]
        )

    def _provider(self, name: str, entry: ProviderEntry) -> ProviderAnswer:
        return ProviderAnswer(
            name=name,
            title=entry.title,
            about=entry.about,
            configured=name in self._roster.offered,
            problem=self._roster.problems.get(name),
            default_for=[q for q in Quality if self._catalogue.default_provider(q) == name],
            defaults=entry.defaults,
            operations=_operations(entry),
            models=list(entry.models),
        )

    def _model(self, provider: str, entry: ProviderEntry, name: str, model: Model) -> ModelAnswer:
        problem = self._problem(provider, model)
        return ModelAnswer(
            provider=provider,
            model=name,
            available=problem is None,
            problem=problem,
            default_for=[quality for quality in Quality if entry.defaults[quality] == name],
            seed=model.seed,
            operations=model.operations,
            mask=model.mask,
            strength=model.strength,
            references=model.references,
            negative_prompt=model.negative_prompt,
            styles=model.styles,
            images_per_call=model.images_per_call,
            sizes=_sizes(model),
            expected_seconds=model.expected_seconds,
            price=_price(model, model.price) if model.price else None,
            deprecated_on=model.deprecated_on,
            shutdown_on=model.shutdown_on,
            successor=model.successor,
            source=model.source,
        )

    def _problem(self, provider: str, model: Model) -> str | None:
        if self._catalogue.is_shut_down(model):
            instead = f"; use '{model.successor}' instead" if model.successor else ""
            return f"shut down on {model.shutdown_on}{instead}"
        return self._roster.problems.get(provider)


def _style(name: str, style: HouseStyle) -> StyleAnswer:
    preferred = {quality: style.preference(quality) for quality in Quality}
    return StyleAnswer(
        name=name,
        about=style.about,
        palette=style.palette,
        providers={quality: wanted.provider for quality, wanted in preferred.items() if wanted},
    )


def _placement(name: str, placement: Placement) -> PlacementAnswer:
    sizes = {quality: placement.size(quality) for quality in Quality}
    return PlacementAnswer(
        name=name,
        about=placement.about,
        aspect_ratio=placement.ratio,
        sizes={
            quality: SizeAnswer(width=size.width_px, height=size.height_px)
            for quality, size in sizes.items()
        },
        prompt=placement.prompt,
    )


def _operations(entry: ProviderEntry) -> dict[Operation, list[str]]:
    doing = {
        operation: [name for name, model in entry.models.items() if operation in model.operations]
        for operation in Operation
    }
    return {operation: models for operation, models in doing.items() if models}


def _sizes(model: Model) -> SizesAnswer:
    sizes = model.sizes
    return SizesAnswer(
        multiple_of=sizes.multiple_of,
        min_side_px=sizes.min_side_px,
        max_side_px=sizes.max_side_px,
        max_megapixels=max(sizes.tiers.values()) if sizes.tiers else sizes.max_megapixels,
        max_ratio=sizes.max_ratio,
        aspect_ratios=sizes.ratios,
    )


def _price(model: Model, price: Price) -> PriceAnswer:
    return PriceAnswer(
        by_quality_usd={quality: _usd(model, quality) for quality in model.expected_seconds},
        source=price.source,
        date=price.date,
    )


def _usd(model: Model, quality: Quality) -> float | None:
    fit = model.sizes.fit(size_for(quality, AspectRatio.SQUARE), may_shrink=True)
    return model.price_usd(quality, fit) if fit else None
