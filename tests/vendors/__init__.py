"""Stand-ins for the vendors' servers, a module each."""

from __future__ import annotations

from fastapi import APIRouter

from tests.vendors import bfl, comfyui, fal, gemini, huggingface, openai, replicate, stability_ai

ROUTERS: dict[str, APIRouter] = {
    "comfyui": comfyui.router,
    "bfl": bfl.router,
    "fal": fal.router,
    "gemini": gemini.router,
    "huggingface": huggingface.router,
    "openai": openai.router,
    "replicate": replicate.router,
    "stability_ai": stability_ai.router,
}
"""By the provider's name; the keys are the first part of each path."""
