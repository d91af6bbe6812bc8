"""Many jobs at many vendors while the workers are killed, one after the other."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from functools import partial

from tests.e2e.jobs import Watch, submit
from tests.e2e.stack import API, Json, Stack
from tests.e2e.vendors import FINDING
from tests.e2e.waiting import eventually
from tests.e2e.workers import fleet
from tests.vendors.stand_in import StandIn

VENDORS = ("bfl", "comfyui", "fal", "replicate", "stability_ai")
WITHOUT_HEAVY_SDKS = dict.fromkeys(("GEMINI_API_KEY", "HF_TOKEN", "OPENAI_API_KEY"), "")
"""A worker that cannot use them starts in half the time."""
POLLS = 4
LATENCY_SECONDS = 0.2
"""Between the charge and the answer: many a kill comes in between."""
JOBS_PER_KILL = 4
MOST_REQUESTS = 12
"""That the vendors see between the jobs of a kill and the kill; all jobs together make more."""


@dataclass(frozen=True)
class Toll:
    """What the jobs at a vendor came to, how often it charged, and what our bill says."""

    vendor: str
    answers: list[Json]
    charges: int
    bill: Counter[str]
    """`calls`, the `unknown_calls` among them, whose cost nobody knows, and `micro_usd`."""

    @property
    def completed(self) -> int:
        return sum(answer["status"] == "completed" for answer in self.answers)

    @property
    def lost(self) -> int:
        """Attempts on record whose outcome is not known."""
        tries = [tried for answer in self.answers for tried in answer["attempts"]]
        return sum(tried["outcome"] == "unknown" for tried in tries)

    @property
    def price_micro_usd(self) -> int:
        """Of each picture; 0 where it is not known."""
        costs = [answer["cost"] for answer in self.answers if "result" in answer]
        [price] = {round((cost["amount_usd"] or 0) * 1e6) for cost in costs}
        return price

    def check(self) -> None:
        """No job is lost, and every charge is for a picture that we have or on record as unseen."""
        for answer in self.answers:
            assert answer["status"] == "completed" or answer["error"]["code"], answer
        assert self.completed <= self.charges <= self.completed + self.lost, self
        if self.vendor in FINDING:
            assert self.charges == self.completed, self
        assert self.bill["calls"] == self.completed + self.lost, self
        known_calls = self.bill["calls"] - self.bill["unknown_calls"]
        assert self.bill["micro_usd"] == known_calls * self.price_micro_usd, self


def weather(stack: Stack, stand_in: StandIn, *, kills: int, seed: int) -> list[Toll]:
    """Kill that many workers amid jobs, and see the jobs to their end; a toll for each vendor.

    Two workers share the jobs until one of them is killed. Which, and when, is drawn from `seed`,
    and counted in requests that the vendors have seen.
    """
    dice = random.Random(seed)
    stand_in.reset()
    for name in VENDORS:
        stand_in[name].polls_until_done = POLLS
        stand_in[name].latency_seconds = LATENCY_SECONDS
    before = {name: bill_of(stack, name) for name in VENDORS}
    jobs: dict[str, list[str]] = {name: [] for name in VENDORS}
    with fleet(stack, WITHOUT_HEAVY_SDKS) as start_worker:
        worker = start_worker()
        for number in range(kills):
            successor = start_worker()
            for name in dice.sample(VENDORS, JOBS_PER_KILL):
                jobs[name].append(submit(stack, f"wave {number}", provider=name, seed=number))
            moment = requests_seen(stand_in) + dice.randint(1, MOST_REQUESTS)
            eventually(partial(has_seen, stand_in, moment), "the vendors are asked for more")
            worker.kill()
            worker = successor
        answers = {name: Watch(stack).until_ended(jobs[name]) for name in VENDORS}
    return [
        Toll(
            name,
            answers[name],
            len(stand_in[name].charges),
            bill_of(stack, name) - before[name],
        )
        for name in VENDORS
    ]


def bill_of(stack: Stack, vendor: str) -> Counter[str]:
    """What our bill says of a vendor."""
    response = stack.http.get(f"{API}/costs", params={"provider": vendor})
    assert response.status_code == 200, response.text
    total = response.json()["total"]
    return Counter(
        calls=total["calls"],
        unknown_calls=total["unknown_calls"],
        micro_usd=round(total["amount_usd"] * 1e6),
    )


def requests_seen(stand_in: StandIn) -> int:
    return sum(len(stand_in[name].requests) for name in VENDORS)


def has_seen(stand_in: StandIn, moment: int) -> bool:
    return requests_seen(stand_in) >= moment
