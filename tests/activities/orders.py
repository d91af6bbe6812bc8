"""Orders as workflows give them."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.jobs import ImageSpec, JobRequest, Target
from domain.renders import RenderOrder
from domain.sizes import Quality

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def image_spec() -> ImageSpec:
    return ImageSpec(prompt="sea", quality=Quality.DRAFT, width_px=64, height_px=64, seed=5)


def target(expected_seconds: float = 1000.0) -> Target:
    return Target(provider="studio", model="studio-1", expected_seconds=expected_seconds)


def render_order(
    *,
    progress_from: int = 5,
    progress_to: int = 90,
    expected_seconds: float = 1000.0,
    has_fallback: bool = False,
) -> RenderOrder:
    return RenderOrder(
        job_id="img_1",
        asset_token="token",
        spec=image_spec(),
        target=target(expected_seconds),
        has_fallback=has_fallback,
        progress_from=progress_from,
        progress_to=progress_to,
    )


def job_request() -> JobRequest:
    return JobRequest(spec=image_spec(), targets=[target()], asset_token="token", created_at=NOW)
