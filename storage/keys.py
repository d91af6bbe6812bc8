"""Object keys: `assets/` is served to browsers, `records/` never is."""

from __future__ import annotations

ASSETS = "assets/"
_RECORDS = "records/"


def asset_prefix(job_id: str, token: str) -> str:
    """Where all of a job's files lie; the token makes their keys unguessable."""
    return f"{ASSETS}{job_id}/{token}"


def original_key(job_id: str, token: str, index: int) -> str:
    """Where `render` puts the untouched original of image `index`, whatever its format."""
    return f"{asset_prefix(job_id, token)}/{index}.original"


def note_key(job_id: str, index: int) -> str:
    """Where it is noted what the original of image `index` cost."""
    return f"{_RECORDS}originals/{job_id}/{index}.json"


def job_record_key(job_id: str) -> str:
    """Where a job's record lies."""
    return f"{_RECORDS}jobs/{job_id}.json"


def batch_record_key(batch_id: str) -> str:
    """Where a batch's record lies."""
    return f"{_RECORDS}batches/{batch_id}.json"


def manifest_key(batch_id: str) -> str:
    """Where the requests of a batch's images lie."""
    return f"{_RECORDS}batches/{batch_id}.items.json"
