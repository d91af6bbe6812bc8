"""Gemini's `generateContent` with pictures, at the paths of the Gemini API and of Vertex AI.

Source: https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

import base64
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from tests.vendors.stand_in import picture, vendor_of

router = APIRouter()

TOKENS = {"512": 747, "1K": 1120, "2K": 1680, "4K": 2520}
"""That a picture takes, by `imageSize`."""
PROMPT_TOKENS = 9
REFERENCE_TOKENS = 258
THOUGHT_TOKENS = 60
_SIZES_PX = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}
_SIZES = {
    "gemini-3.1-flash-lite-image": {"1K"},
    "gemini-3.1-flash-image": {"512", "1K", "2K", "4K"},
    "gemini-3-pro-image": {"1K", "2K", "4K"},
}
_RATIOS = ["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "4:5", "5:4", "21:9"]
_CONFIG = {"responseModalities", "imageConfig", "seed"}


@router.post("/v1/models/{model}:generateContent")
@router.post("/v1beta1/publishers/google/models/{model}:generateContent")
async def generate(model: str, request: Request) -> Response:
    body = await request.json()
    refusal = _refusal(request, model, body)
    if instead := await vendor_of(request).begin(request, body, charges=refusal is None):
        return instead
    return refusal or JSONResponse(_good(model, body, len(vendor_of(request).charges)))


def answer(
    parts: list[dict[str, Any]], reason: str = "STOP", usage: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A whole answer with one candidate."""
    candidate = {
        "content": {"role": "model", "parts": parts},
        "finishReason": reason,
        "index": 0,
    }
    return {
        "candidates": [candidate],
        "usageMetadata": usage or {},
        "modelVersion": "gemini-3-pro-image",
        "responseId": "mAitaLmkHPPlz7IPvtfUqQ4",
    }


def failed(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    """The body of a failure, in the shape of all Google APIs."""
    return {"error": {"code": code, "message": message, "status": status, "details": [*details]}}


def inline(data: bytes, kind: str = "image/png") -> dict[str, Any]:
    """A part that is a picture."""
    return {"inlineData": {"mimeType": kind, "data": base64.b64encode(data).decode()}}


def _good(model: str, body: dict[str, Any], number: int) -> dict[str, Any]:
    config = body["generationConfig"]["imageConfig"]
    across, down = map(int, config["aspectRatio"].split(":"))
    side = _SIZES_PX[config["imageSize"]]
    height = round(side * (down / across) ** 0.5 / 32) * 32
    width = round(side * (across / down) ** 0.5 / 32) * 32
    parts = body["contents"][0]["parts"]
    images_in = REFERENCE_TOKENS * sum("inlineData" in part for part in parts)
    image_out = TOKENS[config["imageSize"]]
    usage = {
        "promptTokenCount": PROMPT_TOKENS + images_in,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": PROMPT_TOKENS},
            {"modality": "IMAGE", "tokenCount": images_in},
        ],
        "candidatesTokenCount": image_out,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": image_out}],
        "thoughtsTokenCount": THOUGHT_TOKENS,
        "totalTokenCount": PROMPT_TOKENS + images_in + image_out + THOUGHT_TOKENS,
    }
    seed = body["generationConfig"].get("seed", number)
    return answer([inline(picture(width, height, seed))], usage=usage)


def _refusal(request: Request, model: str, body: dict[str, Any]) -> Response | None:
    config = body.get("generationConfig", {})
    image = config.get("imageConfig", {})
    if request.headers.get("x-goog-api-key") != "gemini-key":
        reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
        return JSONResponse(failed(400, "INVALID_ARGUMENT", "API key not valid.", reason), 400)
    if model not in _SIZES:
        return JSONResponse(failed(404, "NOT_FOUND", f"models/{model} is not found."), 404)
    fits = image.get("aspectRatio") in _RATIOS and image.get("imageSize") in _SIZES[model]
    if not fits or config.get("responseModalities") != ["IMAGE"] or set(config) - _CONFIG:
        return JSONResponse(failed(400, "INVALID_ARGUMENT", f"Invalid config {config}."), 400)
    return None
