from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from domain.budgets import (
    Account,
    Books,
    Budget,
    Budgets,
    Hold,
    Limit,
    Payment,
    Period,
    Reserve,
    Reserved,
    Standing,
    micro_usd,
    shortfall,
    usd,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
"""A Monday."""
DAY = Limit(micro_usd=1_000_000, period=Period.DAY)
WEEK = Limit(micro_usd=1_000_000, period=Period.WEEK)
MONTH = Limit(micro_usd=1_000_000, period=Period.MONTH)


def order(key: str, amount: int, *limits: Limit, job_id: str = "img_1") -> Reserve:
    hold = Hold(key=key, job_id=job_id, micro_usd=amount)
    return Reserve(holds=[hold], limits=list(limits or (DAY,)))


def refusal(books: Books, what: Reserve, at: datetime = NOON) -> Standing | None:
    """As the books say before and when they are asked; refused, they stay as they were."""
    before = books.model_copy(deep=True)
    refusals = books.refusals(what, at)
    [answer] = books.model_copy(deep=True).reserve(what, at)
    assert refusals == ([answer.refused] if answer.refused else [])
    assert books == before
    return answer.refused


def reserved(books: Books, key: str, amount: int, at: datetime = NOON, **more: str) -> Books:
    assert books.reserve(order(key, amount, **more), at) == [Reserved(is_new=True)]
    return books


def counts(books: Books, limit: Limit = DAY, at: datetime = NOON) -> tuple[int, int, int]:
    standing = books.standing(limit, at)
    return (standing.spent_micro_usd, standing.unknown_micro_usd, standing.reserved_micro_usd)


class TestPeriods:
    @pytest.mark.parametrize(
        ("period", "now", "resets_at"),
        [
            (Period.DAY, "2026-11-23T12:00", "2026-11-24"),
            (Period.DAY, "2026-12-31T23:59", "2027-01-01"),
            (Period.WEEK, "2026-11-23T00:00", "2026-11-30"),
            (Period.WEEK, "2026-11-29T23:00", "2026-11-30"),
            (Period.MONTH, "2026-11-23T12:00", "2026-12-01"),
            (Period.MONTH, "2026-12-31T00:00", "2027-01-01"),
            (Period.MONTH, "2028-02-29T00:00", "2028-03-01"),
            (Period.MONTH, "2026-01-31T00:00", "2026-02-01"),
        ],
    )
    def test_they_end_where_the_calendar_says(
        self, period: Period, now: str, resets_at: str
    ) -> None:
        at = datetime.fromisoformat(f"{now}Z")
        assert period.resets_at(at) == datetime.fromisoformat(f"{resets_at}T00:00Z")

    def test_they_are_periods_of_utc(self) -> None:
        still_monday_there = datetime(2026, 11, 23, 23, tzinfo=timezone(timedelta(hours=-5)))
        assert Period.DAY.resets_at(still_monday_there) == datetime(2026, 11, 25, tzinfo=UTC)


class TestAmounts:
    def test_a_decimal_is_taken_as_it_is_written(self) -> None:
        assert [micro_usd(amount) for amount in (0.1, 0.29, 1.005, 0.0004)] == [
            100_000,
            290_000,
            1_005_000,
            400,
        ]

    def test_a_thousand_small_amounts_add_up_exactly(self) -> None:
        assert usd(sum(micro_usd(0.1) for _ in range(1000))) == 100.0

    def test_none_is_negative(self) -> None:
        assert micro_usd(-0.5) == 0


class TestReservations:
    def test_what_fits_is_held(self) -> None:
        assert counts(reserved(Books(), "a", 400_000)) == (0, 0, 400_000)

    def test_the_last_of_it_can_be_held_and_no_more(self) -> None:
        books = reserved(Books(), "a", 999_999)
        assert refusal(books, order("b", 1)) is None
        refused = refusal(books, order("b", 2))
        assert refused is not None
        assert refused.left_micro_usd == 1
        assert refused.resets_at == datetime(2026, 11, 24, tzinfo=UTC)

    def test_the_same_key_is_held_once(self) -> None:
        books = reserved(Books(), "a", 600_000)
        assert refusal(books, order("a", 600_000)) is None
        assert books.reserve(order("a", 600_000), NOON) == [Reserved()]
        assert counts(books) == (0, 0, 600_000)

    def test_what_was_settled_is_not_held_again(self) -> None:
        books = reserved(Books(), "a", 600_000)
        books.settle(Payment(key="a", micro_usd=600_000), NOON)
        assert refusal(books, order("a", 600_000)) is None
        assert books.reserve(order("a", 600_000), NOON) == [Reserved()]
        assert counts(books) == (600_000, 0, 0)

    def test_of_several_at_once_those_that_fit_are_held(self) -> None:
        books = Books()
        holds = [
            Hold(key=key, job_id="img_1", micro_usd=amount)
            for key, amount in (("a", 700_000), ("b", 400_000), ("c", 300_000))
        ]
        together = Reserve(holds=holds, limits=[DAY])
        assert books.refusals(together, NOON) == []
        first, second, third = books.reserve(together, NOON)
        assert (first, third) == (Reserved(is_new=True), Reserved(is_new=True))
        assert second.refused is not None
        assert second.refused.left_micro_usd == 300_000
        assert counts(books) == (0, 0, 1_000_000)

    def test_where_none_of_several_fits_all_are_refused(self) -> None:
        books = reserved(Books(), "a", 1_000_000)
        holds = [Hold(key=key, job_id="img_1", micro_usd=1) for key in "bc"]
        refusals = books.refusals(Reserve(holds=holds, limits=[DAY]), NOON)
        assert [standing.left_micro_usd for standing in refusals] == [0, 0]

    def test_every_limit_must_have_room(self) -> None:
        tight = Limit(micro_usd=100_000, period=Period.MONTH)
        refused = refusal(Books(), order("a", 200_000, DAY, tight))
        assert refused is not None
        assert refused.limit == tight

    def test_of_several_full_limits_the_one_that_resets_last_is_named(self) -> None:
        refused = refusal(Books(), order("a", 2_000_000, DAY, MONTH, WEEK))
        assert refused is not None
        assert refused.limit == MONTH

    def test_a_lowered_limit_leaves_nothing_and_never_less(self) -> None:
        books = reserved(Books(), "a", 900_000)
        lowered = Limit(micro_usd=500_000, period=Period.DAY)
        assert books.standing(lowered, NOON).left_micro_usd == 0
        assert refusal(books, order("b", 1, lowered)) is not None

    def test_a_raised_limit_has_room_at_once(self) -> None:
        books = reserved(Books(), "a", 1_000_000)
        raised = Limit(micro_usd=1_500_000, period=Period.DAY)
        assert refusal(books, order("b", 500_000, raised)) is None


class TestSettlements:
    def test_what_was_paid_takes_the_place_of_what_was_held(self) -> None:
        books = reserved(Books(), "a", 400_000)
        books.settle(Payment(key="a", micro_usd=350_000), NOON)
        assert counts(books) == (350_000, 0, 0)

    def test_nothing_paid_is_given_back_and_may_be_held_again(self) -> None:
        books = reserved(Books(), "a", 400_000)
        books.settle(Payment(key="a", micro_usd=0), NOON)
        assert counts(books) == (0, 0, 0)
        assert books.reserve(order("a", 400_000), NOON) == [Reserved(is_new=True)]

    def test_what_nobody_knows_is_counted_apart_at_what_was_held(self) -> None:
        books = reserved(Books(), "a", 400_000)
        books.settle(Payment(key="a"), NOON)
        assert counts(books) == (0, 400_000, 0)
        assert books.standing(DAY, NOON).left_micro_usd == 600_000

    def test_a_second_settlement_changes_nothing(self) -> None:
        books = reserved(Books(), "a", 400_000)
        for amount in (300_000, 300_000, 0, None, 999):
            books.settle(Payment(key="a", micro_usd=amount), NOON)
        assert counts(books) == (300_000, 0, 0)

    def test_an_unknown_amount_is_corrected_by_the_known_one(self) -> None:
        books = reserved(Books(), "a", 400_000)
        books.settle(Payment(key="a"), NOON)
        books.settle(Payment(key="a", micro_usd=250_000), NOON + timedelta(minutes=5))
        assert counts(books) == (250_000, 0, 0)

    def test_what_turns_out_unpaid_is_no_longer_unknown(self) -> None:
        books = reserved(Books(), "a", 400_000)
        books.settle(Payment(key="a"), NOON)
        books.settle(Payment(key="a", micro_usd=0), NOON)
        assert counts(books) == (0, 0, 0)

    def test_a_correction_belongs_to_the_day_that_was_wrong(self) -> None:
        books = reserved(Books(), "a", 400_000)
        books.settle(Payment(key="a"), NOON)
        tomorrow = NOON + timedelta(days=1)
        books.settle(Payment(key="a", micro_usd=250_000), tomorrow)
        assert counts(books, at=tomorrow) == (0, 0, 0)
        assert counts(books, WEEK, tomorrow) == (250_000, 0, 0)

    def test_what_was_never_held_is_counted_when_it_was_paid(self) -> None:
        books = Books()
        books.settle(Payment(key="a", micro_usd=10), NOON)
        books.settle(Payment(key="b", micro_usd=0), NOON)
        books.settle(Payment(key="c"), NOON)
        assert counts(books) == (10, 0, 0)

    def test_more_than_was_held_is_counted_in_full(self) -> None:
        books = reserved(Books(), "a", 900_000)
        books.settle(Payment(key="a", micro_usd=1_200_000), NOON)
        assert counts(books) == (1_200_000, 0, 0)
        assert books.standing(DAY, NOON).left_micro_usd == 0

    def test_the_books_do_not_grow_with_the_number_of_calls(self) -> None:
        books = Books()
        for number in range(2_500):
            books.settle(Payment(key=f"img_{number:024}.openai.0.0", micro_usd=40_000), NOON)
        assert len(books.counted) == 2_000
        assert len(books.model_dump_json()) < 256 * 1024
        books.settle(Payment(key=f"img_{2_499:024}.openai.0.0", micro_usd=40_000), NOON)
        assert counts(books) == (2_500 * 40_000, 0, 0)


class TestRollover:
    def test_a_new_day_begins_with_nothing_spent(self) -> None:
        books = reserved(Books(), "a", 1_000_000)
        books.settle(Payment(key="a", micro_usd=1_000_000), NOON)
        tomorrow = NOON + timedelta(days=1)
        assert refusal(books, order("b", 1)) is not None
        assert refusal(books, order("b", 1_000_000), tomorrow) is None

    def test_it_is_still_spent_in_the_week_and_the_month(self) -> None:
        books = reserved(Books(), "a", 700_000)
        books.settle(Payment(key="a", micro_usd=700_000), NOON)
        tomorrow, next_week = NOON + timedelta(days=1), NOON + timedelta(days=7)
        assert counts(books, WEEK, tomorrow)[0] == 700_000
        assert counts(books, WEEK, next_week)[0] == 0
        assert counts(books, MONTH, next_week)[0] == 700_000
        assert counts(books, MONTH, datetime(2026, 12, 1, tzinfo=UTC))[0] == 0

    def test_what_is_held_is_carried_into_the_new_period(self) -> None:
        books = reserved(Books(), "a", 700_000)
        tomorrow = NOON + timedelta(days=1)
        assert counts(books, at=tomorrow) == (0, 0, 700_000)
        books.settle(Payment(key="a", micro_usd=650_000), tomorrow)
        assert counts(books, at=tomorrow) == (650_000, 0, 0)
        assert counts(books, at=NOON + timedelta(days=2)) == (0, 0, 0)

    def test_days_that_no_period_needs_are_forgotten(self) -> None:
        books = Books()
        for days in range(100):
            at = NOON + timedelta(days=days)
            books.settle(Payment(key=str(days), micro_usd=1), at)
        assert min(books.days) == date(2027, 3, 1)

    def test_the_week_before_the_first_of_the_month_is_kept(self) -> None:
        books = Books()
        books.settle(Payment(key="a", micro_usd=5), datetime(2026, 11, 30, tzinfo=UTC))
        wednesday = datetime(2026, 12, 2, tzinfo=UTC)
        books.settle(Payment(key="b", micro_usd=6), wednesday)
        assert counts(books, WEEK, wednesday)[0] == 11
        assert counts(books, MONTH, wednesday)[0] == 6


class TestClosedJobs:
    def test_what_is_held_for_them_becomes_unknown_and_only_that(self) -> None:
        books = reserved(Books(), "a", 100_000, job_id="img_gone")
        reserved(books, "b", 200_000, job_id="img_gone")
        reserved(books, "c", 400_000, job_id="img_there")
        books.close_jobs(["img_gone", "img_never"], NOON)
        assert counts(books) == (0, 300_000, 400_000)

    def test_a_settlement_that_comes_after_all_is_right(self) -> None:
        books = reserved(Books(), "a", 100_000)
        books.close_jobs(["img_1"], NOON)
        books.settle(Payment(key="a", micro_usd=80_000), NOON)
        assert counts(books) == (80_000, 0, 0)

    def test_jobs_are_looked_at_once_what_is_held_for_them_is_old(self) -> None:
        books = reserved(Books(), "a", 1, NOON - timedelta(minutes=20), job_id="img_2")
        reserved(books, "b", 1, NOON - timedelta(minutes=15), job_id="img_1")
        reserved(books, "c", 1, NOON - timedelta(minutes=12), job_id="img_2")
        reserved(books, "d", 1, NOON, job_id="img_3")
        assert books.jobs_held_since(NOON - timedelta(minutes=10)) == ["img_1", "img_2"]


class TestBooksInHistory:
    def test_they_are_read_as_they_were_written(self) -> None:
        books = reserved(Books(), "a", 100_000)
        reserved(books, "b", 200_000)
        books.settle(Payment(key="b"), NOON)
        assert Books.model_validate_json(books.model_dump_json()) == books


class TestBudgets:
    def test_a_job_is_counted_for_everything_its_tenant_and_its_blog(self) -> None:
        budgets = Budgets(
            [
                Budget(blog="travel", amount_usd=1, period=Period.DAY),
                Budget(tenant="acme", amount_usd=1, period=Period.DAY),
                Budget(amount_usd=1, period=Period.DAY),
            ]
        )
        named = [account.workflow_id for account in budgets.covering("acme", "travel")]
        assert named == ["budget-all", "budget-tenant-acme", "budget-blog-travel"]
        assert [a.workflow_id for a in budgets.covering("other", None)] == ["budget-all"]

    def test_periods_of_one_scope_share_their_books(self) -> None:
        budgets = Budgets(
            [
                Budget(amount_usd=1.5, period=Period.DAY),
                Budget(amount_usd=20, period=Period.MONTH),
            ]
        )
        [account] = budgets.accounts
        assert account.limits == (
            Limit(micro_usd=1_500_000, period=Period.DAY),
            Limit(micro_usd=20_000_000, period=Period.MONTH),
        )

    def test_the_same_scope_and_period_twice_is_a_mistake(self) -> None:
        twice = [Budget(tenant="acme", amount_usd=n, period=Period.DAY) for n in (1, 2)]
        with pytest.raises(ValueError, match="two budgets of a day have the same scope"):
            Budgets(twice)

    def test_without_any_there_is_nothing_to_ask(self) -> None:
        assert not Budgets()
        assert Budgets([Budget(amount_usd=0, period=Period.DAY)])

    @pytest.mark.parametrize(
        "wrong",
        [
            {"amount_usd": -1},
            {"amount_usd": float("nan")},
            {"amount_usd": float("inf")},
            {"amount_usd": "5"},
            {"amount_usd": True},
            {"period": "year"},
            {"tenant": "acme", "blog": "travel"},
            {"tenant": " "},
            {"colour": "red"},
        ],
    )
    def test_what_makes_no_sense_is_refused(self, wrong: dict[str, object]) -> None:
        with pytest.raises(ValidationError):
            Budget.model_validate({"amount_usd": 5, "period": "day", **wrong})


class TestSentence:
    def test_it_says_what_is_left_what_it_costs_and_when_it_resets(self) -> None:
        books = reserved(Books(), "a", 997_000)
        account = Account(None, "travel", (DAY,))
        assert shortfall(account, books.standing(DAY, NOON), 1_234_040_000) == (
            "The budget of $1.00 a day for the blog 'travel' has $0.003 left, and this costs"
            " $1,234.04; it resets at 2026-11-24 00:00 UTC."
        )
