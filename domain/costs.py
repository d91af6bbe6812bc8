"""The bill: one entry for each paid call, and sums of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from enum import StrEnum

from pydantic import Field

from domain.budgets import micro_usd
from domain.errors import Billed
from domain.jobs import CostBasis
from domain.model import Model


class CostEntry(Model):
    """One call that was paid, or may have been."""

    key: str
    """Of the call; an entry that is written again is the same entry."""
    at: datetime
    job_id: str
    tenant: str
    blog_id: str | None = None
    provider: str
    model: str
    images: int
    amount_usd: float | None = None
    """None when unknown, never 0 for unknown."""
    basis: CostBasis
    billed: Billed

    @property
    def day(self) -> date:
        """The day of UTC that it belongs to."""
        return self.at.astimezone(UTC).date()

    @property
    def is_known(self) -> bool:
        """Whether the amount is what was paid."""
        return self.amount_usd is not None and self.billed is not Billed.UNKNOWN


class CostSum(Model):
    """What some calls cost together."""

    micro_usd: int = 0
    """Of those whose amount is known."""
    calls: int = 0
    images: int = 0
    unknown_calls: int = 0
    """Of `calls`, those of which nobody knows what they cost."""

    def add(self, other: CostSum) -> None:
        """Add the calls of another sum."""
        self.micro_usd += other.micro_usd
        self.calls += other.calls
        self.images += other.images
        self.unknown_calls += other.unknown_calls


class CostRow(CostSum):
    """What the calls of one day cost that were alike."""

    tenant: str
    blog_id: str | None = None
    provider: str
    model: str


class DayCosts(Model):
    """One day of the bill."""

    day: date
    rows: list[CostRow] = Field(default_factory=list)

    @classmethod
    def of(cls, day: date, entries: Iterable[CostEntry]) -> DayCosts:
        """The day's entries, added up."""
        rows: dict[tuple[str, str | None, str, str], CostRow] = {}
        for entry in entries:
            alike = (entry.tenant, entry.blog_id, entry.provider, entry.model)
            row = rows.setdefault(
                alike,
                CostRow(
                    tenant=entry.tenant,
                    blog_id=entry.blog_id,
                    provider=entry.provider,
                    model=entry.model,
                ),
            )
            row.add(_sum_of(entry))
        return cls(day=day, rows=list(rows.values()))


class GroupBy(StrEnum):
    """What a bill can be divided by."""

    DAY = "day"
    BLOG = "blog"
    PROVIDER = "provider"
    MODEL = "model"


class CostGroup(CostSum):
    """The calls that share what the bill is divided by; the rest is None."""

    day: date | None = None
    blog_id: str | None = None
    provider: str | None = None
    model: str | None = None


def summed(
    days: Iterable[DayCosts],
    group_by: Iterable[GroupBy] = (),
    wanted: Callable[[CostRow], bool] = lambda row: True,
) -> list[CostGroup]:
    """The wanted rows added up by group, in the groups' order; one group without `group_by`."""
    by = frozenset(group_by)
    groups: dict[tuple[object, ...], CostGroup] = {}
    for day in days:
        for row in filter(wanted, day.rows):
            made = CostGroup(
                day=day.day if GroupBy.DAY in by else None,
                blog_id=row.blog_id if GroupBy.BLOG in by else None,
                provider=row.provider if GroupBy.PROVIDER in by else None,
                model=row.model if GroupBy.MODEL in by else None,
            )
            groups.setdefault(_place(made), made).add(row)
    return [groups[place] for place in sorted(groups)]


def _place(group: CostGroup) -> tuple[str, ...]:
    named = (group.day.isoformat() if group.day else None, group.blog_id)
    return tuple(name or "" for name in (*named, group.provider, group.model))


def _sum_of(entry: CostEntry) -> CostSum:
    return CostSum(
        micro_usd=micro_usd(entry.amount_usd or 0.0) if entry.is_known else 0,
        calls=1,
        images=entry.images,
        unknown_calls=0 if entry.is_known else 1,
    )
