from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from domain.budgets import Bill
from domain.costs import CostEntry
from domain.errors import (
    Billed,
    BudgetSpent,
    Cancelled,
    ContentRejected,
    GenerationFailed,
    InternalFailure,
    InvalidOutput,
    JobFailure,
    OutcomeUnknown,
    ProviderAuth,
    ProviderUnavailable,
    RequestRejected,
)
from domain.jobs import ImageSpec, Outcome, PaidCall, Target
from domain.renders import Rendered, RenderOrder
from domain.sizes import Quality
from pipeline.paying import Cashier, InMemoryJournal
from pipeline.references import References
from pipeline.rendering import Renderer
from providers.base import Call, Order, Picture, Provider, Report
from storage.keys import COSTS, original_key
from storage.ledger import Ledger
from storage.objects import ObjectStore
from tests.fakes import Behaviour, FakeProvider, png

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
ORDER = RenderOrder(
    job_id="img_1",
    asset_token="token",
    spec=ImageSpec(
        prompt="sea", quality=Quality.DRAFT, width_px=64, height_px=48, seed=5, num_images=3
    ),
    target=Target(
        provider="studio",
        model="studio-1",
        expected_seconds=1,
        price_usd=0.05,
        images_per_call=4,
    ),
    progress_from=5,
    progress_to=90,
)


class Remembering(InMemoryJournal):
    """A journal that remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.shares: list[float] = []

    def report(self, share: float) -> None:
        self.shares.append(share)


class Till:
    """A purse that tells what was asked of it."""

    def __init__(self, *, is_empty: bool = False) -> None:
        self.story: list[str] = []
        self._is_empty = is_empty

    async def reserve(self, bill: Bill) -> None:
        if self._is_empty:
            raise BudgetSpent("nothing left")
        self.story.append(f"reserve {bill.key} {bill.amount_usd}")

    async def settle(self, bill: Bill, amount_usd: float | None) -> None:
        self.story.append(f"settle {bill.key} {amount_usd}")


class Paid(FakeProvider):
    """Charges for every picture, and can send one that is none."""

    def __init__(
        self,
        broken: Callable[[int], bool] = lambda index: False,
        behave: Behaviour | None = None,
    ) -> None:
        super().__init__(behave, is_paid=True)
        self._broken = broken

    async def generate(self, order: Order, call: Call) -> list[Picture]:
        pictures = await super().generate(order, call)
        return [
            Picture(
                data=b"no picture" if self._broken(index) else picture.data,
                seed=picture.seed,
                cost_usd=0.04,
            )
            for index, picture in zip(order.indices, pictures, strict=True)
        ]

    @property
    def asked_for(self) -> list[tuple[int, ...]]:
        return [order.indices for order in self.orders]


class Queue(Provider):
    """A vendor with job ids, whose polls can fail."""

    def __init__(self, failure: JobFailure | None = None, found: str | None = None) -> None:
        super().__init__("studio")
        self.failure = failure
        self.submitted: list[str] = []
        self.taken_up: list[str] = []
        self.cancelled: list[str] = []
        self.loses_its_answer = False
        self.wanted: list[tuple[int, ...]] = []
        self._found = found

    async def generate(self, order: Order, call: Call) -> list[Picture]:
        self.wanted.append(order.indices)
        if call.ticket is None:
            await call.sending()
            self.submitted.append(f"t-{len(self.submitted)}")
            if self.loses_its_answer:
                raise OutcomeUnknown("lost", provider="studio", billed=Billed.UNKNOWN)
            await call.submitted(self.submitted[-1])
        else:
            self.taken_up.append(call.ticket)
        if self.failure:
            raise self.failure
        return [Picture(data=png(64, 48), seed=None, cost_usd=0.0) for _ in order.indices]

    async def find(self, order: Order, key: str, sent_at: datetime) -> str | None:
        self.wanted.append(order.indices)
        if self.failure:
            raise self.failure
        return self._found

    async def cancel(self, ticket: str) -> None:
        self.cancelled.append(ticket)


def raising(failure: JobFailure) -> Callable[[Order, Report], Awaitable[None]]:
    async def behave(order: Order, report: Report) -> None:
        raise failure

    return behave


def renderer_of(store: ObjectStore, provider: Provider, till: Till | None = None) -> Renderer:
    references = References(store, frozenset())
    return Renderer({"studio": provider}, store, references, Cashier(till or Till(), Ledger(store)))


async def render(
    store: ObjectStore,
    provider: Provider,
    journal: InMemoryJournal | None = None,
    *,
    till: Till | None = None,
    order: RenderOrder = ORDER,
) -> Rendered:
    return await renderer_of(store, provider, till).render(order, journal or InMemoryJournal())


async def billed(store: ObjectStore) -> list[tuple[str, float | None, Billed]]:
    """The bill's entries."""
    found = []
    for key in await store.keys(COSTS):
        entry = CostEntry.model_validate_json(await store.get(key))
        found.append((entry.key, entry.amount_usd, entry.billed))
    return found


