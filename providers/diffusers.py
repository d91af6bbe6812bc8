"""Diffusers in the worker itself: a model's pipeline on its own GPU or CPU, free of charge.

Source: https://huggingface.co/docs/diffusers/using-diffusers/loading
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Any

from domain.operations import Operation
from providers.base import Call, Order, Picture, Provider
from providers.drawings import Drawing, Stopped, Weights
from providers.prompting import words_for
from providers.registry import Connection

if TYPE_CHECKING:
    from providers.pipelines import Pipelines

_DEFAULTS = {
    "steps": 30,
    "draft_strength": 0.35,
    "reference_strength": 0.7,
    "mask_strength": 0.9,
    "upscale_strength": 0.2,
}


class Diffusers(Provider):
    """Draws one picture at a time, on a thread of its own.

    Options, the model's before the provider's: `path` (a folder as `save_pretrained` writes it) or
    `repo` (an id on the Hugging Face hub, from where it may then be downloaded) with `revision` and
    `variant`; `steps`, one number or one for each quality; `arguments`, what the pipeline takes
    besides; `draft_strength`, `reference_strength`, `mask_strength` and `upscale_strength`. The
    provider's own: `device` and `dtype`.
    """

    is_paid = False

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.name)
        self._models = connection.entry.models
        self._options = connection.entry.options
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=self.name)
        self._loaded: Pipelines | None = None

    async def generate(self, order: Order, call: Call) -> list[Picture]:
        """Draw the order's pictures; cancelling the task stops it after the step."""
        stop, count = Event(), order.count

        def draw(place: int) -> Picture:
            def on_step(share: float) -> None:
                if stop.is_set():
                    raise Stopped
                call.report((place + share) / count)

            on_step(0.0)
            weights, drawing = self._plan(order, order.seed(order.indices[place]))
            data = self._pipelines().draw(weights, drawing, on_step)
            model = self._models[order.model]
            price = model.price_usd(order.spec.quality, model.fitted(order.size))
            return Picture(data=data, seed=drawing.seed, cost_usd=price)

        loop = asyncio.get_running_loop()
        try:
            return [await loop.run_in_executor(self._pool, draw, place) for place in range(count)]
        finally:
            stop.set()

    async def close(self) -> None:
        """Begin nothing more; what is being drawn has been stopped by its own task."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _pipelines(self) -> Pipelines:
        if self._loaded is None:
            # Imports torch, which takes seconds: not in a process that only offers the provider.
            from providers.pipelines import Pipelines

            chosen = self._options.get("device"), self._options.get("dtype")
            self._loaded = Pipelines(self.name, *chosen)
        return self._loaded

    def _plan(self, order: Order, seed: int) -> tuple[Weights, Drawing]:
        model = self._models[order.model]
        options = {**_DEFAULTS, **self._options, **model.options}
        steps = options["steps"]
        reference = order.pictures[0] if order.pictures else None
        usual = options[_strength_of(order)]
        drawing = Drawing(
            prompt=words_for(order, model),
            negative_prompt=order.spec.negative_prompt if model.negative_prompt else None,
            size=order.size,
            seed=seed,
            steps=steps[order.spec.quality] if isinstance(steps, dict) else steps,
            arguments=options.get("arguments", {}),
            reference=reference.data if reference else None,
            strength=order.strength(usual),
            mask=order.mask,
            enlarges=order.spec.task is Operation.UPSCALE,
        )
        return _weights(options), drawing


def _strength_of(order: Order) -> str:
    """The option that says how far the picture may depart from what it is drawn over."""
    if order.spec.task is Operation.UPSCALE:
        return "upscale_strength"
    if order.mask is not None:
        return "mask_strength"
    is_draft = bool(order.pictures) and order.pictures[0].is_draft
    return "draft_strength" if is_draft else "reference_strength"


def _weights(options: dict[str, Any]) -> Weights:
    return Weights(**{name: options.get(name) for name in ("path", "repo", "revision", "variant")})
