"""Jobs as a client of the HTTP API handles them, with what holds for every answer checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Protocol

import httpx

from tests.e2e.pictures import opened
from tests.e2e.stack import API, Json
from tests.e2e.waiting import eventually

STATUSES = {"pending", "queued", "processing", "completed", "failed"}
LARGE = {"quality": "high", "aspect_ratio": "16:9"}
"""1536 px: long enough in the making to be met there."""


class Door(Protocol):
    """What is asked over HTTP: a whole Darkroom, or one API process of a fleet."""

    @property
    def http(self) -> httpx.Client: ...


def submit(stack: Door, prompt: str, **fields: object) -> str:
    """Submit one image; returns the id of the accepted job."""
    response = stack.http.post(f"{API}/generate-async", json={"prompt": prompt, **fields})
    assert response.status_code == 202, response.text
    return str(response.json()["job_id"])


def submit_batch(stack: Door, prompts: Iterable[str], **fields: object) -> Json:
    """Submit a batch whose images share `fields`; returns the answer."""
    images = [{"prompt": prompt, **fields} for prompt in prompts]
    response = stack.http.post(f"{API}/batch-generate", json={"images": images})
    assert response.status_code == 202, response.text
    answer: Json = response.json()
    return answer


def poll(stack: Door, job_id: str) -> Json:
    response = stack.http.get(f"{API}/jobs/{job_id}")
    assert response.status_code == 200, response.text
    answer: Json = response.json()
    return answer


def poll_batch(stack: Door, batch_id: str) -> Json:
    response = stack.http.get(f"{API}/batches/{batch_id}")
    assert response.status_code == 200, response.text
    answer: Json = response.json()
    return answer


def until_batch(stack: Door, batch_id: str, review_counts: dict[str, int]) -> None:
    eventually(
        lambda: poll_batch(stack, batch_id)["review_counts"] == review_counts,
        f"the batch counts {review_counts}",
    )


def approve(stack: Door, job_id: str, **fields: object) -> str:
    """Approve a draft; returns the id of its final."""
    response = stack.http.post(f"{API}/jobs/{job_id}/approve", json=fields)
    assert response.status_code == 202, response.text
    return str(response.json()["final_job_id"])


class Watch:
    """Polls jobs, and fails when an answer contradicts one before it."""

    def __init__(self, stack: Door, *, later: Collection[str] = ("status_unavailable",)) -> None:
        self._stack = stack
        self._later = later
        """The codes of a 503 after which it is to be asked again."""
        self._seen: dict[str, Json] = {}

    def look(self, job_id: str) -> Json | None:
        """The job's answer; None while it cannot be had."""
        try:
            response = self._stack.http.get(f"{API}/jobs/{job_id}")
        except httpx.TransportError:
            return None
        if response.status_code == 503 and response.json()["code"] in self._later:
            return None
        assert response.status_code == 200, response.text
        answer: Json = response.json()
        self._check(answer)
        self._seen[job_id] = answer
        return answer

    def until(self, job_id: str, wanted: Callable[[Json], bool], why: str) -> Json:
        """The job's first answer that is as wanted."""

        def look() -> Json | None:
            answer = self.look(job_id)
            return answer if answer is not None and wanted(answer) else None

        return eventually(look, f"{why} [job={job_id}, last answer {self._seen.get(job_id)}]")

    def until_ended(self, job_ids: Iterable[str]) -> list[Json]:
        """The last answer of each job, in order."""
        return [self.until(job_id, has_ended, "the job ends") for job_id in job_ids]

    def until_in_the_middle(self, job_ids: Iterable[str]) -> None:
        """Return when one of the jobs has been made and another is in the making."""

        def look() -> bool:
            answers = [self.look(job_id) for job_id in job_ids]
            statuses = {answer["status"] for answer in answers if answer is not None}
            return {"completed", "processing"} <= statuses

        eventually(look, "some jobs are made and some are not")

    def _check(self, answer: Json) -> None:
        before = self._seen.get(answer["job_id"], {})
        progress = answer["progress_percentage"]
        assert answer["status"] in STATUSES
        assert (progress == 100) == (answer["status"] == "completed"), answer
        assert progress >= before.get("progress_percentage", 0), (before, answer)
        if before and has_ended(before):
            assert answer["status"] == before["status"], (before, answer)


def submit_until_in_the_middle(stack: Door, watch: Watch, total: int) -> list[str]:
    """Submit large images, and return when one is made and another in the making."""
    job_ids = [submit(stack, f"a lighthouse from ship {n}", **LARGE) for n in range(total)]
    watch.until_in_the_middle(job_ids)
    return job_ids


def has_ended(answer: Json) -> bool:
    return answer["status"] in ("completed", "failed")


def assert_completed(stack: Door, answers: Iterable[Json]) -> None:
    """Every job has completed, and each of its images loads as what it is said to be."""
    for answer in answers:
        assert answer["status"] == "completed", answer
        for image in answer["result"]["images"]:
            size = opened(stack.http.get(image["url"])).size
            assert size == (image["width"], image["height"])
