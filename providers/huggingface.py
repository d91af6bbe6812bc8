"""Hugging Face's Inference Providers: a model of the Hub, run by the vendor it is pinned to.

`huggingface_hub` knows what each vendor wants to be sent. The sending is ours: its client looks
models up, pays, waits and downloads in one call that cannot be taken up again.
Source: https://huggingface.co/docs/inference-providers and `huggingface_hub.inference._providers`.
"""

from __future__ import annotations

import asyncio
import base64
import re
from copy import copy
from typing import Any
from urllib.parse import urlsplit

import httpx
from huggingface_hub import constants
from huggingface_hub.hf_api import InferenceProviderMapping
from huggingface_hub.inference._common import MimeBytes, RequestParameters
from huggingface_hub.inference._providers import get_provider_helper
from huggingface_hub.inference._providers._common import TaskProviderHelper
from huggingface_hub.utils._http import parse_ratelimit_headers
from pydantic import BaseModel

from domain.errors import (
    Billed,
    ContentRejected,
    GenerationFailed,
    JobFailure,
    ProviderModelShutDown,
    ProviderUnavailable,
    RequestRejected,
)
from providers.base import Call, Order, Picture, Provider
from providers.costs import cost_of
from providers.http import VendorHttp, pauses
from providers.models import Model
from providers.polling import json_of, lost_track, poll_failure
from providers.prompting import prompt_for
from providers.registry import Connection

_ROUTER = constants.INFERENCE_PROXY_TEMPLATE.format(provider="").rstrip("/")
_ROUTED = "hf_"
"""How a key begins that the SDK goes to the router with; ours it need not see."""
_OWN_ENDPOINT = "hf-inference"
"""Whose shapes an Inference Endpoint speaks."""
_UNKNOWN_JOBS = frozenset({"wavespeed", "zai-org"})
"""They answer with a job in a form of their own, which only the SDK waits for, blocking."""
_POLL_SECONDS = 0.5
_REFUSES = re.compile(r"nsfw|content[ _-]?(policy|moderation)|moderated|flagged", re.IGNORECASE)
"""Each routed vendor refuses content in its own words, and with an error code of its own."""


class _Ticket(BaseModel):
    """What is paid already: a job in a vendor's queue, or a picture that waits somewhere."""

    job: str | None = None
    """Its path below the router, with the query that belongs to it."""
    picture: str | None = None
    seed: int | None = None


