from __future__ import annotations

from datetime import UTC, date, datetime

from domain.costs import CostEntry, CostGroup, DayCosts, GroupBy, summed
from domain.errors import Billed
from domain.jobs import CostBasis

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


def entry(
    key: str = "a",
    amount_usd: float | None = 0.04,
    billed: Billed = Billed.YES,
    blog_id: str | None = "travel",
    provider: str = "openai",
    model: str = "gpt-image-2",
) -> CostEntry:
    return CostEntry(
        key=key,
        at=datetime(2026, 11, 23, 12, tzinfo=UTC),
        job_id="img_1",
        tenant="default",
        blog_id=blog_id,
        provider=provider,
        model=model,
        images=2,
        amount_usd=amount_usd,
        basis=CostBasis.CATALOGUE if amount_usd is not None else CostBasis.UNKNOWN,
        billed=billed,
    )


def totals(group: CostGroup) -> tuple[int, int, int, int]:
    return (group.micro_usd, group.calls, group.images, group.unknown_calls)


def test_an_entry_belongs_to_its_day_of_utc() -> None:
    at = datetime.fromisoformat("2026-11-23T23:30:00-05:00")
    assert entry().model_copy(update={"at": at}).day == TUESDAY


def test_what_is_unknown_is_counted_apart_and_never_as_an_amount() -> None:
    day = DayCosts.of(
        MONDAY, [entry("a"), entry("b", None, Billed.UNKNOWN), entry("c", 0.5, Billed.UNKNOWN)]
    )
    assert [totals(group) for group in summed([day])] == [(40_000, 3, 6, 2)]


def test_a_thousand_cents_are_ten_dollars() -> None:
    day = DayCosts.of(MONDAY, [entry(str(number), 0.01) for number in range(1000)])
    assert len(day.rows) == 1
    assert day.rows[0].micro_usd == 10_000_000


def test_a_bill_is_divided_by_what_is_asked_for() -> None:
    days = [
        DayCosts.of(MONDAY, [entry(), entry(blog_id=None), entry(provider="bfl", model="flux")]),
        DayCosts.of(TUESDAY, [entry()]),
    ]
    by_day = summed(days, [GroupBy.DAY])
    assert [(group.day, group.calls, group.provider) for group in by_day] == [
        (MONDAY, 3, None),
        (TUESDAY, 1, None),
    ]
    by_model = summed(days, [GroupBy.MODEL, GroupBy.PROVIDER])
    assert [(g.provider, g.model, g.calls, g.day) for g in by_model] == [
        ("bfl", "flux", 1, None),
        ("openai", "gpt-image-2", 3, None),
    ]
    by_blog = summed(days, [GroupBy.BLOG])
    assert [(group.blog_id, group.calls) for group in by_blog] == [(None, 1), ("travel", 3)]


def test_only_what_is_wanted_is_added_up() -> None:
    day = DayCosts.of(MONDAY, [entry(), entry(provider="bfl", model="flux")])
    [group] = summed([day], wanted=lambda row: row.provider == "bfl")
    assert totals(group) == (40_000, 1, 2, 0)
    assert summed([day], wanted=lambda row: False) == []
