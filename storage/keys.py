"""Object keys: `assets/` is served to browsers, `records/` never is."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote

ASSETS = "assets/"
_RECORDS = "records/"
COSTS = f"{_RECORDS}costs/"
JOB_RECORDS = f"{_RECORDS}jobs/"
CONDEMNED = f"{_RECORDS}condemned/"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MICROSECOND = 10**16 - 1
_DIGITS = len(str(_LAST_MICROSECOND))


def asset_key(path: str) -> str | None:
    """The key of what is served under a path; None for a path that could lead out of the assets."""
    if any(part in ("", ".", "..") for part in path.split("/")):
        return None
    return f"{ASSETS}{path}"


def asset_prefix(job_id: str, token: str) -> str:
    """Where all of a job's files lie; the token makes their keys unguessable."""
    return f"{ASSETS}{job_id}/{token}"


def original_key(job_id: str, token: str, index: int) -> str:
    """Where `render` puts the untouched original of image `index`, whatever its format."""
    return f"{asset_prefix(job_id, token)}/{index}.original"


def job_files(job_id: str) -> str:
    """What the keys of all files of a job begin with."""
    return f"{ASSETS}{job_id}/"


def job_notes(job_id: str) -> str:
    """What the keys of the notes on a job's originals begin with."""
    return f"{_RECORDS}originals/{job_id}/"


def note_key(job_id: str, index: int) -> str:
    """Where it is noted what the original of image `index` cost."""
    return f"{job_notes(job_id)}{index}.json"


def source_key(tenant: str, data: bytes) -> str:
    """Where a picture lies that a caller's address gave, or a mask; the same bytes lie once."""
    return f"{_RECORDS}sources/{_digest(tenant)}/{hashlib.sha256(data).hexdigest()}"


def job_record_key(job_id: str) -> str:
    """Where a job's record lies."""
    return f"{JOB_RECORDS}{job_id}.json"


def job_of_record(name: str) -> str:
    """The job id in the name of a record."""
    return name.removesuffix(".json")


def condemned_key(job_id: str) -> str:
    """Where a job is noted whose files are to be deleted."""
    return f"{CONDEMNED}{job_id}"


def gone_prefix(batch_id: str) -> str:
    """What the keys begin with under which a batch's jobs are noted whose images are gone."""
    return f"{_RECORDS}gone/{batch_id}/"


def batch_record_key(batch_id: str) -> str:
    """Where a batch's record lies."""
    return f"{_RECORDS}batches/{batch_id}.json"


def manifest_key(batch_id: str, name: str | None = None) -> str:
    """Where the requests of a batch's images lie; `name` tells one manifest from another."""
    own = f".{name}" if name else ""
    return f"{_RECORDS}batches/{batch_id}{own}.items.json"


def cost_day_prefix(day: date) -> str:
    """What the keys of a day's cost entries begin with."""
    return f"{COSTS}{day.isoformat()}/"


def cost_entry_key(day: date, entry: str) -> str:
    """Where an entry of the bill lies."""
    return f"{cost_day_prefix(day)}{quote(entry, safe='')}.json"


def cost_summary_key(day: date) -> str:
    """Where the sums of a day lie that is long over."""
    return f"{_RECORDS}cost-days/{day.isoformat()}.json"


def blog_prefix(tenant: str, blog_id: str) -> str:
    """What the keys of a blog's index begin with, whatever characters its id is made of."""
    return f"{_RECORDS}blogs/{_digest(tenant)}/{_digest(blog_id)}/"


def blog_entry(created_at: datetime, job_id: str) -> str:
    """A job's name in its blog's index, where the newest job sorts first."""
    microseconds = (created_at - _EPOCH) // timedelta(microseconds=1)
    return f"{_LAST_MICROSECOND - microseconds:0{_DIGITS}d}-{job_id}"


def job_of_entry(entry: str) -> str:
    """The job id in an index entry's name."""
    return entry[_DIGITS + 1 :]


def _digest(name: str) -> str:
    """A key's part that is short, and different also where a file system ignores case."""
    return hashlib.sha256(name.encode()).hexdigest()[:40]
