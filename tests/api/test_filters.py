from __future__ import annotations

import pytest

from api.filters import listing_filter
from api.pages import JobQuery


def filtered(**asked: object) -> str:
    return listing_filter(JobQuery.model_validate(asked), "default")


def test_a_plain_value_is_asked_for_as_it_is() -> None:
    assert "DarkroomBlogId = 'post 7/ü🌊%_'" in filtered(blog_id="post 7/ü🌊%_")


@pytest.mark.parametrize("end", ["'", '"', "\\", "\x1b", "\x00", "' OR '1' = '1"])
def test_nothing_that_could_end_a_value_reaches_the_engine(end: str) -> None:
    for name in ("blog_id", "blog_job_id", "batch_id", "provider"):
        assert filtered(**{name: f"post{end}x"}).endswith(" STARTS_WITH 'post'")
        assert filtered(**{name: f"{end}x"}).endswith(" IS NOT NULL")
    assert filtered(tag=f"hero{end}x").endswith("DarkroomTags IS NOT NULL")


def test_the_tenants_is_always_asked_for() -> None:
    assert "DarkroomTenant = 'default'" in filtered()