class TestRender:
    async def test_the_originals_are_stored_untouched(self, store: ObjectStore) -> None:
        rendered = await render(store, FakeProvider())
        assert [original.key for original in rendered.originals] == [
            original_key("img_1", "token", index) for index in range(3)
        ]
        assert [original.seed for original in rendered.originals] == [5, 6, 7]
        assert {(o.width_px, o.height_px) for o in rendered.originals} == {(64, 48)}
        assert rendered.cost_usd == 0
        assert rendered.attempts[0].outcome is Outcome.COMPLETED
        for original in rendered.originals:
            assert await store.get(original.key) == png(64, 48)

    async def test_what_was_paid_for_and_stored_is_not_paid_for_again(
        self, store: ObjectStore
    ) -> None:
        provider = Paid()
        first = await render(store, provider)
        again = await render(store, provider)
        assert provider.asked_for == [(0, 1, 2)]
        assert again.originals == first.originals
        assert again.cost_usd == pytest.approx(0.12)

    async def test_only_what_is_missing_is_made_again(self, store: ObjectStore) -> None:
        broken = Paid(lambda index: index == 1)
        with pytest.raises(InvalidOutput) as failed:
            await render(store, broken)
        assert failed.value.billed is Billed.YES
        whole = Paid()
        rendered = await render(store, whole)
        assert whole.asked_for == [(1,)]
        assert [original.seed for original in rendered.originals] == [5, 6, 7]
        assert rendered.cost_usd == pytest.approx(0.12)

    async def test_a_picture_that_arrived_in_part_is_made_again(self, store: ObjectStore) -> None:
        await store.put(original_key("img_1", "token", 0), png(64, 48)[:60], "application/x")
        provider = Paid()
        await render(store, provider)
        assert provider.asked_for == [(0, 1, 2)]

    async def test_a_picture_whose_note_is_lost_is_kept_at_an_unknown_cost(
        self, store: ObjectStore
    ) -> None:
        await store.put(original_key("img_1", "token", 0), png(64, 48), "application/x")
        provider = Paid()
        rendered = await render(store, provider)
        assert provider.asked_for == [(1, 2)]
        assert rendered.cost_usd is None

    async def test_what_costs_nothing_is_made_again(self, store: ObjectStore) -> None:
        provider = FakeProvider()
        for _ in range(2):
            await render(store, provider)
        assert len(provider.orders) == 2

    async def test_another_job_shares_nothing(self, store: ObjectStore) -> None:
        provider = Paid()
        other = ORDER.model_copy(update={"job_id": "img_2"})
        await render(store, provider)
        await render(store, provider, order=other)
        assert len(provider.orders) == 2

    async def test_bytes_that_are_no_picture_are_not_stored(self, store: ObjectStore) -> None:
        with pytest.raises(InvalidOutput):
            await render(store, Paid(lambda index: True))
        provider = Paid()
        await render(store, provider)
        assert provider.asked_for == [(0, 1, 2)]

    async def test_a_providers_failure_is_passed_on(self, store: ObjectStore) -> None:
        async def fail(order: Order, report: Report) -> None:
            raise ProviderUnavailable("down", provider="studio")

        with pytest.raises(ProviderUnavailable):
            await render(store, FakeProvider(fail))

    async def test_what_the_provider_reports_is_passed_on(self, store: ObjectStore) -> None:
        async def tell(order: Order, report: Report) -> None:
            report(0.25)

        journal = Remembering()
        await render(store, FakeProvider(tell), journal)
        assert journal.shares == [0.25]


