"""A prompt for models that take nothing but a prompt."""

from __future__ import annotations

from dataclasses import replace

from domain.jobs import ImageSpec
from domain.operations import Operation
from providers.base import Order
from providers.models import Model

_BOUND = (
    "Render the attached draft again in full quality. Keep its composition, subjects, poses,"
    " colours and light exactly; add only detail and sharpness."
)


_TASKS = {
    Operation.VARIATIONS: "Make another version of the first picture attached: the same subject,"
    " style and mood, composed anew.",
    Operation.EDIT: "Edit the first picture attached, and leave everything as it is that this does"
    " not concern:",
}
_LIKE_IT = "The same subject, in the same style and mood."
_EDITED_AS = (
    "The last picture attached is the approved draft of this edit: make the same change, in full"
    " quality."
)


def prompt_for(order: Order, model: Model) -> str:
    """The prompt, with what the model takes no parameter for folded in."""
    is_rework = order.source is not None
    task = _TASKS.get(order.spec.task) if is_rework else None
    parts = [part for part in (task, order.spec.prompt) if part]
    if order.spec.style and not takes_style(order.spec, model):
        parts.append(f"Style: {order.spec.style.replace('-', ' ')}.")
    if order.spec.negative_prompt and not model.negative_prompt:
        parts.append(f"Avoid: {order.spec.negative_prompt}.")
    if any(reference.is_draft for reference in order.references):
        parts.append(_EDITED_AS if is_rework else _BOUND)
    return "\n\n".join(parts)


def words_for(order: Order, model: Model) -> str:
    """The prompt for an encoder of words, which takes no orders: the pictures bind by strength."""
    return prompt_for(replace(order, references=(), source=None), model) or _LIKE_IT


def takes_style(spec: ImageSpec, model: Model) -> bool:
    """Whether the model has a parameter for the style that is asked for."""
    return spec.style is not None and spec.style in (model.styles or ())
