"""Calls that cost money: put down before they are sent, paid from budgets, entered in the bill."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Protocol

from domain.budgets import Bill
from domain.costs import CostEntry
from domain.errors import (
    Billed,
    Cancelled,
    GenerationFailed,
    JobFailure,
    StorageUnavailable,
)
from domain.jobs import Attempt, CostBasis, PaidCall
from domain.renders import Original, RenderOrder, basis_of, total_usd
from domain.waiting import backoff
from pipeline.spending import Purse
from storage.ledger import Ledger

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0

Told = Callable[[CostEntry, float | None], None]


def nobody(entry: CostEntry, price_usd: float | None) -> None:
    """Nobody asks."""


class Journal(Protocol):
    """What a render puts down where a crash of its process does not reach."""

    attempts: list[Attempt]
    """Earlier attempts at this provider."""
    call: PaidCall | None
    """The call that is under way, or was when the process before this one died."""
    is_called_off: bool
    """Nobody wants the job any more: begin no further call."""
    cancel_too_late: bool | None

    def now(self) -> datetime:
        """What time it is for all who may take the order up after this process."""
        ...

    def report(self, share: float) -> None:
        """Tell how much of the order is done, 0 to 1; from any thread."""
        ...

    async def put_down(self, call: PaidCall | None) -> None:
        """Keep the call that is under way, durably on return."""
        ...

    async def take_over(self, call: PaidCall) -> None:
        """Keep the ticket that was found of an earlier process's call, as long as this one may.

        Raises `CancelledError` where another process has gone on instead.
        """
        ...


class InMemoryJournal:
    """For a render without an engine, whose caller waits: it dies with the process."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.call: PaidCall | None = None
        self.is_called_off = False
        self.cancel_too_late: bool | None = None

    def now(self) -> datetime:
        """By this machine's clock: nobody takes it up."""
        return datetime.now(UTC)

    def report(self, share: float) -> None:
        """Nobody asks."""

    async def put_down(self, call: PaidCall | None) -> None:
        """Keep it for as long as this process lives."""
        self.call = call

    async def take_over(self, call: PaidCall) -> None:
        """There is no other process."""
        self.call = call


class RunningCall:
    """One call of an order, new or taken up again: the `providers.base.Call` of its adapter."""

    def __init__(
        self,
        order: RenderOrder,
        journal: Journal,
        indices: tuple[int, ...],
        missing: tuple[int, ...] | None = None,
    ) -> None:
        self._order = order
        self._journal = journal
        self._first_index = indices[0]
        earlier = journal.call
        self._noted = earlier if earlier and earlier.first_index == indices[0] else None
        self.key = self._noted.key if self._noted else self._new_key()
        asked = self._noted.indices if self._noted else missing
        self.indices = tuple(asked or indices)
        """What it makes: of a new call what is missing, else what it was sent for."""
        self._asked = list(self.indices) if self.indices != indices else None
        self.begun_at = self._noted.sent_at if self._noted else journal.now()

    @property
    def ticket(self) -> str | None:
        """The vendor's id of a submission."""
        return self._noted.ticket if self._noted else None

    @property
    def lost(self) -> PaidCall | None:
        """A call that was sent before a crash and whose answer nobody has seen."""
        return self._noted if self._noted and self._noted.ticket is None else None

    @property
    def is_sent(self) -> bool:
        """Whether it may cost money by now."""
        return self._noted is not None

    def report(self, share: float) -> None:
        """Tell how much of this call's work is done."""
        done = self.indices[0] + share * len(self.indices)
        self._journal.report(done / self._order.spec.num_images)

    async def sending(self) -> None:
        """Put down that the request is sent next; raises `Cancelled` where it shall not be."""
        if self._journal.is_called_off:
            raise Cancelled("The job was cancelled.", provider=self._order.target.provider)
        await self._put_down(
            PaidCall(
                key=self.key,
                first_index=self._first_index,
                sent_at=self._journal.now(),
                indices=self._asked,
            )
        )

    async def submitted(self, ticket: str) -> None:
        """Put down the vendor's id."""
        await self._put_down(self._with(ticket))

    async def found(self, ticket: str | None) -> None:
        """What became of a lost call: its ticket, or that it never arrived."""
        if ticket is None:
            await self.end()
        else:
            noted = self._with(ticket)
            await self._journal.take_over(noted)
            self._noted = noted

    async def end(self) -> None:
        """Nothing is under way any more: the next call is another one."""
        if self._noted is not None:
            await self._put_down(None)

    def goes_on_after(self, failure: JobFailure) -> bool:
        """Whether the vendor is still at work: only our looking at it failed."""
        is_over = isinstance(failure, GenerationFailed)
        return self.ticket is not None and failure.retryable and not is_over

    def bill(self) -> Bill:
        """What is reserved for it."""
        price = self._order.target.price_usd
        return Bill(
            key=self.key,
            job_id=self._order.job_id,
            tenant=self._order.tenant,
            blog_id=self._order.blog_id,
            amount_usd=None if price is None else round(price * len(self.indices), 6),
        )

    def entry(self, amount_usd: float | None, basis: CostBasis, billed: Billed) -> CostEntry:
        """What the bill says of it."""
        bill = self.bill()
        return CostEntry(
            key=self.key,
            at=self._noted.sent_at if self._noted else self._journal.now(),
            job_id=bill.job_id,
            tenant=bill.tenant,
            blog_id=bill.blog_id,
            provider=self._order.target.provider,
            model=self._order.target.model,
            images=len(self.indices),
            amount_usd=amount_usd,
            basis=basis,
            billed=billed,
        )

    def _with(self, ticket: str) -> PaidCall:
        if self._noted is None:
            raise AssertionError("a submission is put down before it is sent")
        return self._noted.model_copy(update={"ticket": ticket})

    def _new_key(self) -> str:
        """A job may try two models of one provider, and each of them more than once."""
        target, number = self._order.target, len(self._journal.attempts)
        which = f"{self._first_index}.{number}"
        return f"{self._order.job_id}.{target.provider}.{target.model}.{which}"

    async def _put_down(self, noted: PaidCall | None) -> None:
        await self._journal.put_down(noted)
        self._noted = noted


