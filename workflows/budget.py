"""The books of one budget's scope: reservations and what they came to, one update at a time."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    import domain.names as names
    import workflows.policies as policies
    from activities.budget import BudgetActivities
    from domain.budgets import Books, BudgetRequest, OpenJobs, Reserve, Reserved, Settle
    from domain.errors import BudgetSpent


@workflow.defn(name=names.BUDGET_WORKFLOW)
class BudgetWorkflow:
    """The workflow id says whose books these are; it is started by its first update.

    It never ends. While money is held it looks, from time to time, whether the jobs are still
    under way that it is held for; otherwise it does nothing until the next update.
    """

    @workflow.init
    def __init__(self, request: BudgetRequest) -> None:
        self._books = request.books or Books()
        self._pause = timedelta(seconds=request.look_seconds)
        self._look_at = request.look_at

    @workflow.run
    async def run(self, request: BudgetRequest) -> None:
        """Look after what is held, until the history is long enough to begin a new one."""
        while not workflow.info().is_continue_as_new_suggested():
            await workflow.wait_condition(
                lambda: (
                    bool(self._books.reservations) or workflow.info().is_continue_as_new_suggested()
                )
            )
            await self._look_when_due()
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(
            request.model_copy(update={"books": self._books, "look_at": self._look_at})
        )

    @workflow.update(name=names.RESERVE)
    def reserve(self, order: Reserve) -> list[Reserved]:
        """Hold amounts for calls about to be paid, each where it fits and once for its key."""
        return self._books.reserve(order, workflow.now())

    @reserve.validator
    def _refuse_beyond_limit(self, order: Reserve) -> None:
        """A refusal leaves nothing in the history, however often it is asked for."""
        refusals = self._books.refusals(order, workflow.now())
        if refusals:
            raise ApplicationError(
                "the limit has no room", *refusals, type=BudgetSpent.code, non_retryable=True
            )

    @workflow.update(name=names.SETTLE)
    def settle(self, order: Settle) -> None:
        """Count what calls cost in place of what was held for them, once for each key."""
        for payment in order.payments:
            self._books.settle(payment, workflow.now())

    @workflow.query
    def status(self) -> Books:
        """What is counted and what is held."""
        return self._books.model_copy(update={"counted": {}})

    async def _look_when_due(self) -> None:
        """Wait for the next look; one timer serves all that is held meanwhile."""
        self._look_at = self._look_at or workflow.now() + self._pause
        try:
            await workflow.wait_condition(
                lambda: workflow.info().is_continue_as_new_suggested(),
                timeout=max(self._look_at - workflow.now(), timedelta(0)),
                timeout_summary="until the next look at what is held",
            )
        except TimeoutError:
            await self._look()
            self._look_at = None

    async def _look(self) -> None:
        held = self._books.jobs_held_since(workflow.now() - self._pause)
        if not held:
            return
        try:
            idle = await workflow.execute_activity_method(
                BudgetActivities.find_idle_jobs, OpenJobs(job_ids=held), **policies.INSPECT
            )
        except ActivityError:
            workflow.logger.warning("jobs could not be looked at; they are at the next look")
            return
        self._books.close_jobs(idle.job_ids, workflow.now())
