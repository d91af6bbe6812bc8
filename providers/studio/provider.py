"""The built-in provider `studio`: procedural pictures, free and without a network."""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from providers.base import Call, Order, Picture, Provider, Report
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
        """Draw the order's pictures; the same prompt, style and seed give the same picture."""
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
    return Picture(data=encoded.getvalue(), seed=seed, cost_usd=0.0)
