"""What a job makes: a picture from words, or one from another picture."""

from __future__ import annotations

from enum import StrEnum

from domain.model import Model
from domain.provenance import (
    COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA,
    TRAINED_ALGORITHMIC_MEDIA,
)

_ENHANCED = "algorithmicallyEnhanced"
_MADE_WITH_AI = (TRAINED_ALGORITHMIC_MEDIA, COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA)


class Operation(StrEnum):
    """What is done; all but `generate` begin from a picture."""

    GENERATE = "generate"
    VARIATIONS = "variations"
    EDIT = "edit"
    UPSCALE = "upscale"


class Source(Model):
    """The picture that a job begins from, as it lies in the store."""

    key: str
    width_px: int
    height_px: int
    job_id: str | None = None
    """The job that made it; None for one that came from an address."""
    image_index: int | None = None
    digital_source_type: str | None = None
    """What it says of itself, an IPTC NewsCode; None where it says nothing."""
    alt_text: str | None = None
    provider: str | None = None
    """Who made it, where a job of ours did."""
    prompt: str | None = None
    """The words that it was drawn from, where it was drawn from nothing else."""
    negative_prompt: str | None = None
    style: str | None = None
    seed: int | None = None
    palette: list[str] | None = None


def digital_source_type(
    operation: Operation, source: Source | None, *, only_resamples: bool = False
) -> str:
    """The IPTC NewsCode of what an operation makes of a source; without one a model made it all.

    What a model changes of a picture that no model made is a composite of both; one that is only
    resampled is enhanced. What was made with a model stays what it was.
    Source: https://cv.iptc.org/newscodes/digitalsourcetype/
    """
    if source is None:
        return TRAINED_ALGORITHMIC_MEDIA
    if source.digital_source_type in _MADE_WITH_AI:
        return source.digital_source_type
    if operation is Operation.UPSCALE and only_resamples:
        return _ENHANCED
    return COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA
