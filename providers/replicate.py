"""Replicate: predictions of hosted models, submitted through its SDK, polled, fetched, found again.

Source: https://replicate.com/docs/reference/http, https://replicate.com/docs/topics/predictions
(lifecycle, data-retention, rate-limits) and https://replicate.com/docs/reference/error-codes.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
from replicate.client import Client
from replicate.exceptions import ReplicateError
from replicate.identifier import ModelVersionIdentifier

from domain.errors import (
    Billed,
    Cancelled,
    ContentRejected,
    GenerationFailed,
    JobFailure,
    ProviderUnavailable,
    RequestRejected,
)
from providers.base import Call, Order, Picture, Provider, Reference
from providers.costs import cost_of
from providers.http import VendorHttp, pauses
from providers.inputs import input_for, mask_for, reference_field, references_for
from providers.models import Model
from providers.polling import below, json_of, lost_track, poll_failure, share_in
from providers.registry import Connection

_ADDRESS = "https://api.replicate.com"
_POLL_SECONDS = 0.5
_ANSWER_SECONDS = 60.0
"""A submission is answered at once, the work goes on behind it."""
_SETTLE_SECONDS = 15.0
"""A submission that is younger may be missing from the list although it arrived."""
_CLOCKS_APART = timedelta(seconds=60)
_PAGES = 30

# A failed prediction has a sentence and no code.
_MODERATED = re.compile(r"nsfw|sensitive|moderat|safety|content polic|\bE005\b", re.I)
_WITHHELD = re.compile(r"generated image|nsfw content|content moderated", re.I)
_INVALID = re.compile(r"input validation error", re.I)


class Replicate(Provider):
    """Provider options: `poll_seconds`, `answer_seconds`, `settle_seconds`.

    Model options: those of `providers.inputs`; `slug` where it is not the model's name, as
    `owner/name` for official models, `owner/name:version` for others.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.name)
        key, options = connection.api_key or "", connection.entry.options
        self._models = connection.entry.models
        self._poll_seconds: float = options.get("poll_seconds", _POLL_SECONDS)
        self._answer_seconds: float = options.get("answer_seconds", _ANSWER_SECONDS)
        self.settle_seconds = options.get("settle_seconds", _SETTLE_SECONDS)
        self._address = connection.base_url or _ADDRESS
        headers = {"Authorization": f"Bearer {key}"}
        self._transport = httpx.AsyncHTTPTransport()
        # Without these headers the SDK would look for a key in the environment.
        self._client = Client(
            base_url=self._address, headers=dict(headers), transport=self._transport
        )
        # The SDK repeats what it reads, knows only some of the statuses, and cannot tell when it
        # sends: only pictures go through it.
        self._http = VendorHttp(
            connection.name,
            self._address,
            headers,
            (key,),
            answer_seconds=self._answer_seconds,
        )

    async def generate(self, order: Order, call: Call) -> list[Picture]:
        """One prediction; its id is the ticket."""
        model = self._models[order.model]
        ticket = call.ticket or await self._submit(order, model, call)
        prediction = await self._result(ticket, call)
        addresses = self._addresses(prediction, order)
        cost_usd, basis = cost_of(model, order.spec.quality, model.fitted(order.size))
        return [
            Picture(
                data=await self._http.fetch(address),
                # One seed is sent for all; nobody tells what the further ones are drawn with.
                seed=order.first_seed if model.seed and address == addresses[0] else None,
                cost_usd=cost_usd,
                cost_basis=basis,
            )
            # Of a call that is taken up again, the pictures stored already come first.
            for address in addresses[-order.count :]
        ]

    async def find(self, order: Order, key: str, sent_at: datetime) -> str | None:
        """The latest prediction since then that was asked for the same, by the same pictures.

        One that was asked for the same by other bytes may be ours: re-encoded, they differ.
        """
        model = self._models[order.model]
        which = self._which(order.model, model)
        references = await asyncio.to_thread(references_for, order, model)
        asked = input_for(order, model, ["" for _ in references])
        asked.pop(reference_field(model), None)
        is_telling = True
        for prediction in await self._recent(sent_at - _CLOCKS_APART):
            if not _is_of(prediction, which):
                continue
            given = prediction.get("input")
            if prediction.get("data_removed") or not isinstance(given, dict) or not given:
                is_telling = False
                continue
            if all(given.get(name) == value for name, value in asked.items()):
                if await self._shows(given.get(reference_field(model)), references):
                    return str(prediction["id"])
                is_telling = False
        if not is_telling:
            raise lost_track(self.name, "does not tell whether it took a request")
        return None

    async def cancel(self, ticket: str) -> None:
        """Stop a prediction; one that has ended stays as it is."""
        answer = await self._http.ask("POST", f"{_path(ticket)}/cancel")
        if answer.status_code >= 400:
            raise poll_failure(self._http, answer, _said(answer))

    async def close(self) -> None:
        """Let go of connections."""
        await self._transport.aclose()
        await self._http.close()

    async def _submit(self, order: Order, model: Model, call: Call) -> str:
        which = self._which(order.model, model)
        references = await asyncio.to_thread(references_for, order, model)
        addresses = [await self._upload(reference) for reference in references]
        mask = await asyncio.to_thread(mask_for, order, model)
        asked = input_for(order, model, addresses, await self._upload(mask) if mask else None)
        ticket = await self._create(which, asked, call)
        await call.submitted(ticket)
        return ticket

    def _which(self, name: str, model: Model) -> ModelVersionIdentifier:
        slug = model.options.get("slug", name)
        try:
            return ModelVersionIdentifier.parse(slug)
        except ValueError as error:
            raise RequestRejected(
                f"{self.name} knows models as owner/name or owner/name:version, not as '{slug}'.",
                provider=self.name,
            ) from error

    async def _create(
        self, which: ModelVersionIdentifier, asked: dict[str, Any], call: Call
    ) -> str:
        if which.version is not None:
            path, body = "/v1/predictions", {"version": which.version, "input": asked}
        else:
            path, body = f"/v1/models/{which.owner}/{which.name}/predictions", {"input": asked}
        answer = await self._http.pay(call, "POST", path, json=body)
        if not answer.is_success:
            raise self._http.failure(answer.status_code, _said(answer), answer.headers)
        ticket = json_of(answer).get("id")
        if not isinstance(ticket, str):
            raise lost_track(self.name, "accepted a request without saying as what")
        return ticket

    async def _upload(self, reference: Reference) -> str:
        """The vendor's address of a picture, which it keeps for a day."""
        try:
            async with asyncio.timeout(self._answer_seconds):
                file = await self._client.files.async_create(
                    io.BytesIO(reference.data),
                    filename="reference",
                    content_type=reference.media_type,
                )
        except ReplicateError as refused:
            said = ": ".join(filter(None, (refused.title, refused.detail)))
            raise self._http.failure(refused.status or 500, said, {}, is_paid=False) from refused
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            raise self._http.unavailable(error) from error
        return file.urls["get"]

    async def _result(self, ticket: str, call: Call) -> dict[str, Any]:
        """The prediction when it has succeeded."""
        for pause in pauses(self._poll_seconds):
            prediction = await self._read(_path(ticket))
            match prediction.get("status"):
                case "succeeded":
                    return prediction
                case "failed":
                    raise self._failed(str(prediction.get("error") or "no reason is given"))
                case "canceled" | "aborted":
                    raise self._cancelled(prediction)
                case "starting" | "processing":
                    if (share := share_in(prediction.get("logs") or "")) is not None:
                        call.report(share)
                case _:
                    raise ProviderUnavailable(
                        f"{self.name} does not tell how a prediction stands.", provider=self.name
                    )
            await asyncio.sleep(pause)
        raise AssertionError("pauses end never")

    async def _read(self, path: str) -> dict[str, Any]:
        answer = await self._http.ask("GET", path)
        if answer.status_code != 200:
            raise poll_failure(self._http, answer, _said(answer))
        return json_of(answer)

    def _failed(self, reason: str) -> JobFailure:
        """A prediction that ran and failed; whether its time is charged depends on the model."""
        quoted = self._http.quoted(reason)
        is_invalid = bool(_INVALID.search(reason))
        if _MODERATED.search(reason) and not is_invalid:
            flagged = "output" if _WITHHELD.search(reason) else "prompt"
            return ContentRejected(
                f"{self.name} refused the {flagged}: {quoted}",
                provider=self.name,
                billed=Billed.UNKNOWN,
                flagged=flagged,
            )
        kind = RequestRejected if is_invalid else GenerationFailed
        return kind(
            f"{self.name} failed at the picture: {quoted}",
            provider=self.name,
            billed=Billed.UNKNOWN,
        )

    def _cancelled(self, prediction: dict[str, Any]) -> Cancelled:
        """Only what had started to run is charged for."""
        return Cancelled(
            f"{self.name} was told to stop.",
            provider=self.name,
            billed=Billed.UNKNOWN if prediction.get("started_at") else Billed.NO,
        )

    def _addresses(self, prediction: dict[str, Any], order: Order) -> list[str]:
        """Where the pictures lie, for an hour."""
        output = prediction.get("output")
        listed = output if isinstance(output, list) else [output]
        addresses = [address for address in listed if isinstance(address, str)]
        if len(addresses) >= order.count:
            return addresses
        if _MODERATED.search(prediction.get("logs") or ""):
            raise ContentRejected(
                f"{self.name} withheld pictures that it made.",
                provider=self.name,
                billed=Billed.YES,
                flagged="output",
            )
        raise self._http.no_picture(f"is {len(addresses)} of {order.count} pictures")

    async def _recent(self, since: datetime) -> list[dict[str, Any]]:
        """The account's predictions since then, newest first."""
        found: list[dict[str, Any]] = []
        path: str | None = "/v1/predictions"
        for _ in range(_PAGES):
            page = await self._read(path or "")
            for prediction in page.get("results") or ():
                if datetime.fromisoformat(prediction["created_at"]) < since:
                    return found
                found.append(prediction)
            if not page.get("next"):
                return found
            path = below(self._address, page["next"])
            if path is None:
                break
        raise lost_track(self.name, "does not list its predictions to the end")

    async def _shows(self, given: object, references: list[Reference]) -> bool:
        """Whether a prediction was given these pictures, by the checksums of its files."""
        addresses = given if isinstance(given, list) else [given] if given else []
        if len(addresses) != len(references):
            return False
        for address, reference in zip(addresses, references, strict=True):
            path = below(self._address, str(address))
            if path is None:
                raise lost_track(self.name, "does not tell what a prediction was given")
            checksums = (await self._read(path)).get("checksums", {})
            if checksums.get("sha256") != hashlib.sha256(reference.data).hexdigest():
                return False
        return True


def _path(ticket: str) -> str:
    return f"/v1/predictions/{quote(ticket, safe='')}"


def _is_of(prediction: dict[str, Any], which: ModelVersionIdentifier) -> bool:
    if which.version is not None:
        return bool(prediction.get("version") == which.version)
    return bool(prediction.get("model") == f"{which.owner}/{which.name}")


def _said(answer: httpx.Response) -> str:
    body = json_of(answer)
    said = [str(body[part]) for part in ("title", "detail") if body.get(part)]
    return ": ".join(said) or answer.text
