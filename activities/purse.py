"""The budgets' money, from the workflows that keep their books."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Generic, TypeVar

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from domain.budgets import (
    LOOK_SECONDS,
    Account,
    Bill,
    BudgetRequest,
    Budgets,
    Hold,
    Payment,
    Reserve,
    Reserved,
    Settle,
    Standing,
    micro_usd,
    shortfall,
)
from domain.errors import BudgetSpent
from domain.names import BUDGET_WORKFLOW, RESERVE, SETTLE, TASK_QUEUE
from pipeline.spending import budgets_away

_RESERVE_SECONDS = 15.0
_SETTLE_SECONDS = 60.0
_CALL_SECONDS = 3.0
_PAUSE_SECONDS = 0.5
_TOGETHER = 50
_AWAY = (
    RPCError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    RuntimeError,
)

Q = TypeVar("Q")
A = TypeVar("A")

logger = logging.getLogger("darkroom.worker")


class BudgetPurse:
    """Holds money in every budget that covers a bill, or in none.

    An engine that is away is asked again for as many seconds as `patience` gives to a reservation
    and to a settlement; `look_seconds` is handed to budgets that are used for the first time.
    """

    def __init__(
        self,
        client: Client,
        budgets: Budgets,
        *,
        patience: tuple[float, float] = (_RESERVE_SECONDS, _SETTLE_SECONDS),
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._budgets = budgets
        self._reserve_seconds, self._settle_seconds = patience
        request = BudgetRequest(look_seconds=look_seconds)
        self._tills = {
            account.workflow_id: _Till(client, account, request) for account in budgets.accounts
        }

    async def reserve(self, bill: Bill) -> None:
        """Hold what a call will cost; once for each key.

        Raises `BudgetSpent`, and `ProviderUnavailable` where the budgets cannot be asked now.
        """
        tills = self._covering(bill)
        if tills and bill.amount_usd is None:
            raise BudgetSpent(
                "The price of this call is not known, so no budget can hold it: set price for the"
                " model in darkroom.toml."
            )
        held = []
        for till in tills:
            try:
                if await self._reserve(till, bill):
                    held.append(till)
            except BaseException as failure:
                # Without an answer it may have been held all the same.
                unsure = [] if isinstance(failure, BudgetSpent) else [till]
                await asyncio.shield(self._settle([*held, *unsure], bill, 0, _CALL_SECONDS))
                raise

    async def settle(self, bill: Bill, amount_usd: float | None) -> None:
        """Count what the call cost: 0 where nothing was paid, None where nobody knows.

        Where the engine stays away the amount is logged, and the budget counts as unknown what it
        holds once the job is not under way any more.
        """
        amount = None if amount_usd is None else micro_usd(amount_usd)
        await self._settle(self._covering(bill), bill, amount, self._settle_seconds)

    def _covering(self, bill: Bill) -> list[_Till]:
        if bill.amount_usd == 0:
            return []
        accounts = self._budgets.covering(bill.tenant, bill.blog_id)
        return [self._tills[account.workflow_id] for account in accounts]

    async def _reserve(self, till: _Till, bill: Bill) -> bool:
        """Whether it is held now and was not before."""
        amount = micro_usd(bill.amount_usd or 0.0)
        hold = Hold(key=bill.key, job_id=bill.job_id, micro_usd=amount)
        try:
            answer = await _persist(lambda: till.holds.ask(hold), self._reserve_seconds)
        except _AWAY as error:
            raise budgets_away() from error
        if answer.refused is not None:
            raise BudgetSpent(shortfall(till.account, answer.refused, amount))
        return answer.is_new

    async def _settle(
        self, tills: list[_Till], bill: Bill, amount: int | None, patience: float
    ) -> None:
        payment = Payment(key=bill.key, micro_usd=amount)

        async def settle(till: _Till) -> None:
            try:
                await _persist(lambda: till.payments.ask(payment), patience)
            except BaseException as error:
                where = f"budget={till.account.workflow_id}, key={bill.key}, micro_usd={amount}"
                logger.error("a settlement is lost [%s]: %s", where, type(error).__name__)
                if not isinstance(error, _AWAY):
                    raise

        await asyncio.gather(*(settle(till) for till in tills))


async def _persist(ask: Callable[[], Awaitable[A]], patience: float) -> A:
    """Ask until there is an answer or the time is up; the books count a key once."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while True:
        try:
            return await ask()
        except _AWAY:
            if loop.time() + _PAUSE_SECONDS >= deadline:
                raise
        await asyncio.sleep(_PAUSE_SECONDS)


class _Till:
    """One budget, as this process speaks to it: one update at a time.

    The engine takes ten updates in flight of one workflow and, where an eleventh comes, drops the
    workflow task that is under way; many calls would keep each other from being served.
    """

    def __init__(self, client: Client, account: Account, request: BudgetRequest) -> None:
        self.account = account
        self._client = client
        self._request = request
        turn = asyncio.Lock()
        self.holds = _Queue(self._reserve_all, turn)
        self.payments = _Queue(self._settle_all, turn)

    async def _reserve_all(self, holds: list[Hold]) -> list[Reserved]:
        order = Reserve(holds=holds, limits=list(self.account.limits))
        try:
            return list(await self._update(RESERVE, order, list[Reserved]))
        except WorkflowUpdateFailedError as failed:
            refusals = _refusals(failed)
            if len(refusals) != len(holds):
                raise
            return [Reserved(refused=standing) for standing in refusals]

    async def _settle_all(self, payments: list[Payment]) -> list[None]:
        await self._update(SETTLE, Settle(payments=payments), None)
        return [None] * len(payments)

    async def _update(self, name: str, order: Reserve | Settle, result_type: Any) -> Any:
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            BUDGET_WORKFLOW,
            self._request,
            id=self.account.workflow_id,
            task_queue=TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"the budget for {self.account.title}",
        )
        try:
            return await self._client.execute_update_with_start_workflow(
                name,
                order,
                start_workflow_operation=start,
                result_type=result_type,
                rpc_timeout=timedelta(seconds=_CALL_SECONDS),
            )
        except (RPCError, WorkflowUpdateRPCTimeoutOrCancelledError):
            # The start has a copy of the failure; asyncio complains of one that nobody reads.
            await asyncio.gather(start.workflow_handle(), return_exceptions=True)
            raise


class _Queue(Generic[Q, A]):
    """Questions that are asked together while another is being answered, in their order."""

    def __init__(self, send: Callable[[list[Q]], Awaitable[list[A]]], turn: asyncio.Lock) -> None:
        self._send = send
        self._turn = turn
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def ask(self, question: Q) -> A:
        """The answer; who stops waiting before it is sent has asked nothing."""
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all())
        return await answer

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                async with self._turn:
                    together, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
                    await self._send_together([each for each in together if not each[1].done()])
        finally:
            self._sender = None

    async def _send_together(self, asked: list[tuple[Q, asyncio.Future[A]]]) -> None:
        if not asked:
            return
        try:
            answers = await self._send([question for question, _ in asked])
        except Exception as error:
            for _, waiting in asked:
                if not waiting.done():
                    waiting.set_exception(error)
        else:
            for (_, waiting), answer in zip(asked, answers, strict=True):
                if not waiting.done():
                    waiting.set_result(answer)


def _refusals(failed: WorkflowUpdateFailedError) -> list[Standing]:
    """How the limits stand that refused; any other failed update may go better later."""
    cause = failed.cause
    if isinstance(cause, ApplicationError) and cause.type == BudgetSpent.code:
        return [Standing.model_validate(detail) for detail in cause.details]
    return []
