from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest

from domain.costs import CostEntry
from domain.errors import Billed
from domain.jobs import CostBasis
from domain.keys import Scope
from settings import Settings
from storage.ledger import Ledger
from storage.objects import ObjectStore
from tests.api.conftest import Caller, Json, Serve, problem, small
from tests.api.keys import key, with_key
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider, Gate

NOW = datetime.now(UTC)
TODAY = NOW.date()

Configure = Callable[[str], object]


def entry(key: str, days_ago: int = 0, amount_usd: float | None = 0.04, **more: str) -> CostEntry:
    known = {"blog_id": "travel", "provider": "openai", "model": "gpt-image-2", **more}
    known.setdefault("tenant", "default")
    return CostEntry(
        key=key,
        at=NOW - timedelta(days=days_ago),
        job_id="img_1",
        images=1,
        amount_usd=amount_usd,
        basis=CostBasis.UNKNOWN if amount_usd is None else CostBasis.CATALOGUE,
        billed=Billed.UNKNOWN if amount_usd is None else Billed.YES,
        **known,
    )


@pytest.fixture
async def ledger(store: ObjectStore) -> Ledger:
    """Three calls of today and one of a week ago, one of them unknown; one of long ago."""
    ledger = Ledger(store)
    for each in (
        entry("a"),
        entry("b", 0, None),
        entry("c", 0, 0.05, blog_id="food", provider="bfl", model="flux"),
        entry("d", 7, 0.1),
        entry("e", 40, 5.0),
    ):
        await ledger.write(each)
    return ledger


@pytest.fixture
def configure(settings: Settings) -> Configure:
    """Write the operator's `darkroom.toml`."""
    return lambda written: settings.config.write_text(written)


