"""What is known of every model: capabilities, price, expected seconds, life span.

The data lies in `catalogue.toml` beside this file and in the operator's `darkroom.toml`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from domain.errors import CapabilityMissing, InvalidRequest, ModelShutDown, ProviderNotConfigured
from domain.jobs import ImageSpec, Target
from domain.sizes import Quality

_UNKNOWN_SECONDS = 10.0
_BUILT_IN = Path(__file__).with_name("catalogue.toml")


class CatalogueError(Exception):
    """`darkroom.toml` is not usable; the message says where and why."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(_Table):
    """One model of one provider."""

    seed: bool = False
    references: bool = False
    max_images: int = Field(default=1, ge=1)
    max_side_px: int = 2048
    max_megapixels: float = 4.2
    price_usd: float | None = None
    price_source: str | None = None
    price_date: date | None = None
    expected_seconds: dict[Quality, float]
    deprecated_on: date | None = None
    shutdown_on: date | None = None
    successor: str | None = None


class ProviderEntry(_Table):
    """One provider and its models by name."""

    title: str
    about: str = ""
    defaults: dict[Quality, str]
    models: dict[str, Model]

    @model_validator(mode="after")
    def _defaults_are_models(self) -> Self:
        for quality in Quality:
            model = self.models.get(self.defaults.get(quality, ""))
            if model is None:
                raise ValueError(f"defaults.{quality} names none of the models")
            if quality not in model.expected_seconds:
                raise ValueError(f"the default for {quality} has no expected_seconds for it")
        return self


class _Defaults(_Table):
    provider: str


class _Document(_Table):
    defaults: _Defaults
    providers: dict[str, ProviderEntry]

    @model_validator(mode="after")
    def _provider_is_known(self) -> Self:
        if self.defaults.provider not in self.providers:
            raise ValueError(f"defaults.provider '{self.defaults.provider}' is not described")
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
        self.default_provider = parsed.defaults.provider
        self._today = today

    def target(self, provider: str, model: str | None, quality: Quality) -> Target:
        """The model to use, its default for the quality where none is named.

        Raises `ProviderNotConfigured`, `InvalidRequest` for an unknown model, `ModelShutDown`.
        """
        entry = self.providers.get(provider)
        if entry is None:
            known = ", ".join(sorted(self.providers))
            raise ProviderNotConfigured(
                f"The provider '{provider}' is not configured here; choose one of: {known}.",
                [("provider", "not configured")],
            )
        name = model or entry.defaults[quality]
        found = entry.models.get(name)
        if found is None:
            known = ", ".join(sorted(entry.models))
            raise InvalidRequest(
                f"{entry.title} has no model '{name}'; choose one of: {known}.",
                [("model", "unknown")],
            )
        self._refuse_shut_down(name, found)
        return Target(
            provider=provider,
            model=name,
            expected_seconds=found.expected_seconds.get(quality, _UNKNOWN_SECONDS),
            price_usd=found.price_usd,
        )

    def model(self, target: Target) -> Model:
        """The catalogue's entry for a target that `target` gave."""
        return self.providers[target.provider].models[target.model]

    def check(self, target: Target, spec: ImageSpec) -> None:
        """Raise `CapabilityMissing` naming what the model cannot do of the spec."""
        model = self.model(target)
        problems = [
            (field, problem)
            for field, problem, applies in (
                (
                    "num_images",
                    f"makes at most {model.max_images} images at a time",
                    spec.num_images > model.max_images,
                ),
                (
                    "reference_image_url",
                    "takes no reference images",
                    spec.reference_image_url is not None and not model.references,
                ),
                (
                    "width",
                    f"makes at most {model.max_side_px} px a side, {model.max_megapixels} Mpx",
                    max(spec.width_px, spec.height_px) > model.max_side_px
                    or spec.width_px * spec.height_px > model.max_megapixels * 1e6,
                ),
            )
            if applies
        ]
        if problems:
            sentence = "; ".join(problem for _, problem in problems)
            raise CapabilityMissing(f"{target.provider}/{target.model} {sentence}.", problems)

    def _refuse_shut_down(self, name: str, model: Model) -> None:
        if model.shutdown_on is not None and model.shutdown_on <= self._today():
            instead = f" Use '{model.successor}' instead." if model.successor else ""
            raise ModelShutDown(
                f"The model '{name}' was shut down on {model.shutdown_on}.{instead}",
                [("model", "shut down")],
            )


def load_catalogue(config: Path) -> Catalogue:
    """The built-in catalogue, overlaid with the operator's file where there is one.

    Raises `CatalogueError`.
    """
    document = tomllib.loads(_BUILT_IN.read_text())
    if config.exists():
        try:
            _overlay(document, tomllib.loads(config.read_text()))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise CatalogueError(f"cannot read {config}: {error}") from error
    try:
        return Catalogue(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = [".".join(str(part) for part in first["loc"])] if first["loc"] else []
        raise CatalogueError(": ".join([str(config), *where, first["msg"]])) from error


def _overlay(base: dict[str, Any], extra: dict[str, Any]) -> None:
    for name, value in extra.items():
        if isinstance(value, dict) and isinstance(base.get(name), dict):
            _overlay(base[name], value)
        else:
            base[name] = value
