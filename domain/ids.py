"""Identifiers of jobs and batches, and how one is derived from another, or from a caller's key.

`img_…` is a job, `bat_…` a batch, `bat_…-3` the batch's fourth image, `…-r2` the second round of a
draft, `…-final` the final of the draft before it. The workflow id is the job id.
"""

from __future__ import annotations

import hashlib
import re
import secrets

_FINAL = "-final"
_ROUND = re.compile(r"-r(\d+)\Z")
_INDEX = r"(?:0|[1-9]\d{0,3})"
_ITEM = re.compile(rf"^(bat_[0-9a-z]+)-({_INDEX})(?:-r\d+)?(?:-final)?\Z")

JOB_ID_PATTERN = rf"^(img_[0-9a-z]+|bat_[0-9a-z]+-{_INDEX})(-r\d+)?(-final)?\Z"
_MENTIONED = re.compile(
    rf"(?:img_[0-9a-z]+|bat_[0-9a-z]+-{_INDEX})(?:-r\d+)?(?:-final)?(?![0-9A-Za-z])"
)
BATCH_ID_PATTERN = r"^bat_[0-9a-z]+\Z"


def new_job_id() -> str:
    """A fresh, unguessable job id."""
    return f"img_{secrets.token_hex(12)}"


def new_batch_id() -> str:
    """A fresh, unguessable batch id."""
    return f"bat_{secrets.token_hex(12)}"


def new_asset_token() -> str:
    """The unguessable part of a job's object keys, 128 bits."""
    return secrets.token_hex(16)


def keyed_job_id(tenant: str, key: str) -> str:
    """What a tenant's `Idempotency-Key` is held by: the job it started, or a claim in its place."""
    return f"img_{_digest('key', tenant, key)}"


def keyed_batch_id(tenant: str, key: str) -> str:
    """The id of the batch that a tenant starts with an `Idempotency-Key`."""
    return f"bat_{_digest('key', tenant, key)}"


def keyed_answer_id(tenant: str, key: str) -> str:
    """The id of what keeps an answer that nobody knew yet when the key was claimed."""
    return f"key_{_digest('key', tenant, key)}"


def retry_id(job_id: str) -> str:
    """The id of the job that a failed one is tried again as."""
    return f"img_{_digest('retry', job_id)}"


def item_id(batch_id: str, index: int) -> str:
    """The job id of a batch's image; `index` counts from 0."""
    return f"{batch_id}-{index}"


def final_id(draft_id: str) -> str:
    """The job id of the final that approving this draft starts."""
    return f"{draft_id}{_FINAL}"


def revision_id(draft_id: str) -> str:
    """The job id of the next round: `x` → `x-r2` → `x-r3`."""
    found = _ROUND.search(draft_id)
    if found is None:
        return f"{draft_id}-r2"
    return f"{draft_id[: found.start()]}-r{int(found.group(1)) + 1}"


def predecessor(job_id: str) -> str | None:
    """The draft that a final or a later round follows; None for a job that follows nothing."""
    if job_id.endswith(_FINAL):
        return job_id.removesuffix(_FINAL)
    found = _ROUND.search(job_id)
    if found is None:
        return None
    before, number = job_id[: found.start()], int(found.group(1)) - 1
    return before if number == 1 else f"{before}-r{number}"


def batch_item(job_id: str) -> tuple[str, int] | None:
    """The batch and index that a job id belongs to, in any round, draft or final."""
    found = _ITEM.match(job_id)
    return (found.group(1), int(found.group(2))) if found else None


def is_job_id(text: str) -> bool:
    """Whether a job may have this id."""
    return re.match(JOB_ID_PATTERN, text) is not None


def mentioned(text: str) -> set[str]:
    """The job ids in a text, such as those in the addresses of images."""
    return set(_MENTIONED.findall(text))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
