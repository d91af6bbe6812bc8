"""Holds an `Idempotency-Key` for a request that starts neither a job nor a batch."""

from __future__ import annotations

from temporalio import workflow


@workflow.defn
class ClaimWorkflow:
    """The workflow id is derived from tenant and key; the memo says whose the key is.

    It has nothing to do and ends at once. While the engine remembers it, which is for a day at
    least, nothing else can be started by its id.
    """

    @workflow.run
    async def run(self) -> None:
        """Nothing."""
