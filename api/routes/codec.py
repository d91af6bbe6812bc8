"""What the Temporal Web UI and the `temporal` command ask to read encrypted payloads.

Source: https://docs.temporal.io/codec-server. The shapes are those of Temporal's JSON, so that its
own tools can call it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter
from pydantic import Base64Bytes, BaseModel, Field
from temporalio.api.common.v1 import Payload

from api.auth import Decoding
from api.problems import declare
from api.services import Served
from domain.errors import Forbidden, InvalidRequest, Unauthenticated
from encryption import Undecipherable

router = APIRouter(prefix="/api/v1/codec", tags=["codec"])
_REFUSALS = declare(InvalidRequest, Unauthenticated, Forbidden)


class PayloadJson(BaseModel):
    """One payload; bytes are base64."""

    metadata: dict[str, Base64Bytes] = Field(default_factory=dict)
    data: Base64Bytes = b""

    @classmethod
    def of(cls, payload: Payload) -> PayloadJson:
        """The JSON of a payload; validated, the fields would take base64."""
        return cls.model_construct(metadata=dict(payload.metadata), data=payload.data)

    def payload(self) -> Payload:
        """The payload."""
        return Payload(metadata=self.metadata, data=self.data)


class PayloadsJson(BaseModel):
    """Payloads, in order."""

    payloads: list[PayloadJson] = Field(max_length=10_000)


@router.post("/decode", responses=_REFUSALS)
async def decode(body: PayloadsJson, caller: Decoding, to: Served) -> PayloadsJson:
    """The payloads in the clear; those that never were encrypted come back as they are."""
    codec = to.client.data_converter.payload_codec
    return await _through(codec.decode if codec else None, body)


@router.post("/encode", responses=_REFUSALS)
async def encode(body: PayloadsJson, caller: Decoding, to: Served) -> PayloadsJson:
    """The payloads encrypted, where this Darkroom encrypts: for signals that a tool sends."""
    codec = to.client.data_converter.payload_codec
    return await _through(codec.encode if codec else None, body)


async def _through(
    step: Callable[[Sequence[Payload]], Awaitable[list[Payload]]] | None, body: PayloadsJson
) -> PayloadsJson:
    if step is None:
        return body
    try:
        payloads = await step([payload.payload() for payload in body.payloads])
    except Undecipherable as error:
        raise InvalidRequest(str(error), [("payloads", str(error))]) from error
    return PayloadsJson(payloads=[PayloadJson.of(payload) for payload in payloads])
