"""`kill -9` of any part in the middle of its work: nothing is lost, nothing is made twice."""

from __future__ import annotations

import pytest

from tests.e2e.engine import assert_ran_once
from tests.e2e.jobs import (
    Watch,
    assert_completed,
    has_ended,
    poll_batch,
    submit_batch,
    submit_until_in_the_middle,
    until_batch,
)
from tests.e2e.stack import API, Stack
from tests.e2e.waiting import eventually


@pytest.fixture
def in_flight(stack: Stack, watch: Watch) -> list[str]:
    """Jobs of which one is made, another is in the making, and most are still to come."""
    return submit_until_in_the_middle(stack, watch, total=12)


def assert_none_is_lost(stack: Stack, watch: Watch, job_ids: list[str]) -> None:
    assert_completed(stack, watch.until_ended(job_ids))
    assert_ran_once(stack, job_ids)


def assert_in_the_middle(watch: Watch, job_ids: list[str]) -> None:
    answers = [watch.look(job_id) for job_id in job_ids]
    assert any(answer is None or not has_ended(answer) for answer in answers)


@pytest.mark.parametrize("part", ["worker", "api", "engine", "store"])
def test_every_job_completes_once_when_one_part_was_killed(
    stack: Stack, watch: Watch, in_flight: list[str], part: str
) -> None:
    stack.kill(part)
    assert_in_the_middle(watch, in_flight)
    assert_none_is_lost(stack, watch, in_flight)
    assert f"{part} stopped (killed by SIGKILL); starting it again" in stack.said


def test_every_job_completes_once_when_everything_was_killed(
    stack: Stack, watch: Watch, in_flight: list[str]
) -> None:
    stack.kill_everything()
    stack.up()
    assert_none_is_lost(stack, watch, in_flight)


def test_a_batch_of_forty_outlives_the_worker_and_gets_all_its_finals(
    stack: Stack, watch: Watch
) -> None:
    total = 40
    prompts = [f"a small boat, number {n}" for n in range(total)]
    batch = submit_batch(stack, prompts, quality="standard", width=640, height=360)
    batch_id, job_ids = batch["batch_id"], batch["job_ids"]
    eventually(lambda: drafts_made(stack, batch_id) >= total // 10, "some drafts are made")
    stack.kill("worker")
    assert drafts_made(stack, batch_id) < total
    until_batch(stack, batch_id, {"awaiting": total})
    answer = stack.http.post(f"{API}/batches/{batch_id}/approve", json={"reviewer": "ann"})
    assert answer.status_code == 202, answer.text
    finals = [result["final_job_id"] for result in answer.json()["results"]]
    assert finals == [f"{job_id}-final" for job_id in job_ids]
    assert_completed(stack, watch.until_ended(finals))
    assert_ran_once(stack, [*job_ids, *finals])
    eventually(
        lambda: all(
            job.get("final_status") == "completed" for job in poll_batch(stack, batch_id)["jobs"]
        ),
        "the batch knows its finals",
    )


def drafts_made(stack: Stack, batch_id: str) -> int:
    return int(poll_batch(stack, batch_id)["counts"].get("completed", 0))
