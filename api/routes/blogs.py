"""Blogs: every image that was made for one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.auth import Reading
from api.pages import BlogAnswer, PageQuery
from api.problems import declare
from api.schemas import IndexedName
from api.services import At, Served
from domain.errors import InvalidRequest, StorageUnavailable

router = APIRouter(prefix="/blogs", tags=["blogs"])


@router.get(
    "/{blog_id:path}",
    response_model=BlogAnswer,
    responses=declare(InvalidRequest, StorageUnavailable),
)
async def blog_images(
    blog_id: Annotated[IndexedName, Path()],
    query: Annotated[PageQuery, Query()],
    caller: Reading,
    to: Served,
    at: At,
) -> BlogAnswer:
    """Every image made for a blog, drafts and finals, newest first, as long as they are kept.

    An image is here as soon as it is made. Jobs that are under way or have failed are not: the
    list of jobs tells of them.
    """
    return await to.blogs.images(blog_id, query, caller, at)
