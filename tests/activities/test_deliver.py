from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment

from activities.deliver import DeliverActivities
from domain.errors import EngineAway
from domain.webhooks import Answered, Delivery, WebhookEvent
from pipeline.delivering import WebhookSender
from pipeline.subscribing import Subscriptions
from tests.receivers import LOOPBACK, SECRET, receiving

SIGNED = Subscriptions([], (SECRET,))
HAPPENED_AT = datetime.now(UTC) - timedelta(days=1)


async def look(delivery: Delivery) -> dict[str, Any]:
    return {"job_id": delivery.subject_id, "status": "completed"}


async def deliver(
    url: str,
    subscriptions: Subscriptions = SIGNED,
    allowed: frozenset[str] = LOOPBACK,
    look: Any = look,
) -> Answered:
    activities = DeliverActivities(WebhookSender(allowed), subscriptions, look)
    delivery = Delivery(
        subject_id="img_1", event=WebhookEvent.JOB_COMPLETED, happened_at=HAPPENED_AT, url=url
    )
    return await ActivityEnvironment().run(activities.deliver, delivery)


def detail(failed: pytest.ExceptionInfo[ApplicationError]) -> Answered:
    said = failed.value.details[0]
    assert isinstance(said, Answered)
    return said


class TestDeliver:
    @pytest.mark.parametrize("status", ["200 OK", "204 No Content", "202 Accepted"])
    async def test_two_hundred_and_something_is_taken(self, status: str) -> None:
        async with receiving(status) as receiver:
            answered = await deliver(receiver.url)
        assert answered.status == int(status.split()[0])
        assert receiver.told == [
            {
                "type": "job.completed",
                "timestamp": HAPPENED_AT.isoformat().replace("+00:00", "Z"),
                "data": {"job_id": "img_1", "status": "completed"},
            }
        ]

    @pytest.mark.parametrize(
        "status", ["301 Moved", "400 Bad Request", "404 Not Found", "429 Slow", "500 Oops"]
    )
    async def test_any_other_answer_is_tried_again(self, status: str) -> None:
        async with receiving(status) as receiver:
            with pytest.raises(ApplicationError, match=status.split()[0]) as failed:
                await deliver(receiver.url)
        assert not failed.value.non_retryable
        assert failed.value.category is ApplicationErrorCategory.BENIGN
        assert detail(failed).status == int(status.split()[0])

    @pytest.mark.parametrize(("said", "waited"), [("90", 90), ("9" * 400, 4 * 3600)])
    async def test_a_receiver_that_asks_for_time_is_given_it(self, said: str, waited: int) -> None:
        async with receiving("503 Busy", headers=f"Retry-After: {said}\r\n") as receiver:
            with pytest.raises(ApplicationError) as failed:
                await deliver(receiver.url)
        assert failed.value.next_retry_delay == timedelta(seconds=waited)

    async def test_a_receiver_that_is_away_is_tried_again(self) -> None:
        async with receiving() as receiver:
            url = receiver.url
        with pytest.raises(ApplicationError, match="cannot be reached") as failed:
            await deliver(url)
        assert not failed.value.non_retryable
        assert detail(failed).status is None

    async def test_a_receiver_that_is_gone_is_left_alone(self) -> None:
        async with receiving("410 Gone") as receiver:
            with pytest.raises(ApplicationError, match="gone for good") as failed:
                await deliver(receiver.url)
        assert failed.value.non_retryable

    async def test_a_private_address_is_never_tried(self) -> None:
        async with receiving() as receiver:
            with pytest.raises(ApplicationError, match="private") as failed:
                await deliver(receiver.url, allowed=frozenset())
        assert failed.value.non_retryable
        assert receiver.bodies == []

    async def test_a_worker_without_a_secret_leaves_it_to_one_that_has_it(self) -> None:
        with pytest.raises(ApplicationError, match="no secret") as failed:
            await deliver("https://example.com/hook", Subscriptions([]))
        assert not failed.value.non_retryable

    async def test_what_cannot_be_read_now_is_told_later(self) -> None:
        async def away(delivery: Delivery) -> dict[str, Any]:
            raise EngineAway("not now")

        async with receiving() as receiver:
            with pytest.raises(ApplicationError, match="cannot be read") as failed:
                await deliver(receiver.url, look=away)
        assert not failed.value.non_retryable
        assert receiver.bodies == []
