"""Deployed frontends against a fleet: their code, their types, their expectations.

Two API processes answer in turn, and three workers share the work.

The flows are TypeScript beside this file; the compiler checks them against the seed's types, and
`shapes.ts` checks every answer that they get.
"""

from __future__ import annotations

import itertools
from typing import Any

from tests.contract.conftest import Front, RunFlow
from tests.e2e.jobs import poll
from tests.e2e.pictures import opened
from tests.e2e.stack import API, Stack
from tests.e2e.test_watching import samples


def size_of(front: Front, url: str) -> tuple[int, int]:
    """The size of an image that loads as in an `<img>`: without a header of ours."""
    return opened(front.http.get(url)).size


def sizes_of(front: Front, result: dict[str, Any]) -> list[tuple[int, int]]:
    return [size_of(front, image["url"]) for image in result["images"]]


def test_successive_requests_meet_two_api_processes_with_three_workers(front: Front) -> None:
    models = "darkroom_http_requests_total", frozenset({"GET", "/models", "200"})

    def asked() -> list[float]:
        return [scraped(front).get(models, 0) for _ in range(2)]

    before = asked()
    for _ in range(2):
        assert front.http.get(f"{API}/models").status_code == 200
    assert asked() == [count + 1 for count in before]
    assert scraped(front)["darkroom_queue_pollers", frozenset({"darkroom-studio"})] >= 3


def scraped(front: Front) -> dict[tuple[str, frozenset[str]], float]:
    """What the next API process counts."""
    return samples(front.http.get("/metrics").text)


def test_one_image_is_made_polled_and_loads(front: Front, run_flow: RunFlow) -> None:
    told = run_flow("single")
    assert told["job"]["is_draft"] is True
    width, height = size_of(front, told["imageUrl"])
    assert width / height == 16 / 9


def test_a_batch_is_made_and_polled_in_order(front: Front, run_flow: RunFlow) -> None:
    told = run_flow("batch")
    assert told["batch"]["total_images"] == 2
    answers = [poll(front, job_id) for job_id in told["batch"]["job_ids"]]
    assert [answer["result"] for answer in answers] == told["results"]
    assert [answer["blog_id"] for answer in answers] == ["blog-1", "blog-1"]
    prompts = [answer["result"]["images"][0]["alt_text"] for answer in answers]
    assert prompts == ["Hero", "Featured"]
    assert [len(sizes_of(front, result)) for result in told["results"]] == [1, 1]


def test_a_draft_is_followed_by_a_larger_final(front: Front, run_flow: RunFlow) -> None:
    told = run_flow("draft-then-final")
    assert told["draftJob"]["is_draft"] is True
    assert told["finalJob"]["is_draft"] is False
    [draft], [final] = sizes_of(front, told["draftResult"]), sizes_of(front, told["finalResult"])
    assert min(final) > max(draft)


def test_generate_answers_with_the_image_itself(front: Front, run_flow: RunFlow) -> None:
    assert min(size_of(front, run_flow("sync")["imageUrl"])) > 0


def test_a_progress_bar_never_goes_back_and_is_full_only_at_the_end(run_flow: RunFlow) -> None:
    told = run_flow("progress")
    for bar in zip(*told["looks"], strict=True):
        shown = [look["progress"] for look in bar]
        assert shown == sorted(shown)
        assert [look["progress"] == 100 for look in bar] == [
            look["status"] == "completed" for look in bar
        ]
        assert bar[-1]["status"] == "completed"
    order = [[look["jobId"] for look in looks] for looks in told["looks"]]
    assert all(here == there for here, there in itertools.pairwise(order))
    assert order[0] == told["batch"]["job_ids"]


def test_a_stream_tells_every_stage_and_brings_the_image(front: Front, run_flow: RunFlow) -> None:
    updates = run_flow("stream")
    stages = [stage for stage, _ in itertools.groupby(update["stage"] for update in updates)]
    assert stages == ["queued", "processing", "generating", "uploading", "completed"]
    shown = [update["progress"] for update in updates]
    assert shown == sorted(shown)
    assert sizes_of(front, updates[-1]["data"]["result"])
    assert poll(front, updates[-1]["job_id"])["result"] == updates[-1]["data"]["result"]


def test_polling_a_cancelled_job_ends_with_a_sentence(run_flow: RunFlow) -> None:
    assert run_flow("cancelled") == {"thrown": "The job was cancelled."}


def test_a_request_as_deployed_callers_really_send_it_is_served(
    front: Front, run_flow: RunFlow
) -> None:
    told = run_flow("deployed")
    assert "stability_ai" in told["job"]["message"]
    assert told["result"]["provider"] == "studio"
    assert sizes_of(front, told["result"]) == [(1920, 1080)]
    answer = poll(front, told["job"]["job_id"])
    assert (answer["blog_id"], answer["blog_job_id"]) == ("blog-in-the-query", "7")


def test_errors_carry_their_status_and_a_sentence_to_show(run_flow: RunFlow) -> None:
    told = run_flow("fail")
    assert told["refused"]["status"] == 422
    assert told["unknown"]["status"] == 404
    for answer in told.values():
        assert answer["data"]["detail"].strip().endswith(".")


class TestFallback:
    def test_with_a_queue_nothing_falls_back(self, front: Front, run_flow: RunFlow) -> None:
        told = run_flow("fallback")
        assert told["fellBack"] is False
        assert min(size_of(front, told["imageUrl"])) > 0

    def test_without_a_queue_the_image_is_made_all_the_same(
        self, front: Front, whole_stack: Stack, run_flow: RunFlow
    ) -> None:
        with whole_stack.without("engine"):
            told = run_flow("fallback")
            assert told["fellBack"] is True
            assert min(size_of(front, told["imageUrl"])) > 0
