"""What is known of every model: capabilities, price, expected seconds, life span.

The data lies in `catalogue.toml` beside this file and in the operator's `darkroom.toml`.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import AnyHttpUrl, Field, ValidationError, field_validator, model_validator

from domain.errors import CapabilityMissing, InvalidRequest, ModelShutDown, ProviderNotConfigured
from domain.jobs import ImageSpec, Target
from domain.operations import Operation
from domain.sizes import Quality, Size
from providers.models import Fit, Model, Sizes, Table

T = TypeVar("T")

_UNKNOWN_SECONDS = 10.0
_SAME_SHAPE = 1.03
_PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
_BUILT_IN = Path(__file__).with_name("catalogue.toml")
_OURS = ("defaults", "providers")
_OTHERS = ("assets", "budgets", "keys", "placements", "retention", "styles", "webhooks")


class CatalogueError(Exception):
    """`darkroom.toml` is not usable; the message says where and why."""


class ProviderEntry(Table):
    """One provider and its models by name."""

    title: str
    about: str = ""
    kind: str | None = None
    """The adapter; None where it is called as the provider is."""
    base_url: AnyHttpUrl | None = None
    """Where the vendor is reached; else its environment variable says, else the SDK knows."""
    api_key_env: str | None = None
    """The environment variable with the key, where it is not the kind's own."""
    enabled: bool | None = None
    """False switches it off; true offers it here although only other workers can serve it."""
    concurrency: int | None = Field(default=None, ge=1)
    """Calls in flight at once in each worker process."""
    requests_per_second: float | None = Field(default=None, gt=0)
    """Jobs begun a second in the whole fleet."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What its adapter needs to know besides; see the adapter."""
    defaults: dict[Quality, str]
    operations: dict[Operation, str] = Field(default_factory=dict)
    """Its model for what the default of the quality cannot do."""
    models: dict[str, Model]

    @model_validator(mode="after")
    def _operations_are_done(self) -> Self:
        for operation, name in self.operations.items():
            if name not in self.models or operation not in self.models[name].operations:
                raise ValueError(f"operations.{operation} names no model that does it")
        return self

    @model_validator(mode="after")
    def _defaults_are_models(self) -> Self:
        for quality in Quality:
            model = self.models.get(self.defaults.get(quality, ""))
            if model is None:
                raise ValueError(f"defaults.{quality} names none of the models")
            if quality not in model.expected_seconds:
                raise ValueError(f"the default for {quality} has no expected_seconds for it")
        return self


class _Defaults(Table):
    provider: str
    draft: str | None = None
    standard: str | None = None
    high: str | None = None
    ultra: str | None = None
    variations: str | None = None
    edit: str | None = None
    upscale: str | None = None


class _Document(Table):
    defaults: _Defaults
    providers: dict[str, ProviderEntry]

    @field_validator("providers")
    @classmethod
    def _names_fit_queues_and_keys(
        cls, providers: dict[str, ProviderEntry]
    ) -> dict[str, ProviderEntry]:
        for name in providers:
            if not _PROVIDER_NAME.match(name):
                raise ValueError(f"'{name}': use lower-case letters, digits, '_' and '-'")
        return providers

    @model_validator(mode="after")
    def _providers_are_known(self) -> Self:
        for field, provider in self.defaults:
            if provider is not None and provider not in self.providers:
                raise ValueError(f"defaults.{field} '{provider}' is not described")
        return self


