"""A prompt for models that take nothing but a prompt."""

from __future__ import annotations

from domain.jobs import ImageSpec
from providers.base import Order
from providers.models import Model

_BOUND = (
    "Render the attached draft again in full quality. Keep its composition, subjects, poses,"
    " colours and light exactly; add only detail and sharpness."
)


def prompt_for(order: Order, model: Model) -> str:
    """The prompt, with what the model takes no parameter for folded in."""
    parts = [order.spec.prompt]
    if order.spec.style and not takes_style(order.spec, model):
        parts.append(f"Style: {order.spec.style.replace('-', ' ')}.")
    if order.spec.negative_prompt and not model.negative_prompt:
        parts.append(f"Avoid: {order.spec.negative_prompt}.")
    if any(reference.is_draft for reference in order.references):
        parts.append(_BOUND)
    return "\n\n".join(parts)


def takes_style(spec: ImageSpec, model: Model) -> bool:
    """Whether the model has a parameter for the style that is asked for."""
    return spec.style is not None and spec.style in (model.styles or ())
