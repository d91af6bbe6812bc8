"""What the API asks of the budgets: whether a price fits, and how each stands."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from api.engine_room import EngineRoom, NoAnswer
from domain.budgets import (
    Account,
    Books,
    Budgets,
    Limit,
    Standing,
    micro_usd,
    shortfall,
    unpriced,
)
from domain.errors import BudgetExhausted, InvalidRequest
from domain.jobs import JobRequest, Target


@dataclass(frozen=True)
class BudgetView:
    """One configured budget and how it stands; None where nobody can tell now."""

    account: Account
    limit: Limit
    standing: Standing | None


class BudgetDesk:
    """Says in time what would be refused before a paid call.

    It holds nothing: between its answer and the call others may spend. Where no worker answers for
    the books a request is let pass, and waits for its money where it is rendered.
    """

    def __init__(self, engine: EngineRoom, budgets: Budgets) -> None:
        self._engine = engine
        self._budgets = budgets

    @property
    def is_open(self) -> bool:
        """Whether there is any budget."""
        return bool(self._budgets)

    def holds(self, request: JobRequest) -> bool:
        """Whether money must be held before the first choice renders the job."""
        return bool(self._covering(request)) and request.targets[0].price_usd != 0

    async def admit(self, requests: Sequence[JobRequest]) -> None:
        """Let requests pass whose prices together fit what is left.

        Raises `BudgetExhausted`, and `InvalidRequest` for a model whose price is not known.
        """
        wanted: dict[str, tuple[Account, int]] = {}
        for request in requests:
            for account in self._covering(request):
                sum_before = wanted.get(account.workflow_id, (account, 0))[1]
                wanted[account.workflow_id] = (account, sum_before + _price(request))
        asked = [(account, amount) for account, amount in wanted.values() if amount > 0]
        refusals = await asyncio.gather(*(self._refusal(*each) for each in asked))
        found = [refusal for refusal in refusals if refusal is not None]
        if found:
            raise max(found, key=lambda refusal: refusal.retry_after_seconds or 0)

    async def look(self) -> list[BudgetView]:
        """How each budget stands."""
        now, accounts = datetime.now(UTC), self._budgets.accounts
        books = await asyncio.gather(*(self._books(account) for account in accounts))
        return [
            BudgetView(account, limit, found.standing(limit, now) if found else None)
            for account, found in zip(accounts, books, strict=True)
            for limit in account.limits
        ]

    def _covering(self, request: JobRequest) -> list[Account]:
        return self._budgets.covering(request.tenant, request.blog_id)

    async def _refusal(self, account: Account, amount: int) -> BudgetExhausted | None:
        now, books = datetime.now(UTC), await self._books(account)
        standing = books.exceeded(account.limits, amount, now) if books else None
        if standing is None:
            return None
        seconds = math.ceil((standing.resets_at - now).total_seconds())
        return BudgetExhausted(shortfall(account, standing, amount), seconds)

    async def _books(self, account: Account) -> Books | None:
        """Empty ones where the budget was never used."""
        try:
            return await self._engine.books(account.workflow_id) or Books()
        except NoAnswer:
            return None


def _price(request: JobRequest) -> int:
    for target in request.targets:
        _check_priced(target)
    return micro_usd((request.targets[0].price_usd or 0.0) * request.spec.num_images)


def _check_priced(target: Target) -> None:
    if target.price_usd is None:
        raise InvalidRequest(
            unpriced(target.provider, target.model),
            [("model", "its price is not known, and a budget applies")],
        )
