"""The HTTP bodies: what callers send and what they are answered, field for field.

The seed's fields are fixed by the frontend contract 1.3.4. Optional fields that have no value are
left out, as its TypeScript types want; the few that are null by contract say so.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasGenerator,
    AnyHttpUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictInt,
    StringConstraints,
    UrlConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema

from domain.batches import BatchFlow
from domain.budgets import Period
from domain.costs import GroupBy
from domain.errors import Billed, DarkroomError, codes
from domain.jobs import (
    AltTextSource,
    Consistency,
    CostBasis,
    JobStatus,
    JsonScalar,
    Outcome,
    Stage,
)
from domain.keys import Scope
from domain.operations import Operation
from domain.provenance import ManifestState
from domain.reviews import (
    Approval,
    FinalChoices,
    Name,
    NegativePrompt,
    NumImages,
    Placement,
    Prompt,
    Rejection,
    ReviewState,
    Revision,
    Seed,
    Side,
    Style,
)
from domain.sizes import AspectRatio, Quality
from domain.webhooks import JOB_EVENTS, TEST_EVENT, WebhookEvent
from domain.wishes import Wish

T = TypeVar("T")
Maybe = Annotated[
    T | SkipJsonSchema[None], Field(default=None, exclude_if=lambda value: value is None)
]
"""A field that is left out of the answer where it has no value, and never null."""


def _one_of(values: list[str]) -> WithJsonSchema:
    """Says in the document what a text can be; what was kept under an older list still is."""
    return WithJsonSchema({"type": "string", "enum": values})


Code = Annotated[str, _one_of(codes(DarkroomError))]
StageName = Annotated[str, _one_of([stage.value for stage in Stage])]

Gone = Annotated[
    bool,
    Field(
        default=False,
        exclude_if=lambda gone: not gone,
        description="Left out unless true: it was deleted, and its addresses answer 410",
    ),
]

_INDEXED_BYTES = 2000
"""The engine takes 2,048 bytes of JSON for one search attribute."""


def _indexable(value: Any) -> Any:
    if len(json.dumps(value)) > _INDEXED_BYTES:
        raise ValueError(f"too long: at most {_INDEXED_BYTES} bytes as ASCII JSON")
    return value


IndexedName = Annotated[Name, AfterValidator(_indexable)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=100)]
WebhookUrl = Annotated[AnyHttpUrl, UrlConstraints(max_length=2000)]
MetadataText = Annotated[str, StringConstraints(max_length=1000)]

MAX_BATCH = 1000
_MAX_DAYS = 366
_DAYS = 30
_MAX_METADATA = 50
_MAX_TAGS = 50

_EXAMPLE_PROMPT = "Hero image: a lighthouse above the sea at dawn, soft light"


def _spellings(name: str) -> str | AliasChoices:
    camel = to_camel(name)
    return name if camel == name else AliasChoices(name, camel)


class Body(BaseModel):
    """Unknown fields are ignored; camelCase spellings are taken too."""

    model_config = ConfigDict(
        extra="ignore", alias_generator=AliasGenerator(validation_alias=_spellings)
    )


class JobBody(Body):
    """What every request for images may say of who makes them and whose they are."""

    provider: Name | None = None
    model: Name | None = None
    fallback_providers: list[Name] | None = Field(default=None, max_length=8)
    blog_id: IndexedName | None = None
    blog_job_id: IndexedName | None = None
    tags: Annotated[list[Tag], AfterValidator(_indexable)] | None = Field(
        default=None, max_length=_MAX_TAGS
    )
    metadata: dict[MetadataKey, bool | int | FiniteFloat | MetadataText] | None = Field(
        default=None, max_length=_MAX_METADATA, description="Flat"
    )
    webhook_url: WebhookUrl | None = None
    webhook_events: list[WebhookEvent] | None = Field(
        default=None, min_length=1, description="What it is told; all but `job.started` else"
    )
    alt_text: Annotated[str, StringConstraints(max_length=1000)] | None = None

    def wish(self, **more: Any) -> Wish:
        """The domain's form; `more` fills in what the body leaves open."""
        return Wish.model_validate({**more, **self.model_dump(mode="json", exclude_none=True)})


