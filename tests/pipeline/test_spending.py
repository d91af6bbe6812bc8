from __future__ import annotations

from pathlib import Path

import pytest

from domain.budgets import Bill, Budget, Budgets, Period
from domain.errors import ProviderUnavailable
from pipeline.spending import LockedPurse, load_budgets
from providers.catalogue import CatalogueError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "darkroom.toml"


class TestLoading:
    def test_without_a_file_or_a_table_there_are_none(self, config: Path) -> None:
        assert not load_budgets(config)
        config.write_text('[defaults]\nprovider = "studio"\n')
        assert not load_budgets(config)

    def test_they_are_read_as_they_are_written(self, config: Path) -> None:
        config.write_text(
            """
            [[budgets]]
            amount_usd = 100
            period = "month"

            [[budgets]]
            tenant = "acme"
            amount_usd = 2.50
            period = "day"

            [[budgets]]
            blog = "travel"
            amount_usd = 10
            period = "week"
            """
        )
        accounts = {a.workflow_id: a.limits[0] for a in load_budgets(config).accounts}
        assert {name: (limit.micro_usd, limit.period) for name, limit in accounts.items()} == {
            "budget-all": (100_000_000, Period.MONTH),
            "budget-tenant-acme": (2_500_000, Period.DAY),
            "budget-blog-travel": (10_000_000, Period.WEEK),
        }

    @pytest.mark.parametrize(
        ("written", "said"),
        [
            ('[[budgets]]\nperiod = "day"', "budgets.1.amount_usd: Field required"),
            ("[[budgets]]\namount_usd = 5", "budgets.1.period: Field required"),
            ('[[budgets]]\namount_usd = -5\nperiod = "day"', "budgets.1.amount_usd: Input should"),
            ('[[budgets]]\namount_usd = 5\nperiod = "year"', "'day', 'week' or 'month'"),
            ('[[budgets]]\namount_usd = 5\nperiod = "day"\nblogs = "x"', "budgets.1.blogs: Extra"),
            (
                '[[budgets]]\namount_usd = 5\nperiod = "day"\ntenant = "a"\nblog = "b"',
                "budgets.1: Value error, name a tenant or a blog, not both",
            ),
            ('[[budgets]]\namount_usd = 5\nperiod = "day"\n' * 2, "the same scope"),
            ('[budgets]\namount_usd = 5\nperiod = "day"', "budgets are written [[budgets]]"),
            ("budgets = [5]", "budgets.1: Input should be"),
        ],
    )
    def test_what_is_wrong_is_said_with_its_place(
        self, config: Path, written: str, said: str
    ) -> None:
        config.write_text(written)
        with pytest.raises(CatalogueError) as wrong:
            load_budgets(config)
        assert str(wrong.value).startswith(str(config))
        assert said in str(wrong.value)


class TestLockedPurse:
    @pytest.fixture
    def locked(self) -> LockedPurse:
        return LockedPurse(Budgets([Budget(blog="travel", amount_usd=5, period=Period.DAY)]))

    @staticmethod
    def bill(amount_usd: float | None, blog_id: str | None) -> Bill:
        return Bill(
            key="a", job_id="img_1", tenant="default", blog_id=blog_id, amount_usd=amount_usd
        )

    @pytest.mark.parametrize("amount_usd", [0.04, None])
    async def test_what_a_budget_covers_waits(
        self, locked: LockedPurse, amount_usd: float | None
    ) -> None:
        with pytest.raises(ProviderUnavailable) as waits:
            await locked.reserve(self.bill(amount_usd, "travel"))
        assert waits.value.retryable

    async def test_what_is_free_or_under_no_budget_passes(self, locked: LockedPurse) -> None:
        await locked.reserve(self.bill(0.0, "travel"))
        await locked.reserve(self.bill(0.04, "food"))
