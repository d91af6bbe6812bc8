"""One image job: what was asked, where it stands, what came out.

These models are in every history and record. Fields are only added, always optional.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field

from domain.errors import Billed, JobFailure
from domain.ids import mentioned
from domain.model import Model
from domain.once import Once
from domain.operations import Operation, Source, digital_source_type
from domain.provenance import Provenance
from domain.reviews import Endorsement, FinalOffer, Review, ReviewState
from domain.sizes import AspectRatio, Quality
from domain.variants import PackedVariant, Variant
from domain.webhooks import Receiver, Subscription, WebhookEvent, receivers

JsonScalar = str | int | float | bool

_TITLE_CHARACTERS = 160


class JobStatus(StrEnum):
    """What deployed frontends test for; there will never be a sixth."""

    PENDING = "pending"
    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        """Whether pollers stop here."""
        return self in (JobStatus.COMPLETED, JobStatus.FAILED)


class Stage(StrEnum):
    """`current_stage`: what is being done right now."""

    QUEUED = "queued"
    GENERATING = "generating"
    UPLOADING = "uploading"
    COMPLETED = "completed"
    FAILED = "failed"


class Consistency(StrEnum):
    """What binds a final to its draft."""

    SEED = "seed"
    REFERENCE = "reference"
    SEED_AND_REFERENCE = "seed+reference"
    NONE = "none"


class Outcome(StrEnum):
    """How one attempt at a provider ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class CostBasis(StrEnum):
    """How an amount is known; each is trusted more than the next."""

    USAGE = "usage"
    """The vendor's answer told what was used."""
    CATALOGUE = "catalogue"
    """The list price."""
    UNKNOWN = "unknown"


class Target(Model):
    """A provider and model that may render the job, with what the catalogue knows of them."""

    provider: str
    model: str
    expected_seconds: float
    price_usd: float | None = None
    """Per image; None when unknown, never 0 for unknown."""
    width_px: int | None = None
    height_px: int | None = None
    """What the model makes, where it cannot make exactly what was asked for."""
    images_per_call: int | None = None
    """None for one."""
    only_resamples: bool | None = None
    """Whether it invents nothing; None for a model that does."""


class Asked(Model):
    """A caller's own words, of which a house style or a placement has made the prompt."""

    prompt: str
    negative_prompt: str | None = None
    style: str | None = None
    placement: str | None = None
    own_size: bool | None = None
    """The size is the caller's, not the placement's."""


class ImageSpec(Model):
    """The picture that was asked for, fully resolved."""

    prompt: str
    negative_prompt: str | None = None
    style: str | None = None
    quality: Quality
    aspect_ratio: AspectRatio | None = None
    """None where the caller gave pixels."""
    width_px: int
    height_px: int
    seed: int
    num_images: int = 1
    reference_image_url: str | None = None
    reference_key: str | None = None
    """The store's key of the draft's original, where the final is bound to it."""
    operation: Operation | None = None
    """What the provider does; None where it draws from words, and from references if any."""
    source: Source | None = None
    """What it does it to; also of a final that is drawn after its draft alone."""
    mask_key: str | None = None
    """The store's key of the mask: greys as large as the source, white where it may change."""
    strength: float | None = None
    """How far the picture may depart from its source, above 0 to 1; None as the model does."""

    @property
    def task(self) -> Operation:
        """What the provider does."""
        return self.operation or Operation.GENERATE

    palette: list[str] | None = None
    """The house style's colours, as `#rrggbb` or by name; the prompt says them too."""
    asked: Asked | None = None
    """None where the caller's words are the prompt."""

    @property
    def words(self) -> Asked:
        """What the caller wrote."""
        return self.asked or Asked(
            prompt=self.prompt, negative_prompt=self.negative_prompt, style=self.style
        )

    def seed_of(self, index: int) -> int:
        """The seed of the image with that index."""
        return (self.seed + index) % 2**32


