"""`kill -9` of the worker and the store in the middle of a sweep: it goes on."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.e2e.engine import result_of, start_sweep
from tests.e2e.jobs import Watch, submit_batch, until_batch
from tests.e2e.stack import API, Stack
from tests.e2e.waiting import eventually

TOTAL = 24


def test_a_sweep_outlives_worker_and_store_and_takes_nothing_approved(stack: Stack) -> None:
    prompts = [f"a mill, number {number}" for number in range(TOTAL)]
    batch = submit_batch(stack, prompts, width=64, height=64)
    job_ids = batch["job_ids"]
    rejected, approved = job_ids[1::2], job_ids[::2]
    until_batch(stack, batch["batch_id"], {"awaiting": TOTAL})
    for verb, chosen in (("reject", rejected), ("approve", approved)):
        said = stack.http.post(
            f"{API}/batches/{batch['batch_id']}/{verb}", json={"job_ids": chosen}
        )
        assert said.status_code == 202, said.text
    finals = [f"{job_id}-final" for job_id in approved]
    Watch(stack).until_ended(finals)
    until_batch(stack, batch["batch_id"], {"approved": len(approved), "rejected": len(rejected)})
    urls = {job_id: _url(stack, job_id) for job_id in [*job_ids, *finals]}
    sweep = start_sweep(stack)
    eventually(lambda: _gone(stack, rejected) > 0, "it deletes")
    stack.kill("worker")
    stack.kill("store")
    result_of(stack, sweep)  # which may leave out what the killed worker had deleted
    assert _gone(stack, rejected) == len(rejected)
    for job_id in rejected:
        assert _status(urls[job_id]) == 410
    for job_id in [*approved, *finals]:
        assert _status(urls[job_id]) == 200


def _url(stack: Stack, job_id: str) -> str:
    url: str = stack.http.get(f"{API}/jobs/{job_id}").json()["result"]["images"][0]["url"]
    return url


def _status(url: str) -> int:
    return httpx.get(url, trust_env=False).status_code


def _folder(stack: Stack, job_id: str) -> Path:
    return stack.home / "s3" / "darkroom" / "assets" / job_id


def _gone(stack: Stack, job_ids: list[str]) -> int:
    """Of how many jobs nothing is left."""
    return sum(not any(_folder(stack, job_id).rglob("*.*")) for job_id in job_ids)