class TestMoney:
    async def test_it_is_reserved_before_and_settled_after(self, store: ObjectStore) -> None:
        till = Till()
        await render(store, Paid(), till=till)
        assert till.story == [
            "reserve img_1.studio.studio-1.0.0 0.15",
            "settle img_1.studio.studio-1.0.0 0.12",
        ]
        assert await billed(store) == [("img_1.studio.studio-1.0.0", 0.12, Billed.YES)]

    async def test_a_budget_that_is_spent_sends_nothing(self, store: ObjectStore) -> None:
        provider = Paid()
        with pytest.raises(BudgetSpent):
            await render(store, provider, till=Till(is_empty=True))
        assert provider.orders == []
        assert await billed(store) == []

    @pytest.mark.parametrize(
        ("failure", "settled", "entered"),
        [
            (ProviderUnavailable("down"), "0.0", []),
            (ContentRejected("no", billed=Billed.YES), "0.15", [0.15]),
            (OutcomeUnknown("lost", billed=Billed.UNKNOWN), "None", [None]),
        ],
    )
    async def test_a_call_that_failed_is_settled_at_what_it_cost(
        self, store: ObjectStore, failure: JobFailure, settled: str, entered: list[float | None]
    ) -> None:
        till, journal = Till(), InMemoryJournal()
        with pytest.raises(type(failure)):
            await render(store, Paid(behave=raising(failure)), journal, till=till)
        assert till.story[-1] == f"settle img_1.studio.studio-1.0.0 {settled}"
        assert [amount for _, amount, _ in await billed(store)] == entered
        assert journal.call is None

    async def test_a_defect_after_sending_may_have_cost_something(self, store: ObjectStore) -> None:
        async def stumble(order: Order, report: Report) -> None:
            raise KeyError("an answer of another form")

        till, journal = Till(), InMemoryJournal()
        with pytest.raises(InternalFailure) as failed:
            await render(store, Paid(behave=stumble), journal, till=till)
        assert failed.value.billed is Billed.UNKNOWN
        assert till.story[-1] == "settle img_1.studio.studio-1.0.0 None"
        assert [amount for _, amount, _ in await billed(store)] == [None]
        assert journal.call is None

    async def test_two_models_of_a_provider_are_two_entries(self, store: ObjectStore) -> None:
        rejected = ContentRejected("no", billed=Billed.YES)
        with pytest.raises(ContentRejected):
            await render(store, Paid(behave=raising(rejected)))
        other = ORDER.target.model_copy(update={"model": "studio-2"})
        await render(store, Paid(), order=ORDER.model_copy(update={"target": other}))
        assert sorted(amount or 0 for _, amount, _ in await billed(store)) == [0.12, 0.15]

    async def test_a_crash_before_the_settlement_is_made_good(self, store: ObjectStore) -> None:
        await render(store, Paid())
        journal, till = InMemoryJournal(), Till()
        journal.call = PaidCall(key="img_1.studio.studio-1.0.0", first_index=0, sent_at=NOW)
        provider = Paid()
        await render(store, provider, journal, till=till)
        assert provider.orders == []
        assert till.story == ["settle img_1.studio.studio-1.0.0 0.12"]
        assert journal.call is None

    async def test_a_model_that_makes_one_at_a_time_is_called_for_each(
        self, store: ObjectStore
    ) -> None:
        provider, till = Paid(), Till()
        single = ORDER.target.model_copy(update={"images_per_call": None})
        await render(store, provider, till=till, order=ORDER.model_copy(update={"target": single}))
        assert provider.asked_for == [(0,), (1,), (2,)]
        assert len(till.story) == 6


