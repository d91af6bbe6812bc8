"""The bill of a span of days, and how the budgets stand."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from api.auth import Caller
from api.budgets import BudgetDesk, BudgetView
from api.schemas import BudgetAnswer, CostQuery, CostRowAnswer, CostsAnswer, CostSumAnswer
from domain.budgets import Account, usd
from domain.costs import CostGroup, CostRow, summed
from domain.keys import Scope
from storage.ledger import Ledger


class Billing:
    """Reads the ledger; raises `StorageUnavailable`."""

    def __init__(self, ledger: Ledger, budgets: BudgetDesk) -> None:
        self._ledger = ledger
        self._budgets = budgets

    async def costs(self, query: CostQuery, caller: Caller) -> CostsAnswer:
        """What the caller's tenant paid in a span of days, in all and by what it is grouped by."""
        days, views = await asyncio.gather(
            self._ledger.read(query.first, query.last), self._budgets.look()
        )

        def wanted(row: CostRow) -> bool:
            return (
                row.tenant == caller.tenant
                and query.blog_id in (None, row.blog_id)
                and query.provider in (None, row.provider)
                and query.model in (None, row.model)
            )

        total = summed(days, wanted=wanted) or [CostGroup()]
        return CostsAnswer(
            first=query.first,
            last=query.last,
            group_by=query.group_by,
            total=_sum(total[0]),
            rows=[_row(group) for group in summed(days, query.group_by, wanted)],
            budgets=[_budget(view) for view in views if _may_see(caller, view.account)],
        )


def _may_see(caller: Caller, account: Account) -> bool:
    """Budgets that tenants share tell what the others spent."""
    if account.tenant is None:
        return caller.may(Scope.ADMIN)
    return account.tenant == caller.tenant


def _sum(group: CostGroup) -> CostSumAnswer:
    return CostSumAnswer(
        amount_usd=usd(group.micro_usd),
        calls=group.calls,
        images=group.images,
        unknown_calls=group.unknown_calls,
    )


def _row(group: CostGroup) -> CostRowAnswer:
    return CostRowAnswer(
        **_sum(group).model_dump(),
        day=group.day,
        blog_id=group.blog_id,
        provider=group.provider,
        model=group.model,
    )


def _budget(view: BudgetView) -> BudgetAnswer:
    standing = view.standing
    return BudgetAnswer(
        tenant=view.account.tenant,
        blog=view.account.blog,
        period=view.limit.period,
        amount_usd=usd(view.limit.micro_usd),
        spent_usd=usd(standing.spent_micro_usd) if standing else None,
        reserved_usd=usd(standing.reserved_micro_usd) if standing else None,
        unknown_usd=usd(standing.unknown_micro_usd) if standing else None,
        left_usd=usd(standing.left_micro_usd) if standing else None,
        resets_at=view.limit.period.resets_at(datetime.now(UTC)),
    )