class ImageRequest(JobBody):
    """One image."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"prompt": _EXAMPLE_PROMPT, "quality": "draft", "aspect_ratio": "16:9"}]
        }
    )

    prompt: Prompt
    quality: Quality | None = Field(default=None, description="`standard` where none is given")
    aspect_ratio: AspectRatio | None = Field(default=None, description="`1:1` where none is given")
    width: Side | None = Field(default=None, description="With `height`, wins over `aspect_ratio`")
    height: Side | None = None
    style: Style | None = Field(
        default=None, description="A house style of `GET …/styles`, or one that the model knows"
    )
    placement: Placement | None = Field(
        default=None,
        description="Of `GET …/placements`: shape, size and prompt; a size or ratio given wins",
    )
    negative_prompt: NegativePrompt | None = None
    seed: Seed | None = None
    num_images: NumImages = 1
    reference_image_url: AnyHttpUrl | None = None

    @model_validator(mode="after")
    def _both_sides(self) -> ImageRequest:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height go together: give both, or aspect_ratio")
        return self


class BatchRequestBody(Body):
    """Many images at once."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "images": [
                        {"prompt": _EXAMPLE_PROMPT, "quality": "draft", "aspect_ratio": "16:9"},
                        {"prompt": "Featured: fog over a pine forest", "quality": "draft"},
                    ],
                    "blog_id": "post-42",
                    "workflow": "draft_then_final",
                }
            ]
        }
    )

    images: list[ImageRequest] = Field(min_length=1, max_length=MAX_BATCH)
    blog_id: IndexedName | None = None
    blog_job_id: IndexedName | None = None
    workflow: BatchFlow = BatchFlow.DRAFT_THEN_FINAL
    webhook_url: WebhookUrl | None = None
    webhook_events: list[WebhookEvent] | None = Field(
        default=None,
        min_length=1,
        description="`batch.completed` where none is given; those of jobs are told of each image"
        " that names no `webhook_url` of its own",
    )
    max_concurrency: Annotated[StrictInt, Field(ge=1, le=500)] | None = None

    def webhook_of(self, image: ImageRequest) -> dict[str, Any]:
        """What an image is given of the batch's webhook, where it names none of its own."""
        events = [event for event in self.webhook_events or [] if event in JOB_EVENTS]
        if image.webhook_url is not None or self.webhook_url is None or not events:
            return {}
        return {"webhook_url": str(self.webhook_url), "webhook_events": events}

    @field_validator("workflow", mode="before")
    @classmethod
    def _standard_is_final_only(cls, workflow: Any) -> Any:
        return BatchFlow.FINAL_ONLY if workflow == "standard" else workflow


def _today() -> date:
    return datetime.now(UTC).date()


class CostQuery(BaseModel):
    """Which part of the bill; the last 30 days where no span is given."""

    last: date = Field(alias="to", default_factory=_today, description="Included; today by UTC")
    first: date = Field(
        alias="from",
        default_factory=lambda given: given.get("last", _today()) - timedelta(days=_DAYS - 1),
        description="30 days up to the last one where it is not given",
    )
    blog_id: str | None = None
    provider: str | None = None
    model: str | None = None
    group_by: list[GroupBy] = Field(
        default=[GroupBy.DAY], description="Given several times, or with commas between"
    )

    @field_validator("group_by", mode="before")
    @classmethod
    def _commas(cls, group_by: Any) -> Any:
        if not isinstance(group_by, list):
            return group_by
        return [part for each in group_by for part in str(each).split(",")]

    @model_validator(mode="after")
    def _span(self) -> CostQuery:
        if self.first > self.last:
            raise ValueError("'from' is after 'to'")
        if (self.last - self.first).days >= _MAX_DAYS:
            raise ValueError(f"'from' and 'to' span more than {_MAX_DAYS} days")
        return self


class ImageGenerationJobResponse(BaseModel):
    """The answer to `generate-async`."""

    job_id: str
    status: JobStatus
    message: str
    estimated_completion_time: int = Field(description="Seconds")
    is_draft: bool
    warnings: Maybe[list[str]]


class BatchImageGenerationResponse(BaseModel):
    """The answer to `batch-generate`."""

    batch_id: str
    job_ids: list[str] = Field(description="In the order of `images`")
    status: JobStatus
    total_images: int
    estimated_completion_time: int = Field(description="Seconds")


class VariantAnswer(BaseModel):
    """One encoding of an image."""

    url: str
    width: int
    height: int
    format: str
    size_bytes: Maybe[int]
    sha256: Maybe[str]


