"""Budgets: what may be spent in a calendar period of UTC, and the books that are kept of it.

All of it is pure. Amounts are whole millionths of a dollar inside, so that no cent drifts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from domain.model import Model
from domain.names import budget_id

LOOK_SECONDS = 600.0
"""After how long a budget looks whether the job of an open reservation is still under way."""

_MICRO = 1_000_000
_COUNTED_KEPT = 2_000
"""A repeated settlement comes within minutes; the books must stay small enough to be handed on."""

_Named = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Period(StrEnum):
    """A calendar period of UTC."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def first_day(self, day: date) -> date:
        """The first day of the period that a day lies in; a week begins on Monday."""
        if self is Period.WEEK:
            return day - timedelta(days=day.weekday())
        return day.replace(day=1) if self is Period.MONTH else day

    def resets_at(self, now: datetime) -> datetime:
        """When the period after the present one begins."""
        beyond = {Period.DAY: 1, Period.WEEK: 7, Period.MONTH: 31}[self]
        next_day = self.first_day(self.first_day(_day(now)) + timedelta(days=beyond))
        return datetime.combine(next_day, time(), UTC)


class Budget(BaseModel):
    """One `[[budgets]]` of `darkroom.toml`: of a tenant, of a blog, or of everything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: _Named | None = None
    blog: _Named | None = None
    amount_usd: float = Field(strict=True, ge=0, allow_inf_nan=False)
    period: Period

    @model_validator(mode="after")
    def _one_scope(self) -> Self:
        if self.tenant is not None and self.blog is not None:
            raise ValueError("name a tenant or a blog, not both")
        return self


class Limit(Model):
    """How much in which period; travels with every reservation, so that an edit holds at once."""

    micro_usd: int
    period: Period


class Bill(Model):
    """What one paid call will cost."""

    key: str
    """Of the call, the same whenever it is taken up again."""
    job_id: str
    tenant: str
    blog_id: str | None = None
    amount_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """None when unknown, never 0 for unknown."""


@dataclass(frozen=True)
class Account:
    """The budgets of one scope, whose books are kept together."""

    tenant: str | None
    blog: str | None
    limits: tuple[Limit, ...]

    @property
    def workflow_id(self) -> str:
        """The workflow that keeps the books."""
        return budget_id(self.tenant, self.blog)

    @property
    def title(self) -> str:
        """How the scope is called in a sentence."""
        if self.tenant is not None:
            return f"the tenant '{self.tenant}'"
        return f"the blog '{self.blog}'" if self.blog is not None else "all images"

    def covers(self, tenant: str, blog_id: str | None) -> bool:
        """Whether what a job of that tenant and blog costs is counted here."""
        if self.tenant is not None:
            return self.tenant == tenant
        return self.blog is None or self.blog == blog_id


class Budgets:
    """All that are configured; raises `ValueError` where two say the same scope and period."""

    def __init__(self, budgets: Iterable[Budget] = ()) -> None:
        grouped: dict[tuple[str | None, str | None], dict[Period, Limit]] = {}
        for budget in budgets:
            limits = grouped.setdefault((budget.tenant, budget.blog), {})
            if budget.period in limits:
                raise ValueError(f"two budgets of a {budget.period} have the same scope")
            limits[budget.period] = Limit(
                micro_usd=micro_usd(budget.amount_usd), period=budget.period
            )
        found = (
            Account(tenant, blog, tuple(limits.values()))
            for (tenant, blog), limits in grouped.items()
        )
        # The same order everywhere: from the widest to the narrowest.
        self.accounts = tuple(sorted(found, key=lambda a: (a.blog or "", a.tenant or "")))

    def __bool__(self) -> bool:
        return bool(self.accounts)

    def covering(self, tenant: str, blog_id: str | None) -> list[Account]:
        """The accounts that a job of that tenant and blog is counted in."""
        return [account for account in self.accounts if account.covers(tenant, blog_id)]


class Hold(Model):
    """An amount to be held until its call is settled."""

    key: str
    job_id: str
    micro_usd: int


class Reserve(Model):
    """The update `reserve`: what the calls of one process need at this moment."""

    holds: list[Hold]
    limits: list[Limit]


class Payment(Model):
    """What a call cost: 0 where nothing was paid, None where nobody knows."""

    key: str
    micro_usd: int | None = None


class Settle(Model):
    """The update `settle`: what came of calls of one process."""

    payments: list[Payment]


class Reservation(Model):
    """An amount that is held for a call under way."""

    job_id: str
    micro_usd: int
    at: datetime


class Counted(Model):
    """A call that was settled, kept for a while so that it is not counted twice."""

    day: date
    micro_usd: int
    is_known: bool


class DayTally(Model):
    """What was counted on one day."""

    spent_micro_usd: int = 0
    unknown_micro_usd: int = 0


class Standing(Model):
    """How a limit stands."""

    limit: Limit
    spent_micro_usd: int
    unknown_micro_usd: int
    """At the price of calls of which nobody knows whether they were paid."""
    reserved_micro_usd: int
    resets_at: datetime

    @property
    def left_micro_usd(self) -> int:
        """What may still be reserved."""
        used = self.spent_micro_usd + self.unknown_micro_usd + self.reserved_micro_usd
        return max(0, self.limit.micro_usd - used)


class Reserved(Model):
    """What came of one hold."""

    is_new: bool = False
    """False also where the same key was held before."""
    refused: Standing | None = None
    """The limit that has no room."""


class Books(Model):
    """What was spent on each day of the running periods, and what is held.

    Days, not periods, are kept, so that an edited period is right at once.
    """

    days: dict[date, DayTally] = Field(default_factory=dict)
    reservations: dict[str, Reservation] = Field(default_factory=dict)
    counted: dict[str, Counted] = Field(default_factory=dict)
    """The latest settlements by key."""

    def standing(self, limit: Limit, now: datetime) -> Standing:
        """How a limit stands; what is held counts in the present period, whenever it began."""
        first = limit.period.first_day(_day(now))
        tallies = [tally for day, tally in self.days.items() if day >= first]
        return Standing(
            limit=limit,
            spent_micro_usd=sum(tally.spent_micro_usd for tally in tallies),
            unknown_micro_usd=sum(tally.unknown_micro_usd for tally in tallies),
            reserved_micro_usd=sum(held.micro_usd for held in self.reservations.values()),
            resets_at=limit.period.resets_at(now),
        )

    def exceeded(self, limits: Iterable[Limit], amount: int, now: datetime) -> Standing | None:
        """The limit without room for an amount, of several the one that resets last."""
        standings = (self.standing(limit, now) for limit in limits)
        full = [standing for standing in standings if standing.left_micro_usd < amount]
        return max(full, key=lambda standing: standing.resets_at, default=None)

    def refusals(self, order: Reserve, now: datetime) -> list[Standing]:
        """Why each hold is refused, where none of them can be held; else empty."""
        asked = [self._refusal(hold, order.limits, now) for hold in order.holds]
        refused = [standing for standing in asked if standing is not None]
        return refused if len(refused) == len(asked) else []

    def reserve(self, order: Reserve, now: datetime) -> list[Reserved]:
        """Hold what fits, one after the other and once for each key."""
        return [self._hold(hold, order.limits, now) for hold in order.holds]

    def settle(self, payment: Payment, now: datetime) -> None:
        """Count what a call cost in place of what was held for it, once for each key.

        What was unknown is corrected by an amount that comes later.
        """
        held = self.reservations.pop(payment.key, None)
        earlier = self.counted.get(payment.key)
        if earlier is not None:
            self._correct(payment, earlier)
        elif payment.micro_usd is not None:
            if payment.micro_usd > 0:
                self._count(payment.key, payment.micro_usd, now, is_known=True)
        elif held is not None:
            self._count(payment.key, held.micro_usd, now, is_known=False)

    def jobs_held_since(self, before: datetime) -> list[str]:
        """The jobs with a reservation that old."""
        held = self.reservations.values()
        return sorted({each.job_id for each in held if each.at <= before})

    def close_jobs(self, job_ids: Iterable[str], now: datetime) -> None:
        """Count as unknown what is held for jobs that will not settle any more."""
        closed = set(job_ids)
        left = [key for key, held in self.reservations.items() if held.job_id in closed]
        for key in left:
            self.settle(Payment(key=key), now)

    def _refusal(self, hold: Hold, limits: list[Limit], now: datetime) -> Standing | None:
        if hold.key in self.reservations or hold.key in self.counted:
            return None
        return self.exceeded(limits, hold.micro_usd, now)

    def _hold(self, hold: Hold, limits: list[Limit], now: datetime) -> Reserved:
        refused = self._refusal(hold, limits, now)
        if refused is not None:
            return Reserved(refused=refused)
        if hold.key in self.reservations or hold.key in self.counted:
            return Reserved()
        held = Reservation(job_id=hold.job_id, micro_usd=hold.micro_usd, at=now)
        self.reservations[hold.key] = held
        return Reserved(is_new=True)

    def _count(self, key: str, amount: int, now: datetime, *, is_known: bool) -> None:
        today = _day(now)
        self._prune(today)
        self._add(today, amount, is_known=is_known)
        self.counted[key] = Counted(day=today, micro_usd=amount, is_known=is_known)
        while len(self.counted) > _COUNTED_KEPT:
            del self.counted[next(iter(self.counted))]

    def _correct(self, payment: Payment, earlier: Counted) -> None:
        if earlier.is_known or payment.micro_usd is None:
            return
        if earlier.day in self.days:
            self._add(earlier.day, -earlier.micro_usd, is_known=False)
            self._add(earlier.day, payment.micro_usd, is_known=True)
        known = {"micro_usd": payment.micro_usd, "is_known": True}
        self.counted[payment.key] = earlier.model_copy(update=known)

    def _add(self, day: date, amount: int, *, is_known: bool) -> None:
        tally = self.days.setdefault(day, DayTally())
        if is_known:
            tally.spent_micro_usd += amount
        else:
            tally.unknown_micro_usd += amount

    def _prune(self, today: date) -> None:
        first = min(period.first_day(today) for period in Period)
        for day in [day for day in self.days if day < first]:
            del self.days[day]


class BudgetRequest(Model):
    """The input of `BudgetWorkflow`, and what one run hands to the next."""

    books: Books | None = None
    look_seconds: float = LOOK_SECONDS
    look_at: datetime | None = None


class OpenJobs(Model):
    """To `find_idle_jobs`: the jobs that money is held for."""

    job_ids: list[str]


class IdleJobs(Model):
    """From `find_idle_jobs`: those of them that nothing is under way for any more."""

    job_ids: list[str]


def micro_usd(amount_usd: float) -> int:
    """Whole millionths of a dollar, as the amount is written in decimal; never negative."""
    return max(0, int((Decimal(str(amount_usd)) * _MICRO).to_integral_value(ROUND_HALF_UP)))


def usd(amount: int) -> float:
    """Millionths of a dollar as dollars."""
    return amount / _MICRO


def shortfall(account: Account, standing: Standing, amount: int) -> str:
    """Why an amount is refused, as a sentence that says when the budget resets."""
    limit = standing.limit
    return (
        f"The budget of {_dollars(limit.micro_usd)} a {limit.period} for {account.title} has"
        f" {_dollars(standing.left_micro_usd)} left, and this costs {_dollars(amount)}; it resets"
        f" at {standing.resets_at:%Y-%m-%d %H:%M} UTC."
    )


def unpriced(provider: str, model: str) -> str:
    """What makes a model without a price usable under a budget."""
    return (
        f"The price of {provider}/{model} is not known, so no budget can hold it: set price in"
        f" [providers.{provider}.models.{model}] of darkroom.toml."
    )


def _dollars(amount: int) -> str:
    whole, fraction = divmod(amount, _MICRO)
    return f"${whole:,}.{f'{fraction:06}'.rstrip('0'):0<2}"


def _day(now: datetime) -> date:
    return now.astimezone(UTC).date()
