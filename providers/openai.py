"""OpenAI's Images API, and servers of one's own that speak it: one synchronous request a call.

Source: https://developers.openai.com/api/docs/guides/image-generation (generations, edits).
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from openai import APIConnectionError, APIStatusError, AsyncOpenAI, Timeout
from pydantic import BaseModel, ValidationError

from domain.errors import Billed, ContentRejected, JobFailure, ProviderModelShutDown
from providers.base import Call, Order, Picture, Provider
from providers.costs import cost_of
from providers.http import ANSWER_SECONDS, CONNECT_SECONDS, VendorHttp
from providers.masks import as_png, holed
from providers.models import Fit, Model
from providers.prompting import prompt_for, takes_style
from providers.registry import Connection

_NO_KEY = "none"
"""For servers that want none; without one the SDK would show them the user's key for OpenAI."""
_REFUSED = frozenset({"moderation_blocked", "content_policy_violation"})
_NO_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})


class OpenAI(Provider):
    """Model options: `parameters` (sent as they are), `sizes` (the server's words, by ratio)."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.name)
        self._models = connection.entry.models
        self._http = VendorHttp(connection.name, "", {}, (connection.api_key or "",))
        self._sdk = AsyncOpenAI(
            api_key=connection.api_key or _NO_KEY,
            base_url=connection.base_url,
            timeout=Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            max_retries=0,
        )

    async def generate(self, order: Order, call: Call) -> list[Picture]:
        """One request for all pictures; taken up again only where it was answered with URLs."""
        model = self._models[order.model]
        if call.ticket is None:
            answer = await self._submit(order, model, call)
        else:
            answer = _Answer.model_validate_json(call.ticket)
        cost_usd, basis = cost_of(
            model, order.spec.quality, model.fitted(order.size), answer.tokens, order.count
        )
        return [
            Picture(await self._data(image), _seed(order, model), cost_usd, basis)
            for image in answer.data
        ]

    async def close(self) -> None:
        """Let go of connections."""
        await self._sdk.close()
        await self._http.close()

    async def _submit(self, order: Order, model: Model, call: Call) -> _Answer:
        fields, files = _fields(order, model), await asyncio.to_thread(_files, order)
        if order.mask is not None:
            hole = await asyncio.to_thread(holed, order.mask)
            fields["mask"] = ("mask.png", hole, "image/png")
        await call.sending()
        answer = self._parsed(await self._send(fields, files))
        if len(answer.data) != order.count:
            raise self._http.no_picture(f"has {len(answer.data)} pictures, not {order.count}")
        if not any(image.b64_json for image in answer.data):
            # Paid, and not fetched yet: whoever takes this up again must not pay again.
            await call.submitted(answer.model_dump_json(exclude_none=True))
        return answer

    async def _send(self, fields: dict[str, Any], files: list[Any]) -> str:
        images = self._sdk.images.with_raw_response
        try:
            if files:
                image = files if len(files) > 1 else files[0]
                return str((await images.edit(image=image, **fields)).text)
            return str((await images.generate(**fields)).text)
        except APIConnectionError as error:
            raise self._http.lost(error) from error
        except APIStatusError as error:
            # Not chained: the SDK's message repeats the vendor's, which may show the key.
            raise self._failure(error) from None

    def _parsed(self, text: str) -> _Answer:
        try:
            return _Answer.model_validate_json(text)
        except ValidationError as error:
            raise self._http.no_picture("cannot be read") from error

    async def _data(self, image: _Image) -> bytes:
        if image.b64_json:
            try:
                return base64.b64decode(image.b64_json, validate=True)
            except ValueError as error:
                raise self._http.no_picture("cannot be read") from error
        if image.url:
            return await self._http.fetch(image.url)
        raise self._http.no_picture("has no picture")

    def _failure(self, error: APIStatusError) -> JobFailure:
        body = error.body if isinstance(error.body, dict) else {}
        said = str(body.get("message") or error.response.text)
        if error.code in _REFUSED:
            return self._rejected(said, error.param, body.get("moderation_details"))
        if error.code in _NO_CREDIT:
            return self._http.failure(402, said, error.response.headers)
        if error.status_code == 400 and error.param == "model":
            return ProviderModelShutDown(
                f"{self.name} has no such model: {self._http.quoted(said)}", provider=self.name
            )
        return self._http.failure(error.status_code, said, error.response.headers)

    def _rejected(self, said: str, param: str | None, details: object) -> ContentRejected:
        known = details if isinstance(details, dict) else {}
        categories = ", ".join(map(str, known.get("categories") or [])) or "no category given"
        is_output = known.get("moderation_stage") == "output"
        is_reference = (param or "").startswith("image")
        flagged = "output" if is_output else "reference" if is_reference else "prompt"
        return ContentRejected(
            f"{self.name} refused the {flagged} ({categories}): {self._http.quoted(said)}",
            provider=self.name,
            # A picture was made and withheld; whether it is charged for is not documented.
            billed=Billed.UNKNOWN if is_output else Billed.NO,
            flagged=flagged,
        )


def _fields(order: Order, model: Model) -> dict[str, Any]:
    fields = {
        "model": order.model,
        "prompt": prompt_for(order, model),
        "n": order.count,
        "size": _size(model.fitted(order.size), model),
        "extra_body": _extras(order, model),
    }
    if order.spec.quality in model.quality:
        fields["quality"] = model.quality[order.spec.quality]
    return fields


def _size(fit: Fit, model: Model) -> str:
    by_ratio: dict[str, str] = model.options.get("sizes", {})
    return by_ratio.get(fit.ratio or "", f"{fit.size.width_px}x{fit.size.height_px}")


def _extras(order: Order, model: Model) -> dict[str, Any]:
    """What OpenAI has no parameter for and a server of one's own may have."""
    extras = dict(model.options.get("parameters", {}))
    seed = _seed(order, model)
    if seed is not None:
        extras["seed"] = seed
    if order.spec.negative_prompt and model.negative_prompt:
        extras["negative_prompt"] = order.spec.negative_prompt
    if order.spec.style and takes_style(order.spec, model):
        extras["style"] = order.spec.style
    return extras


