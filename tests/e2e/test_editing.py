"""The page on editing: its commands run, one after the other, and its pictures look as it says."""

from __future__ import annotations

import re

import pytest
from PIL import Image

from tests.docs.pages import page, snippets
from tests.e2e.jobs import Watch, assert_completed, submit
from tests.e2e.pictures import likeness, opened
from tests.e2e.stack import Json, Stack
from tests.e2e.test_story import answers_to

PAGE = page("editing.md")


def picture(stack: Stack, job: Json) -> Image.Image:
    return opened(stack.http.get(job["result"]["images"][0]["url"])).convert("RGB")


@pytest.fixture
def source(stack: Stack, watch: Watch) -> Json:
    wish = {"quality": "standard", "aspect_ratio": "16:9", "seed": 7}
    [job] = watch.until_ended([submit(stack, "a lighthouse above the sea at sunset", **wish)])
    return job


def test_the_pages_commands_vary_edit_and_enlarge(stack: Stack, watch: Watch, source: Json) -> None:
    first, masked, quote = (
        answers_to(stack, re.sub(r"JOB=\S+", f"JOB={source['job_id']}", commands))
        for commands in snippets(PAGE, "sh")
    )
    jobs = watch.until_ended([answer["job_id"] for answer in first + masked])
    assert_completed(stack, jobs)
    varied, night, larger, balloon = jobs
    before = picture(stack, source)
    assert len(varied["result"]["images"]) == 2
    assert picture(stack, varied).resize(before.size) != before
    assert night["review"]["state"] == "awaiting"
    assert brightness(picture(stack, night)) < 0.7 * brightness(before)
    assert picture(stack, larger).size == (2 * before.width, 2 * before.height)
    assert likeness(picture(stack, larger), before) > 0.97
    after = picture(stack, balloon).resize(before.size)
    lower = (0, round(before.height * 0.6), *before.size)
    upper = (0, 0, before.width, before.height // 2)
    assert after.crop(lower) == before.crop(lower)
    assert after.crop(upper) != before.crop(upper)
    [told] = quote
    assert (told["total"]["images"], told["total"]["price_usd"]) == (1, 0)


def brightness(image: Image.Image) -> float:
    return sum(image.convert("L").resize((16, 9)).tobytes()) / 144
