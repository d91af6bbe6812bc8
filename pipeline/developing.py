"""Develops originals into assets, and writes the job's record."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from domain.errors import Refusal
from domain.jobs import (
    AltTextSource,
    Developed,
    ImageAsset,
    ImageSpec,
    JobRecord,
    JobResult,
    JobState,
)
from domain.renders import DevelopOrder, Original
from domain.reviews import FinalOffer
from domain.variants import Variant
from imaging.assets import AssetSettings
from imaging.develop import Encoded, develop_original
from imaging.encode import CONTENT_TYPES
from pipeline.marking import Marker
from pipeline.planning import Planner
from providers.catalogue import checked, read_config
from storage.archive import Archive
from storage.keys import asset_prefix
from storage.objects import ObjectStore

_ALT_TEXT_CHARACTERS = 250


class Developer:
    """Makes an order's assets; stores them before the record that names them.

    It encodes on a thread for each core, and holds no more pictures than that in memory at once.
    """

    def __init__(
        self,
        store: ObjectStore,
        archive: Archive,
        planner: Planner,
        marker: Marker | None = None,
        assets: AssetSettings | None = None,
    ) -> None:
        self._store = store
        self._archive = archive
        self._planner = planner
        self._marker = marker or Marker()
        self._assets = assets or AssetSettings()
        cores = os.cpu_count() or 1
        self._hands = ThreadPoolExecutor(cores, thread_name_prefix="encode")
        self._tables = asyncio.Semaphore(cores)

    async def develop(self, order: DevelopOrder) -> Developed:
        """The job's result once its assets and its record are stored.

        Raises `InvalidOutput`, `SigningFailed`, `StorageUnavailable`. Running it again gives the
        same objects, but that signatures differ.
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
        request = order.request
        async with self._tables:
            data = await self._store.get(original.key)
            marking = await asyncio.to_thread(self._marker.marking, order, index, data)
            developed = await asyncio.to_thread(
                partial(
                    develop_original,
                    data,
                    self._assets,
                    is_preview=request.is_draft,
                    packet=marking.packet,
                    seal=marking.seal,
                    hands=self._hands,
                )
            )
            stored = (self._stored(prefix, encoding) for encoding in developed.encodings)
            main, *others = await asyncio.gather(*stored)
        social = others.pop() if developed.social else None
        return ImageAsset(
            variants=[main.model_copy(update={"size_bytes": None, "sha256": None})],
            others=others,
            social=social,
            size_bytes=len(developed.main.data),
            sha256=developed.main.sha256,
            seed=original.seed,
            alt_text=request.alt_text or alt_text_of(request.spec),
            alt_text_source=AltTextSource.CALLER if request.alt_text else AltTextSource.PROMPT,
            thumbhash=developed.thumbhash,
            dominant_color=developed.dominant_color,
            digital_source_type=marking.digital_source_type,
            provenance=marking.provenance,
        )

    async def _stored(self, prefix: str, encoding: Encoded) -> Variant:
        variant = Variant.of(
            encoding.format,
            encoding.width_px,
            encoding.height_px,
            len(encoding.data),
            encoding.sha256,
        )
        key = f"{prefix}/{variant.name}"
        await self._store.put(key, encoding.data, CONTENT_TYPES[encoding.format])
        return variant


def load_assets(config: Path) -> AssetSettings:
    """The `[assets]` of `darkroom.toml`; raises `CatalogueError` naming what is wrong."""
    table = read_config(config).get("assets", {})
    return checked(lambda: AssetSettings.model_validate(table), config, "assets")


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
    """With what its source shows, as the words of an edit say only what changes."""
    shown = spec.source.alt_text or "" if spec.source else ""
    said = spec.words.prompt
    return "; ".join(filter(None, (shown, "" if said in shown else said))) or "A picture"
