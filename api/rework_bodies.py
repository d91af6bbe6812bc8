"""What callers send who begin from a picture, and everything that a quote takes."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AnyHttpUrl,
    ConfigDict,
    Discriminator,
    Field,
    FiniteFloat,
    StrictInt,
    StringConstraints,
)
from pydantic import Tag as BranchTag

from api.schemas import BatchRequestBody, ImageRequest, JobBody
from domain.errors import InvalidRequest
from domain.operations import Operation
from domain.reviews import Name, NegativePrompt, NumImages, Prompt, Seed, Side, Style
from domain.sizes import Quality

ONE_IMAGE, MANY_IMAGES = "one_image", "many_images"
_SOURCES = ("source_job_id", "source_image_url")
_INLINE_CHARACTERS = 8 * 1024 * 1024
_EXAMPLE_JOB = "img_0123456789abcdef01234567"

Strength = Annotated[FiniteFloat, Field(gt=0, le=1)]


class SourceBody(JobBody):
    """A picture to begin from: a job's, or one that an address gives."""

    operation: ClassVar[Operation]

    source_job_id: Name | None = Field(
        default=None, description="A completed job; this or `source_image_url`"
    )
    source_image_index: Annotated[StrictInt, Field(ge=0, le=3)] | None = Field(
        default=None, description="Which of that job's images; the first where none is given"
    )
    source_image_url: AnyHttpUrl | None = Field(
        default=None, description="PNG, JPEG or WebP, up to 20 MB"
    )
    width: Side | None = Field(default=None, description="With `height`")
    height: Side | None = None

    def check(self) -> None:
        """Raise `InvalidRequest` where fields do not go together, naming them."""
        given = [name for name in _SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            raise refusal("Give one of source_job_id and source_image_url", *given or _SOURCES)
        if self.source_image_index is not None and self.source_job_id is None:
            raise refusal("source_image_index goes with source_job_id", "source_image_index")
        if (self.width is None) != (self.height is None):
            missing = "height" if self.height is None else "width"
            raise refusal("width and height go together", missing)


class ReworkBody(SourceBody):
    """A picture to be drawn again in part or in whole."""

    quality: Quality | None = Field(default=None, description="`standard` where none is given")
    style: Style | None = None
    negative_prompt: NegativePrompt | None = None
    seed: Seed | None = None
    num_images: NumImages = 1
    strength: Strength | None = Field(
        default=None, description="How far to depart from the source, above 0 to 1"
    )


class VariationsBody(ReworkBody):
    """Other pictures like one."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"source_job_id": _EXAMPLE_JOB, "num_images": 2}]}
    )
    operation: ClassVar[Operation] = Operation.VARIATIONS

    prompt: Prompt | None = Field(
        default=None, description="The source's own where none is given, if a job made it"
    )


class EditBody(ReworkBody):
    """A picture with something changed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"source_job_id": _EXAMPLE_JOB, "prompt": "at night", "quality": "draft"}]
        }
    )
    operation: ClassVar[Operation] = Operation.EDIT

    prompt: Prompt = Field(description="What shall change")
    mask_image_url: AnyHttpUrl | None = Field(
        default=None,
        description="Where it may change: the transparent parts of a picture that has any, else"
        " the white ones; in the source's shape",
    )
    mask: Annotated[str, StringConstraints(min_length=1, max_length=_INLINE_CHARACTERS)] | None = (
        Field(default=None, description="Such a picture itself, in Base64 or as a `data:` address")
    )

    def check(self) -> None:
        """As of all; and one mask at most."""
        super().check()
        if self.mask is not None and self.mask_image_url is not None:
            raise refusal("Give one of mask and mask_image_url", "mask", "mask_image_url")


class UpscaleBody(SourceBody):
    """A picture made larger."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"source_job_id": _EXAMPLE_JOB}]})
    operation: ClassVar[Operation] = Operation.UPSCALE

    scale: Literal[2, 4] | None = Field(
        default=None, description="2 where neither it nor `width` and `height` are given"
    )
    quality: Quality | None = Field(
        default=None, description="Of models that draw; an upscale is never a draft"
    )
    prompt: Prompt | None = Field(default=None, description="For models that read one")

    def check(self) -> None:
        """As of all; one way to say how large, and no draft."""
        super().check()
        if self.scale is not None and self.width is not None:
            raise refusal("Give scale, or width and height", "scale", "width", "height")
        if self.quality is Quality.DRAFT:
            raise refusal("An upscale is never a draft", "quality")


def refusal(problem: str, *fields: str) -> InvalidRequest:
    """The refusal of fields that have one problem together."""
    return InvalidRequest(f"{problem}.", [(field, problem) for field in fields])


def _kind(body: Any) -> str:
    if isinstance(body, SourceBody):
        return str(body.operation)
    if not isinstance(body, dict):
        return MANY_IMAGES if isinstance(body, BatchRequestBody) else ONE_IMAGE
    if "images" in body:
        return MANY_IMAGES
    named = body.get("operation")
    return str(named) if named in BRANCHES else ONE_IMAGE


BRANCHES = (Operation.VARIATIONS, Operation.EDIT, Operation.UPSCALE)
QuoteBody = Annotated[
    Annotated[ImageRequest, BranchTag(ONE_IMAGE)]
    | Annotated[BatchRequestBody, BranchTag(MANY_IMAGES)]
    | Annotated[VariationsBody, BranchTag("variations")]
    | Annotated[EditBody, BranchTag("edit")]
    | Annotated[UpscaleBody, BranchTag("upscale")],
    Discriminator(_kind),
]
"""What `generate` or `batch-generate` takes, or another route with its name as `operation`."""
