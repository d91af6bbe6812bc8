"""What a hosted model is sent, under the field names that the catalogue knows it by.

For vendors that host models of many makers. A model's `options` say: `fields`, the model's own
name of each thing it takes; `input`, what it is sent besides; `strength`, how far it may depart
from a `draft` or another `reference`; `size_follows_reference` where it makes pictures as large as
the one it is given; `fills` where it reads words as what a mask is to be filled with.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

from PIL import Image

from providers.base import Order, Reference
from providers.masks import resized, resized_mask
from providers.models import Model
from providers.prompting import prompt_for, takes_style, words_for

_MEGAPIXEL = 1024 * 1024
_SIZES = ("size", "width", "height", "aspect_ratio", "tier")


def input_for(
    order: Order, model: Model, addresses: Sequence[str], mask: str | None = None
) -> dict[str, Any]:
    """The input as JSON; `addresses` are of the references, as `references_for` gave them."""
    fields: dict[str, str] = model.options["fields"]
    values = _values(order, model)
    if addresses:
        values |= {
            "reference": addresses[0],
            "references": list(addresses),
            "strength": _strength(order, model),
            "mask": mask,
        }
        if model.options.get("size_follows_reference"):
            values |= dict.fromkeys(_SIZES)
    named = {
        fields[name]: value
        for name, value in values.items()
        if name in fields and value is not None
    }
    besides: dict[str, Any] = model.options.get("input", {})
    return besides | named


def reference_field(model: Model) -> str:
    """The model's name of the field that `addresses` go to."""
    fields: dict[str, str] = model.options["fields"]
    return fields.get("references") or fields.get("reference", "")


def references_for(order: Order, model: Model) -> list[Reference]:
    """The pictures that the model has room for, as large as it needs them: the source first."""
    references = list(order.pictures[: model.references])
    if model.options.get("size_follows_reference"):
        return [resized(reference, order.size) for reference in references]
    return references


def mask_for(order: Order, model: Model) -> Reference | None:
    """The mask, as large as `references_for` gives its source."""
    if order.mask is None:
        return None
    follows = model.options.get("size_follows_reference")
    mask = resized_mask(order.mask, order.size) if follows else order.mask
    return Reference(mask, "image/png")


def megapixels_begun(references: Sequence[Reference]) -> int:
    """The references' areas as vendors count them: each rounded up."""
    areas = (_area(reference) for reference in references)
    return sum(math.ceil(area / _MEGAPIXEL) for area in areas)


def _values(order: Order, model: Model) -> dict[str, Any]:
    spec, fit = order.spec, model.fitted(order.size)
    width, height = fit.size
    return {
        "prompt": words_for(order, model)
        if _reads_a_description(order, model)
        else prompt_for(order, model),
        "negative_prompt": spec.negative_prompt if model.negative_prompt else None,
        "style": spec.style if takes_style(spec, model) else None,
        "quality": model.quality.get(spec.quality),
        "seed": order.first_seed,
        "count": order.count,
        "size": {"width": width, "height": height},
        "width": width,
        "height": height,
        "aspect_ratio": fit.ratio,
        "tier": fit.tier,
    }


def _reads_a_description(order: Order, model: Model) -> bool:
    """Whether a strength or a mask binds it to the source, and words are no orders to it."""
    by_strength = "strength" in model.options["fields"]
    return order.source is not None and bool(model.options.get("fills") or by_strength)


def _strength(order: Order, model: Model) -> float | None:
    kind = "draft" if order.pictures[0].is_draft else "reference"
    usual: float | None = model.options.get("strength", {}).get(kind)
    return usual if usual is None else order.strength(usual)


def _area(reference: Reference) -> int:
    with Image.open(io.BytesIO(reference.data)) as image:
        return image.width * image.height
