"""Stability AI's Stable Image services, v2beta: one synchronous multipart request a picture.

Source: https://platform.stability.ai/docs/api-reference (Generate: Ultra, Core,
SD 3.5; Edit: Inpaint; Upscale: Fast).
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from domain.errors import Billed, ContentRejected, JobFailure
from providers.base import Call, Order, Picture, Provider
from providers.http import VendorHttp
from providers.masks import resized, resized_mask
from providers.models import Fit, Model
from providers.prompting import prompt_for, takes_style, words_for
from providers.registry import Connection

_ADDRESS = "https://api.stability.ai"
_SEEDS = range(1, 2**32 - 1)
"""0 asks for a random one."""
_DRAFT_STRENGTH = 0.35
"""How far the final may depart from the draft, 0 to 1."""
_REFERENCE_STRENGTH = 0.7


class Stability(Provider):
    """Model options: `group` and `service` (the path), `model` (a field)."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.name)
        key = connection.api_key or ""
        self._models = connection.entry.models
        self._http = VendorHttp(
            connection.name,
            connection.base_url or _ADDRESS,
            {"authorization": f"Bearer {key}", "accept": "image/*"},
            (key,),
        )

    async def generate(self, order: Order, call: Call) -> list[Picture]:
        """One request, one picture; it cannot be taken up again or cancelled."""
        model = self._models[order.model]
        fit = model.fitted(order.size)
        group = model.options.get("group", "generate")
        service = model.options.get("service", order.model)
        files = await asyncio.to_thread(_files, order, group)
        answer = await self._http.pay(
            call,
            "POST",
            f"/v2beta/stable-image/{group}/{service}",
            data=_fields(order, model, fit, group),
            files=files,
        )
        self._check(answer)
        return [
            Picture(
                data=answer.content,
                seed=_seed_of(answer),
                cost_usd=model.price_usd(order.spec.quality, fit),
            )
        ]

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    def _check(self, answer: httpx.Response) -> None:
        if answer.status_code != 200:
            raise self._failure(answer)
        if answer.headers.get("finish-reason") == "CONTENT_FILTERED":
            # The picture that comes with it is blurred, and charged for.
            raise ContentRejected(
                f"{self.name} filtered the picture it made.",
                provider=self.name,
                billed=Billed.YES,
                flagged="output",
            )

    def _failure(self, answer: httpx.Response) -> JobFailure:
        name, said = _error(answer)
        if name == "content_moderation":
            return ContentRejected(
                f"{self.name} refused the prompt: {self._http.quoted(said)}",
                provider=self.name,
                flagged="prompt",
            )
        return self._http.failure(answer.status_code, said, answer.headers)


def _fields(order: Order, model: Model, fit: Fit, group: str) -> dict[str, str]:
    if group == "upscale":
        return {"output_format": "png"}
    seed = min(max(order.first_seed, _SEEDS.start), _SEEDS.stop - 1)
    fields = {
        "prompt": words_for(order, model) if order.source else prompt_for(order, model),
        "output_format": "png",
        "seed": str(seed),
    }
    if order.spec.negative_prompt and model.negative_prompt:
        fields["negative_prompt"] = order.spec.negative_prompt
    if order.spec.style and takes_style(order.spec, model):
        fields["style_preset"] = order.spec.style
    if "model" in model.options:
        fields["model"] = model.options["model"]
    if group == "edit":
        return fields
    if order.pictures:
        is_draft = order.pictures[0].is_draft
        usual = _DRAFT_STRENGTH if is_draft else _REFERENCE_STRENGTH
        fields["strength"] = str(order.strength(usual))
        fields.update({"mode": "image-to-image"} if "model" in model.options else {})
    elif fit.ratio is not None:
        fields["aspect_ratio"] = fit.ratio
    return fields


def _files(order: Order, group: str) -> dict[str, Any]:
    """Multipart also without a picture: the vendor takes nothing else. White in a mask changes."""
    if not order.pictures:
        return {"none": ("", b"")}
    picture = order.pictures[0]
    if group == "edit":
        picture = resized(picture, order.size)
    files = {"image": ("reference", picture.data, picture.media_type)}
    if order.mask is not None:
        files["mask"] = ("mask", resized_mask(order.mask, order.size), "image/png")
    return files


def _seed_of(answer: httpx.Response) -> int | None:
    echoed = answer.headers.get("seed", "")
    return int(echoed) if echoed.isdecimal() else None


def _error(answer: httpx.Response) -> tuple[str, str]:
    """The vendor's `name` and `errors` of a refusal."""
    try:
        body = answer.json()
    except ValueError:
        return "", answer.text
    if not isinstance(body, dict):
        return "", answer.text
    said = body.get("errors") or [body.get("message", "")]
    return str(body.get("name", "")), "; ".join(map(str, said))
