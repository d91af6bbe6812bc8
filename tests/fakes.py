"""A provider that makes plain pictures at once, and does what a test tells it to."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable

from PIL import Image

from providers.base import Call, Order, Picture, Provider, Report

Behaviour = Callable[[Order, Report], Awaitable[None]]


def png(width_px: int, height_px: int, color: str = "teal") -> bytes:
    encoded = io.BytesIO()
    Image.new("RGB", (width_px, height_px), color).save(encoded, "PNG")
    return encoded.getvalue()


class FakeCall:
    """What an adapter puts down, in order, in memory."""

    def __init__(self, ticket: str | None = None) -> None:
        self.key = "img_1.0.0"
        self.ticket = ticket
        self.story: list[str] = []
        self.shares: list[float] = []

    def report(self, share: float) -> None:
        self.shares.append(share)

    async def sending(self) -> None:
        self.story.append("sending")

    async def submitted(self, ticket: str) -> None:
        self.ticket = ticket
        self.story.append(f"submitted {ticket}")


class FakeProvider(Provider):
    """Counts its calls; `behave` runs before each and may wait, report or raise."""

    def __init__(
        self,
        behave: Behaviour | None = None,
        *,
        is_paid: bool = False,
        cost_usd: float | None = 0.0,
    ) -> None:
        super().__init__("studio")
        self.is_paid = is_paid
        self.cost_usd = cost_usd
        self.orders: list[Order] = []
        self._behave = behave

    async def generate(self, order: Order, call: Call) -> list[Picture]:
        self.orders.append(order)
        if self.is_paid:
            await call.sending()
        if self._behave:
            await self._behave(order, call.report)
        return [
            Picture(
                data=png(order.size.width_px, order.size.height_px),
                seed=order.seed(index),
                cost_usd=self.cost_usd,
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
