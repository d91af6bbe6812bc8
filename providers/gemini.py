"""Google's Gemini image models, by Gemini API or Vertex AI: one synchronous request a picture.

Vertex AI is chosen and signed in to by the SDK's own settings (`GOOGLE_GENAI_USE_VERTEXAI` …).
Source: https://ai.google.dev/gemini-api/docs/image-generation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from json import JSONDecodeError
from typing import Any

import httpx
from google import genai
from google.auth.exceptions import GoogleAuthError, TransportError
from google.genai import types
from google.genai.errors import APIError, UnknownApiResponseError
from pydantic import ValidationError

from domain.errors import Billed, ContentRejected, JobFailure, ProviderAuth
from providers.base import Call, Order, Picture, Provider
from providers.costs import cost_of
from providers.http import ANSWER_SECONDS, CONNECT_SECONDS, VendorHttp
from providers.models import Model
from providers.prompting import prompt_for
from providers.registry import Connection

_NO_KEY = "none"
"""For servers that want none; without one the SDK would show them the user's key for Google."""
_SEEDS = 2**31
_REFUSALS = {
    types.FinishReason.SAFETY: "output",
    types.FinishReason.RECITATION: "output",
    types.FinishReason.BLOCKLIST: "output",
    types.FinishReason.PROHIBITED_CONTENT: "output",
    types.FinishReason.SPII: "output",
    types.FinishReason.IMAGE_SAFETY: "output",
    types.FinishReason.IMAGE_PROHIBITED_CONTENT: "output",
    types.FinishReason.IMAGE_RECITATION: "output",
    types.FinishReason.MODEL_ARMOR: "output",
    # The model answers a prompt that it will not draw with words, or with nothing.
    types.FinishReason.NO_IMAGE: "prompt",
}
"""What was refused, by why a candidate ended."""


class Gemini(Provider):
    """A size tier of a model is the API's `imageSize`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.name)
        self._connection = connection
        self._models = connection.entry.models
        self._http = VendorHttp(connection.name, "", {}, (connection.api_key or "",))
        # Ours, because the SDK would use aiohttp where that is installed, and re-send through it.
        self._transport = httpx.AsyncClient(event_hooks={"request": [_limit_connecting]})
        self._sdk: genai.Client | None = None
        self._connecting = asyncio.Lock()

    async def generate(self, order: Order, call: Call) -> list[Picture]:
        """One request, one picture; it cannot be taken up again or cancelled."""
        model = self._models[order.model]
        sdk = await self._connected()
        contents, config = _contents(order, model), _config(order, model)
        await call.sending()
        answer = await self._send(sdk, order.model, contents, config)
        data = self._image(answer)
        cost_usd, basis = cost_of(
            model, order.spec.quality, model.fitted(order.size), _tokens(answer)
        )
        return [Picture(data, _seed(order, model), cost_usd, basis)]

    async def close(self) -> None:
        """Let go of connections."""
        if self._sdk is not None:
            await self._sdk.aio.aclose()
            self._sdk.close()
        await self._transport.aclose()
        await self._http.close()

    async def _connected(self) -> genai.Client:
        """Only now, and on a thread: looking for Google Cloud's credentials may take a while."""
        async with self._connecting:
            if self._sdk is None:
                self._sdk = await asyncio.to_thread(self._connect)
            return self._sdk

    def _connect(self) -> genai.Client:
        uses_own_auth = self._connection.uses_own_auth
        try:
            return genai.Client(
                enterprise=uses_own_auth,
                api_key=None if uses_own_auth else self._connection.api_key or _NO_KEY,
                http_options=types.HttpOptions(
                    base_url=self._connection.base_url,
                    timeout=round(ANSWER_SECONDS * 1000),
                    httpx_async_client=self._transport,
                ),
            )
        except (GoogleAuthError, ValueError) as error:
            raise self._no_credentials(error) from error

    async def _send(
        self,
        sdk: genai.Client,
        model: str,
        contents: list[types.PartUnion],
        config: types.GenerateContentConfig,
    ) -> types.GenerateContentResponse:
        try:
            async with self._http.paying():
                return await sdk.aio.models.generate_content(
                    model=model, contents=contents, config=config
                )
        except APIError as error:
            # Not chained: the SDK's message repeats the vendor's, which may show the key.
            raise self._failure(error) from None
        except TransportError as error:
            raise self._http.unavailable(error) from error
        except GoogleAuthError as error:
            raise self._no_credentials(error) from error
        except (JSONDecodeError, UnknownApiResponseError, ValidationError):
            raise self._http.no_picture("cannot be read") from None

    def _no_credentials(self, error: BaseException) -> ProviderAuth:
        return ProviderAuth(
            f"{self.name} has no usable credentials of Google Cloud.",
            provider=self.name,
            context=str(error),
        )

    def _image(self, answer: types.GenerateContentResponse) -> bytes:
        feedback = answer.prompt_feedback
        if feedback is not None and feedback.block_reason is not None:
            why = feedback.block_reason.value
            raise self._rejected("prompt", why, feedback.block_reason_message, Billed.NO)
        reason = answer.candidates[0].finish_reason if answer.candidates else None
        if reason in _REFUSALS:
            raise self._rejected(_REFUSALS[reason], reason.value, _said(answer), _billed(answer))
        for part in _parts(answer):
            if part.inline_data is not None and part.inline_data.data:
                return part.inline_data.data
        why = reason.value if reason is not None else "no candidate"
        raise self._http.no_picture(self._http.quoted(f"has no picture ({why}) {_said(answer)}"))

    def _rejected(
        self, flagged: str, why: str, said: str | None, billed: Billed
    ) -> ContentRejected:
        told = f": {self._http.quoted(said)}" if said else "."
        return ContentRejected(
            f"{self.name} refused the {flagged} ({why}){told}",
            provider=self.name,
            billed=billed,
            flagged=flagged,
        )

    def _failure(self, error: APIError) -> JobFailure:
        said, details = str(error.message or error.details), _details(error)
        headers = dict(error.response.headers) if error.response is not None else {}
        for detail in details:
            if "retryDelay" in detail:
                headers["retry-after"] = str(detail["retryDelay"]).removesuffix("s")
        if any(detail.get("reason") == "API_KEY_INVALID" for detail in details):
            return self._http.failure(401, said, headers)
        if error.code == 429 and any(map(_is_daily, details)):
            return self._http.failure(402, said, headers)
        return self._http.failure(error.code, said, headers)