def _seed(order: Order, model: Model) -> int | None:
    """One seed says nothing about several pictures of a call."""
    return order.first_seed if model.seed and order.count == 1 else None


def _files(order: Order) -> list[Any]:
    """The pictures as the SDK takes files: name, content, media type.

    A mask is of the first one, and wants it in its own format.
    """
    pictures = list(order.pictures)
    if order.mask is not None:
        pictures[:1] = [as_png(pictures[0])]
    return [
        (
            f"reference-{place}.{reference.media_type.rpartition('/')[2]}",
            reference.data,
            reference.media_type,
        )
        for place, reference in enumerate(pictures)
    ]


class _Image(BaseModel):
    b64_json: str | None = None
    url: str | None = None


class _Details(BaseModel):
    text_tokens: int | None = None
    image_tokens: int | None = None


class _Usage(BaseModel):
    input_tokens_details: _Details | None = None
    output_tokens: int | None = None
    output_tokens_details: _Details | None = None


class _Answer(BaseModel):
    """What we need of an answer; the SDK's own models are not checked against it."""

    data: list[_Image]
    usage: _Usage | None = None

    @property
    def tokens(self) -> dict[str, int] | None:
        """By the catalogue's kinds; None where the server does not tell them apart."""
        if self.usage is None or self.usage.input_tokens_details is None:
            return None
        given = self.usage.input_tokens_details
        made = self.usage.output_tokens_details or _Details(image_tokens=self.usage.output_tokens)
        if not made.image_tokens:
            return None
        return {
            "text_in": given.text_tokens or 0,
            "image_in": given.image_tokens or 0,
            "text_out": made.text_tokens or 0,
            "image_out": made.image_tokens,
        }
