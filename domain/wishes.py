"""What a caller wishes for, before anything is chosen for them."""

from __future__ import annotations

from domain.jobs import JsonScalar
from domain.keys import DEFAULT_TENANT
from domain.model import Model
from domain.operations import Operation, Source
from domain.sizes import AspectRatio, Quality
from domain.webhooks import WebhookEvent


class Wish(Model):
    """One image as a caller describes it; see `HTTP schemas` in `api` for the limits."""

    prompt: str
    quality: Quality | None = None
    aspect_ratio: AspectRatio | None = None
    width: int | None = None
    height: int | None = None
    style: str | None = None
    placement: str | None = None
    negative_prompt: str | None = None
    seed: int | None = None
    num_images: int = 1
    provider: str | None = None
    model: str | None = None
    fallback_providers: list[str] | None = None
    reference_image_url: str | None = None
    operation: Operation | None = None
    source: Source | None = None
    mask_key: str | None = None
    strength: float | None = None
    blog_id: str | None = None
    blog_job_id: str | None = None
    tags: list[str] | None = None
    metadata: dict[str, JsonScalar] | None = None
    webhook_url: str | None = None
    webhook_events: list[WebhookEvent] | None = None
    alt_text: str | None = None
    tenant: str = DEFAULT_TENANT
