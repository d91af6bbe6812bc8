from __future__ import annotations

import pytest

from api.rates import RateLimits
from domain.errors import TooManyRequests
from tests.api.keys import key


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> RateLimits:
    return RateLimits(clock)


def test_a_minutes_requests_may_come_at_once(limits: RateLimits) -> None:
    slow = key("slow", requests_per_minute=30)
    for _ in range(30):
        limits.take(slow)
    with pytest.raises(TooManyRequests, match=r"'slow' may send 30 requests a minute") as refused:
        limits.take(slow)
    assert refused.value.retry_after_seconds == 2


def test_who_waits_as_long_as_told_is_let_pass(limits: RateLimits, clock: Clock) -> None:
    slow = key("slow", requests_per_minute=7)
    for _ in range(7):
        limits.take(slow)
    for _ in range(50):
        with pytest.raises(TooManyRequests) as refused:
            limits.take(slow)
        assert refused.value.retry_after_seconds is not None
        clock.seconds += refused.value.retry_after_seconds
        limits.take(slow)


def test_a_refused_request_costs_nothing(limits: RateLimits, clock: Clock) -> None:
    slow = key("slow", requests_per_minute=1)
    limits.take(slow)
    for _ in range(10):
        with pytest.raises(TooManyRequests):
            limits.take(slow)
    clock.seconds += 60
    limits.take(slow)


def test_what_is_not_used_does_not_pile_up(limits: RateLimits, clock: Clock) -> None:
    slow = key("slow", requests_per_minute=2)
    limits.take(slow)
    clock.seconds += 3600
    limits.take(slow)
    limits.take(slow)
    with pytest.raises(TooManyRequests):
        limits.take(slow)


def test_every_key_has_its_own(limits: RateLimits) -> None:
    limits.take(key("one", requests_per_minute=1))
    limits.take(key("other", requests_per_minute=1))


def test_a_key_without_a_limit_is_never_refused(limits: RateLimits) -> None:
    for _ in range(1000):
        limits.take(key("free"))


def test_a_lower_limit_holds_at_once(limits: RateLimits) -> None:
    limits.take(key("slow", requests_per_minute=1000))
    limits.take(key("slow", requests_per_minute=1))
    with pytest.raises(TooManyRequests):
        limits.take(key("slow", requests_per_minute=1))
