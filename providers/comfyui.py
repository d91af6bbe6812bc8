"""ComfyUI on hardware of one's own: a graph goes into its queue, pictures come out of its history.

Source: https://docs.comfy.org/development/comfyui-server/comms_routes
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from domain.errors import (
    Billed,
    Cancelled,
    GenerationFailed,
    JobFailure,
    OutcomeUnknown,
    ProviderUnavailable,
    RequestRejected,
)
from domain.operations import Operation
from providers.base import Call, Order, Picture, Provider, Reference, Report
from providers.graphs import Graph, GraphError, Scalar, filled, placeholders, read_graph, steps_of
from providers.http import CONNECT_SECONDS, MAX_PICTURE_BYTES, VendorHttp, pauses
from providers.prompting import words_for
from providers.registry import Connection

_ADDRESS = "http://127.0.0.1:8188"
_GRAPHS = Path(__file__).with_name("comfyui_graphs")
_UPLOADS = "darkroom"
"""The folder among ComfyUI's inputs where references go."""
_POLL_SECONDS = 0.5
_CLOSE_SECONDS = 1.0
_STRENGTHS = {"draft_strength": 0.35, "reference_strength": 0.7}
"""How far a picture may depart from the draft, or from another reference, 0 to 1."""
_REFERENCES = ("reference", *(f"reference_{place}" for place in range(2, 10)))
_NO_SUCH_ROUTE = frozenset({404, 405})

logger = logging.getLogger("darkroom.worker")