class Catalogue:
    """Looks models up and says in time what they cannot do.

    `today` gives the date that shutdowns are compared with.
    """

    def __init__(
        self,
        document: dict[str, Any],
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        parsed = _Document.model_validate(document)
        self.providers = parsed.providers
        self._defaults = parsed.defaults
        self._today = today

    def default_provider(self, quality: Quality) -> str:
        """The provider of a request that names none."""
        chosen: str | None = getattr(self._defaults, quality)
        return chosen or self._defaults.provider

    def default_for(self, operation: Operation) -> str | None:
        """The provider that is configured for what begins from a picture, where one is."""
        chosen: str | None = getattr(self._defaults, operation, None)
        return chosen

    def default_model(self, provider: str, spec: ImageSpec) -> str:
        """The provider's model for a spec: the quality's default, or one that can do more of it."""
        entry = self.providers[provider]
        if spec.task is Operation.GENERATE:
            return entry.defaults[spec.quality]
        names = [entry.defaults[spec.quality], *entry.models]
        if spec.task in entry.operations:
            names.insert(1, entry.operations[spec.task])
        alive = [name for name in names if not self.is_shut_down(entry.models[name])]

        def lacks(name: str) -> tuple[bool, int]:
            model = entry.models[name]
            return spec.task not in model.operations, len(model.cannot(spec))

        return min(alive or names, key=lacks)

    def target(self, provider: str, model: str | None, spec: ImageSpec) -> Target:
        """The model to use for a spec, the default for its quality where none is named.

        Raises `ProviderNotConfigured`, `InvalidRequest` for an unknown model, `ModelShutDown`, and
        `CapabilityMissing` naming what the model cannot do.
        """
        quality = spec.quality
        entry = self.providers.get(provider)
        if entry is None:
            known = ", ".join(sorted(self.providers))
            raise ProviderNotConfigured(
                f"The provider '{provider}' is not configured here; choose one of: {known}.",
                [("provider", "not configured")],
            )
        name = model or self.default_model(provider, spec)
        found = entry.models.get(name)
        if found is None:
            known = ", ".join(sorted(entry.models))
            raise InvalidRequest(
                f"{entry.title} has no model '{name}'; choose one of: {known}.",
                [("model", "unknown")],
            )
        self._refuse_shut_down(name, found)
        asked = Size(spec.width_px, spec.height_px)
        fit = found.sizes.fit(asked, may_shrink=_may_shrink(spec))
        if fit is None or _wants_references(spec, found) or found.cannot(spec):
            raise _incapable(provider, name, found, spec, fit)
        return Target(
            provider=provider,
            model=name,
            expected_seconds=found.expected_seconds.get(quality, _UNKNOWN_SECONDS),
            price_usd=found.price_usd(quality, fit),
            width_px=None if fit.size == asked else fit.size.width_px,
            height_px=None if fit.size == asked else fit.size.height_px,
            images_per_call=found.images_per_call if found.images_per_call > 1 else None,
            only_resamples=found.only_resamples or None,
        )

    def model(self, target: Target) -> Model:
        """The catalogue's entry for a target that `target` gave."""
        return self.providers[target.provider].models[target.model]

    def find(self, provider: str, model: str) -> Model | None:
        """A model that may have left the catalogue since it was used."""
        entry = self.providers.get(provider)
        return entry.models.get(model) if entry else None

    def is_shut_down(self, model: Model) -> bool:
        """Whether the vendor makes nothing with it any more."""
        return model.shutdown_on is not None and model.shutdown_on <= self._today()

    def warnings(self, target: Target, spec: ImageSpec) -> list[str]:
        """What a caller should know about a target that `target` gave, a sentence each."""
        model = self.model(target)
        warnings = []
        if model.shutdown_on is not None or model.deprecated_on is not None:
            warnings.append(_dying(target.model, model))
        if _is_made_otherwise(target, spec):
            warnings.append(
                f"{target.model} makes {target.width_px}x{target.height_px} pixels for the"
                f" {spec.width_px}x{spec.height_px} that were asked for."
            )
        return warnings

    def _refuse_shut_down(self, name: str, model: Model) -> None:
        if self.is_shut_down(model):
            instead = f" Use '{model.successor}' instead." if model.successor else ""
            raise ModelShutDown(
                f"The model '{name}' was shut down on {model.shutdown_on}.{instead}",
                [("model", "shut down")],
            )


def _is_made_otherwise(target: Target, spec: ImageSpec) -> bool:
    """Whether other pixels come out than a caller asked for, or another shape than was meant."""
    if target.width_px is None or target.height_px is None:
        return False
    shape = (target.width_px / target.height_px) / (spec.width_px / spec.height_px)
    return spec.aspect_ratio is None or not 1 / _SAME_SHAPE < shape < _SAME_SHAPE


def _may_shrink(spec: ImageSpec) -> bool:
    """Whether the size is ours to choose: what begins from a picture has that picture's shape."""
    return spec.aspect_ratio is not None or spec.task in (Operation.VARIATIONS, Operation.EDIT)


def _wants_references(spec: ImageSpec, model: Model) -> bool:
    return spec.reference_image_url is not None and model.references == 0


def _incapable(
    provider: str, name: str, model: Model, spec: ImageSpec, fit: Fit | None
) -> CapabilityMissing:
    problems = model.cannot(spec)
    if fit is None:
        limits = f"makes no {spec.width_px}x{spec.height_px}: {_limits(model.sizes)}"
        problems.append(("aspect_ratio" if spec.aspect_ratio else "width", limits))
    if _wants_references(spec, model):
        problems.append(("reference_image_url", "takes no reference images"))
    sentence = "; ".join(problem for _, problem in problems)
    return CapabilityMissing(f"{provider}/{name} {sentence}.", problems)


def _limits(sizes: Sizes) -> str:
    if sizes.ratios is not None:
        return f"it takes the ratios {', '.join(sizes.ratios)}"
    return (
        f"at most {sizes.max_side_px} px a side, {sizes.max_megapixels:g} megapixels and"
        f" {sizes.max_ratio:g}:1"
    )


def _dying(name: str, model: Model) -> str:
    end = f"is shut down on {model.shutdown_on}" if model.shutdown_on else "is deprecated"
    instead = f"; use '{model.successor}' instead" if model.successor else ""
    return f"The model '{name}' {end}{instead}."


def load_catalogue(config: Path) -> Catalogue:
    """The built-in catalogue, overlaid with the operator's file where there is one.

    Raises `CatalogueError`.
    """
    document = copy.deepcopy(_built_in())
    extra = read_config(config)
    _inherit(document["providers"], extra.get("providers", {}))
    _overlay(document, {name: extra[name] for name in _OURS if name in extra})
    return checked(lambda: Catalogue(document), config)


def checked(make: Callable[[], T], file: Path, *place: str | int) -> T:
    """What `make` gives of a table at that place; raises `CatalogueError` where it is not valid."""
    try:
        return make()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in (*place, *first["loc"]))
        raise CatalogueError(": ".join(filter(None, (str(file), where, first["msg"])))) from error


