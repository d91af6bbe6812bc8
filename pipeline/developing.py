"""Develops originals into assets, and writes the job's record."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from domain.jobs import ImageAsset, ImageSpec, JobRecord, JobResult, JobState, Variant
from domain.renders import DevelopOrder, Original
from imaging.develop import CONTENT_TYPES, Developed, Encoded, develop_original
from storage.archive import Archive
from storage.keys import asset_key
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
        images = await asyncio.gather(
            *(
                self._asset(order, index, original)
                for index, original in enumerate(order.rendered.originals)
            )
        )
        result = JobResult(
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
                created_at=order.created_at,
                request=order.request,
                state=state,
            )
        )
        return state

    async def _asset(self, order: DevelopOrder, index: int, original: Original) -> ImageAsset:
        data = await self._store.get(original.key)
        developed = await asyncio.to_thread(develop_original, data)
        keys = [
            asset_key(order.job_id, order.request.asset_token, f"{index}.{encoding.extension}")
            for encoding in developed.encodings
        ]
        await asyncio.gather(
            *(
                self._store.put(key, encoding.data, CONTENT_TYPES[encoding.format])
                for key, encoding in zip(keys, developed.encodings, strict=True)
            )
        )
        return _asset(order, index, original, developed, keys)


def _asset(
    order: DevelopOrder, index: int, original: Original, developed: Developed, keys: list[str]
) -> ImageAsset:
    main = developed.encodings[0]
    return ImageAsset(
        image_id=f"{order.job_id}.{index}",
        key=keys[0],
        width_px=main.width_px,
        height_px=main.height_px,
        format=main.format,
        size_bytes=len(main.data),
        sha256=main.sha256,
        seed=original.seed,
        alt_text=order.request.alt_text or alt_text_of(order.request.spec),
        thumbhash=developed.thumbhash,
        dominant_color=developed.dominant_color,
        digital_source_type=developed.digital_source_type,
        variants=[_variant(*pair) for pair in zip(keys, developed.encodings, strict=True)],
    )


def _variant(key: str, encoding: Encoded) -> Variant:
    return Variant(
        key=key,
        width_px=encoding.width_px,
        height_px=encoding.height_px,
        format=encoding.format,
    )


def alt_text_of(spec: ImageSpec) -> str:
    """The prompt as an image description, cut at a word."""
    words = " ".join(spec.prompt.split())
    if len(words) <= _ALT_TEXT_CHARACTERS:
        return words
    return words[:_ALT_TEXT_CHARACTERS].rsplit(" ", 1)[0] + "…"
