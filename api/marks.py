"""Reads marks back: of a file that is sent, and of a job's stored files."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel, Field

from api.answers import Addresses
from api.auth import Caller
from api.reading import Reader
from api.schemas import Maybe
from domain.errors import FileNotFound, UnsupportedMediaType
from domain.jobs import JobResult
from domain.provenance import Manifest, Manifests, ManifestState, Marks
from imaging.marks import MarkReader, Unreadable
from imaging.provenance import NEWS_CODES
from storage.keys import original_key
from storage.objects import ObjectMissing, ObjectStore

_AT_ONCE = 2
"""A file that takes long to look at holds up no more than these."""


class ManifestAnswer(BaseModel):
    """One C2PA manifest."""

    label: str
    title: Maybe[str]
    generator: Maybe[str] = Field(description="The program that made it")
    issuer: Maybe[str] = Field(description="The organisation in its certificate")
    common_name: Maybe[str]
    algorithm: Maybe[str]
    signed_at: Maybe[str] = Field(description="By a timestamp authority's word")
    actions: list[str]
    digital_source_type: Maybe[str]
    approval: Maybe[dict[str, str]] = Field(description="The editor's, of a final of Darkroom's")


class C2paAnswer(BaseModel):
    """What a file's C2PA data comes to."""

    state: ManifestState
    trusted: bool = Field(description="Whether the certificate is on the trust list set up here")
    message: str
    problems: list[str] = Field(description="C2PA's codes of what failed")
    manifests: list[ManifestAnswer] = Field(
        description="The file's own first, then those of what it was made of"
    )


class MarksAnswer(BaseModel):
    """What a file says of its making."""

    marked: bool = Field(description="Whether it says that AI has a part in it")
    digital_source_type: Maybe[str]
    generator: Maybe[str]
    ai_system: Maybe[str]
    media_type: str
    width: int
    height: int
    c2pa: Maybe[C2paAnswer]


class ImageMarksAnswer(BaseModel):
    """The marks of one image: of the file that its `url` serves, and of the vendor's original."""

    image_id: str
    url: str
    marks: MarksAnswer
    original: Maybe[MarksAnswer]


class JobMarksAnswer(BaseModel):
    """The marks of a job's images, none before it is completed."""

    job_id: str
    images: list[ImageMarksAnswer]


class MarkDesk:
    """Looks at a few files at a time, off the event loop."""

    def __init__(self, marks: MarkReader, store: ObjectStore, jobs: Reader) -> None:
        self._marks = marks
        self._store = store
        self._jobs = jobs
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def of_file(self, data: bytes) -> MarksAnswer:
        """The marks in some bytes; raises `UnsupportedMediaType`."""
        try:
            return _answer(await self._read(data))
        except Unreadable as error:
            raise UnsupportedMediaType(str(error)) from None

    async def of_job(self, job_id: str, caller: Caller, at: Addresses) -> JobMarksAnswer:
        """The marks in a job's stored files.

        Raises `JobNotFound`, `FileNotFound`, `EngineAway`, `StorageUnavailable`.
        """
        snapshot = await self._jobs.job(job_id, caller.tenant)
        result = snapshot.state.result
        count = len(result.images) if result else 0
        images = [await self._image(job_id, result, index, at) for index in range(count) if result]
        return JobMarksAnswer(job_id=job_id, images=images)

    async def _image(
        self, job_id: str, result: JobResult, index: int, at: Addresses
    ) -> ImageMarksAnswer:
        key = result.key(result.images[index].variants[0])
        marks = await self._stored(key)
        if marks is None:
            raise FileNotFound("The image is not stored any more.")
        token = result.asset_prefix.rpartition("/")[2]
        return ImageMarksAnswer(
            image_id=f"{job_id}.{index}",
            url=at.file(key),
            marks=marks,
            original=await self._stored(original_key(job_id, token, index)),
        )

    async def _stored(self, key: str) -> MarksAnswer | None:
        try:
            return _answer(await self._read(await self._store.get(key)))
        except (ObjectMissing, Unreadable):
            return None

    async def _read(self, data: bytes) -> Marks:
        async with self._turn:
            return await asyncio.to_thread(self._marks.read, data)


def _answer(marks: Marks) -> MarksAnswer:
    return MarksAnswer(
        marked=marks.says_ai,
        digital_source_type=_address(marks.digital_source_type),
        generator=marks.generator,
        ai_system=marks.ai_system,
        media_type=marks.media_type,
        width=marks.width_px,
        height=marks.height_px,
        c2pa=_c2pa(marks.c2pa) if marks.c2pa else None,
    )


def _c2pa(found: Manifests) -> C2paAnswer:
    return C2paAnswer(
        state=found.state,
        trusted=found.state is ManifestState.TRUSTED,
        message=found.state.told,
        problems=found.problems,
        manifests=[_manifest(manifest) for manifest in found.chain],
    )


def _manifest(manifest: Manifest) -> ManifestAnswer:
    said = manifest.model_dump()
    return ManifestAnswer(**{**said, "digital_source_type": _address(manifest.digital_source_type)})


def _address(code: str | None) -> str | None:
    return f"{NEWS_CODES}{code}" if code else None
