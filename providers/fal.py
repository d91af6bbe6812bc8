"""fal: a model's endpoint takes a request into its queue, which is polled; pictures lie elsewhere.

Source: https://fal.ai/docs/documentation/model-apis (inference/queue, errors, request-errors,
common-parameters, faq), https://fal.ai/docs/inference-api/queue/cancel and
https://fal.ai/docs/platform-apis/v1/models/requests/by-endpoint.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from domain.errors import (
    Billed,
    Cancelled,
    ContentRejected,
    GenerationFailed,
    JobFailure,
    ProviderQuota,
    ProviderUnavailable,
)
from domain.jobs import CostBasis
from providers.base import Call, Order, Picture, Provider, Reference
from providers.costs import cost_of
from providers.http import VendorHttp, pauses
from providers.inputs import input_for, mask_for, megapixels_begun, references_for
from providers.models import Model
from providers.polling import below, json_of, lost_track, poll_failure, share_in
from providers.registry import Connection

_ADDRESS = "https://queue.fal.run"
_HISTORY = "https://api.fal.ai/v1"
_POLL_SECONDS = 0.5
_ANSWER_SECONDS = 60.0
"""A request is queued at once, the work goes on behind it."""
_SETTLE_SECONDS = 30.0
"""By then most of what was under way is in the history."""
_CLOCKS_APART = timedelta(seconds=60)
_NAMESPACES = ("workflows", "comfy")
_CLIENT_CLOSED = 499


@dataclass(frozen=True)
class _Ticket:
    """Where a request is asked about: paths below the vendor's address."""

    status: str
    response: str
    cancel: str


