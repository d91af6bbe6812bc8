"""Black Forest Labs' API: a task is submitted, polled where its answer says, its picture fetched.

Source: https://docs.bfl.ai/quick_start/generating_images, https://docs.bfl.ai/api_integration/errors
and https://api.bfl.ai/openapi.json.
"""

from __future__ import annotations

import asyncio
import base64
import re
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from domain.errors import (
    ContentRejected,
    GenerationFailed,
    JobFailure,
    ProviderUnavailable,
)
from domain.jobs import CostBasis
from providers.base import Call, Order, Picture, Provider
from providers.costs import cost_of
from providers.http import VendorHttp, pauses
from providers.masks import resized, resized_mask
from providers.models import Model
from providers.polling import json_of, lost_track, poll_failure
from providers.prompting import prompt_for, words_for
from providers.registry import Connection

_ADDRESS = "https://api.bfl.ai"
_VENDORS_HOST = re.compile(r"api(\.[a-z0-9-]+)?\.bfl\.ai")
"""The global address, and the regions that it spreads tasks over."""
_POLL_SECONDS = 0.5
_READY = "Ready"
_ENDS = frozenset({_READY, "Request Moderated", "Content Moderated", "Error", "Task not found"})


class _Ticket(BaseModel):
    """What the vendor answers a submission with, as it is put down."""

    id: str
    polling_url: str | None = None
    cost: float | None = None
    """In credits."""


class BlackForestLabs(Provider):
    """Provider options: `usd_per_credit`, `poll_seconds`.

    Model options: `endpoint` where it is not the model's name, `parameters` that are sent besides,
    `fills` where it takes one picture with a mask and makes it as large as that is.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.name)
        key = connection.api_key or ""
        self._models = connection.entry.models
        self._usd_per_credit: float | None = connection.entry.options.get("usd_per_credit")
        self._poll_seconds: float = connection.entry.options.get("poll_seconds", _POLL_SECONDS)
        self._address = connection.base_url or _ADDRESS
        self._http = VendorHttp(connection.name, self._address, {"x-key": key}, (key,))

    async def generate(self, order: Order, call: Call) -> list[Picture]:
        """One task, one picture; it cannot be cancelled, and is looked for by its ticket only."""
        model = self._models[order.model]
        if call.ticket is None:
            ticket = await self._submit(order, model, call)
        else:
            ticket = _Ticket.model_validate_json(call.ticket)
        result = await self._result(ticket, call)
        if not isinstance(result.get("sample"), str):
            raise self._http.no_picture("names no picture")
        cost_usd, basis = self._cost(order, model, ticket)
        return [
            Picture(
                data=await self._http.fetch(result["sample"]),
                seed=_seed_of(result, order),
                cost_usd=cost_usd,
                cost_basis=basis,
            )
        ]

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    async def _submit(self, order: Order, model: Model, call: Call) -> _Ticket:
        endpoint = model.options.get("endpoint", order.model)
        body = await asyncio.to_thread(_body, order, model)
        answer = await self._http.pay(call, "POST", f"/v1/{endpoint}", json=body)
        if not answer.is_success:
            raise self._http.failure(answer.status_code, _said(answer), answer.headers)
        try:
            ticket = _Ticket.model_validate_json(answer.content)
        except ValidationError as error:
            raise lost_track(self.name, "accepted a request without saying as what") from error
        await call.submitted(ticket.model_dump_json())
        return ticket

    async def _result(self, ticket: _Ticket, call: Call) -> dict[str, Any]:
        """What has come of a task; its picture's address lives ten minutes."""
        waits = pauses(self._poll_seconds)
        while True:
            task = await self._poll(ticket)
            if task["status"] == _READY:
                result = task.get("result")
                return result if isinstance(result, dict) else {}
            if failure := self._end(task):
                raise failure
            if isinstance(task.get("progress"), int | float):
                call.report(min(max(task["progress"], 0.0), 1.0))
            await asyncio.sleep(next(waits))

    async def _poll(self, ticket: _Ticket) -> dict[str, Any]:
        """The task as the vendor tells it; how one ended, it may tell with any HTTP status."""
        answer = await self._http.ask("GET", self._polled(ticket))
        task = json_of(answer)
        status = task.get("status")
        if isinstance(status, str) and (answer.is_success or status in _ENDS):
            return task
        if not answer.is_success:
            raise poll_failure(self._http, answer, _said(answer))
        raise ProviderUnavailable(
            f"{self.name} does not tell how a task stands.", provider=self.name
        )

    def _polled(self, ticket: _Ticket) -> str:
        """Where to ask for a task: our key must not go to anybody but the vendor."""
        if ticket.polling_url and is_same_vendor(ticket.polling_url, self._address):
            return ticket.polling_url
        return f"/v1/get_result?id={quote(ticket.id)}"

    def _end(self, task: dict[str, Any]) -> JobFailure | None:
        """How a task ended that made no picture: none of these is charged for.

        Source: https://help.bfl.ai/articles/4212278032-my-prompt-is-getting-moderated
        """
        details = self._http.quoted(_details(task))
        match task["status"]:
            case "Request Moderated":
                return ContentRejected(
                    f"{self.name} refused the request: {details}",
                    provider=self.name,
                    flagged="prompt",
                )
            case "Content Moderated":
                return ContentRejected(
                    f"{self.name} withheld the picture it made: {details}",
                    provider=self.name,
                    flagged="output",
                )
            case "Error":
                return GenerationFailed(
                    f"{self.name} failed at the picture: {details}", provider=self.name
                )
            case "Task not found":
                return lost_track(self.name, "does not know the task any more")
        return None

    def _cost(self, order: Order, model: Model, ticket: _Ticket) -> tuple[float | None, CostBasis]:
        """USD by the credits that the answer named, else by the list price."""
        if ticket.cost is not None and self._usd_per_credit is not None:
            return round(ticket.cost * self._usd_per_credit, 6), CostBasis.USAGE
        return cost_of(model, order.spec.quality, model.fitted(order.size))


