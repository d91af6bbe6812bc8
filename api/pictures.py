"""From a finished image to what a page is built of: addresses, sources, srcset. Pure."""

from __future__ import annotations

from collections.abc import Callable

from api.schemas import (
    ImageAnswer,
    ProvenanceAnswer,
    SourceAnswer,
    UpstreamAnswer,
    VariantAnswer,
)
from domain.jobs import ImageAsset, JobResult
from domain.provenance import Provenance
from domain.variants import Variant
from imaging.encode import CONTENT_TYPES
from imaging.provenance import NEWS_CODES

Address = Callable[[str], str]
"""From the store's key to the URL."""

_BY_TYPE = ("avif", "webp")
"""Offered by type, best first: a browser takes the first that it knows."""
_FOR_ALL = ("jpeg", "png", *reversed(_BY_TYPE))
"""The formats of a plain `<img>`, the one that is shown most widely first."""


def image_answer(
    job_id: str,
    index: int,
    image: ImageAsset,
    result: JobResult,
    address: Address,
    *,
    gone: bool = False,
) -> ImageAnswer:
    """Everything about an image, every key as an address, also where nothing is there any more."""
    variants = [image.main, *image.further]
    told = [_variant(variant, result, address) for variant in variants]
    source_type = f"{NEWS_CODES}{image.digital_source_type}"
    return ImageAnswer(
        url=told[0].url,
        width=told[0].width,
        height=told[0].height,
        image_id=f"{job_id}.{index}",
        image_url=told[0].url,
        gone=gone,
        thumbnail_url=thumbnail_url(image, result, address),
        social_url=address(result.key(image.social)) if image.social else None,
        format=told[0].format,
        size_bytes=image.size_bytes,
        seed=image.seed,
        sha256=image.sha256,
        alt_text=image.alt_text,
        alt_text_source=image.alt_text_source,
        thumbhash=image.thumbhash,
        dominant_color=image.dominant_color,
        variants=told,
        sources=[
            SourceAnswer(type=CONTENT_TYPES[kind], srcset=_srcset(found, result, address))
            for kind in _BY_TYPE
            if (found := _of(kind, image))
        ],
        srcset=_srcset(_for_all(image), result, address),
        digital_source_type=source_type,
        provenance=_provenance(source_type, image.provenance or Provenance()),
    )


def thumbnail_url(image: ImageAsset, result: JobResult, address: Address) -> str:
    """Where the smallest encoding lies that is shown by every browser."""
    return address(result.key(_for_all(image)[0]))


def _provenance(source_type: str, kept: Provenance) -> ProvenanceAnswer:
    upstream = kept.upstream
    return ProvenanceAnswer(
        digital_source_type=source_type,
        signed=kept.signed,
        upstream=UpstreamAnswer(**upstream.model_dump()) if upstream else None,
    )


def _for_all(image: ImageAsset) -> list[Variant]:
    """The encodings that suit a plain `<img>`, from small to large."""
    made = {variant.format for variant in image.further}
    return next((_of(kind, image) for kind in _FOR_ALL if kind in made), [image.main])


def _of(kind: str, image: ImageAsset) -> list[Variant]:
    """An image's encodings in a format, from small to large, one of each width."""
    each = {v.width_px: v for v in (image.main, *image.further) if v.format == kind}
    return [each[width_px] for width_px in sorted(each)]


def _srcset(variants: list[Variant], result: JobResult, address: Address) -> str:
    return ", ".join(f"{address(result.key(v))} {v.width_px}w" for v in variants)


def _variant(variant: Variant, result: JobResult, address: Address) -> VariantAnswer:
    return VariantAnswer(
        url=address(result.key(variant)),
        width=variant.width_px,
        height=variant.height_px,
        format=variant.format,
        size_bytes=variant.size_bytes,
        sha256=variant.sha256,
    )
