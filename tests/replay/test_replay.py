"""Every history that was ever released is replayed by today's code."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from pipeline.planning import Planner
from tests.conftest import WorkerFactory
from tests.replay.shapes import STORIES, Stage
from tests.starting import BatchStarter
from worker import WORKFLOWS

Json = Any
HISTORIES = Path(__file__).with_name("histories")
RECORD = "DARKROOM_RECORD_HISTORIES"
"""Names a release; with it set, stories without a history of that release are recorded."""

_LESSON = """
Today's workflow code does not give the commands of {name}: a job that was started by that release
would stop. Do not record the history again. Keep the old way in the else branch of
`if workflow.patched("…")`; CONTRIBUTING.md, "Changing a workflow safely", tells how."""


@pytest.mark.parametrize(
    "path", sorted(HISTORIES.glob("*/*.json")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
async def test_the_code_of_today_replays_the_history(path: Path) -> None:
    recorded = _read(path)
    started = recorded["events"][0]["workflowExecutionStartedEventAttributes"]
    history = WorkflowHistory.from_json(started["workflowId"], recorded)
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter)
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    assert result.replay_failure is None, _LESSON.format(name=path.name) + str(
        result.replay_failure
    )


def _read(path: Path) -> Json:
    return json.loads(path.read_text())


def test_every_story_has_a_golden_history() -> None:
    recorded = {path.stem for path in HISTORIES.glob("*/*.json")}
    assert set(STORIES) <= recorded


@pytest.mark.parametrize("name", sorted(STORIES))
async def test_a_story_played_now_replays(
    name: str,
    client: Client,
    planner: Planner,
    start_batch: BatchStarter,
    new_worker: WorkerFactory,
) -> None:
    workflow_id = await STORIES[name](Stage(client, planner, start_batch, new_worker))
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter)
    await replayer.replay_workflow(history)
    if release := os.environ.get(RECORD):
        _record(HISTORIES / release / f"{name}.json", history.to_json_dict())


def _record(path: Path, history: Json) -> None:
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        path.write_text(json.dumps(_without_place(history), indent=1) + "\n")


def _without_place(value: Json) -> Json:
    """A history without the machine it was recorded on."""
    if isinstance(value, list):
        return [_without_place(item) for item in value]
    if not isinstance(value, dict):
        return value
    left_out = ("stackTrace", "identity")
    return {name: _without_place(item) for name, item in value.items() if name not in left_out}