class JobRequest(Model):
    """The input of `ImageJobWorkflow`."""

    spec: ImageSpec
    targets: list[Target] = Field(min_length=1)
    """First choice, then fallbacks in order."""
    asset_token: str
    created_at: datetime
    tenant: str = "default"
    review_seconds: float = 7 * 86400.0
    final_quality: Quality = Quality.HIGH
    stand_in_for: str | None = None
    """The unconfigured provider that was named, where `studio` renders in its place."""
    batch_id: str | None = None
    blog_id: str | None = None
    blog_job_id: str | None = None
    tags: list[str] | None = None
    metadata: dict[str, JsonScalar] | None = None
    webhook_url: str | None = None
    webhook_events: list[WebhookEvent] | None = None
    """What is told to `webhook_url`; None for all but `job.started`."""
    tenant_webhooks: list[Subscription] | None = None
    """Who else is told, as the tenant was set up when the job was accepted."""
    base_url: str | None = None
    """Where the caller reaches the API; only kept where somebody is told."""
    alt_text: str | None = None
    draft_job_id: str | None = None
    revision_of: str | None = None
    retry_of: str | None = None
    named_provider: str | None = None
    """The one that the caller or an editor named; None where it was chosen for them."""
    consistency: Consistency | None = None
    endorsement: Endorsement | None = None
    """The approval that started it, where it is the final of a draft."""
    operation: Operation | None = None
    """What was asked for; None for `generate`."""
    source_job_id: str | None = None
    warnings: list[str] | None = None
    """What the caller should know, such as a model that is going to be shut down."""
    once: Once | None = None
    """Where sending its request again names this job."""

    @property
    def is_draft(self) -> bool:
        """Whether the image awaits an editor's review."""
        return self.spec.quality is Quality.DRAFT

    @property
    def recipe(self) -> str:
        """The key that durations are measured by."""
        first = self.targets[0]
        return f"{first.provider}/{first.model}/{self.spec.quality}"

    @property
    def uses(self) -> set[str]:
        """The jobs that it names anywhere but where callers write what they like."""
        return mentioned(self.model_dump_json(exclude=_FREE_TEXT, exclude_none=True))

    def digital_source_type(self, provider: str, model: str) -> str:
        """The IPTC NewsCode of what one of the targets has made."""
        who = (provider, model)
        made = [target for target in self.targets if (target.provider, target.model) == who]
        return digital_source_type(
            self.operation or Operation.GENERATE,
            self.spec.source,
            only_resamples=any(target.only_resamples for target in made),
        )

    def receivers(self, event: WebhookEvent) -> list[Receiver]:
        """Who is told of an event of this job."""
        url, events = self.webhook_url, self.webhook_events
        own = Subscription(url=url, events=events) if url is not None else None
        return receivers(own, self.tenant_webhooks, event)

    def card(self) -> JobCard:
        """What travels in the workflow's memo, so that `describe` alone can answer."""
        return JobCard(
            created_at=self.created_at,
            is_draft=self.is_draft,
            recipe=self.recipe,
            expected_seconds=self.targets[0].expected_seconds,
            title=_title(self.spec.words.prompt),
            uses=sorted(self.uses) or None,
            **self.model_dump(include=_ON_THE_CARD, exclude_none=True),
        )


class JobCard(Model):
    """The facts about a job that never change."""

    created_at: datetime
    is_draft: bool
    recipe: str
    expected_seconds: float
    tenant: str = "default"
    stand_in_for: str | None = None
    batch_id: str | None = None
    blog_id: str | None = None
    blog_job_id: str | None = None
    tags: list[str] | None = None
    metadata: dict[str, JsonScalar] | None = None
    draft_job_id: str | None = None
    revision_of: str | None = None
    retry_of: str | None = None
    operation: Operation | None = None
    source_job_id: str | None = None
    warnings: list[str] | None = None
    once: Once | None = None
    title: str | None = None
    """How the prompt begins, for lists; jobs of before have none."""
    uses: list[str] | None = None
    """Other jobs whose images it is made from, beside those named above."""

    @property
    def related(self) -> set[str]:
        """All jobs whose images it is made from, or may be."""
        named = (self.draft_job_id, self.revision_of, self.retry_of)
        return {*(self.uses or []), *(job_id for job_id in named if job_id)}

    @property
    def asked_provider(self) -> str:
        """The first choice; a fallback may make the image."""
        return self.recipe.partition("/")[0]

    @property
    def asked_model(self) -> str:
        """The first choice's."""
        return self.recipe.partition("/")[2].rpartition("/")[0]


