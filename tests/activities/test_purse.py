from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from temporalio.client import Client, RetryConfig
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.purse import BudgetPurse
from domain.budgets import Bill, Books, Budget, Budgets, Limit, Period
from domain.errors import BudgetSpent, ProviderUnavailable
from domain.names import budget_id
from tests.conftest import WorkerFactory
from tests.waiting import eventually, free_port

EVERYTHING = budget_id(None, None)
TRAVEL = budget_id(None, "travel")
DAY = Limit(micro_usd=1_000_000, period=Period.DAY)


def bill(key: str, amount_usd: float | None = 0.04, blog_id: str | None = "travel") -> Bill:
    return Bill(key=key, job_id="img_1", tenant="acme", blog_id=blog_id, amount_usd=amount_usd)


def daily(amount_usd: float, **scope: str) -> Budget:
    return Budget.model_validate({"amount_usd": amount_usd, "period": "day", **scope})


def purse(
    client: Client, *budgets: Budget, patience: tuple[float, float] = (60.0, 60.0)
) -> BudgetPurse:
    return BudgetPurse(client, Budgets(budgets), patience=patience)


async def counts(client: Client, budget: str = EVERYTHING) -> tuple[int, int, int]:
    handle = client.get_workflow_handle(budget)
    books: Books = await handle.query("status", result_type=Books)
    standing = books.standing(DAY, datetime.now(UTC))
    return (standing.spent_micro_usd, standing.unknown_micro_usd, standing.reserved_micro_usd)


async def outcome(purse: BudgetPurse, key: str) -> bool:
    try:
        await purse.reserve(bill(key))
    except BudgetSpent:
        return False
    return True


class TestReserve:
    async def test_what_fits_is_held_and_once_only(
        self, client: Client, new_worker: WorkerFactory
    ) -> None:
        money = purse(client, daily(0.1))
        async with new_worker():
            await money.reserve(bill("a"))
            await money.reserve(bill("a"))
            assert await counts(client) == (0, 0, 40_000)

    async def test_what_does_not_fit_is_refused_with_the_time_of_the_reset(
        self, client: Client, new_worker: WorkerFactory
    ) -> None:
        money = purse(client, daily(0.05, blog="travel"))
        async with new_worker():
            await money.reserve(bill("a"))
            with pytest.raises(BudgetSpent) as spent:
                await money.reserve(bill("b"))
        reset = Period.DAY.resets_at(datetime.now(UTC))
        assert "$0.05 a day for the blog 'travel' has $0.01 left" in spent.value.message
        assert f"resets at {reset:%Y-%m-%d} 00:00 UTC" in spent.value.message
        assert not spent.value.retryable

    async def test_of_fifty_at_once_from_two_processes_exactly_those_that_fit_are_held(
        self, client: Client, engine_address: str, new_worker: WorkerFactory
    ) -> None:
        other = await Client.connect(
            engine_address, namespace=client.namespace, data_converter=pydantic_data_converter
        )
        purses = [purse(each, daily(0.5)) for each in (client, other)]
        async with new_worker(cached_workflows=10):
            held = await asyncio.gather(
                *(outcome(purses[number % 2], str(number)) for number in range(50))
            )
            assert await counts(client) == (0, 0, 480_000)
        assert sum(held) == 12

    async def test_a_later_budget_that_refuses_gives_the_earlier_ones_their_money_back(
        self, client: Client, new_worker: WorkerFactory
    ) -> None:
        money = purse(client, daily(10), daily(0.01, blog="travel"))
        async with new_worker():
            with pytest.raises(BudgetSpent):
                await money.reserve(bill("a"))
            assert await counts(client) == (0, 0, 0)

    async def test_a_refusal_does_not_give_back_what_was_held_before(
        self, client: Client, new_worker: WorkerFactory
    ) -> None:
        """The call is under way already; only the budgets have changed meanwhile."""
        async with new_worker():
            await purse(client, daily(10)).reserve(bill("a"))
            with pytest.raises(BudgetSpent):
                await purse(client, daily(10), daily(0.01, blog="travel")).reserve(bill("a"))
            assert await counts(client) == (0, 0, 40_000)

    async def test_an_unknown_price_is_never_held(self, client: Client) -> None:
        with pytest.raises(BudgetSpent, match="price"):
            await purse(client, daily(10)).reserve(bill("a", None))

    async def test_what_is_free_or_under_no_budget_asks_nobody(self, client: Client) -> None:
        """No worker runs here: whoever asked would wait."""
        money = purse(client, daily(0, tenant="other"), daily(0, blog="travel"))
        await money.reserve(bill("a", 0.0))
        await money.reserve(bill("b", 5.0, blog_id="food"))
        await money.reserve(bill("c", None, blog_id=None))
        await money.settle(bill("b", 5.0, blog_id="food"), None)