class HuggingFace(Provider):
    """Model options, of which `edit` holds another set, for pictures that follow a reference.

    `provider`: the vendor that runs it; without one, the base URL is an Inference Endpoint.
    `provider_id`: the vendor's name for the model, where it is not the Hub's.
    `parameters`: sent besides. `plain_size`: an edit takes `width` and `height`, not `target_size`.
    Provider options: `poll_seconds`, and `bill_to`, the organisation that pays.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.name)
        key = connection.api_key or ""
        self._models = connection.entry.models
        self._poll_seconds: float = connection.entry.options.get("poll_seconds", _POLL_SECONDS)
        self._base_url = connection.base_url
        headers = {"authorization": f"Bearer {key}"} if key else {}
        if payer := connection.entry.options.get("bill_to"):
            headers[constants.HUGGINGFACE_HEADER_X_BILL_TO] = payer
        self._http = VendorHttp(connection.name, connection.base_url or _ROUTER, headers, (key,))

    async def generate(self, order: Order, call: Call) -> list[Picture]:
        """One request, one picture; what came as a job or an address can be taken up again."""
        if call.ticket is not None:
            return [await self._collect(order, _Ticket.model_validate_json(call.ticket))]
        request = self._request(order)
        answer = await self._send(request, call)
        if answer.headers.get("content-type", "").startswith("image/"):
            return [self._sold(order, answer.content, None)]
        body = json_of(answer)
        ticket = _job_of(body, request) or self._waiting(body)
        if ticket is None:
            return [self._sold(order, self._inline(body), _seed_in(body))]
        await call.submitted(ticket.model_dump_json(exclude_none=True))
        return [await self._collect(order, ticket)]

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    def _request(self, order: Order) -> RequestParameters:
        """What the pinned vendor is sent; nothing leaves this process here."""
        model = self._models[order.model]
        is_edit = bool(order.pictures)
        pin = model.options.get("edit", model.options) if is_edit else model.options
        helper = self._helper(order.model, pin, "image-to-image" if is_edit else "text-to-image")
        return helper.prepare_request(
            inputs=_reference(order) if is_edit else prompt_for(order, model),
            parameters=_edit(order, model, pin) if is_edit else _drawing(order, model, pin),
            headers={"Accept": "image/png"},
            model=order.model,
            api_key=_ROUTED,
        )

    def _helper(self, model: str, pin: dict[str, Any], task: str) -> TaskProviderHelper:
        """What the SDK knows of a vendor, and is told of the vendor's name for a model.

        By itself it would ask the Hub for that name, and keep the event loop waiting.
        """
        vendor = pin.get("provider")
        speaks: Any = vendor or _OWN_ENDPOINT
        if vendor is None and self._base_url is None:
            raise self._cannot(f"is pinned to no vendor for {model}, and has no endpoint for it")
        if vendor in _UNKNOWN_JOBS:
            raise self._cannot(f"cannot wait for {vendor}")
        try:
            helper = copy(get_provider_helper(speaks, task, model))
        except ValueError as error:
            raise self._cannot(f"knows no {task} by {vendor}") from error
        mapping = InferenceProviderMapping(  # type: ignore[no-untyped-call]
            provider=speaks,
            hf_model_id=model,
            providerId=pin.get("provider_id", model) if vendor else self._base_url,
            task=task,
            status="live",
        )
        setattr(helper, "_prepare_mapping_info", lambda _: mapping)  # noqa: B010  a method
        return helper

    async def _send(self, request: RequestParameters, call: Call) -> httpx.Response:
        headers = {name: text for name, text in request.headers.items() if name != "authorization"}
        answer = await self._http.pay(
            call,
            "POST",
            request.url.removeprefix(_ROUTER),
            json=request.json,
            content=request.data,
            headers=headers,
        )
        if not answer.is_success:
            raise self._failure(answer)
        return answer

    async def _collect(self, order: Order, ticket: _Ticket) -> Picture:
        """The picture of a ticket, once it is there."""
        if ticket.job is not None:
            ticket = await self._result(ticket.job)
        if ticket.picture is None:
            raise self._http.no_picture("names no picture")
        return self._sold(order, await self._http.fetch(ticket.picture), ticket.seed)

    async def _result(self, job: str) -> _Ticket:
        """What has come of a job in fal's queue.

        Source: https://docs.fal.ai/model-apis/model-endpoints/queue
        """
        path, _, query = job.partition("?")
        waits = pauses(self._poll_seconds)
        while True:
            state = await self._ask(f"{path}/status?{query}")
            if state.get("status") == "COMPLETED":
                break
            await asyncio.sleep(next(waits))
        if state.get("error"):
            raise self._ended(str(state["error"]))
        return self._waiting(await self._ask(job)) or _Ticket()

    async def _ask(self, path: str) -> dict[str, Any]:
        """What is asked about a job that is paid already."""
        answer = await self._http.ask("GET", path)
        if not answer.is_success:
            raise self._failure(answer, is_asking=True)
        if body := json_of(answer):
            return body
        raise ProviderUnavailable(
            f"{self.name} does not tell how a job stands.", provider=self.name
        )

    def _waiting(self, body: dict[str, Any]) -> _Ticket | None:
        """Where an answer says that its picture is; None where it does not."""
        if True in _list_of(body.get("has_nsfw_concepts")):
            # The picture that comes with it is black, and charged for.
            raise ContentRejected(
                f"{self.name} blackened the picture it made.",
                provider=self.name,
                billed=Billed.YES,
                flagged="output",
            )
        if body.get("status") in ("failed", "canceled"):
            raise self._ended(str(body.get("error") or "no reason is given"))
        if body.get("status") in ("starting", "processing"):
            raise lost_track(self.name, "is still at work on what one answer was to bring")
        address = _address_in(body)
        return None if address is None else _Ticket(picture=address, seed=_seed_in(body))

    def _inline(self, body: dict[str, Any]) -> bytes:
        """A picture that is part of the answer."""
        try:
            return base64.b64decode(body["data"][0]["b64_json"], validate=True)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise self._http.no_picture("holds no picture") from error

    def _sold(self, order: Order, data: bytes, seed: int | None) -> Picture:
        model = self._models[order.model]
        cost_usd, basis = cost_of(model, order.spec.quality, model.fitted(order.size))
        sent = order.first_seed if model.seed else None
        return Picture(data, sent if seed is None else seed, cost_usd, basis)

    def _failure(self, answer: httpx.Response, *, is_asking: bool = False) -> JobFailure:
        said, code = _error_in(answer)
        if is_asking:
            failure = poll_failure(self._http, answer, said)
        else:
            failure = self._http.failure(answer.status_code, said, answer.headers)
        if isinstance(failure, RequestRejected):
            if _REFUSES.search(f"{code} {said}"):
                return self._refused(said)
            if code == "model_not_supported":
                return ProviderModelShutDown(failure.message, provider=self.name)
        if failure.retryable and failure.retry_after_seconds is None:
            failure.retry_after_seconds = _wait_in(answer)
        return failure

    def _ended(self, said: str) -> JobFailure:
        """A job that is over without a picture; whether it was charged for is not told."""
        if _REFUSES.search(said):
            return self._refused(said, billed=Billed.UNKNOWN)
        return GenerationFailed(
            f"{self.name} failed at the picture: {self._http.quoted(said)}",
            provider=self.name,
            billed=Billed.UNKNOWN,
        )

    def _refused(self, said: str, billed: Billed = Billed.NO) -> ContentRejected:
        return ContentRejected(
            f"{self.name} refused the prompt: {self._http.quoted(said)}",
            provider=self.name,
            billed=billed,
            flagged="prompt",
        )

    def _cannot(self, what: str) -> RequestRejected:
        return RequestRejected(f"{self.name} {what}; nothing was sent.", provider=self.name)


def _drawing(order: Order, model: Model, pin: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a picture from a prompt alone."""
    return {
        "width": order.size.width_px,
        "height": order.size.height_px,
        **_wishes(order, model),
        **pin.get("parameters", {}),
    }


