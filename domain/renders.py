"""What travels between a job's workflow and its activities. Keys travel, bytes never do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from domain.errors import ContentRejected, JobFailure
from domain.jobs import Attempt, CostBasis, ImageSpec, JobRequest, Progress, Target
from domain.model import Model
from domain.reviews import Endorsement
from domain.webhooks import Receiver, WebhookEvent

_FALLBACK_CODES = frozenset(kind.code for kind in JobFailure.__subclasses__() if kind.fallback)


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
    told_of_start: list[Receiver] | None = None
    """Who hears by webhook that a provider begins."""
    base_url: str | None = None
    """Where their links lead."""


class TakeUpOrder(Model):
    """To `take_up`: what a render left that the engine has given up."""

    order: RenderOrder
    earlier: Progress
    """Its last word, a paid call under way."""
    is_called_off: bool
    """Nobody wants the job any more: nothing new is begun."""


def render_order(
    job_id: str,
    request: JobRequest,
    target: Target,
    progress: tuple[int, int],
    *,
    has_fallback: bool,
) -> RenderOrder:
    """The order that gives a job's picture to one of its targets."""
    told = request.receivers(WebhookEvent.JOB_STARTED) or None
    return RenderOrder(
        job_id=job_id,
        asset_token=request.asset_token,
        spec=request.spec,
        target=target,
        has_fallback=has_fallback,
        progress_from=progress[0],
        progress_to=progress[1],
        tenant=request.tenant,
        blog_id=request.blog_id,
        told_of_start=told,
        base_url=request.base_url if told else None,
    )


def targets_after(code: str, tried: Target, left: list[Target]) -> list[Target]:
    """The targets that could do better than the one that failed with that code.

    Content that a model rejected is not sent to the same model again, whoever serves it.
    """
    if code not in _FALLBACK_CODES:
        return []
    if code == ContentRejected.code:
        return [target for target in left if target.model != tried.model]
    return left


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
    cancel_too_late: bool | None = None

    @property
    def cost_usd(self) -> float | None:
        """What all originals cost; None as soon as one is unknown."""
        return total_usd([original.cost_usd for original in self.originals])

    @property
    def cost_basis(self) -> CostBasis:
        """How that is known."""
        return basis_of(self.originals)


class DevelopOrder(Model):
    """To `develop`: the originals, and the job whose record it writes."""

    job_id: str
    request: JobRequest
    rendered: Rendered
    """Its start and its attempts are the job's, earlier providers included."""


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
    """Of the image that was chosen."""
    image_index: int | None = None
    """Which of the draft's images was chosen, from 0; None for the first."""
    endorsement: Endorsement | None = None
    """The editor's approval, where this is for a final."""


def basis_of(originals: Iterable[Original]) -> CostBasis:
    """The least certain basis of all."""
    bases = {
        CostBasis.UNKNOWN if original.cost_usd is None else original.cost_basis
        for original in originals
    }
    if CostBasis.UNKNOWN in bases:
        return CostBasis.UNKNOWN
    return CostBasis.USAGE if bases == {CostBasis.USAGE} else CostBasis.CATALOGUE


def total_usd(amounts: Iterable[float | None]) -> float | None:
    """The sum; None as soon as one is unknown."""
    total = 0.0
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return round(total, 6)
