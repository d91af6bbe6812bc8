from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.webhooks import (
    Delivery,
    Subscription,
    WebhookEvent,
    receivers,
    shown,
    signing_secrets,
)

HERE, THERE = "https://here.example/", "https://there.example/"
STARTED, COMPLETED = WebhookEvent.JOB_STARTED, WebhookEvent.JOB_COMPLETED


class TestReceivers:
    def test_nobody_subscribed_nobody_is_told(self) -> None:
        assert receivers(None, None, COMPLETED) == []

    def test_a_start_is_told_only_to_those_who_name_it(self) -> None:
        own, tenants = Subscription(url=HERE), [Subscription(url=THERE, events=[STARTED])]
        assert [told.url for told in receivers(own, tenants, STARTED)] == [THERE]
        assert [told.url for told in receivers(own, tenants, COMPLETED)] == [HERE]

    def test_an_address_is_told_once_by_its_first_place_that_wants_the_event(self) -> None:
        own = Subscription(url=HERE, events=[STARTED])
        tenants = [Subscription(url=THERE), Subscription(url=HERE)]
        told = receivers(own, tenants, COMPLETED)
        assert [(receiver.place, receiver.url) for receiver in told] == [(1, THERE), (2, HERE)]


class TestDelivery:
    def delivery(self, **more: object) -> Delivery:
        return Delivery.model_validate(
            {
                "subject_id": "img_1",
                "event": COMPLETED,
                "happened_at": datetime.now(UTC),
                "url": HERE,
                **more,
            }
        )

    @pytest.mark.parametrize(
        ("more", "delivery_id"),
        [
            ({}, "img_1.job.completed"),
            ({"place": 2}, "img_1.job.completed.2"),
            ({"again": "ab12"}, "img_1.job.completed.ab12"),
            ({"place": 2, "again": "ab12"}, "img_1.job.completed.2.ab12"),
        ],
    )
    def test_its_id_names_message_and_receiver_the_messages_stays(
        self, more: dict[str, object], delivery_id: str
    ) -> None:
        delivery = self.delivery(**more)
        assert delivery.id == delivery_id
        assert delivery.message_id == "img_1.job.completed"

    def test_it_waits_its_turn_by_host_and_port(self) -> None:
        url = f"https://ann:word@{'a' * 100}.Example:8443/hook"  # pragma: allowlist secret
        delivery = self.delivery(url=url)
        assert delivery.receiver == f"{'a' * 100}.example:8443"
        assert len(delivery.fairness_key.encode()) == 64
        assert delivery.fairness_key.endswith(".example:8443")


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("https://a.example/hook", "https://a.example/hook"),
        ("https://a.example:8443/hook?token=t#f", "https://a.example:8443/hook"),
        ("https://ann:word@a.example/", "https://a.example/"),  # pragma: allowlist secret
    ],
)
def test_what_may_be_secret_in_an_address_is_not_shown(url: str, what: str) -> None:
    assert shown(url) == what


class TestSigningSecrets:
    @pytest.mark.parametrize(
        "text", ["whsec_b25l whsec_dHdv", "whsec_b25l,whsec_dHdv", "b25l\ndHdv"]
    )
    def test_several_stand_there_while_they_are_rotated(self, text: str) -> None:
        assert [each.removeprefix("whsec_") for each in signing_secrets(text)] == ["b25l", "dHdv"]

    @pytest.mark.parametrize("text", ["", " , ", "whsec_", "whsec_not base64!", "whsec_b25l hush!"])
    def test_what_is_none_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError):  # noqa: PT011  the message is the settings' to complete
            signing_secrets(text)
