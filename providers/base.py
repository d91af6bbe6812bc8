"""What every provider is: pictures from an order, failures from our tree."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.errors import Billed, OutcomeUnknown
from domain.jobs import CostBasis, ImageSpec
from domain.sizes import Size

Report = Callable[[float], None]
"""Takes the share of the work that is done, 0 to 1; may be called from any thread."""


@dataclass(frozen=True)
class Reference:
    """An encoded picture that the new one follows."""

    data: bytes
    media_type: str
    is_draft: bool = False
    """The approved draft whose final this is, else what the caller gave."""


@dataclass(frozen=True)
class Inputs:
    """What a picture is made from besides words."""

    references: tuple[Reference, ...] = ()
    source: Reference | None = None
    """The picture that is varied, edited or upscaled."""
    mask: bytes | None = None
    """Of the source: a PNG of greys as large as it, white where it may change."""


@dataclass(frozen=True)
class Order:
    """What to make: one picture of `spec` for each index, by `model`, in one call.

    Picture `i` is drawn with seed `spec.seed + i`, where the model takes a seed.
    """

    spec: ImageSpec
    model: str
    indices: tuple[int, ...]
    size: Size
    """What the model is asked for; the catalogue has fitted it to what the model makes."""
    references: tuple[Reference, ...] = ()
    source: Reference | None = None
    """The picture that is varied, edited or upscaled, as `spec.task` says."""
    mask: bytes | None = None
    """Of the source: a PNG of greys as large as it, white where it may change."""

    def strength(self, usual: float) -> float:
        """How far to depart from the source, above 0 to 1; `usual` where nobody says."""
        return self.spec.strength or usual

    @property
    def pictures(self) -> tuple[Reference, ...]:
        """What a model is shown that knows no difference: the source first."""
        return (*([self.source] if self.source else []), *self.references)

    @property
    def count(self) -> int:
        """How many pictures the call makes; at most the model's `images_per_call`."""
        return len(self.indices)

    def seed(self, index: int) -> int:
        """The seed of the picture with that index."""
        return self.spec.seed_of(index)

    @property
    def first_seed(self) -> int:
        """The seed of the call's first picture."""
        return self.seed(self.indices[0])


@dataclass(frozen=True)
class Picture:
    """One encoded picture as the provider made it."""

    data: bytes
    seed: int | None
    cost_usd: float | None
    """None when the price is unknown, never 0 for unknown."""
    cost_basis: CostBasis = CostBasis.CATALOGUE


class Call(Protocol):
    """One paid exchange, as it is put down where a crash of this process does not reach."""

    key: str
    """The same whenever this call is taken up again, another one for every new call."""

    @property
    def ticket(self) -> str | None:
        """The vendor's id of a submission made before a crash: take it up, submit nothing."""
        ...

    def report(self, share: float) -> None:
        """Tell how much of the work is done, 0 to 1; from any thread."""
        ...

    async def sending(self) -> None:
        """Put down, durably on return, that the request which costs money is sent next."""
        ...

    async def submitted(self, ticket: str) -> None:
        """Put down, durably on return, the id by which the vendor knows the submission."""
        ...


class Provider(ABC):
    """One configured vendor, or our own `studio`."""

    is_paid = True
    """Whether a call costs something, so that one must never be repeated unseen."""
    settle_seconds = 0.0
    """How old a submission is at most that `find` may miss although it arrived."""

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    async def generate(self, order: Order, call: Call) -> list[Picture]:
        """Make the pictures of an order, in the order of its indices.

        Raises only `JobFailure`s: `OutcomeUnknown` where the request was sent and its answer never
        seen. Cancelling the task stops waiting; what is under way at the vendor is not touched.
        """

    async def find(self, order: Order, key: str, sent_at: datetime) -> str | None:
        """The ticket of a submission whose answer was lost; None where it surely never arrived.

        Either is asked again until it would be older than `settle_seconds`: that it never arrived,
        and `OutcomeUnknown`, which is raised where the vendor does not tell.
        """
        raise OutcomeUnknown(
            f"A request to {self.name} was sent and its answer never seen; it may have been paid.",
            provider=self.name,
            billed=Billed.UNKNOWN,
        )

    async def cancel(self, ticket: str) -> None:  # noqa: B027  most vendors cannot
        """Ask the vendor to stop a submission, where it can; `generate` learns what came of it.

        A submission that was stopped ends `generate` with `Cancelled`. Raises `JobFailure`s.
        """

    async def close(self) -> None:  # noqa: B027  nothing to let go of
        """Let go of connections; the provider is not used after."""