class ComfyUI(Provider):
    """Options: `output_node`, `poll_seconds`, and graphs in files.

    `workflow`, and `reference_workflow`, `mask_workflow` and `upscale_workflow` where others do
    those. Every other option, the model's before the provider's, is the value of the placeholder of
    its name; a table has one for each quality. `model` is the file of the model's weights.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.name)
        key = connection.api_key
        self._address = connection.base_url or _ADDRESS
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._models = connection.entry.models
        self._options = connection.entry.options
        self._poll_seconds = float(self._options.get("poll_seconds", _POLL_SECONDS))
        self._http = VendorHttp(self.name, self._address, self._headers, (key,) if key else ())
        self._absent = f"There is no ComfyUI at the address of {self.name}."
        self._called_off: set[str] = set()
        """Tickets that shall be cancelled: ComfyUI forgets those it had not begun."""

    async def generate(self, order: Order, call: Call) -> list[Picture]:
        """Queue one graph, wait for its end in the history, and fetch what it made."""
        prompt_id = _prompt_id(call.key)
        watch = _Watch(call.ticket or prompt_id, call.report)
        graph = None if call.ticket else await self._graph(order)
        async with self._listening(prompt_id, watch):
            if graph is not None:
                watch.steps = steps_of(graph)
                watch.prompt_id = await self._submit(graph, prompt_id, call)
            entry = await self._end_of(watch)
        return await self._pictures(order, entry)

    async def find(self, order: Order, key: str, sent_at: datetime) -> str | None:
        """The id was our choice; one that is nowhere may have been forgotten in a restart."""
        prompt_id = _prompt_id(key)
        if await self._place(prompt_id) is None and await self._history(prompt_id) is None:
            raise self._lost()
        return prompt_id

    async def cancel(self, ticket: str) -> None:
        """Take it out of the queue, or interrupt it where it has begun."""
        self._called_off.add(ticket)
        place = await self._place(ticket)
        if place is _Place.WAITING:
            await self._ask("POST", "/queue", json={"delete": [ticket]})
            # It may have begun in between; an interrupt of another one's must not follow.
            place = await self._place(ticket)
        if place is _Place.RUNNING:
            await self._ask("POST", "/interrupt", json={"prompt_id": ticket})

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    async def _graph(self, order: Order) -> Graph:
        """The graph to queue; the references are uploaded by then."""
        try:
            template = read_graph(self._template(order))
            wanted = placeholders(template)
            given = dict(zip(_REFERENCES, order.pictures, strict=False))
            if order.mask is not None:
                given["mask"] = Reference(order.mask, "image/png")
            for name in ("reference", "mask"):
                if name in given and name not in wanted:
                    raise GraphError(f"the workflow has no {{{{{name}}}}} to take one")
            uploaded = {
                name: await self._upload(picture)
                for name, picture in given.items()
                if name in wanted
            }
            return filled(template, self._values(order, wanted) | uploaded)
        except GraphError as error:
            raise RequestRejected(f"{self.name}: {error}.", provider=self.name) from error

    def _template(self, order: Order) -> Path:
        """The operator's file, which may do for references too; else the graph that is shipped."""
        options = self._options | self._models[order.model].options
        own = options.get("workflow")
        if order.spec.task is Operation.UPSCALE:
            return Path(options.get("upscale_workflow") or own or _GRAPHS / "upscale.json")
        if order.mask is not None:
            return Path(options.get("mask_workflow") or own or _GRAPHS / "inpaint.json")
        if order.pictures:
            return Path(options.get("reference_workflow") or own or _GRAPHS / "image_to_image.json")
        return Path(own or _GRAPHS / "text_to_image.json")

    def _values(self, order: Order, wanted: frozenset[str]) -> dict[str, Scalar]:
        model = self._models[order.model]
        if "negative_prompt" not in wanted:
            model = model.model_copy(update={"negative_prompt": False})
        options = {"model": order.model, **_STRENGTHS, **self._options, **model.options}
        of_quality = {name: _of_quality(value, order) for name, value in options.items()}
        values = {name: value for name, value in of_quality.items() if isinstance(value, Scalar)}
        is_draft = order.source is None and any(it.is_draft for it in order.references)
        usual = float(values["draft_strength" if is_draft else "reference_strength"])
        return values | {
            "prompt": words_for(order, model),
            "negative_prompt": (order.spec.negative_prompt or "") if model.negative_prompt else "",
            "seed": order.first_seed,
            "width": order.size.width_px,
            "height": order.size.height_px,
            "count": order.count,
            "strength": order.strength(usual),
        }

    async def _upload(self, reference: Reference) -> str:
        """The name by which `LoadImage` finds it; the same picture has one name."""
        ending = mimetypes.guess_extension(reference.media_type) or ".png"
        name = f"{hashlib.sha256(reference.data).hexdigest()[:32]}{ending}"
        answer = await self._ask(
            "POST",
            "/upload/image",
            data={"type": "input", "subfolder": _UPLOADS},
            files={"image": (name, reference.data, reference.media_type)},
        )
        stored = self._json(answer)
        return "/".join(filter(None, (stored.get("subfolder"), stored.get("name", name))))

    async def _submit(self, graph: Graph, prompt_id: str, call: Call) -> str:
        body = {"prompt": graph, "prompt_id": prompt_id, "client_id": prompt_id}
        answer = await self._http.pay(call, "POST", "/prompt", json=body)
        if answer.status_code != 200:
            raise self._refusal(answer)
        # Old releases choose an id of their own.
        ticket = str(_body(answer).get("prompt_id") or prompt_id)
        await call.submitted(ticket)
        return ticket

    def _refusal(self, answer: httpx.Response) -> JobFailure:
        if answer.status_code in _NO_SUCH_ROUTE:
            return RequestRejected(self._absent, provider=self.name)
        return self._http.failure(answer.status_code, _said(answer), answer.headers)

    async def _end_of(self, watch: _Watch) -> dict[str, Any]:
        """A prompt's entry in the history, once it is there."""
        waits = pauses(self._poll_seconds)
        try:
            while True:
                await watch.ended(next(waits))
                entry = await self._entry(watch.prompt_id)
                if entry is not None:
                    return entry
        finally:
            self._called_off.discard(watch.prompt_id)

    async def _entry(self, ticket: str) -> dict[str, Any] | None:
        """A prompt's entry in the history; None while it waits or runs.

        A prompt is always in one of both, and moves from the queue to the history: one that is
        found in neither, in this order, is gone.
        """
        if await self._place(ticket) is not None:
            return None
        entry = await self._history(ticket)
        if entry is None and ticket in self._called_off:
            raise self._cancelled()
        if entry is None:
            raise self._lost()
        return entry

    async def _place(self, ticket: str) -> _Place | None:
        """Where in the queue a prompt is; None where it is not."""
        queue = self._json(await self._ask("GET", "/queue"))
        for place in _Place:
            # Each item is [number, id, graph, …].
            if any(item[1] == ticket for item in queue.get(place.value, [])):
                return place
        return None

    async def _history(self, ticket: str) -> dict[str, Any] | None:
        history = self._json(await self._ask("GET", f"/history/{ticket}"))
        entry: dict[str, Any] | None = history.get(ticket)
        return entry

    async def _pictures(self, order: Order, entry: dict[str, Any]) -> list[Picture]:
        model = self._models[order.model]
        self._check(entry)
        options = self._options | model.options
        files = _files(entry.get("outputs") or {}, options.get("output_node"))
        if len(files) < order.count:
            raise self._http.no_picture(f"is {len(files)} pictures, where {order.count} were asked")
        price = model.price_usd(order.spec.quality, model.fitted(order.size))
        # Of a batch only the first is what its seed makes alone.
        seeds = [order.first_seed if model.seed else None] + [None] * (order.count - 1)
        return [
            Picture(data=await self._view(file), seed=seed, cost_usd=price)
            for file, seed in zip(files, seeds, strict=False)
        ]

    def _check(self, entry: dict[str, Any]) -> None:
        """Raise what a prompt came to, if it did not come to its end."""
        status = entry.get("status") or {}
        messages = dict(status.get("messages", []))
        if "execution_interrupted" in messages:
            raise self._cancelled()
        if "execution_error" in messages or status.get("status_str") == "error":
            raise self._broken(messages.get("execution_error", {}))

    def _broken(self, said: dict[str, Any]) -> JobFailure:
        node, reason = said.get("node_type", "a node"), said.get("exception_message", "no reason")
        sentence = f"{self.name} failed in {node}: {self._http.quoted(str(reason))}"
        if str(said.get("exception_type")).endswith("OutOfMemoryError"):
            return GenerationFailed(sentence, provider=self.name)
        return RequestRejected(sentence, provider=self.name)

    async def _view(self, file: dict[str, Any]) -> bytes:
        """An output's bytes; behind the same credentials as everything else."""
        wanted = {name: file.get(name, "") for name in ("filename", "subfolder", "type")}
        answer = await self._http.ask("GET", "/view", params=wanted)
        if answer.status_code in (400, 404):
            raise self._http.no_picture(f"can no longer be fetched ({answer.status_code})")
        self._check_free(answer)
        if len(answer.content) > MAX_PICTURE_BYTES:
            raise self._http.no_picture("is too large")
        return answer.content

    async def _ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        answer = await self._http.ask(method, path, **content)
        self._check_free(answer)
        return answer

    def _check_free(self, answer: httpx.Response) -> None:
        status = answer.status_code
        if status in _NO_SUCH_ROUTE:
            # Such as a tunnel's page: what is queued behind it must not be given up.
            raise ProviderUnavailable(self._absent, provider=self.name)
        if status != 200:
            raise self._http.failure(status, _said(answer), answer.headers, is_paid=False)

    def _json(self, answer: httpx.Response) -> dict[str, Any]:
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise ProviderUnavailable(f"{self.name} answers without JSON.", provider=self.name)
        return body

    def _lost(self) -> OutcomeUnknown:
        return OutcomeUnknown(
            f"{self.name} does not know the prompt (any more); it forgets all in a restart.",
            provider=self.name,
            billed=Billed.UNKNOWN,
        )

    def _cancelled(self) -> Cancelled:
        return Cancelled(f"{self.name} stopped the prompt.", provider=self.name)

    @asynccontextmanager
    async def _listening(self, client_id: str, watch: _Watch) -> AsyncIterator[None]:
        """Hear of progress for as long as the block runs; it goes on without."""
        listener = asyncio.create_task(self._listen(client_id, watch))
        try:
            yield
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)

    async def _listen(self, client_id: str, watch: _Watch) -> None:
        address = f"ws{self._address.removeprefix('http')}/ws?clientId={client_id}"
        try:
            async with connect(
                address,
                additional_headers=self._headers,
                open_timeout=CONNECT_SECONDS,
                close_timeout=_CLOSE_SECONDS,
                max_size=MAX_PICTURE_BYTES,
            ) as socket:
                async for message in socket:
                    watch.hear(message)
        except (OSError, WebSocketException) as error:
            logger.info("%s tells no progress: %s", self.name, type(error).__name__)


