"""The house: styles and placements that an operator has set up, and what they make of a request.

They lie in `darkroom.toml`; some placements are built in. They are resolved when a job is planned,
so that its history and record hold what was rendered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from domain.errors import InvalidRequest
from domain.jobs import Asked
from domain.keys import Tenant
from domain.reviews import Name, NegativePrompt, Style
from domain.sizes import (
    MAX_SIDE_PX,
    MIN_SIDE_PX,
    AspectRatio,
    Quality,
    Size,
    nearest_ratio,
    size_for,
)
from providers.catalogue import Catalogue, CatalogueError, checked, read_config
from providers.models import Table

T = TypeVar("T", bound=Table)

_PROMPT = "{prompt}"
_SCALES = {Quality.DRAFT: 1 / 3, Quality.STANDARD: 2 / 3, Quality.HIGH: 1.0, Quality.ULTRA: 4 / 3}
"""What a quality makes of a placement's pixels, which are those of a `high` final."""
_LEAST_PX = round(MIN_SIDE_PX / _SCALES[Quality.DRAFT])
_MOST_PX = round(MAX_SIDE_PX / _SCALES[Quality.ULTRA])
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}|[A-Za-z][A-Za-z -]{0,39}")
_PUNCTUATION = (".", "!", "?", "…", ",", ";", ":")


def _is_a_colour(colour: str) -> str:
    if not _COLOUR.fullmatch(colour):
        raise ValueError(f"'{colour}' is no colour: write #rrggbb or a name such as teal")
    return colour


def _takes_the_prompt(template: str) -> str:
    if _PROMPT not in template:
        raise ValueError(f"must say where the caller's prompt goes: {_PROMPT}")
    return template


Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]
Colour = Annotated[str, AfterValidator(_is_a_colour)]
Template = Annotated[Words, AfterValidator(_takes_the_prompt)]
Side = Annotated[int, Field(ge=_LEAST_PX, le=_MOST_PX, strict=True)]


class Preference(Table):
    """Who renders a house style where the caller names nobody."""

    provider: Name
    model: Name | None = None


class HouseStyle(Table):
    """One `[styles.<name>]` table."""

    about: Words = ""
    prefix: Words = ""
    suffix: Words = ""
    negative: NegativePrompt = ""
    palette: list[Colour] = Field(default_factory=list, max_length=12)
    style: Style | None = None
    """The style that the provider is told, where it knows one."""
    provider: Name | None = None
    model: Name | None = None
    draft: Preference | None = None
    standard: Preference | None = None
    high: Preference | None = None
    ultra: Preference | None = None
    tenants: list[Tenant] | None = None
    """Who may use it; None for everybody."""

    @model_validator(mode="after")
    def _a_model_is_a_providers(self) -> Self:
        if self.model is not None and self.provider is None:
            raise ValueError("model needs provider beside it")
        return self

    def preference(self, quality: Quality) -> Preference | None:
        """Who renders that quality; None for the catalogue's default."""
        own: Preference | None = getattr(self, quality)
        if own is None and self.provider is not None:
            return Preference(provider=self.provider, model=self.model)
        return own


class Placement(Table):
    """One `[placements.<name>]` table: where on a page the picture goes."""

    about: Words = ""
    aspect_ratio: AspectRatio | None = None
    width: Side | None = None
    """With `height`, of a `high` final in pixels; the other qualities are in proportion."""
    height: Side | None = None
    prompt: Template = _PROMPT

    @model_validator(mode="after")
    def _has_one_shape(self) -> Self:
        pixels = (self.width is not None, self.height is not None)
        if pixels not in ((True, True), (False, False)) or all(pixels) is bool(self.aspect_ratio):
            raise ValueError("needs aspect_ratio, or width and height")
        return self

    @property
    def ratio(self) -> AspectRatio | None:
        """Its own or the one close to it; None where none is."""
        if self.width is None or self.height is None:
            return self.aspect_ratio
        return nearest_ratio(Size(self.width, self.height))

    def size(self, quality: Quality) -> Size:
        """How large its pictures are."""
        if self.width is None or self.height is None:
            return size_for(quality, self.aspect_ratio or AspectRatio.SQUARE)
        scale = _SCALES[quality]
        return Size(round(self.width * scale), round(self.height * scale))


_BUILT_IN = {
    "hero": Placement(
        about="Across the top of a page, often under a title.",
        width=1920,
        height=1080,
        prompt="{prompt}. Composed wide, the subject off centre and uncluttered around it.",
    ),
    "featured": Placement(
        about="Above an article, and beside its title in lists.",
        width=1440,
        height=960,
        prompt="{prompt}. Composed around one subject that reads at a glance.",
    ),
    "inline": Placement(about="Between two paragraphs.", width=1200, height=900),
    "social": Placement(
        about="Shown where a link to the page is shared.",
        width=1200,
        height=630,
        prompt="{prompt}. Composed around one large subject in the middle.",
    ),
}