class Cashier:
    """Reserves before a call, settles after it, and enters what it cost.

    `told` hears of every entry, with the list price of its call.
    """

    def __init__(self, purse: Purse, ledger: Ledger, told: Told = nobody) -> None:
        self._purse = purse
        self._ledger = ledger
        self._told = told

    async def reserve(self, call: RunningCall) -> None:
        """Raises `BudgetSpent` where there is no room for the price."""
        await self._purse.reserve(call.bill())

    async def enter(self, call: RunningCall, originals: Iterable[Original]) -> None:
        """Enter a call whose pictures arrived, whatever the store says at the moment."""
        made = list(originals)
        amount = total_usd(original.cost_usd for original in made)
        await self._enter(call, call.entry(amount, basis_of(made), Billed.YES))

    async def settle(self, call: RunningCall, originals: Iterable[Original]) -> None:
        """Settle a call whose pictures are stored; harmless when it is done again."""
        amount = total_usd(original.cost_usd for original in originals)
        await self._purse.settle(call.bill(), amount)

    async def release(self, call: RunningCall) -> None:
        """Give back what was reserved for a call that was never sent."""
        await self._purse.settle(call.bill(), 0.0)

    async def settle_failed(self, call: RunningCall, failure: JobFailure) -> None:
        """Enter and settle a call that failed: what it cost, or that nobody knows."""
        price = call.bill().amount_usd
        if failure.billed is Billed.NO or not call.is_sent:
            return await self.release(call)
        amount = price if failure.billed is Billed.YES else None
        basis = CostBasis.UNKNOWN if amount is None else CostBasis.CATALOGUE
        await self._enter(call, call.entry(amount, basis, failure.billed))
        return await self._purse.settle(call.bill(), amount)

    async def _enter(self, call: RunningCall, entry: CostEntry) -> None:
        await until_stored(lambda: self._ledger.write(entry))
        self._told(entry, call.bill().amount_usd)


async def until_stored(write: Callable[[], Awaitable[None]]) -> None:
    """Write what must not be lost: held until the store takes it."""
    pauses = backoff(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
    while True:
        try:
            return await write()
        except StorageUnavailable:
            await asyncio.sleep(next(pauses))
