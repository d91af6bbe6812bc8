"""Sweeps away what is kept no longer, started anew by a schedule."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    import domain.names as names
    import workflows.policies as policies
    from activities.retention import RetentionActivities
    from domain.retention import Report, RetentionRequest, Step, Swept


@workflow.defn(name=names.RETENTION_WORKFLOW)
class RetentionWorkflow:
    """Nothing is lost with a sweep that stops: the next one takes up what it left."""

    @workflow.run
    async def run(self, request: RetentionRequest) -> Report:
        """Page through the archive, wait until nobody can begin with what is gone, delete it."""
        while request.step is not Step.DONE:
            request = request.following(await self._carry_out(request))
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(request)
        return request.report

    async def _carry_out(self, request: RetentionRequest) -> Swept:
        if request.step is Step.WAIT:
            await workflow.sleep(
                timedelta(seconds=request.grace_seconds), summary="before files are deleted"
            )
            return Swept()
        return await workflow.execute_activity_method(
            RetentionActivities.sweep, request.order(workflow.now()), **policies.SWEEP
        )
