from __future__ import annotations

import httpx
import pytest

from cli.finished import file_name, finished
from darkroom_client import Client

DRAFT = {"status": "completed", "is_draft": True, "result": {"images": ["draft"]}}
FINAL = {"status": "completed", "is_draft": False, "result": {"images": ["final"]}}
FAILED = {"status": "failed", "is_draft": False}


def client(jobs: dict[str, dict[str, object]]) -> Client:
    def answer(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        if name.startswith("bat_"):
            return httpx.Response(200, json={"jobs": [{"job_id": each} for each in jobs]})
        return httpx.Response(200, json={"job_id": name, **jobs[name]})

    return Client("http://darkroom.test", transport=httpx.MockTransport(answer))


@pytest.mark.parametrize(
    ("jobs", "came_to"),
    [
        ({"a": DRAFT}, "a"),
        ({"a": {**DRAFT, "final_job_id": "b"}, "b": FINAL}, "b"),
        ({"a": {**DRAFT, "final_job_id": "b"}, "b": FAILED}, "a"),
        (
            {
                "a": {**DRAFT, "final_job_id": "b"},
                "b": {**FAILED, "retry_job_id": "c"},
                "c": FINAL,
            },
            "c",
        ),
        ({"a": {**DRAFT, "revision_job_id": "b"}, "b": DRAFT}, "b"),
        ({"a": {**FAILED, "retry_job_id": "b"}, "b": DRAFT}, "b"),
        ({"a": {**DRAFT, "revision_job_id": "a"}}, "a"),
    ],
)
def test_a_job_is_followed_to_what_it_came_to(
    jobs: dict[str, dict[str, object]], came_to: str
) -> None:
    [found] = finished(client(jobs), "a")
    assert found.job["job_id"] == came_to
    assert found.is_there
    assert [each.asked_id for each in finished(client({"a": DRAFT}), "bat_1")] == ["a"]


def test_no_answer_chooses_where_a_file_goes() -> None:
    image = {"format": "../x", "url": "http://x/y.sh"}
    assert file_name("../../img_1", image, 0) == "______img_1.img"
    assert file_name("bat_1-0-final", {"format": "png"}, 1) == "bat_1-0-final-2.png"
