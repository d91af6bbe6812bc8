"""Stability AI's Stable Image services, v2beta: one synchronous multipart request a picture.

Source: https://platform.stability.ai/docs/api-reference (Generate: Ultra, Core, SD 3.5).
"""

from __future__ import annotations

from typing import Any

import httpx

from domain.errors import Billed, ContentRejected, JobFailure
from providers.base import Call, Order, Picture, Provider
from providers.http import VendorHttp
from providers.models import Fit, Model
from providers.prompting import prompt_for, takes_style
from providers.registry import Connection

_ADDRESS = "https://api.stability.ai"
_SEEDS = range(1, 2**32 - 1)
"""0 asks for a random one."""
_DRAFT_STRENGTH = 0.35
"""How far the final may depart from the draft, 0 to 1."""
_REFERENCE_STRENGTH = 0.7


class Stability(Provider):
    """Model options: `service` (the path), `model` (a field), `mode` where it takes one."""

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
        service = model.options.get("service", order.model)
        await call.sending()
        answer = await self._http.pay(
            "POST",
            f"/v2beta/stable-image/generate/{service}",
            data=_fields(order, model, fit),
            files=_files(order),
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


def _fields(order: Order, model: Model, fit: Fit) -> dict[str, str]:
    seed = min(max(order.first_seed, _SEEDS.start), _SEEDS.stop - 1)
    fields = {
        "prompt": prompt_for(order, model),
        "output_format": "png",
        "seed": str(seed),
    }
    if order.spec.negative_prompt and model.negative_prompt:
        fields["negative_prompt"] = order.spec.negative_prompt
    if order.spec.style and takes_style(order.spec, model):
        fields["style_preset"] = order.spec.style
    if "model" in model.options:
        fields["model"] = model.options["model"]
    if order.references:
        is_draft = order.references[0].is_draft
        fields["strength"] = str(_DRAFT_STRENGTH if is_draft else _REFERENCE_STRENGTH)
        fields.update({"mode": "image-to-image"} if "model" in model.options else {})
    elif fit.ratio is not None:
        fields["aspect_ratio"] = fit.ratio
    return fields


def _files(order: Order) -> dict[str, Any]:
    """Multipart also without a picture: the vendor takes nothing else."""
    if not order.references:
        return {"none": ("", b"")}
    reference = order.references[0]
    return {"image": ("reference", reference.data, reference.media_type)}


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
