"""What every provider is: pictures from an order, failures from our tree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from domain.jobs import ImageSpec

Report = Callable[[float], None]
"""Takes the share of the work that is done, 0 to 1; may be called from any thread."""


@dataclass(frozen=True)
class Order:
    """What to make: one picture of `spec` for each index, by `model`.

    Picture `i` is drawn with seed `spec.seed + i`, where the model takes a seed.
    """

    spec: ImageSpec
    model: str
    indices: tuple[int, ...]

    def seed(self, index: int) -> int:
        """The seed of the picture with that index."""
        return (self.spec.seed + index) % 2**32


@dataclass(frozen=True)
class Picture:
    """One encoded picture as the provider made it."""

    data: bytes
    seed: int | None
    cost_usd: float | None
    """None when the price is unknown, never 0 for unknown."""


class Provider(Protocol):
    """One vendor, or our own `studio`."""

    name: str
    is_paid: bool
    """Whether a call costs money, so that one must never be repeated unseen."""

    async def generate(self, order: Order, report: Report) -> list[Picture]:
        """Make the pictures of an order, in the order of its indices.

        Raises only `JobFailure`s. Cancelling the call cancels at the vendor where it can.
        """
        ...
