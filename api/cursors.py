"""Where a page ended, as text that callers hand back unread, to the same question."""

from __future__ import annotations

import base64
import hashlib
from typing import TypeVar

from pydantic import BaseModel

from domain.errors import InvalidRequest

P = TypeVar("P", bound=BaseModel)

_CHECK_BYTES = 9


def cursor_of(place: BaseModel, question: str) -> str:
    """The cursor of a place in the answer to a question."""
    told = place.model_dump_json().encode()
    return base64.urlsafe_b64encode(_check(told, question) + told).decode().rstrip("=")


def place_of(cursor: str, question: str, kind: type[P]) -> P:
    """The place that a cursor stands for; raises `InvalidRequest`.

    The check finds mistakes. It keeps no secret: whose jobs are listed, the question says.
    """
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        told = data[_CHECK_BYTES:]
        if data[:_CHECK_BYTES] != _check(told, question):
            raise ValueError("made for another question, or not by us")
        return kind.model_validate_json(told)
    except ValueError as error:
        message = "is not one that was answered to this question"
        raise InvalidRequest(f"The cursor {message}.", [("cursor", message)]) from error


def _check(told: bytes, question: str) -> bytes:
    return hashlib.sha256(f"{question}\n".encode() + told).digest()[:_CHECK_BYTES]
