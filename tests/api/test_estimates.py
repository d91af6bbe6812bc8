from __future__ import annotations

from tests.api.conftest import PROMPT, Caller, Serve
from tests.conftest import WorkerFactory
from tests.waiting import eventually

IMAGE = {"prompt": PROMPT, "quality": "ultra", "width": 64, "height": 64}
BY_CATALOGUE = 5


async def estimate(api: Caller) -> int:
    answer = await api.post("/generate-async", IMAGE)
    return int(answer.json()["estimated_completion_time"])


async def test_without_measurements_it_is_the_catalogues_word(api: Caller) -> None:
    assert await estimate(api) == BY_CATALOGUE


async def test_it_is_what_the_last_jobs_took(
    api: Caller, serve: Serve, new_worker: WorkerFactory
) -> None:
    async with new_worker(), serve() as other:
        await api.completed(await api.create(**IMAGE))

        async def is_measured() -> bool:
            return await estimate(other) == 1

        await eventually(is_measured, "the measured second is told", 0.2)


async def test_images_that_take_turns_add_up(api: Caller) -> None:
    batch = await api.create_batch(
        *({"quality": "draft"} for _ in range(7)), max_concurrency=2, workflow="final_only"
    )
    alone = await api.create_batch({"quality": "draft"}, workflow="final_only")
    assert batch["estimated_completion_time"] == 4 * alone["estimated_completion_time"]
