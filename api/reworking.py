"""From what a caller sends who begins from a picture to the wish that is planned."""

from __future__ import annotations

from typing import Any

from api.reading import Reader
from api.rework_bodies import EditBody, ReworkBody, SourceBody, UpscaleBody, refusal
from api.schemas import ImageRequest
from domain.errors import JobNotFound
from domain.jobs import JobRecord, JobStatus
from domain.operations import Operation, Source
from domain.sizes import MAX_SIDE_PX, Quality, Size
from domain.wishes import Wish
from pipeline.editing import rework_size, source_of
from pipeline.sourcing import Sources
from storage.archive import Archive

_SAME_SHAPE = 1.02
_SCALE = 2


class Reworks:
    """Raises `InvalidRequest` naming fields, `JobNotFound`, `EngineAway`, `StorageUnavailable`."""

    def __init__(self, reader: Reader, archive: Archive, sources: Sources) -> None:
        self._reader = reader
        self._archive = archive
        self._sources = sources

    async def wish(
        self, body: ImageRequest | SourceBody, tenant: str, *, keep: bool = True, **more: Any
    ) -> Wish:
        """The wish of a body of any kind; with `keep` false it can only be planned."""
        if isinstance(body, ImageRequest):
            return body.wish(tenant=tenant, **more)
        body.check()
        return await self._wish(body, tenant, keep=keep, more=more)

    async def _wish(
        self, body: SourceBody, tenant: str, *, keep: bool, more: dict[str, Any]
    ) -> Wish:
        record = None
        if body.source_job_id is not None:
            record = await self._record(body.source_job_id, tenant)
            source = await self._of_job(record, body.source_image_index or 0)
        else:
            source = await self._sources.picture(str(body.source_image_url), tenant, keep=keep)
        size = _size(body, source)
        settled = {
            "operation": body.operation,
            "source": source,
            "width": size.width_px,
            "height": size.height_px,
            "quality": getattr(body, "quality", None) or Quality.STANDARD,
        }
        if isinstance(body, EditBody):
            settled["mask_key"] = await self._mask(body, source, tenant, keep=keep)
        said = {name: value for name, value in more.items() if value is not None}
        wish = body.wish(tenant=tenant, **{"prompt": "", **_inherited(body, record), **said})
        return wish.model_copy(update=settled)

    async def _record(self, job_id: str, tenant: str) -> JobRecord:
        try:
            snapshot = await self._reader.job(job_id, tenant)
        except JobNotFound:
            raise JobNotFound("There is no such job to begin from.") from None
        status = snapshot.state.status
        if status is not JobStatus.COMPLETED:
            raise refusal(f"The job '{job_id}' has no picture: it is {status}", "source_job_id")
        record = await self._archive.read_job(job_id)
        if record is None:
            raise refusal(f"The job '{job_id}' is not kept any more", "source_job_id")
        if record.state.gone_at is not None:
            raise refusal(f"The images of the job '{job_id}' are gone", "source_job_id")
        return record

    async def _of_job(self, record: JobRecord, index: int) -> Source:
        source = source_of(record, index)
        if source is None:
            raise refusal("That job has no picture of that index", "source_image_index")
        await self._sources.check(source)
        return source

    async def _mask(self, body: EditBody, source: Source, tenant: str, *, keep: bool) -> str | None:
        if body.mask_image_url is not None:
            return await self._sources.mask_at(str(body.mask_image_url), source, tenant, keep=keep)
        if body.mask is not None:
            return await self._sources.mask_in(body.mask, source, tenant, keep=keep)
        return None


def _inherited(body: SourceBody, record: JobRecord | None) -> dict[str, Any]:
    """What a picture says again of the one that it is like."""
    if record is None:
        return {}
    drawn, kept = record.request.spec.words, {}
    if body.operation is not Operation.EDIT:
        kept = {"prompt": drawn.prompt, "alt_text": record.request.alt_text}
    if body.operation is not Operation.UPSCALE:
        kept |= {"style": drawn.style, "negative_prompt": drawn.negative_prompt}
    blog = {"blog_id": record.request.blog_id, "blog_job_id": record.request.blog_job_id}
    return {name: value for name, value in (kept | blog).items() if value is not None}


def _size(body: SourceBody, source: Source) -> Size:
    if body.width is not None and body.height is not None:
        size = Size(body.width, body.height)
    elif isinstance(body, UpscaleBody):
        scale = body.scale or _SCALE
        size = Size(source.width_px * scale, source.height_px * scale)
        if max(size) > MAX_SIDE_PX:
            raise refusal(
                f"{scale} times {source.width_px}x{source.height_px} is over {MAX_SIDE_PX} px"
                " a side",
                "scale",
            )
    else:
        quality = body.quality if isinstance(body, ReworkBody) else None
        return rework_size(body.operation, quality or Quality.STANDARD, source)
    if isinstance(body, UpscaleBody):
        _check_upscale(size, source)
    return size


def _check_upscale(size: Size, source: Source) -> None:
    shape = (size.width_px / size.height_px) / (source.width_px / source.height_px)
    if not 1 / _SAME_SHAPE < shape < _SAME_SHAPE:
        raise refusal(
            f"The source has another shape: {source.width_px}x{source.height_px}",
            "width",
            "height",
        )
    if size.width_px < source.width_px or size.height_px < source.height_px:
        raise refusal(
            f"The source is larger: {source.width_px}x{source.height_px}", "width", "height"
        )
