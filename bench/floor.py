"""The floor's workflow: one no-op activity, nothing else.

It is what any service on this engine pays before it does anything; Darkroom is told against it.
This module imports little, because the workflow sandbox imports it again for each workflow.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity, workflow

TASK_QUEUE = "bench-floor"


@activity.defn
async def do_nothing(prompt: str) -> str:
    return prompt


@workflow.defn
class FloorWorkflow:
    @workflow.run
    async def run(self, prompt: str) -> str:
        return await workflow.execute_activity(
            do_nothing, prompt, start_to_close_timeout=timedelta(seconds=60)
        )
