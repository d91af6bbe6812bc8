"""`kill -9` of any part in the middle of its work: nothing is lost, nothing is made twice."""

from __future__ import annotations

from typing import NamedTuple

import httpx
import pytest

from tests.e2e.engine import assert_ran_once, executions
from tests.e2e.jobs import (
    Watch,
    assert_completed,
    has_ended,
    poll_batch,
    submit,
    submit_batch,
    until_batch,
)
from tests.e2e.pictures import opened
from tests.e2e.stack import API, Stack
from tests.e2e.waiting import eventually

JOBS = 12
LARGE = {"quality": "high", "aspect_ratio": "16:9"}
"""1536 px: long enough in the making to be met there."""


@pytest.fixture
def in_flight(stack: Stack, watch: Watch) -> list[str]:
    """Jobs of which one is being made right now, and most are not made yet."""
    return started_jobs(stack, watch)


def started_jobs(stack: Stack, watch: Watch) -> list[str]:
    job_ids = [submit(stack, f"a lighthouse, seen from ship {n}", **LARGE) for n in range(JOBS)]
    watch.until_one_is_processing(job_ids)
    return job_ids


def assert_none_is_lost(stack: Stack, watch: Watch, job_ids: list[str]) -> None:
    assert_completed(stack, watch.until_ended(job_ids))
    assert_ran_once(stack, job_ids)


def assert_in_the_middle(watch: Watch, job_ids: list[str]) -> None:
    answers = [watch.look(job_id) for job_id in job_ids]
    assert any(answer is None or not has_ended(answer) for answer in answers)


class TestKilledOnce:
    @pytest.mark.parametrize("part", ["worker", "api", "engine", "store"])
    def test_every_job_completes_once(
        self, stack: Stack, watch: Watch, in_flight: list[str], part: str
    ) -> None:
        stack.kill(part)
        assert_in_the_middle(watch, in_flight)
        assert_none_is_lost(stack, watch, in_flight)
        assert f"{part} stopped (killed by SIGKILL); starting it again" in stack.said

    def test_every_job_completes_once_after_everything_was_killed(
        self, stack: Stack, watch: Watch, in_flight: list[str]
    ) -> None:
        stack.kill_everything()
        stack.up()
        assert_none_is_lost(stack, watch, in_flight)


class Outage(NamedTuple):
    """What clients were answered while a part was away, and what became of their jobs."""

    submission: httpx.Response
    batch: httpx.Response
    generated: httpx.Response
    health: httpx.Response
    readiness: httpx.Response
    polls: list[httpx.Response]
    started_before: list[str]
    unexpected: set[str]
    """What the engine ran afterwards though nobody was told that it was accepted."""


def suffered(stack: Stack, part: str) -> Outage:
    watch = Watch(stack)
    known = executions(stack)
    job_ids = started_jobs(stack, watch)
    image = {"prompt": "a lamp in the window", "quality": "draft"}
    with stack.without(part):
        submission = stack.http.post(f"{API}/generate-async", json=image)
        batch = stack.http.post(f"{API}/batch-generate", json={"images": [image]})
        generated = stack.http.post(f"{API}/generate", json=image) if part == "engine" else batch
        health, readiness = stack.http.get("/health"), stack.http.get("/health/ready")
        polls = [stack.http.get(f"{API}/jobs/{job_id}") for job_id in job_ids]
    accepted = [submission.json()["job_id"]] if submission.status_code == 202 else []
    answers = watch.until_ended([*job_ids, *accepted])
    assert_completed(stack, answers)
    unexpected = set(executions(stack) - known) - {*job_ids, *accepted}
    return Outage(
        submission, batch, generated, health, readiness, polls, [*job_ids, *accepted], unexpected
    )


