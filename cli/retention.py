"""`darkroom retention`: what is kept no longer, and its sweep right now."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from temporalio.client import Client, ScheduleOverlapPolicy, WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode

import engine
from api.engine_room import EngineRoom
from cli.errors import CommandError, told_in_one_sentence
from cli.up import engine_environment
from domain.errors import EngineAway
from domain.ids import new_asset_token
from domain.names import RETENTION_SCHEDULE, TASK_QUEUE
from domain.retention import Report, RetentionRequest
from settings import load_settings
from workflows.retention import RetentionWorkflow


def retention(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what a sweep would delete now.")
    ] = False,
    now: Annotated[bool, typer.Option("--now", help="Sweep now, not only tonight.")] = False,
) -> None:
    """Look at what is kept no longer, or sweep it; a worker must be running."""
    with told_in_one_sentence():
        if dry_run == now:
            raise CommandError("say --dry-run or --now")
        settings = load_settings()
        if settings.expects_embedded_engine:
            os.environ.update(engine_environment(settings))
        asyncio.run(_sweep_now() if now else _look())


async def _sweep_now() -> None:
    client = await _connected()
    try:
        schedule = client.get_schedule_handle(RETENTION_SCHEDULE)
        await schedule.trigger(overlap=ScheduleOverlapPolicy.SKIP)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise CommandError("everything is kept for ever: no DARKROOM_KEEP_… is set") from error
        raise CommandError(f"the engine refused: {error.message}") from error
    typer.echo("A sweep is under way, unless one was already; the Temporal Web UI shows it.")


async def _look() -> None:
    client = await _connected()
    try:
        if not await EngineRoom(client).count_workers():
            raise CommandError("no worker is running that could look")
        report = await client.execute_workflow(
            RetentionWorkflow.run,
            RetentionRequest(dry_run=True),
            id=f"{RETENTION_SCHEDULE}-dry-run-{new_asset_token()}",
            task_queue=TASK_QUEUE,
            static_summary="what would be swept",
        )
    except WorkflowFailureError as error:
        raise CommandError(f"it did not succeed: {error.cause}") from error
    except EngineAway as error:
        raise CommandError("the engine does not answer") from error
    _show(report)


async def _connected() -> Client:
    try:
        return await engine.connect()
    except RuntimeError as error:
        raise CommandError("the engine does not answer") from error


def _show(report: Report) -> None:
    if not report:
        typer.echo("There is nothing to sweep.")
        return
    table = Table("class", "jobs", "files", "MB", box=None)
    for kind, tally in report.items():
        size = f"{tally.size_bytes / 1e6:.1f}"
        table.add_row(kind, str(tally.jobs), str(tally.objects), size)
    Console(soft_wrap=True).print(table)
