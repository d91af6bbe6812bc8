"""`kill -9` of the worker in the middle of a batch: nothing is lost, nothing is made twice."""

from __future__ import annotations

from tests.e2e.engine import assert_ran_once
from tests.e2e.jobs import (
    Watch,
    assert_completed,
    poll_batch,
    submit_batch,
    until_batch,
)
from tests.e2e.stack import API, Stack
from tests.e2e.waiting import eventually


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