async def bill(api: Caller, query: str = "") -> Json:
    answer = await api.get(f"/costs{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


class TestBill:
    async def test_it_is_of_the_last_thirty_days_and_by_day(
        self, api: Caller, ledger: Ledger
    ) -> None:
        costs = await bill(api)
        assert costs["from"] == str(TODAY - timedelta(days=29))
        assert costs["to"] == str(TODAY)
        assert costs["total"] == {
            "amount_usd": 0.19,
            "calls": 4,
            "images": 4,
            "unknown_calls": 1,
        }
        assert costs["rows"] == [
            {
                "day": str(TODAY - timedelta(days=7)),
                "amount_usd": 0.1,
                "calls": 1,
                "images": 1,
                "unknown_calls": 0,
            },
            {"day": str(TODAY), "amount_usd": 0.09, "calls": 3, "images": 3, "unknown_calls": 1},
        ]
        assert costs["budgets"] == []

    @pytest.mark.parametrize(
        "query", ["?group_by=provider,model", "?group_by=provider&group_by=model"]
    )
    async def test_it_is_divided_by_what_is_asked_for(
        self, api: Caller, ledger: Ledger, query: str
    ) -> None:
        rows = (await bill(api, query))["rows"]
        assert [(row["provider"], row["model"], row["amount_usd"]) for row in rows] == [
            ("bfl", "flux", 0.05),
            ("openai", "gpt-image-2", 0.14),
        ]
        assert not any("day" in row or "blog_id" in row for row in rows)

    @pytest.mark.parametrize(
        ("query", "calls"),
        [
            ("?blog_id=food", 1),
            ("?provider=openai", 3),
            ("?model=flux&provider=openai", 0),
            (f"?from={TODAY}", 3),
            (f"?to={TODAY - timedelta(days=1)}", 1),
            (f"?from={TODAY - timedelta(days=365)}", 5),
            ("?from=2019-01-01&to=2020-01-01", 0),
        ],
    )
    async def test_it_tells_only_what_is_asked_for(
        self, api: Caller, ledger: Ledger, query: str, calls: int
    ) -> None:
        costs = await bill(api, query)
        assert costs["total"]["calls"] == calls
        assert sum(row["calls"] for row in costs["rows"]) == calls

    @pytest.mark.parametrize(
        "query",
        [
            "?from=yesterday",
            "?from=2026-02-30",
            "?from=2026-02-02&to=2026-02-01",
            "?from=2026-01-01&to=2027-01-02",
            "?group_by=colour",
            "?group_by=",
        ],
    )
    async def test_a_span_that_makes_no_sense_is_refused(self, door: Caller, query: str) -> None:
        problem(await door.get(f"/costs{query}"), 422, "invalid_request")

    async def test_a_leap_year_is_not_too_long(self, door: Caller) -> None:
        await bill(door, "?from=2028-01-01&to=2028-12-31")

    async def test_a_store_that_is_away_is_told(self, serve: Serve, closed_address: str) -> None:
        async with serve(s3_endpoint=f"http://{closed_address}") as api:
            problem(await api.get("/costs"), 503, "storage_unavailable")


class TestBudgets:
    CONFIG = """
        [providers.studio.models.studio-1.price]
        per_image_usd = 0.04
        source = "https://example.com/pricing"
        date = 2026-11-01

        [[budgets]]
        blog = "travel"
        amount_usd = 1.5
        period = "month"
        """

    async def test_they_tell_what_is_spent_and_what_is_held(
        self, configure: Configure, serve: Serve, new_worker: WorkerFactory
    ) -> None:
        configure(self.CONFIG)
        gate = Gate()
        async with new_worker(FakeProvider(is_paid=True, cost_usd=0.03)), serve() as api:
            await api.completed(await api.create(blog_id="travel"))
            costs = await bill(api)
        assert costs["total"]["amount_usd"] == 0.03
        async with new_worker(FakeProvider(gate, is_paid=True)), serve() as api:
            await api.create(blog_id="travel")
            await gate.reached.wait()
            [budget] = (await bill(api))["budgets"]
            gate.open()
        assert datetime.fromisoformat(budget.pop("resets_at")) > NOW
        assert budget == {
            "blog": "travel",
            "period": "month",
            "amount_usd": 1.5,
            "spent_usd": 0.03,
            "reserved_usd": 0.04,
            "unknown_usd": 0,
            "left_usd": 1.43,
        }

    async def test_one_that_was_never_used_has_everything_left(
        self, configure: Configure, serve: Serve
    ) -> None:
        configure(self.CONFIG)
        async with serve() as api:
            [budget] = (await bill(api))["budgets"]
        assert (budget["spent_usd"], budget["left_usd"]) == (0, 1.5)

    async def test_the_bill_is_told_also_while_the_engine_is_away(
        self, configure: Configure, serve: Serve, ledger: Ledger, closed_address: str
    ) -> None:
        configure(self.CONFIG)
        async with serve(engine=closed_address) as api:
            costs = await bill(api)
        assert costs["total"]["calls"] == 4
        [budget] = costs["budgets"]
        assert budget["spent_usd"] is None
        assert budget["left_usd"] is None
        assert budget["amount_usd"] == 1.5


async def test_what_is_free_is_not_on_the_bill(api: Caller, new_worker: WorkerFactory) -> None:
    async with new_worker():
        await api.completed(await api.create(**small()))
    assert (await bill(api))["total"]["calls"] == 0


class TestTenants:
    """A bill is its tenant's, and so are the budgets."""

    BUDGETS = """
        [[budgets]]
        tenant = "default"
        amount_usd = 10
        period = "month"

        [[budgets]]
        tenant = "news"
        amount_usd = 20
        period = "month"

        [[budgets]]
        blog = "travel"
        amount_usd = 30
        period = "month"

        [[budgets]]
        amount_usd = 40
        period = "month"
    """

    @pytest.fixture
    async def shared(
        self, serve: Serve, configure: Configure, ledger: Ledger
    ) -> AsyncIterator[Caller]:
        configure(self.BUDGETS)
        await ledger.write(entry("of-news", tenant="news", blog_id="travel"))
        async with serve(
            api_keys=(
                key("reader", Scope.READ, tenant="news"),
                key("editor", Scope.READ, Scope.REVIEW, Scope.GENERATE),
                key("operator", Scope.ADMIN),
            )
        ) as api:
            yield api

    async def test_what_another_tenant_paid_is_not_told(self, shared: Caller) -> None:
        async with with_key(shared, "reader") as reader, with_key(shared, "editor") as editor:
            costs, others = await bill(reader, "?group_by=blog"), await bill(editor)
        assert costs["total"]["amount_usd"] == 0.04
        assert [(row["blog_id"], row["calls"]) for row in costs["rows"]] == [("travel", 1)]
        assert others["total"]["amount_usd"] == 0.19

    @pytest.mark.parametrize(
        ("name", "seen"), [("reader", [20]), ("editor", [10]), ("operator", [10, 30, 40])]
    )
    async def test_budgets_that_tenants_share_are_for_administrators(
        self, shared: Caller, name: str, seen: list[int]
    ) -> None:
        async with with_key(shared, name) as caller:
            budgets = (await bill(caller))["budgets"]
        assert sorted(budget["amount_usd"] for budget in budgets) == seen
