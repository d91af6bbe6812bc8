"""A webhook that is sent now, to hear what its receiver says."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime

from api.auth import Caller
from api.claims import Claims
from api.once import Repeatable
from api.schemas import TriedReceiver, WebhookTestAnswer
from domain.errors import InvalidRequest
from domain.webhooks import TEST_EVENT, shown
from pipeline.delivering import Message, NeverDeliverable, NotDelivered, WebhookSender
from pipeline.subscribing import Subscriptions

_FIELD = "url"
_DATA = {"message": "This is what a webhook looks like. Nothing has happened."}


class WebhookTrials:
    """Sends from this process, once; nothing is written down."""

    def __init__(self, subscriptions: Subscriptions, sender: WebhookSender, claims: Claims) -> None:
        self._subscriptions = subscriptions
        self._sender = sender
        self._claims = claims

    async def send(
        self, caller: Caller, url: str | None, once: Repeatable | None = None
    ) -> WebhookTestAnswer:
        """Tell a receiver, else all that the tenant is set up with; raises `InvalidRequest`.

        A request that is repeated while the first is under way may be told twice, by one id.
        """
        tenant = caller.tenant
        await self._claims.kept(once, tenant)
        answer = await self._claims.answer(once, tenant)
        if answer is None:
            urls = self._checked(tenant, url)
            await self._claims.keep(once, tenant)
            message_id = f"test_{once.fingerprint[:24] if once else secrets.token_hex(12)}"
            told = await self._send(urls, tenant, message_id)
            answer = await self._claims.keep_answer(once, tenant, told.model_dump(mode="json"))
        return WebhookTestAnswer.model_validate(answer)

    def _checked(self, tenant: str, url: str | None) -> list[str]:
        urls = [url] if url else [known.url for known in self._subscriptions.of(tenant)]
        if not urls:
            raise InvalidRequest(
                "There is nobody to tell: name a url, or set up [[webhooks]] in darkroom.toml.",
                [(_FIELD, "needed where the tenant has no webhooks set up")],
            )
        for each in urls:
            self._subscriptions.check(tenant, each, _FIELD)
        return urls

    async def _send(self, urls: list[str], tenant: str, message_id: str) -> WebhookTestAnswer:
        told = await asyncio.gather(*(self._tell(tenant, url, message_id) for url in urls))
        return WebhookTestAnswer(event=TEST_EVENT, receivers=list(told))

    async def _tell(self, tenant: str, url: str, message_id: str) -> TriedReceiver:
        message = Message(type=TEST_EVENT, timestamp=datetime.now(UTC), data=_DATA)
        signing = self._subscriptions.secrets(tenant, url)
        try:
            answer = await self._sender.post(url, message_id, message, signing)
        except (NotDelivered, NeverDeliverable) as error:
            return TriedReceiver(url=shown(url), delivered=False, status=None, error=str(error))
        return TriedReceiver(
            url=shown(url),
            delivered=answer.problem is None,
            status=answer.status,
            error=answer.problem,
        )
