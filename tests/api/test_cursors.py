from __future__ import annotations

import base64

import pytest
from pydantic import BaseModel

from api.cursors import cursor_of, place_of
from domain.errors import InvalidRequest


class Spot(BaseModel):
    number: int


CURSOR = cursor_of(Spot(number=7), "jobs of ada")


def test_a_place_comes_back_as_it_went() -> None:
    assert place_of(CURSOR, "jobs of ada", Spot) == Spot(number=7)


def test_a_cursor_needs_no_escaping_in_an_address() -> None:
    assert CURSOR.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "!!!!",
        "ünïcode",
        CURSOR[:-1],
        CURSOR + "A",
        "A" + CURSOR[1:],
        CURSOR.swapcase(),
        base64.urlsafe_b64encode(b'{"number": 8}').decode(),
    ],
)
def test_what_was_not_answered_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        place_of(cursor, "jobs of ada", Spot)
    assert [field for field, _ in refused.value.errors] == ["cursor"]


def test_a_cursor_holds_for_its_own_question_only() -> None:
    with pytest.raises(InvalidRequest):
        place_of(CURSOR, "jobs of bob", Spot)