@cache
def _built_in() -> dict[str, Any]:
    return tomllib.loads(_BUILT_IN.read_text())


def read_config(config: Path) -> dict[str, Any]:
    """`darkroom.toml` as it stands, empty where there is none; raises `CatalogueError`."""
    if not config.exists():
        return {}
    try:
        document = tomllib.loads(config.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise CatalogueError(f"cannot read {config}: {error}") from error
    unknown = sorted(set(document) - {*_OURS, *_OTHERS})
    if unknown:
        known = ", ".join((*_OURS, *_OTHERS))
        raise CatalogueError(f"{config}: there is no table '{unknown[0]}'; there are {known}")
    return document


def _inherit(built_in: dict[str, Any], extra: Any) -> None:
    """A provider of a kind that names no models of its own has those of the kind."""
    for name, entry in extra.items() if isinstance(extra, dict) else ():
        named = entry.get("kind") if isinstance(entry, dict) else None
        kind = built_in.get(named) if isinstance(named, str) else None
        if kind is not None and name not in built_in and "models" not in entry:
            built_in[name] = copy.deepcopy(kind)


def _overlay(base: dict[str, Any], extra: dict[str, Any]) -> None:
    for name, value in extra.items():
        if isinstance(value, dict) and isinstance(base.get(name), dict):
            _overlay(base[name], value)
        else:
            base[name] = value
