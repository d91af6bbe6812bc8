"""What a paid call asks of the budgets, and the budgets that an operator has set."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Protocol

from domain.budgets import Bill, Budget, Budgets
from domain.errors import ProviderUnavailable
from providers.catalogue import CatalogueError, checked, read_config


class Purse(Protocol):
    """Where the money of a paid call comes from."""

    async def reserve(self, bill: Bill) -> None:
        """Hold what a call will cost; once for each key.

        Raises `BudgetSpent`, and `ProviderUnavailable` where the budgets cannot be asked now.
        """
        ...

    async def settle(self, bill: Bill, amount_usd: float | None) -> None:
        """Count what the call cost: 0 where nothing was paid, None where nobody knows."""
        ...


class NoBudgets:
    """Money without end."""

    async def reserve(self, bill: Bill) -> None:
        """Let every call pass."""

    async def settle(self, bill: Bill, amount_usd: float | None) -> None:
        """Count nothing."""


class LockedPurse:
    """For where the engine, which keeps the books, is away: what a budget covers waits."""

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets

    async def reserve(self, bill: Bill) -> None:
        """Let pass what is free or under no budget; raises `ProviderUnavailable` else."""
        if bill.amount_usd != 0 and self._budgets.covering(bill.tenant, bill.blog_id):
            raise budgets_away()

    async def settle(self, bill: Bill, amount_usd: float | None) -> None:
        """Count nothing: nothing was held."""


def budgets_away() -> ProviderUnavailable:
    """Nothing was sent and nothing was paid; a later try may do."""
    return ProviderUnavailable("The budget cannot be asked now, so nothing was sent.")


def load_budgets(config: Path) -> Budgets:
    """The `[[budgets]]` of `darkroom.toml`; raises `CatalogueError` naming what is wrong."""
    tables = read_config(config).get("budgets", [])
    if not isinstance(tables, list):
        raise CatalogueError(f"{config}: budgets are written [[budgets]]")
    found = [
        checked(partial(Budget.model_validate, table), config, "budgets", number)
        for number, table in enumerate(tables, start=1)
    ]
    try:
        return Budgets(found)
    except ValueError as error:
        raise CatalogueError(f"{config}: {error}") from error
