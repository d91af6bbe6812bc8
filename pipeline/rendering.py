"""Renders an order's pictures and stores them untouched, paying for none twice unseen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from domain.errors import (
    Billed,
    Cancelled,
    InternalFailure,
    InvalidOutput,
    JobFailure,
    OutcomeUnknown,
    ProviderUnavailable,
)
from domain.jobs import Attempt, JobError, Outcome, PaidCall
from domain.renders import Original, Rendered, RenderOrder
from domain.sizes import Size
from imaging.decode import decode
from observing.tracing import vendor_call
from pipeline.paying import Cashier, Journal, RunningCall, until_stored
from pipeline.references import References
from providers.base import Inputs, Order, Picture, Provider
from storage.keys import note_key, original_key
from storage.objects import ObjectMissing, ObjectStore

_OCTETS = "application/octet-stream"
_JSON = "application/json"
_OUTCOMES = {Cancelled: Outcome.CANCELLED, OutcomeUnknown: Outcome.UNKNOWN}


class Renderer:
    """Calls providers and keeps what they made."""

    def __init__(
        self,
        providers: dict[str, Provider],
        store: ObjectStore,
        references: References,
        cashier: Cashier,
    ) -> None:
        self._providers = providers
        self._store = store
        self._references = references
        self._cashier = cashier

    async def render(self, order: RenderOrder, journal: Journal) -> Rendered:
        """Make the pictures that are not in the store yet, and store them.

        Raises `JobFailure`s. A call that was begun before a crash is taken up again where the
        vendor lets us, else `OutcomeUnknown` says so and the next try begins a new one. A picture
        that was paid for and stored is taken from the store; what costs nothing is made again.
        """
        provider = self._provider(order)
        started_at, clock = journal.now(), time.monotonic()
        kept = await self._kept(order) if provider.is_paid else {}
        for indices in _calls(order):
            missing = tuple(index for index in indices if index not in kept)
            if not provider.is_paid:
                kept |= await self._draw(provider, order, journal, indices)
            elif missing:
                kept |= await self._pay(provider, order, journal, indices, missing)
            else:
                await self._close(order, journal, indices, kept)
        return Rendered(
            provider=order.target.provider,
            model=order.target.model,
            originals=[kept[index] for index in sorted(kept)],
            started_at=started_at,
            generation_time_seconds=round(time.monotonic() - clock, 3),
            attempts=[attempt_of(order, started_at)],
            cancel_too_late=journal.cancel_too_late,
        )

    async def call_off(self, order: RenderOrder, journal: Journal) -> bool:
        """Nobody wants the job any more; whether a call that may be paid has to be waited for.

        The vendor is asked to stop where it can; what it makes all the same is kept.
        """
        journal.is_called_off = True
        provider, call = self._provider(order), journal.call
        if not provider.is_paid or call is None:
            return False
        journal.cancel_too_late = True
        if call.ticket is not None:
            await asyncio.gather(provider.cancel(call.ticket), return_exceptions=True)
        return True

    def _provider(self, order: RenderOrder) -> Provider:
        name = order.target.provider
        if name not in self._providers:
            raise ProviderUnavailable(f"'{name}' cannot be used in this process.", provider=name)
        return self._providers[name]

    async def _draw(
        self, provider: Provider, order: RenderOrder, journal: Journal, indices: tuple[int, ...]
    ) -> dict[int, Original]:
        wanted = _wanted(order, indices, await self._references.inputs(order.spec))
        with vendor_call(provider.name, wanted.model, wanted.count):
            pictures = await provider.generate(wanted, RunningCall(order, journal, indices))
        made = {}
        for index, picture in zip(indices, pictures, strict=True):
            made[index] = await self._original(order, index, picture)
            await self._store.put(made[index].key, picture.data, _OCTETS, remember=True)
        return made

    async def _pay(
        self,
        provider: Provider,
        order: RenderOrder,
        journal: Journal,
        indices: tuple[int, ...],
        missing: tuple[int, ...],
    ) -> dict[int, Original]:
        """Make one call, or take it up again, and account for whatever becomes of it."""
        call = RunningCall(order, journal, indices, missing)
        await self._find(provider, order, journal, call)
        if call.ticket is not None:
            wanted = _wanted(order, call.indices)
        else:
            wanted = _wanted(order, call.indices, await self._references.inputs(order.spec))
        try:
            if call.ticket is None:
                await self._cashier.reserve(call)
            with _defects_told(provider, call):
                with vendor_call(provider.name, wanted.model, wanted.count):
                    pictures = await provider.generate(wanted, call)
                made = await self._keep(order, call, pictures)
        except OutcomeUnknown as unknown:
            if call.lost is None:
                await self._close_failed(order, journal, call, unknown)
                raise
            await self._look_for(provider, order, journal, call)
            return await self._pay(provider, order, journal, indices, missing)
        except JobFailure as failure:
            if not call.goes_on_after(failure):
                await self._close_failed(order, journal, call, failure)
            raise
        except asyncio.CancelledError:
            if not call.is_sent:
                await self._cashier.release(call)
            raise
        await self._cashier.settle(call, made.values())
        await call.end()
        return made

    async def _look_for(
        self, provider: Provider, order: RenderOrder, journal: Journal, call: RunningCall
    ) -> None:
        """Learn the ticket of a submission whose answer was lost here and now, or raise."""
        await self._find(provider, order, journal, call)
        if call.ticket is None:
            raise ProviderUnavailable(
                f"A request never reached {provider.name}.", provider=provider.name
            )

    async def _find(
        self, provider: Provider, order: RenderOrder, journal: Journal, call: RunningCall
    ) -> None:
        """Ask the vendor what became of a call whose answer was lost.

        Where it cannot be asked, and not only for now, the call may have been paid.
        """
        if call.lost is None:
            return
        try:
            wanted = _wanted(order, call.indices, await self._references.inputs(order.spec))
            with _defects_told(provider, call):
                ticket = await _found(provider, wanted, call.lost, journal.now())
        except JobFailure as failure:
            if not failure.retryable:
                failure.billed = Billed.UNKNOWN
                await self._close_failed(order, journal, call, failure)
            raise
        if ticket is None:
            await self._cashier.release(call)
        await call.found(ticket)

    async def _close_failed(
        self, order: RenderOrder, journal: Journal, call: RunningCall, failure: JobFailure
    ) -> None:
        """Account for a call, and put its end and the attempt down as one: a crash loses neither.

        The next call counts the attempts for its key, and must not have this one's.
        """
        await self._cashier.settle_failed(call, failure)
        journal.attempts.append(attempt_of(order, call.begun_at, failure))
        await call.end()

    async def _close(
        self,
        order: RenderOrder,
        journal: Journal,
        indices: tuple[int, ...],
        kept: dict[int, Original],
    ) -> None:
        """All of a call's pictures are stored: account for it where a crash came between."""
        call = RunningCall(order, journal, indices)
        if call.is_sent:
            await self._cashier.settle(call, [kept[index] for index in call.indices])
            await call.end()

    async def _keep(
        self,
        order: RenderOrder,
        call: RunningCall,
        pictures: list[Picture],
    ) -> dict[int, Original]:
        """Store what was paid for, each picture's cost before it: that must not be lost.

        Raises `InvalidOutput` once the usable ones are stored, if any is not.
        """
        made, broken = {}, None
        for index, picture in zip(call.indices, pictures, strict=True):
            try:
                made[index] = await self._original(order, index, picture), picture.data
            except InvalidOutput as failure:
                broken = failure
        originals = {index: original for index, (original, _) in made.items()}
        if broken is None:
            await self._cashier.enter(call, originals.values())
        for index, (original, data) in made.items():
            note = original.model_dump_json().encode()
            await self._hold(note_key(order.job_id, index), note, _JSON)
            await self._hold(original.key, data, _OCTETS)
        if broken is not None:
            raise broken
        return originals

    async def _hold(self, key: str, data: bytes, content_type: str) -> None:
        await until_stored(lambda: self._store.put(key, data, content_type, remember=True))

    async def _original(self, order: RenderOrder, index: int, picture: Picture) -> Original:
        size = (await asyncio.to_thread(decode, picture.data)).image.size
        return Original(
            key=original_key(order.job_id, order.asset_token, index),
            width_px=size[0],
            height_px=size[1],
            seed=picture.seed,
            cost_usd=picture.cost_usd,
            cost_basis=picture.cost_basis,
        )

    async def _kept(self, order: RenderOrder) -> dict[int, Original]:
        kept = {}
        for index in range(order.spec.num_images):
            original = await self._kept_original(order, index)
            if original is not None:
                kept[index] = original
        return kept

    async def _kept_original(self, order: RenderOrder, index: int) -> Original | None:
        """A whole picture that an earlier try stored, its cost unknown where no note was left."""
        key = original_key(order.job_id, order.asset_token, index)
        try:
            size = (await asyncio.to_thread(decode, await self._store.get(key))).image.size
        except (ObjectMissing, InvalidOutput):
            return None
        try:
            note = await self._store.get(note_key(order.job_id, index))
        except ObjectMissing:
            return Original(key=key, width_px=size[0], height_px=size[1])
        return Original.model_validate_json(note)


