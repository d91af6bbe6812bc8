"""Whether a webhook is Darkroom's: Standard Webhooks 1.0, symmetric signatures."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from darkroom_client.errors import WebhookInvalid

TOLERANCE_SECONDS = 300.0


def verify_webhook(
    body: bytes | str, headers: Mapping[str, str], secret: str, *, now: float | None = None
) -> Any:
    """The message, once it is certain that who knows the secret sent it in the last minutes.

    `body` as it came, before anything parsed it; `secret` is `whsec_` and base64. Raises
    `WebhookInvalid`.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, sent_at = given["webhook-id"], given["webhook-timestamp"]
        signatures = given["webhook-signature"].split()
        sent_seconds = float(sent_at)
    except (KeyError, ValueError):
        raise WebhookInvalid("The webhook's headers are missing.") from None
    age_seconds = (time.time() if now is None else now) - sent_seconds
    if not -TOLERANCE_SECONDS <= age_seconds <= TOLERANCE_SECONDS:  # nor is it when it is no number
        raise WebhookInvalid("The webhook was not sent in the last five minutes.")
    content = _bytes(body) if isinstance(body, str) else body
    signed = _bytes(f"{message_id}.{sent_at}.") + content
    made = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(made).decode()
    if not any(hmac.compare_digest(expected.encode(), _bytes(each)) for each in signatures):
        raise WebhookInvalid("The webhook's signature is not by this secret.")
    return json.loads(content)


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise ValueError("the secret must be `whsec_` and base64")
    return key
