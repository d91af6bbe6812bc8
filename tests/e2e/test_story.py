"""The README's story: a draft, its approval, its final, and a restart in between."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from tests.e2e.engine import assert_ran_once
from tests.e2e.jobs import Watch, approve, assert_completed, poll, submit
from tests.e2e.pictures import likeness, opened
from tests.e2e.stack import Json, Stack

WIDE = 16 / 9
SAME, DIFFERENT = 0.9, 0.85
"""Likeness: measured 0.96 and more for one picture at two sizes, 0.8 and less for two seeds."""

README = Path(__file__).parents[2] / "README.md"


def picture(stack: Stack, answer: Json) -> Image.Image:
    return opened(stack.http.get(answer["result"]["images"][0]["url"]))


def test_the_command_in_the_banner_makes_a_draft_of_the_asked_ratio(
    stack: Stack, watch: Watch
) -> None:
    found = re.search(r"curl -s .*", stack.said)
    assert found is not None, stack.said
    [job] = answers_to(stack, found.group())
    assert job["is_draft"] is True
    [answer] = watch.until_ended([job["job_id"]])
    assert_completed(stack, [answer])
    width, height = picture(stack, answer).size
    assert width / height == WIDE
    assert answer["review"]["state"] == "awaiting"


def test_the_commands_of_the_readme_lead_to_a_final(stack: Stack, watch: Watch) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
    create, decide, ask = [block for block in blocks if "curl" in block]
    [job] = answers_to(stack, create)
    watch.until_ended([job["job_id"]])
    polled, approved, final = answers_to(stack, re.sub(r"JOB=\S+", f"JOB={job['job_id']}", decide))
    assert polled["review"]["state"] == "awaiting"
    assert approved["final_job_id"] == final["job_id"]
    assert_completed(stack, watch.until_ended([final["job_id"]]))
    quote, costs = answers_to(stack, ask)
    assert quote["total"]["images"] == 1
    assert costs["group_by"] == ["provider"]


def answers_to(stack: Stack, commands: str) -> list[Json]:
    """What a shell script prints whose commands are meant for a Darkroom on the default port."""
    ours = commands.replace("http://127.0.0.1:8000", stack.url)
    told = subprocess.run(["sh", "-ec", ours], check=True, capture_output=True, text=True).stdout
    answers = []
    while told:
        answer, end = json.JSONDecoder().raw_decode(told)
        answers.append(answer)
        told = told[end:].lstrip()
    return answers


def test_the_final_is_larger_and_the_same_picture(stack: Stack, watch: Watch) -> None:
    draft_ids = [
        submit(stack, "an orchard in April", quality="draft", aspect_ratio="16:9", seed=seed)
        for seed in (7, 8)
    ]
    draft, other = [picture(stack, answer) for answer in watch.until_ended(draft_ids)]
    final_id = approve(stack, draft_ids[0], reviewer="ann")
    [answer] = watch.until_ended([final_id])
    final = picture(stack, answer)
    assert answer["result"]["consistency"] == "seed"
    assert answer["draft_job_id"] == draft_ids[0]
    assert poll(stack, draft_ids[0])["final_job_id"] == final_id
    assert final.width / final.height == WIDE
    assert final.width > 2 * draft.width
    assert likeness(draft, final) > SAME
    assert likeness(other, final) < DIFFERENT


class Restart(NamedTuple):
    """What there was before a stop and a start on the same home."""

    exit_status: int
    answers: list[Json]
    """Of a final, its draft, and a draft that still awaits its review."""
    in_flight: list[str]
    """Accepted just before the stop."""


@pytest.fixture(scope="module")
def restart(whole_stack: Stack) -> Restart:
    stack, watch = whole_stack, Watch(whole_stack)
    stack.ensure_up()
    draft_ids = [submit(stack, "a wet street", quality="draft", seed=seed) for seed in (7, 8)]
    watch.until_ended(draft_ids)
    [final] = watch.until_ended([approve(stack, draft_ids[0], reviewer="ann")])
    answers = [final, *(poll(stack, draft_id) for draft_id in draft_ids)]
    in_flight = [submit(stack, f"a large square {n}", quality="high") for n in range(4)]
    exit_status = stack.stop()
    stack.up()
    return Restart(exit_status, answers, in_flight)


def test_jobs_answer_after_a_restart_as_before_it(stack: Stack, restart: Restart) -> None:
    assert restart.exit_status == 0
    assert [poll(stack, answer["job_id"]) for answer in restart.answers] == restart.answers


def test_images_load_after_a_restart(stack: Stack, restart: Restart) -> None:
    assert_completed(stack, restart.answers)


def test_jobs_in_flight_at_a_stop_complete_after_the_restart(
    stack: Stack, watch: Watch, restart: Restart
) -> None:
    assert_completed(stack, watch.until_ended(restart.in_flight))
    assert_ran_once(stack, restart.in_flight)


def test_a_draft_from_before_a_restart_can_be_approved_after_it(
    stack: Stack, watch: Watch, restart: Restart
) -> None:
    draft = restart.answers[-1]
    final_id = approve(stack, draft["job_id"], reviewer="bob")
    [final] = watch.until_ended([final_id])
    assert_completed(stack, [final])
    assert likeness(picture(stack, draft), picture(stack, final)) > SAME
