"""What travels between a job's workflow and its activities. Keys travel, bytes never do."""

from __future__ import annotations

from datetime import datetime

from domain.jobs import Attempt, CostBasis, ImageSpec, JobRequest, JobState, Target
from domain.model import Model


class RenderOrder(Model):
    """To `render`: which picture, by whom, and where its originals go."""

    job_id: str
    asset_token: str
    spec: ImageSpec
    target: Target
    has_fallback: bool = False
    progress_from: int
    progress_to: int
    tenant: str = "default"
    blog_id: str | None = None


class Original(Model):
    """One picture as the provider made it, untouched in the store."""

    key: str
    width_px: int
    height_px: int
    seed: int | None = None
    cost_usd: float | None = None
    cost_basis: CostBasis | None = None


class Rendered(Model):
    """From `render`: what the provider made."""

    provider: str
    model: str
    originals: list[Original]
    started_at: datetime
    generation_time_seconds: float
    attempts: list[Attempt]

    @property
    def cost_usd(self) -> float | None:
        """What all originals cost; None as soon as one is unknown."""
        costs = [original.cost_usd for original in self.originals]
        return None if None in costs else sum(cost for cost in costs if cost is not None)


class DevelopOrder(Model):
    """To `develop`: the originals, and the job whose record it writes."""

    job_id: str
    request: JobRequest
    state: JobState
    rendered: Rendered


class SuccessorOrder(Model):
    """To `plan_final` and `plan_revision`: the draft and what the editor said, as stored."""

    job_id: str
    asset_token: str
    seed: int
    request: JobRequest
    provider: str
    """The one that rendered the draft, which after a fallback is not the first choice."""
    model: str
    drawn_seed: int | None = None
