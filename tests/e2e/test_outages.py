"""A part that stays away for a while: what clients are told meanwhile, and what becomes of jobs."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import httpx
import pytest

from tests.e2e.engine import assert_ran_once, executions
from tests.e2e.jobs import Watch, assert_completed, poll, submit_until_in_the_middle
from tests.e2e.pictures import opened
from tests.e2e.stack import API, Json, Stack
from tests.e2e.waiting import eventually

IMAGE = {"prompt": "a lamp in the window", "quality": "draft"}
POLLED = 3


class Outage(NamedTuple):
    """What was answered while the part was away, and what was found after it."""

    submission: httpx.Response
    batch: httpx.Response
    generated: httpx.Response | None
    health: httpx.Response
    readiness: httpx.Response
    polls: list[httpx.Response]
    """Of the last that were submitted, which were not made yet."""
    in_flight: list[str]
    """Jobs that were accepted before, and had not all been made when it began."""
    ended: list[Json]
    """Their last answers."""
    started: set[str]
    """What the engine ran in the end, beyond what was in flight."""

    def part(self, name: str) -> Json:
        return next(part for part in self.health.json()["parts"] if part["name"] == name)


def failed_tries(answer: Json) -> list[str]:
    """What is told of each try at the job that failed."""
    tries = answer["attempts"]
    return [tried["error"]["message"] for tried in tries if tried["outcome"] == "failed"]


def any_try_has_failed(stack: Stack, job_ids: list[str]) -> bool:
    return any(failed_tries(poll(stack, job_id)) for job_id in job_ids)


def suffered(stack: Stack, part: str) -> Outage:
    stack.ensure_up()
    watch = Watch(stack)
    before = executions(stack).keys()
    in_flight = submit_until_in_the_middle(stack, watch, total=8)
    with stack.without(part):
        submission = stack.http.post(f"{API}/generate-async", json=IMAGE)
        batch = stack.http.post(f"{API}/batch-generate", json={"images": [IMAGE]})
        generated = stack.http.post(f"{API}/generate", json=IMAGE) if part == "engine" else None
        health, readiness = stack.http.get("/health"), stack.http.get("/health/ready")
        polls = [stack.http.get(f"{API}/jobs/{job_id}") for job_id in in_flight[-POLLED:]]
        if part == "store":
            look = partial(any_try_has_failed, stack, in_flight)
            eventually(look, "one of the jobs has tried to store its image")
    ended = watch.until_ended(in_flight)
    assert_completed(stack, ended)
    started = executions(stack).keys() - before - set(in_flight)
    return Outage(submission, batch, generated, health, readiness, polls, in_flight, ended, started)


@pytest.fixture(scope="module")
def without_engine(whole_stack: Stack) -> Outage:
    return suffered(whole_stack, "engine")


@pytest.fixture(scope="module")
def without_store(whole_stack: Stack) -> Outage:
    return suffered(whole_stack, "store")


class TestEngineAway:
    def test_submissions_are_refused_as_deployed_clients_fall_back_on(
        self, without_engine: Outage
    ) -> None:
        for refused in (without_engine.submission, without_engine.batch):
            assert refused.status_code == 500
            assert refused.json()["code"] == "queue_unavailable"
            assert int(refused.headers["retry-after"]) > 0

    def test_nothing_runs_that_was_refused(self, without_engine: Outage) -> None:
        assert without_engine.started == set()

    def test_generate_still_makes_an_image(self, stack: Stack, without_engine: Outage) -> None:
        assert without_engine.generated is not None
        assert without_engine.generated.status_code == 200, without_engine.generated.text
        answer = without_engine.generated.json()
        assert answer["success"] is True
        opened(stack.http.get(answer["images"][0]["url"]))

    def test_what_was_made_without_the_engine_can_be_polled_after_it(
        self, stack: Stack, without_engine: Outage
    ) -> None:
        assert without_engine.generated is not None
        made = without_engine.generated.json()
        answer = stack.http.get(f"{API}/jobs/{made['job_id']}").json()
        assert answer["status"] == "completed"
        assert answer["result"]["images"] == made["images"]

    def test_no_poll_is_answered_as_if_the_job_had_to_be_made_again(
        self, without_engine: Outage
    ) -> None:
        """Deployed clients take any 500 as "no queue" and generate once more, at the full price."""
        assert {answer.status_code for answer in without_engine.polls} <= {200, 503}

    def test_health_is_degraded_and_names_the_engine(self, without_engine: Outage) -> None:
        assert without_engine.health.status_code == 200
        assert without_engine.health.json()["status"] == "degraded"
        assert without_engine.part("engine")["state"] == "down"
        assert without_engine.readiness.status_code == 503

    def test_jobs_from_before_are_made_once(self, stack: Stack, without_engine: Outage) -> None:
        assert_ran_once(stack, without_engine.in_flight)


class TestStoreAway:
    def test_a_try_that_met_the_outage_tells_it_without_addresses_and_keys(
        self, stack: Stack, without_store: Outage
    ) -> None:
        failed = [message for answer in without_store.ended for message in failed_tries(answer)]
        assert failed
        for internal in ("assets/", "bucket", "127.0.0.1", "Traceback"):
            assert internal not in " ".join(failed)

    def test_a_job_is_accepted_and_goes_on_later(self, stack: Stack, without_store: Outage) -> None:
        assert without_store.submission.status_code == 202
        job_id = without_store.submission.json()["job_id"]
        assert_completed(stack, Watch(stack).until_ended([job_id]))
        assert without_store.started == {job_id}

    def test_a_batch_is_refused_whose_images_cannot_be_kept(self, without_store: Outage) -> None:
        assert without_store.batch.status_code == 500
        assert without_store.batch.json()["code"] == "queue_unavailable"

    def test_polls_are_answered_and_no_job_has_failed(self, without_store: Outage) -> None:
        assert {answer.status_code for answer in without_store.polls} == {200}
        assert "failed" not in {answer.json()["status"] for answer in without_store.polls}

    def test_health_is_degraded_and_names_the_store(self, without_store: Outage) -> None:
        assert without_store.health.status_code == 200
        assert without_store.health.json()["status"] == "degraded"
        assert without_store.part("store")["state"] == "down"
        assert without_store.readiness.status_code == 503

    def test_jobs_from_before_are_made_once(self, stack: Stack, without_store: Outage) -> None:
        assert_ran_once(stack, without_store.in_flight)
