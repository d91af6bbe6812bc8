"""`Idempotency-Key` (IETF httpapi draft-07): which request a caller sends again."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request

from domain.errors import (
    DarkroomError,
    IdempotencyInFlight,
    IdempotencyKeyReused,
    InvalidRequest,
)
from domain.ids import keyed_answer_id, keyed_batch_id, keyed_job_id
from domain.once import Once

HEADER = "Idempotency-Key"
REPEATS: tuple[type[DarkroomError], ...] = (IdempotencyInFlight, IdempotencyKeyReused)
"""What a route can answer besides, where it takes a key."""
_VISIBLE = re.compile(r"[!-~]{1,255}\Z")
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"\Z')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Repeatable:
    """A request that is carried out once, and by what it is known when it is sent again."""

    key: str
    fingerprint: str

    def job_id(self, tenant: str) -> str:
        """The job that it starts; where it starts none, the claim that holds its key."""
        return keyed_job_id(tenant, self.key)

    def batch_id(self, tenant: str) -> str:
        """The batch that it starts."""
        return keyed_batch_id(tenant, self.key)

    def answer_id(self, tenant: str) -> str:
        """What keeps an answer of it that was not known when its key was claimed."""
        return keyed_answer_id(tenant, self.key)

    def kept(self, *, promised_seconds: int | None = None, answer: Any = None) -> Once:
        """What the engine keeps of it."""
        return Once(fingerprint=self.fingerprint, promised_seconds=promised_seconds, answer=answer)


def promised(once: Once | None) -> int:
    """The seconds that the caller was told who sent the request first."""
    if once is None or once.promised_seconds is None:
        raise AssertionError("what is started once is promised for a time")
    return once.promised_seconds


async def _repeatable(
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias=HEADER,
            description="1 to 255 visible characters, quoted or not. The same request with the "
            "same key is carried out once, and answered alike, for at least 24 hours.",
            json_schema_extra={"minLength": 1},
        ),
    ] = None,
) -> Repeatable | None:
    if key is None:
        return None
    given = request.headers.getlist(HEADER)
    return Repeatable(_read(given), fingerprint(request, await request.body()))


OnlyOnce = Annotated[Repeatable | None, Depends(_repeatable)]
"""None where the caller sent no key: then every request is one of its own."""


def fingerprint(request: Request, body: bytes) -> str:
    """What is the same for the same request: method, path, query and body, as canonical JSON."""
    asked = sorted(request.query_params.multi_items())
    whole = [request.method, request.url.path, asked, _canonical(body)]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()


def _canonical(body: bytes) -> str:
    try:
        return json.dumps(json.loads(body), sort_keys=True)
    except (ValueError, RecursionError):
        return body.hex()


def _read(given: list[str]) -> str:
    """The key; raises `InvalidRequest`."""
    key = given[0].strip()
    quoted = _QUOTED.match(key)
    if quoted is not None:
        key = _ESCAPED.sub(r"\1", quoted.group(1))
    if len(given) > 1 or _VISIBLE.match(key) is None:
        problem = "1 to 255 visible ASCII characters, given once"
        raise InvalidRequest(f"The {HEADER} header takes {problem}.", [(HEADER, problem)])
    return key