class SourceAnswer(BaseModel):
    """A `<source>` of a `<picture>`, as its attributes are called."""

    type: str
    srcset: str


class UpstreamAnswer(BaseModel):
    """The C2PA manifest that a vendor put into the original, which is stored untouched."""

    state: ManifestState
    issuer: Maybe[str]
    generator: Maybe[str]


class ProvenanceAnswer(BaseModel):
    """How an image's files are marked."""

    digital_source_type: str
    signed: bool = Field(description="Whether each file carries a C2PA manifest of ours")
    upstream: Maybe[UpstreamAnswer]


class ImageAnswer(BaseModel):
    """One finished image; `url` needs no header and does not expire."""

    url: str
    width: int
    height: int
    image_id: str
    image_url: str
    gone: Gone
    thumbnail_url: str = Field(description="Its smallest variant that every browser shows")
    social_url: Annotated[Maybe[str], Field(description="A crop for link previews, 1200x630")]
    format: str
    size_bytes: int
    seed: Maybe[int]
    sha256: str
    alt_text: str
    alt_text_source: Annotated[
        Maybe[AltTextSource], Field(description="`prompt` where the caller gave no text")
    ]
    thumbhash: str = Field(description="Base64; what to show while the image loads")
    dominant_color: str
    variants: list[VariantAnswer]
    sources: list[SourceAnswer] = Field(description="For `<picture>`, the best format first")
    srcset: str = Field(description="For `<img>`, in a format that every browser shows")
    digital_source_type: str
    provenance: ProvenanceAnswer


class ResultAnswer(BaseModel):
    """What a completed job gives; also the answer to `generate`."""

    success: bool
    images: list[ImageAnswer]
    generation_time_seconds: float
    provider: str
    model: str
    cost: float = Field(description="USD; 0 also where unknown, see the job's `cost`")
    consistency: Maybe[Consistency]
    prompt: Annotated[Maybe[str], Field(description="As the caller wrote it")]
    full_prompt: Annotated[
        Maybe[str],
        Field(description="As it was sent, where a house style or a placement made more of it"),
    ]


class GenerateAnswer(ResultAnswer):
    """The answer to `generate`: the result itself, and the job it came from."""

    job_id: str
    message: Maybe[str]
    warnings: Maybe[list[str]]


class FinalAnswer(BaseModel):
    """The final that approving a draft starts where nothing else is wished."""

    provider: str
    model: str
    quality: Quality
    width: int
    height: int
    price_usd: float | None = Field(description="Null when unknown, never 0 for unknown")


class StreamStage(StrEnum):
    """The stages of `generate/stream`, as deployed clients read them."""

    QUEUED = "queued"
    PROCESSING = "processing"
    GENERATING = "generating"
    UPLOADING = "uploading"
    COMPLETED = "completed"
    ERROR = "error"


class StageData(BaseModel):
    """What a stage of `generate/stream` brings; most bring nothing."""

    result: Maybe[ResultAnswer]
    error: Maybe[str]
    code: Maybe[str]


class StageUpdate(BaseModel):
    """One event of `generate/stream`."""

    stage: StreamStage
    progress: int = Field(description="0 to 100, and never less than before")
    message: str
    job_id: str
    status: JobStatus
    data: StageData


class ReviewAnswer(BaseModel):
    """Where a draft's review stands."""

    state: ReviewState
    reviewer: Maybe[str]
    comment: Maybe[str]
    decided_by: Maybe[str] = Field(description="The name of the API key that decided")
    decided_at: Maybe[datetime]
    expires_at: Maybe[datetime]
    problem: Maybe[str]
    image_index: Annotated[
        Maybe[int], Field(description="Which of the draft's images was approved, from 0")
    ]
    final: Maybe[FinalAnswer]


class ErrorAnswer(BaseModel):
    """Why a job failed."""

    code: Code
    message: str
    retryable: bool
    provider: Maybe[str]
    billed: Billed
    flagged: Maybe[str] = Field(description="`prompt`, `reference` or `output`")


class AttemptAnswer(BaseModel):
    """One try at one provider."""

    provider: str
    model: str
    started_at: datetime
    outcome: Outcome
    error: Maybe[ErrorAnswer]


class CostAnswer(BaseModel):
    """What the job cost."""

    amount_usd: float | None
    basis: CostBasis = Field(
        description="`usage` as the vendor told, `catalogue` by list price, or `unknown`"
    )
    unknown_calls: Annotated[int, Field(default=0, exclude_if=lambda calls: calls == 0)]


