"""The built-in provider `studio`: procedural pictures, free and without a network."""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from domain.operations import Operation, Source
from domain.sizes import Size
from providers.base import Call, Order, Picture, Provider, Reference, Report
from providers.studio import rework
from providers.studio.art import Scene, compose

_PNG_EFFORT = 3


class Studio(Provider):
    """Draws on threads of its own, as many at once as `concurrency`."""

    NAME = "studio"
    is_paid = False

    def __init__(self, concurrency: int) -> None:
        super().__init__(self.NAME)
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="studio")

    async def generate(self, order: Order, call: Call) -> list[Picture]:
        """Draw the order's pictures; the same words, source and seed give the same."""
        stop = Event()
        count = order.count

        def draw(place: int) -> Picture:
            def on_progress(share: float) -> None:
                if stop.is_set():
                    raise _Stopped
                call.report((place + share) / count)

            return _draw(order, order.indices[place], on_progress)

        loop = asyncio.get_running_loop()
        try:
            return [await loop.run_in_executor(self._pool, draw, place) for place in range(count)]
        finally:
            stop.set()


class _Stopped(Exception):
    """The drawing was cancelled; nobody waits for it any more."""


def _draw(order: Order, index: int, on_progress: Report) -> Picture:
    spec, seed = order.spec, order.seed(index)
    if order.source is not None and spec.source is not None:
        given = _given(order, order.source, spec.source, seed)
        image = _REWORKS[spec.task](given, on_progress)
    else:
        image = compose(
            Scene(
                prompt=spec.prompt,
                style=spec.style,
                negative_prompt=spec.negative_prompt,
                seed=seed,
                width_px=order.size.width_px,
                height_px=order.size.height_px,
                palette=tuple(spec.palette or ()),
            ),
            on_progress,
        )
    encoded = io.BytesIO()
    image.save(encoded, "PNG", compress_level=_PNG_EFFORT)
    drawn_with = None if spec.task is Operation.UPSCALE else seed
    return Picture(data=encoded.getvalue(), seed=drawn_with, cost_usd=0.0)


_REWORKS = {
    Operation.VARIATIONS: rework.variation,
    Operation.EDIT: rework.edit,
    Operation.UPSCALE: rework.upscale,
}


def _given(order: Order, picture: Reference, source: Source, seed: int) -> rework.Given:
    spec = order.spec
    return rework.Given(
        picture=picture.data,
        mask=order.mask,
        words=spec.prompt,
        style=spec.style,
        negative_prompt=spec.negative_prompt,
        palette=tuple(spec.palette or ()),
        seed=seed,
        size=order.size,
        strength=1.0 if spec.strength is None else spec.strength,
        scene=_drawn(source, order.size),
    )


def _drawn(source: Source, size: Size) -> Scene | None:
    """The scene that a source shows, where it was drawn here from words alone."""
    if source.provider != Studio.NAME or not source.prompt or source.seed is None:
        return None
    return Scene(
        prompt=source.prompt,
        style=source.style,
        negative_prompt=source.negative_prompt,
        seed=source.seed,
        width_px=size.width_px,
        height_px=size.height_px,
        palette=tuple(source.palette or ()),
    )