def _title(prompt: str) -> str:
    line = " ".join(prompt[: 2 * _TITLE_CHARACTERS].split())
    return line if len(line) <= _TITLE_CHARACTERS else f"{line[: _TITLE_CHARACTERS - 1].rstrip()}…"


_ON_THE_CARD = set(JobCard.model_fields) & set(JobRequest.model_fields) - {"created_at"}
_FREE_TEXT: Any = {
    "spec": {
        **dict.fromkeys(("prompt", "negative_prompt", "style", "asked"), True),
        "source": {"prompt", "negative_prompt", "style"},
    },
    **dict.fromkeys(("tags", "metadata", "alt_text", "warnings", "endorsement"), True),
    **dict.fromkeys(("draft_job_id", "revision_of", "retry_of"), True),
}


class AltTextSource(StrEnum):
    """Who wrote an image's description."""

    CALLER = "caller"
    PROMPT = "prompt"
    """Nobody: it is the prompt."""


class ImageAsset(Model):
    """One finished image."""

    variants: list[Variant] = Field(min_length=1)
    """The first is what `url` serves, the full size in the original's format.

    The others follow in the results that lack `others`.
    """
    others: list[PackedVariant] | None = None
    """All but the first, each format from large to small."""
    social: PackedVariant | None = None
    """A crop for link previews."""
    size_bytes: int
    sha256: str
    seed: int | None = None
    alt_text: str
    alt_text_source: AltTextSource | None = None
    thumbhash: str
    dominant_color: str
    digital_source_type: str
    """An IPTC NewsCode, without the scheme's address."""
    provenance: Provenance | None = None

    @property
    def main(self) -> Variant:
        """What `url` serves."""
        described = {"size_bytes": self.size_bytes, "sha256": self.sha256}
        return self.variants[0].model_copy(update=described)

    @property
    def further(self) -> list[Variant]:
        """Every encoding of the whole picture but the main one."""
        return self.variants[1:] if self.others is None else self.others


class JobResult(Model):
    """What a completed job gives."""

    asset_prefix: str
    images: list[ImageAsset] = Field(min_length=1)
    generation_time_seconds: float
    provider: str
    model: str
    cost_usd: float | None = None
    cost_basis: CostBasis | None = None
    consistency: Consistency | None = None
    prompt: str | None = None
    """The caller's."""
    full_prompt: str | None = None
    """As it was sent, where a house style or a placement made more of it."""

    def key(self, variant: Variant) -> str:
        """The store's key of a variant."""
        return f"{self.asset_prefix}/{variant.name}"

    def drawn_seed(self, index: int) -> int | None:
        """What an image was drawn with; None where nobody knows, or there is no such image."""
        return self.images[index].seed if 0 <= index < len(self.images) else None


class Developed(Model):
    """From `develop`: what it adds to a job's state."""

    result: JobResult
    completed_at: datetime
    final: FinalOffer | None = None


class JobError(Model):
    """Why a job failed; `code` is one of the contract's."""

    code: str
    message: str
    retryable: bool = False
    provider: str | None = None
    billed: Billed = Billed.NO
    flagged: str | None = None

    @classmethod
    def of(cls, failure: JobFailure) -> JobError:
        """The stored form of a failure of our tree."""
        return cls(
            code=failure.code,
            message=failure.message,
            retryable=failure.retryable,
            provider=failure.provider,
            billed=failure.billed,
            flagged=failure.flagged,
        )


