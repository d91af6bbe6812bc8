"""A release is replaced by today's code, one process after the other, while jobs wait and run.

The releases are wheels in `releases/`; CONTRIBUTING.md says how they come there.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.e2e.jobs import (
    Watch,
    approve,
    assert_completed,
    poll_batch,
    submit,
    submit_batch,
    until_batch,
)
from tests.e2e.stack import API, Json
from tests.e2e.waiting import eventually
from tests.fleet import Api
from tests.upgrade.conftest import Site
from tests.vendors.stand_in import StandIn

RELEASES = sorted(Path(__file__).with_name("releases").glob("*.whl"))
SMALL = {"width": 64, "height": 64}
DRAFT = {"quality": "draft", **SMALL}
BOUND = {"studio": "seed", "stability_ai": "reference", "bfl": "reference"}
"""How a provider's final is bound to its draft."""
AT_ONCE = 8


@pytest.fixture(params=RELEASES, ids=lambda path: path.stem)
def release(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder that the release is installed in."""
    with zipfile.ZipFile(request.param) as wheel:
        wheel.extractall(tmp_path)
    return tmp_path


def test_what_a_release_began_is_finished_and_decided_by_its_successor(
    site: Site, stand_in: StandIn, release: Path
) -> None:
    bfl, fleet = stand_in["bfl"], site.fleet
    made: list[Json] = []

    def until_made(api: Api, *job_ids: str) -> list[Json]:
        answers = Watch(api).until_ended(job_ids)
        assert_completed(api, answers)
        made.extend(answers)
        return answers

    # The release alone: its worker dies while a vendor works for it, and drafts wait.
    [old_api], [old_worker] = fleet.start(apis=1, workers=1, code=release)
    drafts = {name: submit(old_api, f"a draft by {name}", provider=name, **DRAFT) for name in BOUND}
    batch = submit_batch(old_api, ["a red door", "a blue door"], **DRAFT)
    until_made(old_api, *drafts.values(), *batch["job_ids"])
    keyed = submit_once(old_api)
    until_made(old_api, keyed)
    bfl.polls_until_done, charges = 10_000, len(bfl.charges)
    in_flight = submit(old_api, "a ship at sea", provider="bfl", **SMALL)
    eventually(lambda: len(bfl.charges) > charges, "the vendor has the job")
    eventually(lambda: bfl.requests[-1].startswith("GET"), "the job is polled")
    old_worker.kill()

    # Workers first: the API of the release with a worker of today, which takes the job up.
    new_worker = fleet.start_worker()
    bfl.polls_until_done = 1
    until_made(old_api, in_flight, approve(old_api, drafts["studio"], reviewer="ann"))
    until_batch(old_api, batch["batch_id"], {"awaiting": 2})

    # A step back: a worker of the release goes on with what today's began.
    new_api = fleet.start_api()
    [draft] = until_made(new_api, submit(new_api, "a draft of today", **DRAFT))
    old_worker = fleet.start_worker(release)
    new_worker.ask_to_stop()
    assert new_worker.stopped() == 0
    until_made(new_api, approve(new_api, draft["job_id"]))

    # Both at once, until the release has drained.
    fleet.start_worker()
    bfl.polls_until_done, charges = 5, len(bfl.charges)
    mixed = [
        submit((old_api, new_api)[number % 2], "a small boat", provider="bfl", **SMALL)
        for number in range(AT_ONCE)
    ]
    eventually(lambda: len(bfl.charges) > charges, "the vendor is at work")
    old_worker.ask_to_stop()
    assert old_worker.stopped() == 0
    old_api.kill()

    # Today alone: what the release has left is decided.
    finals = {
        "studio": f"{drafts['studio']}-final",
        **{name: approve(new_api, drafts[name]) for name in ("stability_ai", "bfl")},
    }
    answer = new_api.http.post(f"{API}/batches/{batch['batch_id']}/approve", json={})
    assert answer.status_code == 202, answer.text
    of_batch = [result["final_job_id"] for result in answer.json()["results"]]
    edit = {"source_job_id": in_flight, "prompt": "the same ship at night", "provider": "studio"}
    edited = new_api.http.post(f"{API}/edit", json=edit)
    assert edited.status_code == 202, edited.text
    until_made(new_api, *mixed, *finals.values(), *of_batch, edited.json()["job_id"])
    assert submit_once(new_api) == keyed

    told = {job["job_id"]: job for job in made}
    for name, final_id in finals.items():
        assert told[final_id]["draft_job_id"] == drafts[name]
        assert told[final_id]["result"]["consistency"] == BOUND[name]
    eventually(
        lambda: all(
            job.get("final_status") == "completed"
            for job in poll_batch(new_api, batch["batch_id"])["jobs"]
        ),
        "the batch hears of its finals",
    )
    assert [len(job["attempts"]) for job in told.values()] == [1] * len(told)
    for vendor in (bfl, stand_in["stability_ai"]):
        made_there = [job for job in told.values() if job["result"]["provider"] == vendor.name]
        assert len(vendor.charges) == len(made_there)
    site.assert_ran_once(told)


def submit_once(api: Api) -> str:
    """The id of the job that one `Idempotency-Key` stands for."""
    answer = api.http.post(
        f"{API}/generate-async",
        json={"prompt": "a lighthouse, asked for twice", **DRAFT},
        headers={"Idempotency-Key": "kept-for-a-day"},
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])
