"""The images of a blog, from the store's records: also long after the engine forgot the jobs."""

from __future__ import annotations

from pydantic import BaseModel, Field

from api.answers import Addresses
from api.auth import Caller
from api.cursors import cursor_of, place_of
from api.page_answers import blog_images
from api.pages import BlogAnswer, BlogImage, PageQuery
from api.reading import snapshot_of_record
from api.records import Records
from domain.jobs import JobRecord
from storage.archive import Archive


class _Place(BaseModel):
    """Between two images of a blog."""

    after: str = ""
    """The last entry of the blog's index all of whose images were told."""
    images: int = Field(default=0, ge=0)
    """How many of the next entry's images were told."""


class Blogs:
    """Pages of a blog's images; raises `StorageUnavailable`.

    A job is there as soon as its images are, and stays as long as its record does. One that is
    under way, or ended without an image, is not.
    """

    def __init__(self, archive: Archive, records: Records) -> None:
        self._archive = archive
        self._records = records

    async def images(
        self, blog_id: str, query: PageQuery, caller: Caller, at: Addresses
    ) -> BlogAnswer:
        """A page; raises `InvalidRequest` for a cursor of another blog."""
        question = f"blog {caller.tenant} {blog_id}"
        place = place_of(query.cursor, question, _Place) if query.cursor else _Place()
        entries = await self._archive.list_blog(
            caller.tenant, blog_id, place.after, query.limit + 1
        )
        records = await self._records.read([job_id for _, job_id in entries])
        images: list[BlogImage] = []
        for (entry, _), record in zip(entries, records, strict=True):
            made = _images(record, caller.tenant, blog_id, at)[place.images :]
            room = query.limit - len(images)
            images += made[:room]
            if len(made) > room:
                place = _Place(after=place.after, images=place.images + room)
                break
            place = _Place(after=entry)
        is_read = not entries or (place.after == entries[-1][0] and len(entries) <= query.limit)
        return BlogAnswer(
            blog_id=blog_id,
            images=images,
            next_cursor=None if is_read else cursor_of(place, question),
        )


def _images(record: JobRecord | None, tenant: str, blog_id: str, at: Addresses) -> list[BlogImage]:
    """What there is to be told of an entry; nothing where its images or its record are gone."""
    if record is None or record.state.gone_at is not None:
        return []
    if (record.request.tenant, record.request.blog_id) != (tenant, blog_id):
        return []
    return blog_images(snapshot_of_record(record, is_final=False), at)