def is_same_vendor(address: str, own_address: str) -> bool:
    """Whether an address may be given the key that is for the other one."""
    try:
        asked, own = httpx.URL(address), httpx.URL(own_address)
    except httpx.InvalidURL:
        return False
    if (asked.scheme, asked.netloc) == (own.scheme, own.netloc):
        return True
    is_secure = asked.scheme == "https" and asked.port is None
    return is_secure and all(_VENDORS_HOST.fullmatch(url.host) for url in (own, asked))


def _body(order: Order, model: Model) -> dict[str, Any]:
    fills = bool(model.options.get("fills"))
    body: dict[str, Any] = {
        "prompt": words_for(order, model) if fills else prompt_for(order, model),
        "seed": order.first_seed,
        "output_format": "png",
        **(_filled(order) if fills else _shown(order, model)),
    }
    return {**body, **model.options.get("parameters", {})}


def _shown(order: Order, model: Model) -> dict[str, Any]:
    shown: dict[str, Any] = {"width": order.size.width_px, "height": order.size.height_px}
    for number, picture in enumerate(order.pictures[: model.references], start=1):
        name = "input_image" if number == 1 else f"input_image_{number}"
        shown[name] = _encoded(picture.data)
    return shown


def _filled(order: Order) -> dict[str, Any]:
    """The source as large as the picture; what is white in the mask is filled.

    Source: https://docs.bfl.ai/flux_tools/flux_1_fill
    """
    given: dict[str, Any] = {}
    if order.source is not None:
        given["image"] = _encoded(resized(order.source, order.size).data)
    if order.mask is not None:
        given["mask"] = _encoded(resized_mask(order.mask, order.size))
    return given


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _seed_of(result: dict[str, Any], order: Order) -> int:
    echoed = result.get("seed")
    return echoed if isinstance(echoed, int) else order.first_seed


def _details(task: dict[str, Any]) -> str:
    """Why, such as `{"Moderation Reasons": ["Derivative Works Filter"]}`."""
    details = task.get("details")
    if not isinstance(details, dict) or not details:
        return str(details or "no reason is given")
    given = (value if isinstance(value, list) else [value] for value in details.values())
    return ", ".join(str(value) for values in given for value in values)


def _said(answer: httpx.Response) -> str:
    """The message of a refusal: text, or FastAPI's list of problems."""
    detail = json_of(answer).get("detail", answer.text)
    if not isinstance(detail, list):
        return str(detail)
    return "; ".join(
        f"{'.'.join(map(str, problem.get('loc', ())))}: {problem.get('msg', '')}"
        if isinstance(problem, dict)
        else str(problem)
        for problem in detail
    )
