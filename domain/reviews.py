"""An editor's decision on a draft. `Approval` and `Rejection` are also the signals' JSON."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    Field,
    StrictInt,
    StringConstraints,
    model_validator,
)

from domain.model import Model
from domain.sizes import MAX_SIDE_PX, MIN_SIDE_PX, AspectRatio, Quality

_ALIKE = AfterValidator(lambda name: name.replace("_", "-"))

Prompt = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=4000)]
Style = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    _ALIKE,
]
Placement = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), _ALIKE
]
NegativePrompt = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4000)]
Side = Annotated[StrictInt, Field(ge=MIN_SIDE_PX, le=MAX_SIDE_PX, description="Pixels")]
Seed = Annotated[StrictInt, Field(ge=0, le=2**32 - 1)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
NumImages = Annotated[StrictInt, Field(ge=1, le=4)]
Comment = Annotated[str, StringConstraints(max_length=4000)]


class ReviewState(StrEnum):
    """Where a draft's review stands."""

    AWAITING = "awaiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def is_decided(self) -> bool:
        """Whether nothing can change any more."""
        return self is not ReviewState.AWAITING


class _Sized(Model):
    width: Side | None = None
    height: Side | None = None

    @model_validator(mode="after")
    def _both_sides(self) -> Self:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height go together")
        return self


class FinalChoices(_Sized):
    """What the editor wants of the final, where it differs from the plan."""

    quality: Quality | None = None
    provider: Name | None = None
    model: Name | None = None


class Revision(_Sized):
    """What the next round changes; everything else stays as the draft had it."""

    prompt: Prompt | None = None
    negative_prompt: NegativePrompt | None = None
    style: Style | None = None
    seed: Seed | None = None
    aspect_ratio: AspectRatio | None = None
    placement: Placement | None = None
    num_images: NumImages | None = None
    reference_image_url: AnyHttpUrl | None = None
    provider: Name | None = None
    model: Name | None = None


class Approval(Model):
    """Yes: start the final."""

    reviewer: Name | None = None
    comment: Comment | None = None
    final: FinalChoices | None = None
    decided_by: Name | None = None
    """The name of the API key that it was sent with."""
    image_index: StrictInt | None = None
    """Which of the draft's images is meant, from 0; None for the first."""


class Rejection(Model):
    """No; with `revise`, another round."""

    reviewer: Name | None = None
    comment: Comment | None = None
    revise: Revision | None = None
    decided_by: Name | None = None
    """The name of the API key that it was sent with."""


Decision = Approval | Rejection


class Endorsement(Model):
    """What is handed to a final of the approval that it owes its life to."""

    decided_at: datetime
    reviewer: str | None = None
    decided_by: str | None = None
    comment: str | None = None

    @classmethod
    def of(cls, approval: Approval, at: datetime) -> Endorsement:
        """Who approved, and when."""
        return cls(
            decided_at=at,
            reviewer=approval.reviewer,
            decided_by=approval.decided_by,
            comment=approval.comment,
        )


class FinalOffer(Model):
    """The final that approving a draft would start, as the catalogue stood at its making."""

    provider: str
    model: str
    quality: Quality
    width_px: int
    height_px: int
    price_usd: float | None = None
    """None when unknown, never 0 for unknown."""


class Review(Model):
    """The review of one draft."""

    state: ReviewState = ReviewState.AWAITING
    reviewer: str | None = None
    comment: str | None = None
    decided_at: datetime | None = None
    expires_at: datetime | None = None
    problem: str | None = None
    """Why the last approval could not be carried out; the draft awaits review still."""
    final: FinalOffer | None = None
    decided_by: str | None = None
    """The name of the API key that decided, where there was one."""
    image_index: int | None = None
    """Which of the draft's images was approved, from 0."""

    def decide(self, state: ReviewState, at: datetime, decision: Decision | None = None) -> Review:
        """The review as it stands after a decision, or after its expiry."""
        return self.model_copy(
            update={
                "state": state,
                "decided_at": at,
                "reviewer": decision.reviewer if decision else None,
                "comment": decision.comment if decision else None,
                "decided_by": decision.decided_by if decision else None,
                "problem": None,
                "image_index": _chosen(decision),
            }
        )


def _chosen(decision: Decision | None) -> int | None:
    return (decision.image_index or 0) if isinstance(decision, Approval) else None