def attempt_of(
    order: RenderOrder, started_at: datetime, failure: JobFailure | None = None
) -> Attempt:
    """How a try at an order's provider ended."""
    return Attempt(
        provider=order.target.provider,
        model=order.target.model,
        started_at=started_at,
        outcome=_OUTCOMES.get(type(failure), Outcome.FAILED) if failure else Outcome.COMPLETED,
        error=JobError.of(failure) if failure else None,
    )


@contextmanager
def _defects_told(provider: Provider, call: RunningCall) -> Iterator[None]:
    """A defect is a failure like any other: what the call may have cost is accounted for."""
    try:
        yield
    except JobFailure:
        raise
    except Exception as defect:
        raise InternalFailure(
            "The provider's adapter failed unexpectedly.",
            provider=provider.name,
            billed=Billed.UNKNOWN if call.is_sent else Billed.NO,
        ) from defect


async def _found(provider: Provider, wanted: Order, lost: PaidCall, now: datetime) -> str | None:
    """What the vendor knows of a lost call; raises where that may be too young for it."""
    try:
        ticket = await provider.find(wanted, lost.key, lost.sent_at)
    except OutcomeUnknown:
        _check_settled(provider, now - lost.sent_at)
        raise
    if ticket is None:
        _check_settled(provider, now - lost.sent_at)
    return ticket


def _check_settled(provider: Provider, age: timedelta) -> None:
    """What the vendor does not know may be too young for it."""
    early = provider.settle_seconds - age.total_seconds()
    if early > 0:
        raise ProviderUnavailable(
            f"{provider.name} may not know a new submission yet.",
            provider=provider.name,
            retry_after_seconds=early,
        )


def _calls(order: RenderOrder) -> Iterator[tuple[int, ...]]:
    """The indices of each call, always cut the same way."""
    each = order.target.images_per_call or 1
    for first in range(0, order.spec.num_images, each):
        yield tuple(range(first, min(first + each, order.spec.num_images)))


def _wanted(order: RenderOrder, indices: tuple[int, ...], inputs: Inputs = Inputs()) -> Order:  # noqa: B008  frozen
    target, spec = order.target, order.spec
    return Order(
        spec=spec,
        model=target.model,
        indices=indices,
        size=Size(target.width_px or spec.width_px, target.height_px or spec.height_px),
        references=inputs.references,
        source=inputs.source,
        mask=inputs.mask,
    )