class _Place(Enum):
    """By their names in the queue's listing."""

    RUNNING = "queue_running"
    WAITING = "queue_pending"


class _Watch:
    """What the socket tells of one prompt; `steps` are those of all its samplers."""

    def __init__(self, prompt_id: str, report: Report) -> None:
        self.prompt_id = prompt_id
        self.steps = 0
        self._report = report
        self._done: dict[str, tuple[float, float]] = {}
        self._ended = asyncio.Event()

    def hear(self, message: str | bytes) -> None:
        """Take a message; binary ones are previews."""
        if isinstance(message, bytes):
            return
        said = json.loads(message)
        about = said.get("data") or {}
        if about.get("prompt_id") != self.prompt_id:
            return
        if said["type"] == "progress":
            self._done[str(about.get("node"))] = (about["value"], about["max"])
            self._tell()
        elif said["type"] == "executing" and about.get("node") is None:
            self._ended.set()

    async def ended(self, timeout_seconds: float) -> None:
        """Wait for the end, but not for longer than that."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._ended.wait()
        except TimeoutError:
            return
        self._ended.clear()

    def _tell(self) -> None:
        done = sum(value for value, _ in self._done.values())
        known = sum(most for _, most in self._done.values())
        self._report(done / max(known, self.steps, 1))


def _prompt_id(key: str) -> str:
    """The same for the same call, so that one whose answer was lost can be looked up."""
    return str(uuid5(NAMESPACE_OID, f"darkroom:{key}"))


def _of_quality(value: Any, order: Order) -> Any:
    return value.get(order.spec.quality) if isinstance(value, dict) else value


def _files(outputs: dict[str, Any], node: str | None) -> list[dict[str, Any]]:
    """The images of the node that was named; else those that were saved, before mere previews."""
    chosen = [outputs.get(node, {})] if node else outputs.values()
    files: list[dict[str, Any]] = [file for output in chosen for file in output.get("images", [])]
    saved = [file for file in files if file.get("type") == "output"]
    return saved or files


def _body(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _said(answer: httpx.Response) -> str:
    """What is wrong with a graph: the error and, more to the point, those of its nodes."""
    body = _body(answer)
    error = body.get("error") or {}
    if not isinstance(error, dict):
        return str(error)
    nodes = body.get("node_errors") or {}
    reasons = [reason for node in nodes.values() for reason in node.get("errors", [])]
    said = [f"{it.get('message', '')} ({it.get('details', '')})" for it in reasons or [error]]
    return "; ".join(said) if error else answer.text