class LinksAnswer(BaseModel):
    """Where to go from here."""

    self: str
    events: str
    source: Maybe[str]
    temporal_ui: Maybe[str]
    rounds: Maybe[str]
    approve: Maybe[str]
    reject: Maybe[str]


class Cancellation(StrEnum):
    """What came of a cancel that did not end the job."""

    TOO_LATE = "too_late"
    """The image was paid for by then, or may have been; it is kept."""


class ImageJobStatusResponse(BaseModel):
    """A job, as pollers see it."""

    job_id: str
    status: JobStatus
    progress_percentage: int
    current_stage: StageName
    created_at: datetime
    started_at: Maybe[datetime]
    completed_at: Maybe[datetime]
    result: Maybe[ResultAnswer]
    gone_at: Annotated[Maybe[datetime], Field(description="When its images were given up")]
    error_message: Maybe[str]
    estimated_time_remaining: Maybe[int]
    is_draft: bool
    title: Annotated[Maybe[str], Field(description="How the prompt begins")]
    final_job_id: Maybe[str]
    operation: Maybe[Operation] = Field(description="Left out for `generate`")
    source_job_id: Maybe[str] = Field(description="Whose picture it begins from")
    batch_id: Maybe[str]
    blog_id: Maybe[str]
    blog_job_id: Maybe[str]
    tags: list[str]
    metadata: dict[str, JsonScalar]
    message: Maybe[str]
    warnings: Maybe[list[str]]
    review: Maybe[ReviewAnswer]
    revision_of: Maybe[str]
    revision_job_id: Maybe[str]
    draft_job_id: Maybe[str]
    retry_of: Maybe[str]
    retry_job_id: Maybe[str]
    attempts: list[AttemptAnswer]
    error: Maybe[ErrorAnswer]
    cancellation: Maybe[Cancellation]
    cost: Maybe[CostAnswer]
    links: LinksAnswer


class CallerAnswer(BaseModel):
    """Who sent the request."""

    tenant: str
    key_name: Maybe[str] = Field(description="Left out where no keys are set up")
    scopes: list[Scope] = Field(description="All that the caller may do; `admin` is all of them")
    version: str = Field(description="Darkroom's")


class FinalBody(FinalChoices, Body):
    """What the final should be where it differs from the plan."""


class ReviseBody(Revision, Body):
    """What the next round changes; everything else stays as the draft had it."""


Unsaid = SkipJsonSchema[Annotated[Name | None, BeforeValidator(lambda sent: None)]]
"""What callers cannot say of themselves; ignored like any unknown field."""


class ApproveBody(Approval, Body):
    """Yes, and what the final should be where it differs from the plan."""

    image_index: StrictInt | None = Field(
        default=None, description="Which of the draft's images, from 0; the first where not given"
    )
    final: FinalBody | None = None
    decided_by: Unsaid = None


class RejectBody(Rejection, Body):
    """No; with `revise`, another round."""

    revise: ReviseBody | None = None
    decided_by: Unsaid = None


class BatchApproveBody(ApproveBody):
    """Yes to the images named, else to all that await review."""

    job_ids: list[str] | None = Field(default=None, max_length=MAX_BATCH)


class BatchRejectBody(RejectBody):
    """No to the images named, else to all that await review."""

    job_ids: list[str] | None = Field(default=None, max_length=MAX_BATCH)


class ApprovalAnswer(BaseModel):
    """A decision that was taken and is durable."""

    job_id: str
    final_job_id: str
    status: JobStatus = Field(description="Of the final")
    message: str
    links: LinksAnswer


class RejectionAnswer(BaseModel):
    """A decision that was taken and is durable."""

    job_id: str
    revision_job_id: Maybe[str]
    message: str
    links: LinksAnswer


class RetryAnswer(ImageGenerationJobResponse):
    """The answer to a retry: the new job, and the failed one it takes up."""

    retry_of: str
    links: LinksAnswer


class Decided(StrEnum):
    """What a batch's decision did to one image."""

    APPROVED = "approved"
    REJECTED = "rejected"
    NOT_REVIEWABLE = "not_reviewable"
    NOT_FOUND = "not_found"