class TestCrash:
    """What an attempt finds that follows a process that died."""

    async def test_a_call_whose_answer_was_lost_is_unknown_and_then_made_anew(
        self, store: ObjectStore
    ) -> None:
        journal, till, provider = InMemoryJournal(), Till(), Paid()
        journal.call = PaidCall(key="img_1.studio.studio-1.0.0", first_index=0, sent_at=NOW)
        with pytest.raises(OutcomeUnknown) as unknown:
            await render(store, provider, journal, till=till)
        assert unknown.value.billed is Billed.UNKNOWN
        assert provider.orders == []
        assert journal.call is None
        assert till.story == ["settle img_1.studio.studio-1.0.0 None"]
        assert await billed(store) == [("img_1.studio.studio-1.0.0", None, Billed.UNKNOWN)]
        await render(store, provider, journal)
        assert provider.asked_for == [(0, 1, 2)]

    async def test_a_crash_as_a_call_ends_loses_neither_the_attempt_nor_the_entry(
        self, store: ObjectStore
    ) -> None:
        class Killed(BaseException):
            pass

        class Dying(InMemoryJournal):
            async def put_down(self, call: PaidCall | None) -> None:
                await super().put_down(call)
                if call is None:
                    raise Killed

        dying, provider = Dying(), Paid()
        dying.call = PaidCall(key="img_1.studio.studio-1.0.0", first_index=0, sent_at=NOW)
        with pytest.raises(Killed):
            await render(store, provider, dying)
        after = InMemoryJournal()
        after.attempts, after.call = dying.attempts, dying.call
        await render(store, provider, after)
        assert [attempt.outcome for attempt in after.attempts] == [Outcome.UNKNOWN]
        assert {key for key, _, _ in await billed(store)} == {
            "img_1.studio.studio-1.0.0",
            "img_1.studio.studio-1.0.1",
        }

    async def test_a_ticket_is_taken_up_and_nothing_is_submitted(self, store: ObjectStore) -> None:
        journal, till, queue = InMemoryJournal(), Till(), Queue()
        journal.call = PaidCall(key="k", first_index=0, sent_at=NOW, ticket="t-1")
        rendered = await render(store, queue, journal, till=till)
        assert queue.submitted == []
        assert len(rendered.originals) == 3
        assert till.story == ["settle k 0.0"]

    async def test_a_lost_submission_that_the_vendor_finds_is_taken_up(
        self, store: ObjectStore
    ) -> None:
        journal, queue = InMemoryJournal(), Queue(found="t-7")
        journal.call = PaidCall(key="k", first_index=0, sent_at=NOW)
        await render(store, queue, journal)
        assert queue.submitted == []
        assert queue.taken_up == ["t-7"]

    async def test_a_lost_submission_that_never_arrived_is_made(self, store: ObjectStore) -> None:
        journal, queue = InMemoryJournal(), Queue()
        journal.call = PaidCall(key="k", first_index=0, sent_at=NOW)
        await render(store, queue, journal)
        assert len(queue.submitted) == 1

    @pytest.mark.parametrize(
        "failure", [None, OutcomeUnknown("not listed", provider="studio", billed=Billed.UNKNOWN)]
    )
    async def test_a_submission_that_the_vendor_may_not_know_yet_is_looked_for_again(
        self, store: ObjectStore, failure: JobFailure | None
    ) -> None:
        journal, queue = InMemoryJournal(), Queue(failure)
        queue.settle_seconds = 15.0
        journal.call = PaidCall(key="k", first_index=0, sent_at=journal.now())
        with pytest.raises(ProviderUnavailable) as failed:
            await render(store, queue, journal)
        assert failed.value.retry_after_seconds
        assert 0 < failed.value.retry_after_seconds <= 15
        assert (journal.call.key, queue.submitted) == ("k", [])

    async def test_a_submission_whose_answer_is_lost_is_looked_for_at_once(
        self, store: ObjectStore
    ) -> None:
        journal, queue = InMemoryJournal(), Queue(found="t-0")
        queue.loses_its_answer = True
        await render(store, queue, journal)
        assert (queue.submitted, queue.taken_up) == (["t-0"], ["t-0"])
        assert journal.attempts == []

    async def test_a_submission_that_never_arrived_may_be_tried_again(
        self, store: ObjectStore
    ) -> None:
        till, queue = Till(), Queue()
        queue.loses_its_answer = True
        with pytest.raises(ProviderUnavailable):
            await render(store, queue, till=till)
        assert till.story[-1].endswith(" 0.0")
        assert await billed(store) == []

    async def test_looking_in_vain_keeps_the_ticket(self, store: ObjectStore) -> None:
        journal, till = InMemoryJournal(), Till()
        queue = Queue(failure=ProviderUnavailable("down"))
        with pytest.raises(ProviderUnavailable):
            await render(store, queue, journal, till=till)
        assert journal.call
        assert journal.call.ticket == "t-0"
        assert [line.split()[0] for line in till.story] == ["reserve"]
        queue.failure = None
        await render(store, queue, journal, till=till)
        assert len(queue.submitted) == 1
        assert journal.call is None

    async def test_a_submission_that_the_vendor_failed_at_is_over(self, store: ObjectStore) -> None:
        journal, queue = InMemoryJournal(), Queue(failure=GenerationFailed("GPU fell off"))
        with pytest.raises(GenerationFailed):
            await render(store, queue, journal)
        assert journal.call is None

    async def test_half_of_a_call_in_the_store_is_completed_by_its_ticket(
        self, store: ObjectStore
    ) -> None:
        await store.put(original_key("img_1", "token", 0), png(64, 48), "application/x")
        journal, queue = InMemoryJournal(), Queue()
        journal.call = PaidCall(key="k", first_index=0, sent_at=NOW, ticket="t-1")
        rendered = await render(store, queue, journal)
        assert queue.submitted == []
        assert len(rendered.originals) == 3

    async def test_a_call_for_the_rest_is_taken_up_for_the_rest(self, store: ObjectStore) -> None:
        await store.put(original_key("img_1", "token", 0), png(64, 48), "application/x")
        journal, till, queue = InMemoryJournal(), Till(), Queue(ProviderUnavailable("down"))
        with pytest.raises(ProviderUnavailable):
            await render(store, queue, journal, till=till)
        queue.failure = None
        await render(store, queue, journal, till=till)
        assert queue.submitted == ["t-0"]
        assert queue.wanted == [(1, 2), (1, 2)]
        assert till.story[0] == "reserve img_1.studio.studio-1.0.0 0.1"

    async def test_a_lost_call_for_the_rest_is_looked_for_as_such(self, store: ObjectStore) -> None:
        journal, queue = InMemoryJournal(), Queue(found="t-7")
        journal.call = PaidCall(key="k", first_index=0, sent_at=NOW, indices=[1, 2])
        await store.put(original_key("img_1", "token", 0), png(64, 48), "application/x")
        await render(store, queue, journal)
        assert queue.wanted == [(1, 2), (1, 2)]

    async def test_a_lost_call_that_cannot_be_asked_for_may_have_been_paid(
        self, store: ObjectStore
    ) -> None:
        journal, till, queue = InMemoryJournal(), Till(), Queue(ProviderAuth("the key is revoked"))
        journal.call = PaidCall(key="k", first_index=0, sent_at=NOW)
        with pytest.raises(ProviderAuth) as refused:
            await render(store, queue, journal, till=till)
        assert refused.value.billed is Billed.UNKNOWN
        assert await billed(store) == [("k", None, Billed.UNKNOWN)]
        assert till.story == ["settle k None"]
        assert journal.call is None

    async def test_a_lost_call_that_cannot_be_asked_for_now_stays_lost(
        self, store: ObjectStore
    ) -> None:
        journal, till, queue = InMemoryJournal(), Till(), Queue(ProviderUnavailable("down"))
        journal.call = PaidCall(key="k", first_index=0, sent_at=NOW)
        with pytest.raises(ProviderUnavailable):
            await render(store, queue, journal, till=till)
        assert journal.call
        assert till.story == []

    async def test_what_was_held_for_a_call_that_never_arrived_is_given_back(
        self, store: ObjectStore
    ) -> None:
        journal, till = InMemoryJournal(), Till()
        journal.call = PaidCall(key="k", first_index=0, sent_at=NOW)
        spec = ORDER.spec.model_copy(update={"reference_key": "assets/gone"})
        order = ORDER.model_copy(update={"spec": spec})

        class Forgetful(Queue):
            async def find(self, order: Order, key: str, sent_at: datetime) -> str | None:
                await store.delete("assets/gone")
                return None

        await store.put("assets/gone", png(64, 48), "application/x")
        with pytest.raises(RequestRejected):
            await render(store, Forgetful(), journal, till=till, order=order)
        assert till.story == ["settle k 0.0"]