class Attempt(Model):
    """One try at one provider."""

    provider: str
    model: str
    started_at: datetime
    outcome: Outcome
    error: JobError | None = None


PROGRESS_GENERATING = 5
PROGRESS_UPLOADING = 90


class JobState(Model):
    """Where a job stands: the answer to the `status` query, and the workflow's result."""

    status: JobStatus = JobStatus.QUEUED
    stage: Stage = Stage.QUEUED
    progress_percentage: int = 0
    """A floor: heartbeats may know better while a provider works."""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    result: JobResult | None = None
    review: Review | None = None
    attempts: list[Attempt] = Field(default_factory=list)
    error: JobError | None = None
    final_job_id: str | None = None
    revision_job_id: str | None = None
    cancel_too_late: bool | None = None
    """A cancel came when the image was paid for and could not be called off; it is kept."""
    gone_at: datetime | None = None
    """When its images were given up; what they were is still told."""

    @property
    def awaits_review(self) -> bool:
        """Whether an editor's decision would be taken now."""
        return self.review is not None and self.review.state is ReviewState.AWAITING

    def advanced(self, progress: Progress | None) -> JobState:
        """A provider was tried in vain; what it reported last is kept."""
        if progress is None:
            return self
        return self.model_copy(
            update={
                "started_at": self.started_at or progress.started_at,
                "progress_percentage": max(self.progress_percentage, progress.progress_percentage),
                "attempts": [*self.attempts, *progress.attempts],
                "cancel_too_late": self.cancel_too_late or progress.cancel_too_late,
            }
        )

    def uploading(
        self,
        started_at: datetime,
        attempts: list[Attempt],
        *,
        cancel_too_late: bool | None = None,
    ) -> JobState:
        """The originals are stored; variants and the record follow."""
        return self.model_copy(
            update={
                "status": JobStatus.PROCESSING,
                "stage": Stage.UPLOADING,
                "progress_percentage": PROGRESS_UPLOADING,
                "started_at": self.started_at or started_at,
                "attempts": [*self.attempts, *attempts],
                "cancel_too_late": self.cancel_too_late or cancel_too_late,
            }
        )

    def completed(self, request: JobRequest, developed: Developed) -> JobState:
        """The image is there; a draft starts to await review."""
        review = None
        if request.is_draft:
            expires_at = developed.completed_at + timedelta(seconds=request.review_seconds)
            review = Review(expires_at=expires_at, final=developed.final)
        return self.model_copy(
            update={
                "status": JobStatus.COMPLETED,
                "stage": Stage.COMPLETED,
                "progress_percentage": 100,
                "completed_at": developed.completed_at,
                "result": developed.result,
                "review": review,
            }
        )

    def failed(self, error: JobError, at: datetime) -> JobState:
        """The job ended without an image; progress stays where it was."""
        return self.model_copy(
            update={
                "status": JobStatus.FAILED,
                "stage": Stage.FAILED,
                "completed_at": at,
                "error": error,
            }
        )


class JobRecord(Model):
    """A job in the archive, long after the engine forgot it."""

    job_id: str
    request: JobRequest
    state: JobState
    swept_at: datetime | None = None
    """When its files were deleted."""


class PaidCall(Model):
    """A call to a vendor that was begun and whose pictures are not in the store yet."""

    key: str
    """Of this call alone; the same when it is taken up again after a crash."""
    first_index: int
    """Of the order's pictures that are made by one call."""
    sent_at: datetime
    ticket: str | None = None
    """The vendor's id; None while the answer to the submission is not seen."""
    indices: list[int] | None = None
    """The pictures that it makes, where some of the order's were stored before it."""


class Progress(Model):
    """What `render` heartbeats; it outlives the process that sent it."""

    progress_percentage: int
    started_at: datetime
    """Of the first attempt at this provider."""
    attempts: list[Attempt] = Field(default_factory=list)
    """Earlier attempts at this provider, failed or unknown."""
    call: PaidCall | None = None
    """The one that is under way."""
    cancel_too_late: bool | None = None