@dataclass(frozen=True)
class House:
    """Everything that was set up, by name; a name's `_` and `-` are the same."""

    styles: Mapping[str, HouseStyle] = field(default_factory=dict)
    placements: Mapping[str, Placement] = field(default_factory=lambda: _BUILT_IN)

    def style(self, name: str | None, tenant: str) -> HouseStyle | None:
        """A house style of the tenant's; None for a name that models may know."""
        found = self.styles.get(_plain(name or ""))
        if found is None or (found.tenants is not None and tenant not in found.tenants):
            return None
        return found

    def placement(self, name: str) -> Placement:
        """A placement; raises `InvalidRequest` naming those that there are."""
        found = self.placements.get(_plain(name))
        if found is None:
            known = ", ".join(sorted(self.placements))
            raise InvalidRequest(
                f"There is no placement '{name}'; choose one of: {known}.",
                [("placement", f"unknown; choose one of: {known}")],
            )
        return found

    def knows_placement(self, name: str | None) -> bool:
        """Whether there is one of that name, still."""
        return name is not None and _plain(name) in self.placements


def dressed(asked: Asked, style: HouseStyle | None, placement: Placement | None) -> dict[str, Any]:
    """What the house makes of a caller's words: fields of an `ImageSpec`."""
    worn, prompt = style or HouseStyle(), asked.prompt
    prompt = _followed(f"{worn.prefix} {prompt}".strip(), worn.suffix)
    if placement is not None:
        prompt = _filled(placement.prompt, prompt)
    if worn.palette:
        prompt = f"{_ended(prompt)} Palette: {', '.join(worn.palette)}."
    return {
        "prompt": prompt,
        "negative_prompt": ", ".join(filter(None, (asked.negative_prompt, worn.negative))) or None,
        "style": worn.style if style else asked.style,
        "palette": worn.palette or None,
        "asked": asked if style or placement else None,
    }


def load_house(config: Path, catalogue: Catalogue) -> House:
    """The `[styles]` and `[placements]` of `darkroom.toml`, and what is built in.

    A placement of the same name replaces the one that is built in. Raises `CatalogueError` naming
    what is wrong.
    """
    document = read_config(config)
    styles = _tables(config, document, "styles", HouseStyle)
    for name, style in styles.items():
        _check_preferences(f"{config}: styles.{name}", style, catalogue)
    return House(styles, {**_BUILT_IN, **_tables(config, document, "placements", Placement)})


def _tables(config: Path, document: dict[str, Any], kind: str, model: type[T]) -> dict[str, T]:
    written = document.get(kind, {})
    if not isinstance(written, dict):
        raise CatalogueError(f"{config}: {kind} are written [{kind}.<name>]")
    found: dict[str, T] = {}
    for key, table in written.items():
        name, where = _plain(key), f"{config}: {kind}.{key}"
        if not _NAME.fullmatch(name):
            raise CatalogueError(f"{where}: name it with lower-case letters, digits, '_' and '-'")
        if name in found:
            raise CatalogueError(f"{where}: there is one of that name already")
        found[name] = checked(partial(model.model_validate, table), config, kind, key)
    return found


def _check_preferences(where: str, style: HouseStyle, catalogue: Catalogue) -> None:
    for quality in Quality:
        wanted = style.preference(quality)
        if wanted is None:
            continue
        entry = catalogue.providers.get(wanted.provider)
        if entry is None:
            raise CatalogueError(f"{where}: the provider '{wanted.provider}' is not described")
        if wanted.model is not None and wanted.model not in entry.models:
            raise CatalogueError(f"{where}: {wanted.provider} has no model '{wanted.model}'")


def _plain(name: str) -> str:
    return name.replace("_", "-")


def _filled(template: str, prompt: str) -> str:
    """The prompt in its place; what follows it begins no second sentence after its end."""
    before, _, after = template.partition(_PROMPT)
    if prompt.endswith(_PUNCTUATION) and after.startswith(_PUNCTUATION):
        after = after[1:]
    return f"{before}{prompt}{after.replace(_PROMPT, prompt)}"


def _followed(prompt: str, suffix: str) -> str:
    if not suffix:
        return prompt
    return f"{prompt} {suffix}" if prompt.endswith(_PUNCTUATION) else f"{prompt}, {suffix}"


def _ended(prompt: str) -> str:
    return prompt if prompt.endswith(_PUNCTUATION) else f"{prompt}."