class DecisionOutcome(BaseModel):
    """One image of a batch after a decision."""

    job_id: str
    outcome: Decided
    detail: Maybe[str]
    final_job_id: Maybe[str]
    revision_job_id: Maybe[str]

    @property
    def is_decided(self) -> bool:
        """Whether it was taken for this image."""
        return self.outcome in (Decided.APPROVED, Decided.REJECTED)


class BatchDecisionAnswer(BaseModel):
    """What a batch's decision did, image by image."""

    batch_id: str
    decided: int
    results: list[DecisionOutcome]


class BatchJobAnswer(BaseModel):
    """One image of a batch."""

    job_id: str
    status: JobStatus
    review_state: Maybe[ReviewState]
    final_job_id: Maybe[str]
    final_status: Maybe[JobStatus]
    revision_job_id: Maybe[str]
    url: Maybe[str]
    gone: Gone
    final_url: Maybe[str]
    error_code: Maybe[Code]


class BatchStatusAnswer(BaseModel):
    """A batch."""

    batch_id: str
    status: JobStatus
    progress_percentage: int
    created_at: datetime
    completed_at: Maybe[datetime]
    workflow: BatchFlow
    total_images: int
    counts: dict[JobStatus, int]
    review_counts: dict[ReviewState, int]
    cost: CostAnswer
    cancelled: bool
    blog_id: Maybe[str]
    blog_job_id: Maybe[str]
    jobs: list[BatchJobAnswer]
    links: LinksAnswer


class QuotedImage(BaseModel):
    """What one image of a request would be made by, and what it would cost."""

    provider: str
    model: str
    quality: Quality
    width: int
    height: int
    num_images: int
    price_per_image_usd: float | None = Field(description="Null when unknown")
    price_usd: float | None = Field(description="Of all `num_images`; null when unknown")
    expected_seconds: int
    is_draft: bool
    message: Maybe[str]
    warnings: Maybe[list[str]]
    final: Maybe[FinalAnswer]


class QuotedTotal(BaseModel):
    """All images of a request together."""

    images: int
    price_usd: float | None = Field(description="Null as soon as one price is unknown")
    finals_price_usd: float | None = Field(
        description="Of the finals where all drafts are approved; null also without drafts"
    )
    expected_seconds: int


class QuoteAnswer(BaseModel):
    """What a request would cost; nothing was started and nothing stored."""

    images: list[QuotedImage] = Field(description="In the order of the request")
    total: QuotedTotal


class CostSumAnswer(BaseModel):
    """What some calls cost together."""

    amount_usd: float = Field(description="Of the calls whose cost is known")
    calls: int
    images: int
    unknown_calls: int = Field(description="Of `calls`, those of which nobody knows the cost")


class CostRowAnswer(CostSumAnswer):
    """The calls that share what the bill is grouped by; what it is not grouped by is left out."""

    day: Maybe[date]
    blog_id: Maybe[str]
    provider: Maybe[str]
    model: Maybe[str]


class BudgetAnswer(BaseModel):
    """How one budget stands; what was spent is null while nobody can tell."""

    tenant: Maybe[str]
    blog: Maybe[str]
    period: Period
    amount_usd: float
    spent_usd: float | None
    reserved_usd: float | None
    unknown_usd: float | None = Field(description="Of calls that may have been paid; counts too")
    left_usd: float | None
    resets_at: datetime


class CostsAnswer(BaseModel):
    """The bill of a span of days."""

    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to", description="Included")
    group_by: list[GroupBy]
    total: CostSumAnswer
    rows: list[CostRowAnswer]
    budgets: list[BudgetAnswer]


class DeliveryState(StrEnum):
    """Where a webhook's delivery stands."""

    PENDING = "pending"
    """It is being tried, or waits for its next attempt."""
    DELIVERED = "delivered"
    FAILED = "failed"
    """Nobody tries any more."""
    CANCELLED = "cancelled"
    """Another delivery took its place, or somebody stopped it."""


class DeliveryAnswer(BaseModel):
    """One message to one receiver."""

    delivery_id: str
    message_id: str = Field(description="What the receiver gets as `webhook-id`")
    event: WebhookEvent
    url: str = Field(description="Without credentials and query")
    state: DeliveryState
    happened_at: datetime = Field(description="When what it tells of happened")
    attempts: int = Field(description="Begun so far")
    last_attempt_at: Maybe[datetime]
    last_status: Maybe[int]
    last_error: Maybe[str]
    next_attempt_at: Maybe[datetime]
    delivered_at: Maybe[datetime]


