"""Payloads that only Darkroom can read: the engine keeps prompts, results and failures sealed.

AES-256-GCM around each payload. Ids, search attributes and names of workflows and activities stay
readable: the engine works by them, and none holds a prompt.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
)

ENCODING = b"binary/encrypted"
KEY_ID = "encryption-key-id"
_NONCE_BYTES = 12
_KEY_ID_CHARACTERS = 12


class Undecipherable(Exception):
    """A payload was sealed with a key that is not among ours, or was tampered with."""


class Cipher(PayloadCodec):
    """Seals with the first of some 256-bit keys, and opens with whichever sealed.

    What was never sealed passes as it is: histories from before there was a key go on.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {key_id(key): AESGCM(key) for key in keys}
        self._own = key_id(keys[0])

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """The payloads, sealed."""
        return [self._sealed(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """The payloads as they were; raises `Undecipherable`."""
        return [self._opened(payload) for payload in payloads]

    def _sealed(self, payload: Payload) -> Payload:
        nonce = os.urandom(_NONCE_BYTES)
        text = self._ciphers[self._own].encrypt(
            nonce, payload.SerializeToString(), self._own.encode()
        )
        metadata = {"encoding": ENCODING, KEY_ID: self._own.encode()}
        return Payload(metadata=metadata, data=nonce + text)

    def _opened(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        named = payload.metadata.get(KEY_ID, b"").decode(errors="replace")
        cipher = self._ciphers.get(named)
        if cipher is None:
            raise Undecipherable(
                f"A payload was encrypted with the key {named}, which is not in"
                " DARKROOM_ENCRYPTION_KEY; keep a key there until nothing needs it any more."
            )
        nonce, text = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        try:
            return Payload.FromString(cipher.decrypt(nonce, text, named.encode()))
        except (InvalidTag, ValueError, DecodeError) as error:
            raise Undecipherable("An encrypted payload was tampered with.") from error


def key_id(key: bytes) -> str:
    """By which a payload names the key that sealed it; it tells nothing of the key."""
    return hashlib.sha256(b"darkroom key id\n" + key).hexdigest()[:_KEY_ID_CHARACTERS]


def converter(keys: Iterable[bytes]) -> DataConverter:
    """How payloads are written: sealed with the first key where there is one, failures too."""
    known = tuple(keys)
    if not known:
        return pydantic_data_converter
    return replace(
        pydantic_data_converter,
        payload_codec=Cipher(known),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
