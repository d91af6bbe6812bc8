"""Object keys: `assets/` is served to browsers, `records/` never is."""

from __future__ import annotations

from datetime import date
from urllib.parse import quote

ASSETS = "assets/"
_RECORDS = "records/"
COSTS = f"{_RECORDS}costs/"


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


def cost_day_prefix(day: date) -> str:
    """What the keys of a day's cost entries begin with."""
    return f"{COSTS}{day.isoformat()}/"


def cost_entry_key(day: date, entry: str) -> str:
    """Where an entry of the bill lies."""
    return f"{cost_day_prefix(day)}{quote(entry, safe='')}.json"


def cost_summary_key(day: date) -> str:
    """Where the sums of a day lie that is long over."""
    return f"{_RECORDS}cost-days/{day.isoformat()}.json"
