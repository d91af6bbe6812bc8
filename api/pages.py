"""Lists: what may be asked of them, and the page that is answered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from api.schemas import (
    Code,
    CostAnswer,
    Gone,
    ImageAnswer,
    IndexedName,
    LinksAnswer,
    Maybe,
    ReviewAnswer,
    StageName,
    Tag,
)
from domain.jobs import Consistency, JobStatus, JsonScalar
from domain.operations import Operation
from domain.reviews import Name, ReviewState
from domain.sizes import AspectRatio, Quality

_FIRST_YEAR, _LAST_YEAR = 1970, 2200
_MAX_CURSOR = 1000


def _by_utc(moment: datetime) -> datetime:
    """Without an offset it is UTC."""
    if not _FIRST_YEAR < moment.year < _LAST_YEAR:
        raise ValueError(f"must lie between the years {_FIRST_YEAR} and {_LAST_YEAR}")
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_by_utc)]
Cursor = Annotated[str, StringConstraints(min_length=1, max_length=_MAX_CURSOR)]
NextCursor = Annotated[
    str | None, Field(description="Hand it back for the next page; null where the list ends")
]


class PageQuery(BaseModel):
    """Which page of a list."""

    limit: int = Field(default=50, ge=1, le=200)
    cursor: Cursor | None = Field(
        default=None, description="`next_cursor` of the page before, to the same question"
    )


class JobQuery(PageQuery):
    """Which jobs; a job has to fit all that is given."""

    status: JobStatus | None = Field(
        default=None,
        description="Nothing listed is `pending`: images that have not started are told by their "
        "batch. A page of `queued` or `processing` jobs may be short before the list ends.",
    )
    blog_id: IndexedName | None = None
    blog_job_id: IndexedName | None = None
    batch_id: IndexedName | None = None
    review: ReviewState | None = None
    provider: Name | None = Field(
        default=None, description="The first choice, also where a fallback made the image"
    )
    tag: Tag | None = None
    created_after: Moment | None = Field(
        default=None,
        description="At that moment or later; an image of a batch counts from when its turn came",
    )
    created_before: Moment | None = Field(default=None, description="Before that moment, likewise")

    @property
    def question(self) -> str:
        """What is asked, whatever the page."""
        return self.model_dump_json(exclude={"limit", "cursor"}, exclude_none=True)


class ListedJob(BaseModel):
    """A job in a list: what its whole answer says, less what a list has no room for."""

    job_id: str
    status: JobStatus
    progress_percentage: int
    current_stage: StageName
    created_at: datetime
    started_at: Maybe[datetime]
    completed_at: Maybe[datetime]
    is_draft: bool
    operation: Maybe[Operation]
    source_job_id: Maybe[str]
    batch_id: Maybe[str]
    blog_id: Maybe[str]
    blog_job_id: Maybe[str]
    tags: list[str]
    metadata: dict[str, JsonScalar]
    provider: str = Field(description="That made the image; the first choice until it is made")
    model: str
    review: Maybe[ReviewAnswer]
    final_job_id: Maybe[str]
    draft_job_id: Maybe[str]
    revision_of: Maybe[str]
    revision_job_id: Maybe[str]
    retry_of: Maybe[str]
    title: Annotated[Maybe[str], Field(description="How the prompt begins")]
    url: Annotated[Maybe[str], Field(description="Of the first image, once it is made")]
    width: Maybe[int]
    height: Maybe[int]
    gone: Gone
    thumbnail_url: Annotated[Maybe[str], Field(description="Its smallest variant")]
    thumbhash: Maybe[str]
    dominant_color: Maybe[str]
    alt_text: Maybe[str]
    image_count: Maybe[int]
    error_code: Maybe[Code]
    error_message: Maybe[str]
    cost: Maybe[CostAnswer]
    links: LinksAnswer


class JobsAnswer(BaseModel):
    """A page of jobs, newest first."""

    jobs: list[ListedJob]
    next_cursor: NextCursor


class Parameters(BaseModel):
    """What a job was to make, in the caller's words or an editor's."""

    prompt: str
    full_prompt: Annotated[
        Maybe[str],
        Field(description="As it was sent, where a house style or a placement made more of it"),
    ]
    negative_prompt: Maybe[str]
    style: Maybe[str]
    placement: Maybe[str]
    quality: Quality
    aspect_ratio: Maybe[AspectRatio]
    width: int
    height: int
    seed: int
    num_images: int
    reference_image_url: Maybe[str]
    provider: str = Field(description="The first choice; `provider` of the job made it")
    model: str


class Thumbnail(BaseModel):
    """One image of a round, in its smallest variant."""

    image_index: int
    url: str
    thumbnail_url: str
    width: int
    height: int


class RoundJob(ListedJob):
    """A draft or a final, as one step of an image's way."""

    round: int = Field(description="From 1; a final and a retry have their draft's")
    retry_job_id: Maybe[str]
    thumbnails: list[Thumbnail]
    parameters: Annotated[
        Maybe[Parameters], Field(description="Left out while nobody knows them yet")
    ]
    changed: list[str] = Field(
        description="Which `parameters` differ from those of the job that this one follows"
    )


class RoundsAnswer(BaseModel):
    """All that led to an image, the first round first, each final after its draft."""

    jobs: list[RoundJob]
    cost: CostAnswer = Field(description="Of all of them; null as soon as one is unknown")


class BlogImage(ImageAnswer):
    """One image of a blog, and the job that made it."""

    job_id: str
    is_draft: bool
    created_at: datetime
    completed_at: Maybe[datetime]
    operation: Maybe[Operation]
    source_job_id: Maybe[str]
    batch_id: Maybe[str]
    blog_job_id: Maybe[str]
    tags: list[str]
    metadata: dict[str, JsonScalar]
    provider: str
    model: str
    consistency: Maybe[Consistency]
    review: Maybe[ReviewAnswer]
    final_job_id: Maybe[str]
    draft_job_id: Maybe[str]
    revision_of: Maybe[str]
    revision_job_id: Maybe[str]
    cost: Annotated[Maybe[CostAnswer], Field(description="This image's share of what its job cost")]
    links: LinksAnswer


class BlogAnswer(BaseModel):
    """A page of a blog's images, newest first."""

    blog_id: str
    images: list[BlogImage]
    next_cursor: NextCursor