class TestCallingOff:
    async def test_what_was_not_sent_is_not_waited_for(self, store: ObjectStore) -> None:
        renderer = renderer_of(store, Paid())
        assert not await renderer.call_off(ORDER, InMemoryJournal())

    async def test_what_was_sent_is_and_the_vendor_is_asked_to_stop(
        self, store: ObjectStore
    ) -> None:
        queue, journal = Queue(), InMemoryJournal()
        journal.call = PaidCall(key="k", first_index=0, sent_at=NOW, ticket="t-1")
        assert await renderer_of(store, queue).call_off(ORDER, journal)
        assert queue.cancelled == ["t-1"]
        assert journal.cancel_too_late

    async def test_no_call_begins_after_it(self, store: ObjectStore) -> None:
        journal, provider = InMemoryJournal(), Paid()
        journal.is_called_off = True
        with pytest.raises(Cancelled):
            await render(store, provider, journal)
        assert await billed(store) == []


class TestReferences:
    async def test_the_provider_is_given_the_draft(self, store: ObjectStore) -> None:
        await store.put("assets/draft", png(32, 32), "application/x")
        provider = Paid()
        spec = ORDER.spec.model_copy(update={"reference_key": "assets/draft"})
        await render(store, provider, order=ORDER.model_copy(update={"spec": spec}))
        (reference,) = provider.orders[0].references
        assert (reference.data, reference.is_draft) == (png(32, 32), True)
