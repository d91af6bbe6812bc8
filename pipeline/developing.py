"""Develops originals into assets, and writes the job's record."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from domain.errors import Refusal
from domain.jobs import (
    Developed,
    ImageAsset,
    ImageSpec,
    JobRecord,
    JobResult,
    JobState,
    Variant,
)
from domain.renders import DevelopOrder, Original
from domain.reviews import FinalOffer
from imaging.develop import CONTENT_TYPES, develop_original
from pipeline.marking import Marker
from pipeline.planning import Planner
from storage.archive import Archive
from storage.keys import asset_prefix
from storage.objects import ObjectStore

_ALT_TEXT_CHARACTERS = 250


class Developer:
    """Makes an order's assets; stores them before the record that names them."""

    def __init__(
        self, store: ObjectStore, archive: Archive, planner: Planner, marker: Marker | None = None
    ) -> None:
        self._store = store
        self._archive = archive
        self._planner = planner
        self._marker = marker or Marker()

    async def develop(self, order: DevelopOrder) -> Developed:
        """The job's result once its assets and its record are stored.

        Raises `InvalidOutput`, `SigningFailed`, `StorageUnavailable`. Running it again gives the
        same objects, but for signatures.
        """
        prefix = asset_prefix(order.job_id, order.request.asset_token)
        images = await asyncio.gather(
            *(
                self._asset(order, prefix, index, original)
                for index, original in enumerate(order.rendered.originals)
            )
        )
        rendered = order.rendered
        developed = Developed(
            result=JobResult(
                asset_prefix=prefix,
                images=list(images),
                generation_time_seconds=rendered.generation_time_seconds,
                provider=rendered.provider,
                model=rendered.model,
                cost_usd=rendered.cost_usd,
                cost_basis=rendered.cost_basis,
                consistency=order.request.consistency,
                prompt=order.request.spec.words.prompt,
                full_prompt=order.request.spec.prompt if order.request.spec.asked else None,
            ),
            completed_at=datetime.now(UTC),
            final=self._offer(order),
        )
        record = JobRecord(
            job_id=order.job_id, request=order.request, state=state_after(order, developed)
        )
        await self._archive.write_job(record)
        return developed

    def _offer(self, order: DevelopOrder) -> FinalOffer | None:
        """The final of a draft; None where the catalogue has none for it any more."""
        if not order.request.is_draft:
            return None
        rendered = order.rendered
        try:
            return self._planner.offer(order.request, rendered.provider, rendered.model)
        except Refusal:
            return None

    async def _asset(
        self, order: DevelopOrder, prefix: str, index: int, original: Original
    ) -> ImageAsset:
        data = await self._store.get(original.key)
        marking = await asyncio.to_thread(self._marker.marking, order, index, data)
        developed = await asyncio.to_thread(develop_original, data, marking.packet, marking.seal)
        variants = [
            Variant(
                name=f"{index}.{encoding.extension}",
                width_px=encoding.width_px,
                height_px=encoding.height_px,
                format=encoding.format,
            )
            for encoding in developed.encodings
        ]
        puts = (
            self._store.put(
                f"{prefix}/{variant.name}", encoding.data, CONTENT_TYPES[encoding.format]
            )
            for variant, encoding in zip(variants, developed.encodings, strict=True)
        )
        await asyncio.gather(*puts)
        main = developed.encodings[0]
        return ImageAsset(
            variants=variants,
            size_bytes=len(main.data),
            sha256=main.sha256,
            seed=original.seed,
            alt_text=order.request.alt_text or alt_text_of(order.request.spec),
            thumbhash=developed.thumbhash,
            dominant_color=developed.dominant_color,
            digital_source_type=marking.digital_source_type,
            provenance=marking.provenance,
        )


def state_after(order: DevelopOrder, developed: Developed) -> JobState:
    """The state of a job whose `develop` was given that order and gave that."""
    rendered = order.rendered
    started = JobState().uploading(
        rendered.started_at, rendered.attempts, cancel_too_late=rendered.cancel_too_late
    )
    return started.completed(order.request, developed)


def alt_text_of(spec: ImageSpec) -> str:
    """What the image shows, in the caller's words, cut at a word."""
    words = " ".join(_described(spec).split())
    if len(words) <= _ALT_TEXT_CHARACTERS:
        return words
    return words[:_ALT_TEXT_CHARACTERS].rsplit(" ", 1)[0] + "…"


def _described(spec: ImageSpec) -> str:
    """What an edit says names only what changes."""
    said, source = spec.words.prompt, spec.source
    if source is None or spec.prompt == source.prompt:
        return said
    return "; ".join(filter(None, (source.prompt, said))) or "A picture"