def _edit(order: Order, model: Model, pin: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a picture that follows a reference."""
    size = {"width": order.size.width_px, "height": order.size.height_px}
    return {
        "prompt": prompt_for(order, model),
        **(size if pin.get("plain_size") else {"target_size": size}),
        **_wishes(order, model),
        **pin.get("parameters", {}),
    }


def _wishes(order: Order, model: Model) -> dict[str, Any]:
    """What not every model takes; the SDK leaves out what is None."""
    return {
        "negative_prompt": order.spec.negative_prompt if model.negative_prompt else None,
        "seed": order.first_seed if model.seed else None,
    }


def _reference(order: Order) -> MimeBytes:
    first = order.pictures[0]
    return MimeBytes(first.data, first.media_type)


def _job_of(body: dict[str, Any], request: RequestParameters) -> _Ticket | None:
    """A submission to fal's queue, which the router has below the vendor's name.

    Only the path of the answer's address is followed: our key must go to nobody but the router.
    """
    address = body.get("response_url")
    if not isinstance(address, str):
        return None
    asked = urlsplit(request.url.removeprefix(_ROUTER))
    vendor = asked.path.split("/")[1]
    return _Ticket(job=f"/{vendor}{urlsplit(address).path}?{asked.query}")


def _address_in(body: dict[str, Any]) -> str | None:
    """The picture's address, as fal, Replicate and those that follow OpenAI give it."""
    first = _list_of(body.get("images") or body.get("output") or body.get("data"))[0]
    address = first.get("url") if isinstance(first, dict) else first
    return address if isinstance(address, str) else None


def _list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) and value else [value]


def _seed_in(body: dict[str, Any]) -> int | None:
    seed = body.get("seed")
    return seed if isinstance(seed, int) else None


def _error_in(answer: httpx.Response) -> tuple[str, str]:
    """Message and code of a refusal, as the router or a vendor behind it puts them."""
    body = json_of(answer)
    problem = body.get("error") or body.get("detail") or body.get("message") or answer.text
    problem = _list_of(problem)[0]
    if not isinstance(problem, dict):
        return str(problem), ""
    said = problem.get("message") or problem.get("msg") or ""
    return str(said), str(problem.get("code") or problem.get("type") or "")


def _wait_in(answer: httpx.Response) -> float | None:
    """Seconds until the limit is reset, or until the model is loaded."""
    if limit := parse_ratelimit_headers(answer.headers):
        return float(limit.reset_in_seconds)
    seconds = json_of(answer).get("estimated_time")
    return float(seconds) if isinstance(seconds, int | float) else None
