"""How far a job or a batch has come, as a name that every API process gives the same state."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from domain.batches import BatchState
from domain.jobs import JobState, JobStatus
from domain.model import Model

ENDED = 200
DECIDED = 300
_PROCESSING = 100
_BEFORE = {JobStatus.PENDING: 0, JobStatus.QUEUED: 1}
_WRITTEN = re.compile(r"(\d{1,3})-([0-9a-f]{16})")


class Version(NamedTuple):
    """A state: `rank` never goes down in a life, `digest` tells states of one rank apart."""

    rank: int
    digest: str

    def __str__(self) -> str:
        return f"{self.rank}-{self.digest}"

    @classmethod
    def parse(cls, text: str | None) -> Version | None:
        """What `str` gave; None for anything else."""
        found = _WRITTEN.fullmatch(text or "")
        return cls(int(found[1]), found[2]) if found else None

    @property
    def has_ended(self) -> bool:
        """Whether pollers stop here."""
        return self.rank >= ENDED

    def is_news_to(self, seen: Version | None) -> bool:
        """Whether to show it to who saw `seen`: what is older by another process's look is not."""
        if seen is None:
            return True
        return self != seen and (self.has_ended or self.rank >= seen.rank)


def job_version(state: JobState) -> Version:
    """The version of a job."""
    is_decided = state.review is not None and state.review.state.is_decided
    return _version(state, state.status, state.progress_percentage, is_decided=is_decided)


def batch_version(state: BatchState) -> Version:
    """The version of a batch."""
    is_decided = state.is_settled and any(item.review for item in state.items)
    return _version(state, state.status, state.progress_percentage, is_decided=is_decided)


def _version(state: Model, status: JobStatus, progress: int, *, is_decided: bool) -> Version:
    if status.is_terminal:
        rank = DECIDED if is_decided else ENDED
    else:
        rank = _BEFORE.get(status, _PROCESSING + progress)
    return Version(rank, hashlib.sha256(state.model_dump_json().encode()).hexdigest()[:16])