class TestEngineAway:
    @pytest.fixture(scope="class")
    def outage(self, whole_stack: Stack) -> Outage:
        whole_stack.ensure_up()
        return suffered(whole_stack, "engine")

    def test_submissions_are_answered_as_deployed_clients_fall_back_on(
        self, outage: Outage
    ) -> None:
        for refused in (outage.submission, outage.batch):
            assert refused.status_code == 500
            assert refused.json()["code"] == "queue_unavailable"
            assert int(refused.headers["retry-after"]) > 0

    def test_generate_still_makes_an_image(self, stack: Stack, outage: Outage) -> None:
        assert outage.generated.status_code == 200, outage.generated.text
        answer = outage.generated.json()
        assert answer["success"] is True
        opened(stack.http.get(answer["images"][0]["url"]))

    def test_the_job_that_was_made_without_the_engine_can_be_polled_later(
        self, stack: Stack, outage: Outage
    ) -> None:
        answer = stack.http.get(f"{API}/jobs/{outage.generated.json()['job_id']}").json()
        assert answer["status"] == "completed"
        assert answer["result"]["images"][0]["url"] == outage.generated.json()["images"][0]["url"]

    def test_health_is_degraded_and_names_the_engine(self, outage: Outage) -> None:
        assert outage.health.status_code == 200
        assert outage.readiness.status_code == 503
        for answer in (outage.health.json(), outage.readiness.json()):
            assert answer["status"] == "degraded"
            assert {part["name"]: part["state"] for part in answer["parts"]}["engine"] == "down"

    def test_no_poll_is_answered_500(self, outage: Outage) -> None:
        """Deployed clients take 500 as "no queue" and make the image again, at its full price."""
        assert {answer.status_code for answer in outage.polls} <= {200, 503}

    def test_jobs_from_before_complete_once(self, stack: Stack, outage: Outage) -> None:
        assert_ran_once(stack, outage.started_before)

    def test_nothing_runs_that_was_refused(self, outage: Outage) -> None:
        assert outage.unexpected == set()


class TestStoreAway:
    @pytest.fixture(scope="class")
    def outage(self, whole_stack: Stack) -> Outage:
        whole_stack.ensure_up()
        return suffered(whole_stack, "store")

    def test_jobs_are_accepted_and_go_on_later(self, stack: Stack, outage: Outage) -> None:
        assert outage.submission.status_code == 202
        assert_ran_once(stack, outage.started_before)

    def test_a_batch_is_refused_whose_images_cannot_be_kept(self, outage: Outage) -> None:
        assert outage.batch.status_code == 500
        assert outage.batch.json()["code"] == "queue_unavailable"
        assert outage.unexpected == set()

    def test_polls_are_answered_and_no_job_has_failed(self, outage: Outage) -> None:
        assert {answer.status_code for answer in outage.polls} == {200}
        assert "failed" not in {answer.json()["status"] for answer in outage.polls}

    def test_health_is_degraded_and_names_the_store(self, outage: Outage) -> None:
        assert outage.health.json()["status"] == "degraded"
        states = {part["name"]: part["state"] for part in outage.health.json()["parts"]}
        assert states["store"] == "down"
        assert outage.readiness.status_code == 503


class TestBatch:
    def test_a_batch_of_forty_outlives_the_worker_and_gets_all_its_finals(
        self, stack: Stack, watch: Watch
    ) -> None:
        total = 40
        prompts = [f"a small boat, number {n}" for n in range(total)]
        batch = submit_batch(stack, prompts, quality="standard", aspect_ratio="16:9")
        batch_id, job_ids = batch["batch_id"], batch["job_ids"]
        eventually(lambda: drafts_made(stack, batch_id) >= total // 4, "a quarter is made")
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
                job.get("final_status") == "completed"
                for job in poll_batch(stack, batch_id)["jobs"]
            ),
            "the batch knows its finals",
        )


def drafts_made(stack: Stack, batch_id: str) -> int:
    return int(poll_batch(stack, batch_id)["counts"].get("completed", 0))
