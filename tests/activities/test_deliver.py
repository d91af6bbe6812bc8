from __future__ import annotations

import pytest
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment

from activities.deliver import DeliverActivities
from pipeline.delivering import WebhookSender
from tests.pipeline.test_delivering import LOOPBACK, SECRET, delivery, receiving

SENDER = WebhookSender(SECRET, LOOPBACK)


async def deliver(url: str, sender: WebhookSender | None = SENDER) -> None:
    await ActivityEnvironment().run(DeliverActivities(sender).deliver, delivery(url))


class TestDeliver:
    @pytest.mark.parametrize("status", ["200 OK", "204 No Content", "202 Accepted"])
    async def test_two_hundred_and_something_is_taken(self, status: str) -> None:
        async with receiving(status) as receiver:
            await deliver(receiver.url)
        assert len(receiver.bodies) == 1

    @pytest.mark.parametrize(
        "status", ["301 Moved", "400 Bad Request", "404 Not Found", "429 Slow", "500 Oops"]
    )
    async def test_any_other_answer_is_tried_again(self, status: str) -> None:
        async with receiving(status) as receiver:
            with pytest.raises(ApplicationError, match=status.split()[0]) as failed:
                await deliver(receiver.url)
        assert not failed.value.non_retryable
        assert failed.value.category is ApplicationErrorCategory.BENIGN

    async def test_a_receiver_that_is_away_is_tried_again(self) -> None:
        async with receiving() as receiver:
            url = receiver.url
        with pytest.raises(ApplicationError, match="cannot be reached") as failed:
            await deliver(url)
        assert not failed.value.non_retryable

    async def test_what_is_no_http_is_tried_again(self) -> None:
        async with receiving("not a status") as receiver:
            with pytest.raises(ApplicationError) as failed:
                await deliver(receiver.url)
        assert not failed.value.non_retryable

    async def test_a_receiver_that_is_gone_is_left_alone(self) -> None:
        async with receiving("410 Gone") as receiver:
            with pytest.raises(ApplicationError) as failed:
                await deliver(receiver.url)
        assert failed.value.non_retryable

    async def test_a_private_address_is_never_tried(self) -> None:
        async with receiving() as receiver:
            with pytest.raises(ApplicationError, match="private") as failed:
                await deliver(receiver.url, WebhookSender(SECRET, frozenset()))
        assert failed.value.non_retryable
        assert receiver.bodies == []

    async def test_a_worker_without_a_secret_leaves_it_to_one_that_has_it(self) -> None:
        with pytest.raises(ApplicationError, match="DARKROOM_WEBHOOK_SECRET") as failed:
            await deliver("https://example.com/hook", None)
        assert not failed.value.non_retryable
