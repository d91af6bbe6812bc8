"""`kill -9` of the worker at every step of a paid call: what is paid is paid once, or told.

A step is staged at all vendors at once, each held still there by the stand-in, so that one kill
serves them all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from typing import NamedTuple

import pytest
from PIL import Image

from tests.e2e.jobs import Watch, assert_completed, submit
from tests.e2e.stack import Json, Stack
from tests.e2e.vendors import FINDING, HOSTED, TICKETED, original_of
from tests.e2e.waiting import eventually
from tests.e2e.workers import fleet
from tests.vendors.stand_in import Fault, StandIn, Vendor

ASKS_BEFORE_FETCHING = {"bfl": 1, "comfyui": 2, "fal": 2, "huggingface": 0, "replicate": 1}
"""How many free requests tell that a submission is done and where its picture is."""
POLLED = tuple(vendor for vendor, asks in ASKS_BEFORE_FETCHING.items() if asks)

Stop = Callable[[Vendor, threading.Event], Fault]
"""Holds a vendor at a step, until the event is set; `reached` tells that it has come there."""


class Kill(NamedTuple):
    """What became of a job at each vendor, and how often the vendor charged for it."""

    answers: dict[str, Json]
    charges: dict[str, int]

    def outcomes(self, vendor: str) -> list[tuple[str, str | None]]:
        """Of each attempt, and whether it was billed where it failed."""
        return [
            (tried["outcome"], tried.get("error", {}).get("billed"))
            for tried in self.answers[vendor]["attempts"]
        ]


def paying(vendor: Vendor, held: threading.Event) -> Fault:
    """The paying request has arrived and is not answered."""
    fault = Fault(hold=held)
    vendor.faults.append(fault)
    return fault


def polling(vendor: Vendor, held: threading.Event) -> Fault:
    """The submission has been polled before, and is asked for again."""
    vendor.polls_until_done = 4
    fault = Fault(hold=held)
    vendor.poll_faults.extend([Fault(), fault])
    return fault


def fetching(vendor: Vendor, held: threading.Event) -> Fault:
    """The picture is made, and asked for."""
    vendor.polls_until_done = 0
    fault = Fault(hold=held)
    before = [Fault() for _ in range(ASKS_BEFORE_FETCHING[vendor.name])]
    vendor.poll_faults.extend([*before, fault])
    return fault


def receiving(vendor: Vendor, held: threading.Event) -> Fault:
    """What brings the picture is asked for."""
    return (fetching if vendor.name in TICKETED else paying)(vendor, held)


def killed(
    stack: Stack, stand_in: StandIn, names: Iterable[str], stop: Stop, *, once_stored: bool = False
) -> Kill:
    """Kill the worker when a call at each vendor has come to the step; then let all go on.

    With `once_stored` the vendors go on first, and the kill comes when all pictures are stored.
    """
    stand_in.reset()
    stack.ensure_up()
    watch, held = Watch(stack), threading.Event()
    faults = {name: stop(stand_in[name], held) for name in names}
    job_ids = {name: submit(stack, f"a bridge by {name}", provider=name) for name in faults}
    for name, fault in faults.items():
        eventually(fault.reached.is_set, f"{name} has come to the step")
    # Without the engine no activity can complete.
    with stack.held("engine") if once_stored else nullcontext():
        if once_stored:
            held.set()
            for job_id in job_ids.values():
                eventually(partial(is_stored, stack, job_id), "the picture is stored")
        stack.kill("worker")
    held.set()
    ended = watch.until_ended(job_ids.values())
    assert_completed(stack, ended)
    return Kill(
        dict(zip(job_ids, ended, strict=True)),
        {name: len(stand_in[name].charges) for name in job_ids},
    )


def is_stored(stack: Stack, job_id: str) -> bool:
    """Whether a job's whole picture is there."""
    try:
        with Image.open(original_of(stack, job_id)) as image:
            image.load()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def before_the_answer(whole_vendor_stack: Stack, one_stand_in: StandIn) -> Kill:
    return killed(whole_vendor_stack, one_stand_in, HOSTED, paying)


@pytest.fixture(scope="module")
def between_polls(whole_vendor_stack: Stack, one_stand_in: StandIn) -> Kill:
    return killed(whole_vendor_stack, one_stand_in, POLLED, polling)


@pytest.fixture(scope="module")
def before_the_picture(whole_vendor_stack: Stack, one_stand_in: StandIn) -> Kill:
    return killed(whole_vendor_stack, one_stand_in, TICKETED, fetching)


@pytest.fixture(scope="module")
def after_storing(whole_vendor_stack: Stack, one_stand_in: StandIn) -> Kill:
    return killed(whole_vendor_stack, one_stand_in, HOSTED, receiving, once_stored=True)


@pytest.mark.parametrize("vendor", sorted({*HOSTED} - {*FINDING}))
def test_an_answer_that_was_lost_is_on_record_and_paid_once_more(
    before_the_answer: Kill, vendor: str
) -> None:
    assert before_the_answer.outcomes(vendor) == [("unknown", "unknown"), ("completed", None)]
    assert before_the_answer.charges[vendor] == 2


@pytest.mark.parametrize("vendor", FINDING)
def test_a_submission_whose_answer_was_lost_is_found_and_paid_once(
    before_the_answer: Kill, vendor: str
) -> None:
    assert before_the_answer.outcomes(vendor) == [("completed", None)]
    assert before_the_answer.charges[vendor] == 1


@pytest.mark.parametrize("vendor", POLLED)
def test_a_submission_that_was_polled_is_taken_up_again(between_polls: Kill, vendor: str) -> None:
    assert between_polls.outcomes(vendor) == [("completed", None)]
    assert between_polls.charges[vendor] == 1


@pytest.mark.parametrize("vendor", TICKETED)
def test_a_picture_that_was_made_is_fetched_again(before_the_picture: Kill, vendor: str) -> None:
    assert before_the_picture.outcomes(vendor) == [("completed", None)]
    assert before_the_picture.charges[vendor] == 1


@pytest.mark.parametrize("vendor", HOSTED)
def test_a_picture_that_was_stored_is_not_made_again(after_storing: Kill, vendor: str) -> None:
    assert after_storing.outcomes(vendor) == [("completed", None)]
    assert after_storing.charges[vendor] == 1


def test_an_answer_that_was_lost_ends_the_job_where_the_operator_wants_that(
    vendor_stack: Stack, stand_in: StandIn
) -> None:
    watch, fault = Watch(vendor_stack), Fault(hold=threading.Event())
    stand_in["stability_ai"].faults.append(fault)
    with fleet(vendor_stack, {"DARKROOM_ON_UNKNOWN_OUTCOME": "fail"}) as start_worker:
        worker = start_worker()
        job_id = submit(vendor_stack, "a toll bridge", provider="stability_ai")
        eventually(fault.reached.is_set, "the vendor is at work")
        worker.kill()
        assert fault.hold
        fault.hold.set()
        start_worker()
        [answer] = watch.until_ended([job_id])
    assert answer["status"] == "failed"
    assert (answer["error"]["code"], answer["error"]["billed"]) == ("outcome_unknown", "unknown")
    assert len(stand_in["stability_ai"].charges) == 1