class TestManyAtOnce:
    async def test_they_are_sent_together_and_all_served(
        self, client: Client, new_worker: WorkerFactory
    ) -> None:
        """Far more than the engine takes in flight."""
        money = purse(client, daily(100))

        async def pay(key: str) -> None:
            await money.reserve(bill(key))
            await money.settle(bill(key), 0.03)

        async with new_worker(cached_workflows=10):
            await asyncio.gather(*(pay(str(number)) for number in range(200)))
            assert await counts(client) == (6_000_000, 0, 0)
            history = await client.get_workflow_handle(EVERYTHING).fetch_history()
        updates = sum(
            event.HasField("workflow_execution_update_completed_event_attributes")
            for event in history.events
        )
        assert updates < 40

    async def test_what_does_not_fit_among_others_is_refused_alone(
        self, client: Client, new_worker: WorkerFactory
    ) -> None:
        money = purse(client, daily(0.1))
        dear = bill("dear", 0.09)
        async with new_worker(cached_workflows=10):
            await money.reserve(bill("first"))
            outcomes = await asyncio.gather(
                money.reserve(bill("a", 0.03)),
                money.reserve(dear),
                money.reserve(bill("b", 0.03)),
                return_exceptions=True,
            )
            assert await counts(client) == (0, 0, 100_000)
        assert [type(outcome) for outcome in outcomes] == [type(None), BudgetSpent, type(None)]


class TestSettle:
    async def test_every_budget_counts_what_was_paid(
        self, client: Client, new_worker: WorkerFactory
    ) -> None:
        money = purse(client, daily(10), daily(10, blog="travel"))
        async with new_worker():
            await money.reserve(bill("a"))
            await money.settle(bill("a"), 0.035)
            await money.settle(bill("a"), 0.035)
            assert await counts(client) == await counts(client, TRAVEL) == (35_000, 0, 0)

    async def test_nothing_paid_is_given_back_and_the_unknown_counted_apart(
        self, client: Client, new_worker: WorkerFactory
    ) -> None:
        money = purse(client, daily(10))
        async with new_worker():
            for key in "abc":
                await money.reserve(bill(key))
            await money.settle(bill("a"), 0.0)
            await money.settle(bill("b"), None)
            assert await counts(client) == (0, 40_000, 40_000)


class TestOutages:
    @pytest.fixture
    async def away(self) -> Client:
        return await Client.connect(
            f"127.0.0.1:{free_port()}",
            data_converter=pydantic_data_converter,
            lazy=True,
            retry_config=RetryConfig(max_elapsed_time_millis=200),
        )

    async def test_a_reservation_that_nobody_answers_may_be_tried_again(self, away: Client) -> None:
        with pytest.raises(ProviderUnavailable) as unanswered:
            await purse(away, daily(10), patience=(0.1, 0.1)).reserve(bill("a"))
        assert unanswered.value.retryable
        assert unanswered.value.billed == "no"

    async def test_a_reservation_that_is_called_off_while_it_waits_is_called_off(
        self, client: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        """No worker runs here: the books are opened and nobody answers."""
        waiting = asyncio.create_task(purse(client, daily(10)).reserve(bill("a")))

        async def is_asked() -> bool:
            found = [each async for each in client.list_workflows(f"WorkflowId = '{EVERYTHING}'")]
            return bool(found)

        await eventually(is_asked, "the budget is asked")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert [record.levelname for record in caplog.records] == ["ERROR"]

    async def test_a_lost_settlement_is_told_to_the_operator_with_its_key(
        self, away: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        await purse(away, daily(10), patience=(0.1, 0.1)).settle(bill("img_1.openai.0.0"), 0.04)
        [record] = caplog.records
        assert record.levelname == "ERROR"
        assert "key=img_1.openai.0.0, micro_usd=40000" in record.getMessage()

    async def test_a_worker_that_comes_back_in_time_takes_the_settlement(
        self, client: Client, new_worker: WorkerFactory
    ) -> None:
        money = purse(client, daily(10))
        async with new_worker():
            await money.reserve(bill("a"))
        settling = asyncio.create_task(money.settle(bill("a"), 0.03))
        async with new_worker():
            await settling
            assert await counts(client) == (30_000, 0, 0)