class Fal(Provider):
    """Provider options: `poll_seconds`, `answer_seconds`, `settle_seconds`.

    Besides a `base_url` also `history_url`, without which nothing lost is found.

    Model options: those of `providers.inputs`; `endpoint` where it is not the model's name;
    `reference_endpoint` where another takes references; `reference_usd_per_megapixel`.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.name)
        key, options = connection.api_key or "", connection.entry.options
        self._models = connection.entry.models
        self._poll_seconds: float = options.get("poll_seconds", _POLL_SECONDS)
        self._address = connection.base_url or _ADDRESS
        # The vendor's own history gets no key that is meant for another address.
        self._history: str | None = options.get(
            "history_url", None if connection.base_url else _HISTORY
        )
        # Without a history there is nothing to wait for.
        self.settle_seconds = (
            options.get("settle_seconds", _SETTLE_SECONDS) if self._history else 0.0
        )
        self._called_off: set[str] = set()
        self._http = VendorHttp(
            connection.name,
            self._address,
            {"authorization": f"Key {key}"},
            (key,),
            answer_seconds=options.get("answer_seconds", _ANSWER_SECONDS),
        )

    async def generate(self, order: Order, call: Call) -> list[Picture]:
        """One request in the queue; the ticket is where it is asked about."""
        model = self._models[order.model]
        references, mask = await asyncio.to_thread(_pictures, order, model)
        ticket = call.ticket or await self._submit(order, model, references, mask, call)
        try:
            result = await self._result(ticket, call)
        finally:
            self._called_off.discard(ticket)
        addresses = self._addresses(result, order)
        cost_usd, basis = _cost(order, model, references)
        return [
            Picture(
                data=await self._http.fetch(address),
                # One seed is told for all; the further ones are drawn with others.
                seed=_seed_of(result) if address == addresses[0] else None,
                cost_usd=cost_usd,
                cost_basis=basis,
            )
            # Of a call that is taken up again, the pictures stored already come first.
            for address in addresses[-order.count :]
        ]

    async def find(self, order: Order, key: str, sent_at: datetime) -> str | None:
        """A request of the history that was asked for the same.

        The history may leave out what is still under way: what is not in it is `OutcomeUnknown`.
        """
        model = self._models[order.model]
        references, mask = await asyncio.to_thread(_pictures, order, model)
        endpoint, asked = _request(order, model, references, mask)
        for item in await self._past(endpoint, sent_at - _CLOCKS_APART):
            given = item.get("json_input")
            if isinstance(given, dict) and asked.items() <= given.items():
                return _put_down(_ticket(endpoint, item["request_id"]))
        return await super().find(order, key, sent_at)

    async def cancel(self, ticket: str) -> None:
        """Take a request from the queue, or tell its model to stop; one that has ended stays."""
        answer = await self._http.ask("PUT", _taken_up(ticket).cancel)
        if answer.status_code in (200, 202):
            self._called_off.add(ticket)
        elif answer.status_code != 400:
            raise poll_failure(self._http, answer, _said(answer))

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    async def _submit(
        self,
        order: Order,
        model: Model,
        references: Sequence[Reference],
        mask: Reference | None,
        call: Call,
    ) -> str:
        endpoint, asked = _request(order, model, references, mask)
        answer = await self._http.pay(
            call, "POST", f"/{endpoint}", json=asked, headers={"x-fal-no-retry": "1"}
        )
        if answer.status_code not in (200, 202):
            raise self._refusal(answer)
        body = json_of(answer)
        if not isinstance(body.get("request_id"), str):
            raise lost_track(self.name, "accepted a request without saying as what")
        ticket = _put_down(self._told(_ticket(endpoint, body["request_id"]), body))
        await call.submitted(ticket)
        return ticket

    def _told(self, otherwise: _Ticket, body: dict[str, Any]) -> _Ticket:
        """The addresses that the vendor tells, where they are its own."""
        paths = {
            name: below(self._address, str(body.get(f"{name}_url"))) or path
            for name, path in asdict(otherwise).items()
        }
        return _Ticket(**paths)

    async def _result(self, ticket: str, call: Call) -> dict[str, Any]:
        """The model's answer when the request is through the queue."""
        paths = _taken_up(ticket)
        for pause in pauses(self._poll_seconds):
            state = await self._state(ticket, paths)
            if state.get("status") == "COMPLETED":
                break
            if state.get("status") not in ("IN_QUEUE", "IN_PROGRESS"):
                raise ProviderUnavailable(
                    f"{self.name} does not tell how a request stands.", provider=self.name
                )
            if (share := share_in(_logs(state))) is not None:
                call.report(share)
            await asyncio.sleep(pause)
        answer = await self._http.ask("GET", paths.response)
        if answer.status_code != 200:
            raise self._end(answer, state)
        return json_of(answer)

    async def _state(self, ticket: str, paths: _Ticket) -> dict[str, Any]:
        answer = await self._http.ask("GET", paths.status, params={"logs": "1"})
        if answer.status_code in (200, 202):
            return json_of(answer)
        if answer.status_code == 404 and ticket in self._called_off:
            raise Cancelled(f"{self.name} took the request back.", provider=self.name)
        raise poll_failure(self._http, answer, _said(answer))

    def _end(self, answer: httpx.Response, state: dict[str, Any]) -> JobFailure:
        """What came of a request that made no picture.

        Not charged from 500 up; a model that refuses what it was given may have worked for it.
        """
        kind = _error_type(answer) or state.get("error_type") or ""
        if answer.status_code == _CLIENT_CLOSED or "cancel" in kind:
            return Cancelled(
                f"{self.name} was told to stop.", provider=self.name, billed=Billed.UNKNOWN
            )
        is_over = bool(kind or state.get("error") or _problems(answer))
        if answer.status_code >= 500 and is_over:
            quoted = self._http.quoted(_said(answer))
            return GenerationFailed(
                f"{self.name} failed at the picture: {quoted}", provider=self.name
            )
        if answer.status_code in (400, 413, 415, 422):
            return self._refusal(answer, Billed.UNKNOWN)
        return poll_failure(self._http, answer, _said(answer))

    def _refusal(self, answer: httpx.Response, billed: Billed = Billed.NO) -> JobFailure:
        said = _said(answer)
        for problem in _problems(answer):
            if problem.get("type") == "content_policy_violation":
                flagged = _flagged(problem)
                return ContentRejected(
                    f"{self.name} refused the {flagged}: {self._http.quoted(said)}",
                    provider=self.name,
                    billed=billed,
                    flagged=flagged,
                )
        if answer.status_code == 403 and "balance" in said.lower():
            # The only sign of an account without credit: there is no 402.
            return ProviderQuota(f"{self.name} has no credit left.", provider=self.name)
        failure = self._http.failure(answer.status_code, said, answer.headers)
        failure.billed = billed if failure.billed is Billed.NO else failure.billed
        return failure

    def _addresses(self, result: dict[str, Any], order: Order) -> list[str]:
        """Where the pictures lie, for a week at least."""
        if any(result.get("has_nsfw_concepts") or ()):
            # What comes instead is black, and charged for.
            raise ContentRejected(
                f"{self.name} blackened a picture that it made: has_nsfw_concepts.",
                provider=self.name,
                billed=Billed.YES,
                flagged="output",
            )
        images = result.get("images") or [result.get("image")]
        addresses = [image["url"] for image in images if image and image.get("url")]
        if len(addresses) < order.count:
            raise self._http.no_picture(f"is {len(addresses)} of {order.count} pictures")
        return addresses

    async def _past(self, endpoint: str, since: datetime) -> list[dict[str, Any]]:
        """The account's requests to an endpoint since then; none where the history is unknown."""
        found: list[dict[str, Any]] = []
        query = {"endpoint_id": endpoint, "start": since.isoformat(), "expand": "payloads"}
        while self._history is not None:
            answer = await self._http.ask(
                "GET", f"{self._history}/models/requests/by-endpoint", params=query
            )
            if answer.status_code != 200:
                raise poll_failure(self._http, answer, _said(answer))
            page = json_of(answer)
            found += page.get("items") or ()
            if not (page.get("has_more") and page.get("next_cursor")):
                break
            query["cursor"] = page["next_cursor"]
        return found


