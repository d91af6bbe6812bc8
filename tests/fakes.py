"""A provider that makes plain pictures at once, and does what a test tells it to."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable

from PIL import Image

from providers.base import Order, Picture, Report

Behaviour = Callable[[Order, Report], Awaitable[None]]


def png(width_px: int, height_px: int, color: str = "teal") -> bytes:
    encoded = io.BytesIO()
    Image.new("RGB", (width_px, height_px), color).save(encoded, "PNG")
    return encoded.getvalue()


class FakeProvider:
    """Counts its calls; `behave` runs before each and may wait, report or raise."""

    name = "studio"

    def __init__(self, behave: Behaviour | None = None, *, is_paid: bool = False) -> None:
        self.is_paid = is_paid
        self.orders: list[Order] = []
        self._behave = behave

    async def generate(self, order: Order, report: Report) -> list[Picture]:
        self.orders.append(order)
        if self._behave:
            await self._behave(order, report)
        return [
            Picture(
                data=png(order.spec.width_px, order.spec.height_px),
                seed=order.seed(index),
                cost_usd=0.0,
            )
            for index in order.indices
        ]


class Gate:
    """Holds a fake provider's calls until it is opened."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._open = asyncio.Event()

    async def __call__(self, order: Order, report: Report) -> None:
        self.reached.set()
        await self._open.wait()

    def open(self) -> None:
        self._open.set()
