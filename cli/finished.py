"""Which image a job has come to: through its revisions, its retries and its approval."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cli.watching import is_batch
from darkroom_client import Client

_NO_NAME = re.compile(r"[^A-Za-z0-9_-]")
_ENDINGS = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "avif": ".avif", "gif": ".gif"}


@dataclass(frozen=True)
class Finished:
    """What became of one image that was asked for."""

    asked_id: str
    """As it was started."""
    job: Any
    """The answer of the job that it has come to."""

    @property
    def is_there(self) -> bool:
        """Whether there is an image, be it a draft."""
        return bool(self.job["status"] == "completed")

    @property
    def is_final(self) -> bool:
        """Whether nobody has to decide on it any more."""
        return self.is_there and not self.job["is_draft"]

    @property
    def images(self) -> list[Any]:
        """Its images; none until it is there."""
        return list(self.job["result"]["images"]) if self.is_there else []


def jobs_of(client: Client, subject_id: str) -> list[str]:
    """The jobs that a batch has started, or the job itself."""
    if not is_batch(subject_id):
        return [subject_id]
    return [job["job_id"] for job in client.batch(subject_id)["jobs"]]


def finished(client: Client, subject_id: str) -> Iterator[Finished]:
    """What became of a job, or of each image of a batch."""
    for job_id in jobs_of(client, subject_id):
        yield Finished(job_id, _followed_on(client, job_id))


def _followed_on(client: Client, job_id: str) -> Any:
    job: Any = client.job(job_id)
    for _ in range(100):
        following = (job.get(f"{way}_job_id") for way in ("final", "revision", "retry"))
        next_id = next(filter(None, following), None)
        if next_id is None:
            return job
        after: Any = client.job(next_id)
        if job["status"] == "completed" and _is_lost(after):
            return job  # its draft is more than nothing
        job = after
    return job


def _is_lost(job: Any) -> bool:
    return job["status"] == "failed" and "retry_job_id" not in job


def file_name(job_id: str, image: Any, number: int) -> str:
    """A name for a file; `number` counts a job's images from 0."""
    more = f"-{number + 1}" if number else ""
    return f"{_NO_NAME.sub('_', job_id)}{more}{ending(image)}"


def ending(image: Any) -> str:
    """The ending of a file's name for an image; never one that an answer could smuggle in."""
    return _ENDINGS.get(str(image["format"]).lower(), ".img")
