from __future__ import annotations

import asyncio

import pytest

from observing import facts


def test_nothing_is_known_outside_of_any_work() -> None:
    facts.tell(job_id="img_1")
    assert facts.told() == {}


def test_what_is_told_is_known_until_the_work_ends() -> None:
    with facts.gathering({"tenant": "acme", "batch_id": None}):
        facts.tell(job_id="img_1")
        assert facts.told() == {"tenant": "acme", "job_id": "img_1"}
    assert facts.told() == {}


async def test_works_beside_each_other_know_nothing_of_one_another() -> None:
    both_know = asyncio.Barrier(2)

    async def work(job_id: str) -> str:
        with facts.gathering({}):
            facts.tell(job_id=job_id)
            await both_know.wait()
            return facts.told()["job_id"]

    assert tuple(await asyncio.gather(work("img_1"), work("img_2"))) == ("img_1", "img_2")


async def test_what_a_task_of_the_work_learns_the_work_knows() -> None:
    async def learn() -> None:
        facts.tell(job_id="img_1")

    with facts.gathering({}):
        await asyncio.create_task(learn())
        assert facts.told() == {"job_id": "img_1"}


@pytest.mark.parametrize(
    ("workflow_id", "ids"),
    [
        ("img_0a", {"job_id": "img_0a"}),
        ("img_0a-r2-final", {"job_id": "img_0a-r2-final"}),
        ("bat_0a", {"batch_id": "bat_0a"}),
        ("bat_0a-7", {"job_id": "bat_0a-7", "batch_id": "bat_0a"}),
        ("bat_0a-7-final", {"job_id": "bat_0a-7-final", "batch_id": "bat_0a"}),
        ("budget-all", {"workflow_id": "budget-all"}),
    ],
)
def test_a_workflows_id_says_what_it_is(workflow_id: str, ids: dict[str, str]) -> None:
    assert facts.ids_of(workflow_id) == ids
