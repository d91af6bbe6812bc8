"""What must hold when a storm is over, whatever it was: nothing lost, doubled, or paid unseen."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tests.e2e.clients import FREE, VENDORS, Accepted
from tests.e2e.engine import assert_ran_once, executions
from tests.e2e.hooks import Message, Receiver
from tests.e2e.jobs import Watch, assert_completed
from tests.e2e.stack import API, Json, Stack
from tests.e2e.vendors import FINDING
from tests.e2e.waiting import eventually
from tests.vendors.stand_in import StandIn
from workflows.image_batch import ImageBatchWorkflow
from workflows.image_job import ImageJobWorkflow

WIDE = 16 / 9
_ROUNDED = 0.04
"""How far a vendor's nearest size is from a ratio."""
_PATIENCE_SECONDS = 900.0
"""A receiver that was not reached four times is tried again after seven minutes."""


@dataclass(frozen=True)
class Toll:
    """What the jobs at a vendor came to, how often it charged, and what our bill says."""

    vendor: str
    answers: list[Json]
    charges: int
    bill: Json
    """`calls`, the `unknown_calls` among them, whose cost nobody knows, and `amount_usd`."""

    @property
    def completed(self) -> int:
        return sum(answer["status"] == "completed" for answer in self.answers)

    @property
    def lost(self) -> int:
        """Attempts on record whose outcome is not known."""
        tries = [tried for answer in self.answers for tried in answer["attempts"]]
        return sum(tried["outcome"] == "unknown" for tried in tries)

    def check(self) -> None:
        """Every charge is for a picture that we have, or on record as unseen; so is the bill.

        A worker that was taken for dead may wake up and bring what the next one put down as lost:
        then the bill knows what it cost, and the job says that it does not.
        """
        for answer in self.answers:
            is_unseen = answer["status"] == "failed" and answer["error"]["code"]
            assert answer["status"] == "completed" or is_unseen == "outcome_unknown", answer
        most = self.completed if self.vendor in FINDING else self.completed + self.lost
        assert self.completed <= self.charges <= most, self
        assert self.charges <= self.bill["calls"] <= self.completed + self.lost, self
        prices = [answer["cost"].get("amount_usd") for answer in self.answers if "cost" in answer]
        known = [price for price in prices if price is not None]
        priced = self.bill["calls"] - self.bill["unknown_calls"]
        assert len(known) <= priced <= self.charges, self
        beyond = round(self.bill["amount_usd"] - sum(known), 6)
        assert beyond >= 0 if priced > len(known) else beyond == 0, (beyond, self)


@dataclass(frozen=True)
class Reckoning:
    """The end of every job, and what vendors and receivers saw of them."""

    accepted: Accepted
    answers: dict[str, Json]
    tolls: list[Toll]
    messages: list[Message]

    @property
    def completed(self) -> int:
        return sum(answer["status"] == "completed" for answer in self.answers.values())


def reckon(stack: Stack, accepted: Accepted, stand_in: StandIn, receiver: Receiver) -> Reckoning:
    """Look at everything, and raise where something does not hold."""
    job_ids = accepted.jobs
    answers = dict(zip(job_ids, Watch(stack).until_ended(job_ids), strict=True))
    _check_pictures(stack, answers.values())
    _check_executions(stack, accepted, answers)
    tolls = _tolls(stack, answers.values(), stand_in)
    for toll in tolls:
        toll.check()
    messages = _told(stack, accepted, answers, receiver)
    return Reckoning(accepted, answers, tolls, messages)


def _check_pictures(stack: Stack, answers: Iterable[Json]) -> None:
    """Each picture opens, and is as large as it is said to be and of the ratio asked for.

    What stand-ins make of a draft's picture may be square: few of them look at it.
    """
    completed = [answer for answer in answers if answer["status"] == "completed"]
    assert_completed(stack, completed)
    for answer in completed:
        if "reference" in answer["result"].get("consistency", ""):
            continue
        for image in answer["result"]["images"]:
            assert abs(image["width"] / image["height"] / WIDE - 1) < _ROUNDED, image


def _check_executions(stack: Stack, accepted: Accepted, answers: dict[str, Json]) -> None:
    """One run and one set of files each; one final for each approval; nothing nobody asked for."""
    assert len(accepted.jobs) == len(set(accepted.jobs))
    completed = [job_id for job_id, answer in answers.items() if answer["status"] == "completed"]
    assert_ran_once(stack, completed)
    ran = executions(stack, ImageJobWorkflow)
    assert ran.keys() == set(accepted.jobs)
    assert executions(stack, ImageBatchWorkflow).keys() == set(accepted.batches)
    for draft, final in accepted.finals.items():
        assert [job_id for job_id in ran if job_id.startswith(f"{draft}-final")] == [final]
        review = answers[draft]["review"]
        assert (review["state"], answers[draft]["final_job_id"]) == ("approved", final)
    for draft, again in accepted.rounds.items():
        assert answers[draft]["review"]["state"] == "rejected"
        assert answers[draft]["revision_job_id"] == again


def _tolls(stack: Stack, answers: Iterable[Json], stand_in: StandIn) -> list[Toll]:
    by_vendor = defaultdict(list)
    for answer in answers:
        by_vendor[answer["attempts"][-1]["provider"]].append(answer)
    assert by_vendor.keys() <= {FREE, *VENDORS}
    return [
        Toll(name, by_vendor[name], len(stand_in[name].charges), _bill_of(stack, name))
        for name in VENDORS
    ]


def _bill_of(stack: Stack, vendor: str) -> Json:
    """What our bill says of a vendor."""
    response = stack.http.get(f"{API}/costs", params={"provider": vendor})
    assert response.status_code == 200, response.text
    total: Json = response.json()["total"]
    return total


def _told(
    stack: Stack, accepted: Accepted, answers: dict[str, Json], receiver: Receiver
) -> list[Message]:
    """Every event was told, under one id each, and the last word of each is how things are."""
    due = {(job_id, event) for job_id in answers for event in _events(answers[job_id])}
    due |= {(batch_id, "batch.completed") for batch_id in accepted.batches}

    def told() -> list[Message] | None:
        messages = list(receiver.messages)
        return messages if due <= {(each.subject, each.type) for each in messages} else None

    messages = eventually(told, "every webhook is delivered", seconds=_PATIENCE_SECONDS)
    ids = {(each.subject, each.type, each.id) for each in messages}
    assert len(ids) == len(due), Counter(each[:2] for each in ids).most_common(3)
    last = {(each.subject, each.type): each.data for each in messages}
    for job_id, answer in answers.items():
        for event in _events(answer):
            assert last[job_id, event]["status"] == answer["status"]
        if "review" in answer:
            decided = last[job_id, f"draft.{answer['review']['state']}"]
            assert decided["review"]["state"] == answer["review"]["state"]
            assert decided.get("final_job_id") == answer.get("final_job_id")
    return messages


def _events(answer: Json) -> list[str]:
    """What is told of a job."""
    if answer["status"] == "failed":
        return ["job.failed"]
    if "review" in answer:
        return ["draft.awaiting_review", f"draft.{answer['review']['state']}"]
    return ["job.completed"]
