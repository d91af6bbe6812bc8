"""Develops originals into assets, and writes the job's record."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from domain.jobs import ImageAsset, ImageSpec, JobRecord, JobResult, JobState, Variant
from domain.renders import DevelopOrder, Original
from imaging.develop import CONTENT_TYPES, develop_original
from storage.archive import Archive
from storage.keys import asset_prefix
from storage.objects import ObjectStore

_ALT_TEXT_CHARACTERS = 250


class Developer:
    """Makes an order's assets; stores them before the record that names them."""

    def __init__(self, store: ObjectStore, archive: Archive) -> None:
        self._store = store
        self._archive = archive

    async def develop(self, order: DevelopOrder) -> JobState:
        """The job's state once its assets and its record are stored.

        Raises `InvalidOutput`, `StorageUnavailable`. Running it again gives the same objects.
        """
        prefix = asset_prefix(order.job_id, order.request.asset_token)
        images = await asyncio.gather(
            *(
                self._asset(order, prefix, index, original)
                for index, original in enumerate(order.rendered.originals)
            )
        )
        result = JobResult(
            asset_prefix=prefix,
            images=list(images),
            generation_time_seconds=order.rendered.generation_time_seconds,
            provider=order.rendered.provider,
            model=order.rendered.model,
            cost_usd=order.rendered.cost_usd,
            consistency=order.request.consistency,
        )
        state = order.state.completed(order.request, result, datetime.now(UTC))
        await self._archive.write_job(
            JobRecord(
                job_id=order.job_id,
                request=order.request,
                state=state,
            )
        )
        return state

    async def _asset(
        self, order: DevelopOrder, prefix: str, index: int, original: Original
    ) -> ImageAsset:
        data = await self._store.get(original.key)
        developed = await asyncio.to_thread(develop_original, data)
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
            digital_source_type=developed.digital_source_type,
        )


def alt_text_of(spec: ImageSpec) -> str:
    """The prompt as an image description, cut at a word."""
    words = " ".join(spec.prompt.split())
    if len(words) <= _ALT_TEXT_CHARACTERS:
        return words
    return words[:_ALT_TEXT_CHARACTERS].rsplit(" ", 1)[0] + "…"