async def _limit_connecting(request: httpx.Request) -> None:
    """The SDK has one timeout for everything, long enough for the slowest answer."""
    request.extensions["timeout"]["connect"] = CONNECT_SECONDS


def _contents(order: Order, model: Model) -> list[types.PartUnion]:
    pictures = [
        types.Part.from_bytes(data=reference.data, mime_type=reference.media_type)
        for reference in order.pictures
    ]
    return [*pictures, types.Part.from_text(text=prompt_for(order, model))]


def _config(order: Order, model: Model) -> types.GenerateContentConfig:
    fit = model.fitted(order.size)
    return types.GenerateContentConfig(
        response_modalities=["IMAGE"],
        image_config=types.ImageConfig(aspect_ratio=fit.ratio, image_size=fit.tier),
        seed=_seed(order, model),
        # Both would send, and pay, more requests than the one that was announced.
        automatic_continuation=False,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )


def _seed(order: Order, model: Model) -> int | None:
    return order.first_seed % _SEEDS if model.seed else None


def _parts(answer: types.GenerateContentResponse) -> Iterator[types.Part]:
    """What the model answers, without what it thought on the way."""
    for candidate in answer.candidates or []:
        for part in (candidate.content and candidate.content.parts) or []:
            if not part.thought:
                yield part


def _said(answer: types.GenerateContentResponse) -> str:
    """The vendor's message, and the model's own words."""
    message = answer.candidates[0].finish_message if answer.candidates else None
    return " ".join(filter(None, [message, *(part.text for part in _parts(answer))]))


def _billed(answer: types.GenerateContentResponse) -> Billed:
    usage = answer.usage_metadata
    if usage is None:
        return Billed.UNKNOWN
    is_made = usage.candidates_token_count or usage.thoughts_token_count
    return Billed.YES if is_made else Billed.NO


def _tokens(answer: types.GenerateContentResponse) -> dict[str, int] | None:
    """By the catalogue's kinds; None where the answer does not tell."""
    usage = answer.usage_metadata
    if usage is None or not usage.candidates_token_count:
        return None
    given, made = usage.prompt_token_count or 0, usage.candidates_token_count
    image_in = _image_tokens(usage.prompt_tokens_details, 0)
    image_out = _image_tokens(usage.candidates_tokens_details, made)
    return {
        "text_in": given - image_in,
        "image_in": image_in,
        "text_out": made - image_out + (usage.thoughts_token_count or 0),
        "image_out": image_out,
    }


def _image_tokens(details: list[types.ModalityTokenCount] | None, otherwise: int) -> int:
    """How many are an image's; `otherwise` where the vendor does not tell them apart."""
    if not details:
        return otherwise
    return sum(
        detail.token_count or 0
        for detail in details
        if detail.modality is types.MediaModality.IMAGE
    )


def _details(error: APIError) -> list[dict[str, Any]]:
    """The `google.rpc` details of a failure, such as `RetryInfo` and `QuotaFailure`."""
    body = error.details if isinstance(error.details, dict) else {}
    inner = body.get("error")
    details = inner.get("details") if isinstance(inner, dict) else None
    return [detail for detail in details or [] if isinstance(detail, dict)]


def _is_daily(detail: dict[str, Any]) -> bool:
    """Whether a quota is used up that waiting a little does not refill."""
    return any("PerDay" in str(one.get("quotaId")) for one in detail.get("violations") or [])