class DeliveriesAnswer(BaseModel):
    """What was told, and is being told, of a job or a batch."""

    deliveries: list[DeliveryAnswer] = Field(
        description="The newest first, as long as the engine keeps them"
    )


class WebhookTestBody(Body):
    """Whom to tell."""

    url: WebhookUrl | None = Field(
        default=None, description="All that the tenant is set up with where none is given"
    )


class TriedReceiver(BaseModel):
    """What one receiver said."""

    url: str = Field(description="Without credentials and query")
    delivered: bool
    status: Maybe[int]
    error: Maybe[str]


class WebhookTestAnswer(BaseModel):
    """What became of a webhook that was sent to see what becomes of it."""

    event: Annotated[str, WithJsonSchema({"type": "string", "const": TEST_EVENT})]
    receivers: list[TriedReceiver]


class ProviderAnswer(BaseModel):
    """One provider of the catalogue."""

    name: str
    title: str
    about: str
    configured: bool = Field(description="Whether requests may name it")
    problem: Maybe[str]
    default_for: list[Quality] = Field(description="Where a request names no provider")
    defaults: dict[Quality, str] = Field(description="Its model for each quality")
    operations: dict[Operation, list[str]] = Field(description="Its models that do each")
    models: list[str]


class ProvidersAnswer(BaseModel):
    """Every provider of the catalogue."""

    providers: list[ProviderAnswer]


class SizesAnswer(BaseModel):
    """The sizes a model makes; other wishes are fitted to them, or refused."""

    multiple_of: int
    min_side_px: int
    max_side_px: int
    max_megapixels: float
    max_ratio: float
    aspect_ratios: Maybe[list[AspectRatio]]


class PriceAnswer(BaseModel):
    """What one image costs."""

    by_quality_usd: dict[Quality, float | None] = Field(
        description="At 1:1; null where only the vendor's answer tells"
    )
    source: str
    date: date


class ModelAnswer(BaseModel):
    """One model of one provider."""

    provider: str
    model: str
    available: bool = Field(description="Whether a request may name it now")
    problem: Maybe[str]
    default_for: list[Quality] = Field(description="Where a request names its provider only")
    seed: bool
    operations: list[Operation]
    mask: bool = Field(description="Whether its edits take a mask")
    strength: list[Operation] = Field(description="What it does that takes a `strength`")
    references: int = Field(description="How many reference images it takes")
    negative_prompt: bool
    styles: Maybe[list[str]]
    images_per_call: int
    sizes: SizesAnswer
    expected_seconds: dict[Quality, float]
    price: PriceAnswer | None = Field(description="Null when unknown, never 0 for unknown")
    deprecated_on: Maybe[date]
    shutdown_on: Maybe[date]
    successor: Maybe[str]
    source: Maybe[str]


class ModelsAnswer(BaseModel):
    """Every model of the catalogue."""

    models: list[ModelAnswer]


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"]


class StyleAnswer(BaseModel):
    """One house style."""

    name: str
    about: str
    palette: list[str]
    providers: dict[Quality, str] = Field(
        description="Who renders it where a request names nobody; the default for other qualities"
    )


class StylesAnswer(BaseModel):
    """The house styles that the caller may name."""

    styles: list[StyleAnswer]


class SizeAnswer(BaseModel):
    """In pixels."""

    width: int
    height: int


class PlacementAnswer(BaseModel):
    """One place on a page."""

    name: str
    about: str
    aspect_ratio: Annotated[
        Maybe[AspectRatio], Field(description="Its own, or near its own; left out where none is")
    ]
    sizes: dict[Quality, SizeAnswer]
    prompt: str = Field(description="What becomes of the caller's, which stands at `{prompt}`")


class PlacementsAnswer(BaseModel):
    """Every placement."""

    placements: list[PlacementAnswer]


class PartHealth(BaseModel):
    """One part the service needs."""

    name: Literal["engine", "worker", "store"]
    state: Literal["ok", "down"]
    detail: Maybe[str]


class Health(BaseModel):
    """Whether the service can do its work, and what is wrong where it cannot."""

    status: Literal["healthy", "degraded"]
    version: str
    parts: list[PartHealth]


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str


class Problem(BaseModel):
    """An error, after RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: Code
    errors: Maybe[list[FieldProblem]]
