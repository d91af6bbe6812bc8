from __future__ import annotations

from domain.errors import ContentRejected
from domain.ids import final_id, retry_id
from providers.base import Order, Report
from tests.api.conftest import Caller, Forgetful, Json, problem
from tests.conftest import WorkerFactory
from tests.fakes import FakeProvider


async def rounds(api: Caller, job_id: str) -> Json:
    answer = await api.get(f"/jobs/{job_id}/rounds")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def rejected(api: Caller, job_id: str, **revise: object) -> str:
    """The id of the next round, once it awaits review."""
    said = {"reviewer": "Ada", "comment": "Once more", "revise": revise}
    answer = await api.post(f"/jobs/{job_id}/reject", said)
    assert answer.status_code == 202, answer.text
    again = str(answer.json()["revision_job_id"])
    await api.completed(again)
    return again


async def test_every_round_is_told_from_any_of_them_and_when_the_engine_has_forgotten(
    api: Caller, new_worker: WorkerFactory, forgetful: Forgetful
) -> None:
    async with new_worker(FakeProvider(is_paid=True, cost_usd=0.01)):
        first = await api.draft(seed=7, num_images=2, placement="inline")
        second = await rejected(api, first, prompt="a lighthouse in fog", placement="hero")
        await api.post(f"/jobs/{second}/approve", {"reviewer": "Bo", "image_index": 1})
        await api.completed(final_id(second))
        told = await rounds(api, first)
        for job_id in (second, final_id(second)):
            assert await rounds(api, job_id) == told
    async with forgetful() as later:
        archived = await rounds(later, final_id(second))
    assert [job["job_id"] for job in archived["jobs"]] == [first, second, final_id(second)]
    draft, again, final = told["jobs"]
    assert [job["round"] for job in told["jobs"]] == [1, 2, 2]
    assert [job["is_draft"] for job in told["jobs"]] == [True, True, False]
    assert (draft["review"]["state"], draft["review"]["comment"]) == ("rejected", "Once more")
    assert (again["review"]["reviewer"], again["review"]["image_index"]) == ("Bo", 1)
    assert (draft["changed"], draft["parameters"]["prompt"]) == (
        [],
        "a lighthouse above the sea at dawn",
    )
    assert set(again["changed"]) == {
        *("prompt", "full_prompt", "placement", "aspect_ratio", "width", "height", "seed")
    }
    assert set(final["changed"]) == {"quality", "width", "height", "seed", "num_images"}
    assert (final["parameters"]["width"], final["parameters"]["height"]) == (1920, 1080)
    assert [len(job["thumbnails"]) for job in told["jobs"]] == [2, 2, 1]
    assert [thumbnail["image_index"] for thumbnail in again["thumbnails"]] == [0, 1]
    assert told["cost"] == {"amount_usd": 0.05, "basis": "catalogue"}


async def test_a_retry_belongs_to_what_it_retries(api: Caller, new_worker: WorkerFactory) -> None:
    refused = 0

    async def refuse_once(order: Order, report: Report) -> None:
        nonlocal refused
        refused += 1
        if refused == 1:
            raise ContentRejected("Not that.", provider="studio")

    async with new_worker(FakeProvider(refuse_once)):
        failed = await api.create(quality="draft")
        await api.ended(failed)
        await api.post(f"/jobs/{failed}/retry")
        again = retry_id(failed)
        await api.completed(again)
        third = await rejected(api, again, num_images=3)
        told = await rounds(api, third)
    assert [job["job_id"] for job in told["jobs"]] == [failed, again, third]
    assert [job["round"] for job in told["jobs"]] == [1, 1, 2]
    assert told["jobs"][0]["retry_job_id"] == again
    assert told["jobs"][0]["error_code"] == "content_rejected"
    assert told["jobs"][1]["changed"] == []
    assert set(told["jobs"][2]["changed"]) == {"num_images", "seed"}


async def test_an_image_of_a_batch_is_revised_like_any_other(
    api: Caller, new_worker: WorkerFactory
) -> None:
    async with new_worker():
        batch = await api.create_batch({"placement": "social"}, {"prompt": "a ferry"})
        first, other = batch["job_ids"]
        await api.completed(first)
        await api.completed(other)
        answer = await api.post(
            f"/batches/{batch['batch_id']}/reject",
            {"job_ids": [first], "revise": {"style": "ink", "num_images": 2}},
        )
        assert answer.json()["results"][0]["revision_job_id"] == f"{first}-r2"
        await api.batch_once(
            batch["batch_id"],
            lambda told: (
                told["jobs"][0].get("revision_job_id") == f"{first}-r2"
                and told["review_counts"] == {"awaiting": 2}
            ),
            "the batch hears of the next round",
        )
        beyond = {"job_ids": [f"{first}-r2"], "image_index": 2}
        refused = await api.post(f"/batches/{batch['batch_id']}/approve", beyond)
        assert "0 to 1" in problem(refused, 422, "invalid_request")["detail"]
        await api.post(f"/batches/{batch['batch_id']}/approve", {**beyond, "image_index": 1})
        final = await api.completed(f"{first}-r2-final")
        told = await rounds(api, f"{first}-r2-final")
    assert [job["job_id"] for job in told["jobs"]] == [first, f"{first}-r2", f"{first}-r2-final"]
    assert told["jobs"][1]["review"]["image_index"] == 1
    image = final["result"]["images"][0]
    assert (image["width"], image["height"]) == (1200, 630)
    assert final["result"]["prompt"] == "a lighthouse above the sea at dawn"
    assert final["result"]["full_prompt"].startswith(f"{final['result']['prompt']}. Composed")
    assert image["alt_text"] == final["result"]["prompt"]


async def test_a_job_that_waits_for_a_worker_is_a_round_with_its_parameters(door: Caller) -> None:
    job_id = await door.create(quality="draft")
    [job] = (await rounds(door, job_id))["jobs"]
    assert job["status"] == "queued"
    assert job["parameters"]["quality"] == "draft"
    assert job["thumbnails"] == []
    told = await door.job(job_id)
    assert told["links"]["rounds"] == f"{told['links']['self']}/rounds"


async def test_an_unknown_job_has_none(door: Caller) -> None:
    problem(await door.get(f"/jobs/img_{'0' * 24}/rounds"), 404, "job_not_found")
