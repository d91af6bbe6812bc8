"""Holds an `Idempotency-Key` for a request that starts no job of its own."""

from __future__ import annotations

from temporalio import workflow


@workflow.defn
class ClaimWorkflow:
    """Has the id of the job that the key could start; the memo says which request has the key.

    It has nothing to do and ends at once. While the engine remembers it, which is for a day at
    least, nothing else can be started by its id.
    """

    @workflow.run
    async def run(self) -> None:
        """Nothing."""