def _pictures(order: Order, model: Model) -> tuple[list[Reference], Reference | None]:
    """The references and the mask."""
    return references_for(order, model), mask_for(order, model)


def _request(
    order: Order, model: Model, references: Sequence[Reference], mask: Reference | None
) -> tuple[str, dict[str, Any]]:
    """The endpoint and its input."""
    endpoint = model.options.get("endpoint", order.model)
    if references:
        endpoint = model.options.get("reference_endpoint", endpoint)
    addresses = [_inlined(reference) for reference in references]
    return endpoint, input_for(order, model, addresses, _inlined(mask) if mask else None)


def _inlined(reference: Reference) -> str:
    encoded = base64.b64encode(reference.data).decode()
    return f"data:{reference.media_type};base64,{encoded}"


def _ticket(endpoint: str, request_id: str) -> _Ticket:
    """The documented addresses, which leave out an endpoint's path below its app."""
    parts = endpoint.split("/")
    app = "/".join(parts[: 3 if parts[0] in _NAMESPACES else 2])
    path = f"/{app}/requests/{request_id}"
    return _Ticket(f"{path}/status", path, f"{path}/cancel")


def _put_down(ticket: _Ticket) -> str:
    return json.dumps(asdict(ticket), separators=(",", ":"))


def _taken_up(ticket: str) -> _Ticket:
    return _Ticket(**json.loads(ticket))


def _cost(
    order: Order, model: Model, references: Sequence[Reference]
) -> tuple[float | None, CostBasis]:
    cost_usd, basis = cost_of(model, order.spec.quality, model.fitted(order.size))
    if cost_usd is None:
        return None, basis
    each = model.options.get("reference_usd_per_megapixel", 0.0)
    return round(cost_usd + each * megapixels_begun(references), 6), basis


def _seed_of(result: dict[str, Any]) -> int | None:
    echoed = result.get("seed")
    return echoed if isinstance(echoed, int) else None


def _logs(state: dict[str, Any]) -> str:
    return "\n".join(str(line.get("message", "")) for line in state.get("logs") or ())


def _problems(answer: httpx.Response) -> list[dict[str, Any]]:
    """A model's own errors; empty for the platform's, which are one sentence."""
    detail = json_of(answer).get("detail")
    listed = detail if isinstance(detail, list) else []
    return [problem for problem in listed if isinstance(problem, dict)]


def _flagged(problem: dict[str, Any]) -> str:
    place = str((problem.get("loc") or [""])[-1])
    return "reference" if "image" in place else "prompt"


def _error_type(answer: httpx.Response) -> str:
    named = json_of(answer).get("error_type") or answer.headers.get("x-fal-error-type")
    return str(named or "")


def _said(answer: httpx.Response) -> str:
    if problems := _problems(answer):
        return "; ".join(
            f"{'.'.join(map(str, problem.get('loc') or ()))}: {problem.get('msg', '')}"
            for problem in problems
        )
    return str(json_of(answer).get("detail") or answer.text)
