"""Clients and editors who go on through any weather, and remember all that was accepted.

Each asks again, with the same `Idempotency-Key`, until it has an answer, as a good client does.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock

import httpx

from tests.e2e.jobs import Watch, has_ended
from tests.e2e.stack import API, Json, Stack
from tests.e2e.waiting import T, eventually

FREE = "studio"
VENDORS = ("bfl", "comfyui", "fal", "replicate", "stability_ai")
_WIDE = {"aspect_ratio": "16:9"}
_FINAL = {"final": {"quality": "standard"}}
"""Larger than its draft, and not so large that a storm is mostly drawing."""
_BATCH = 4
_PATIENCE_SECONDS = 600.0
_PAUSE_SECONDS = 0.5
_ALL_EVENTS = [
    *("draft.awaiting_review", "draft.approved", "job.completed", "job.failed"),
    "batch.completed",
]
"""A batch's address hears of its jobs what it names."""
_LATER = {"idempotency_in_flight", "queue_unavailable", "status_unavailable", "storage_unavailable"}


@dataclass
class Accepted:
    """What was answered with a 2xx, or named in such an answer."""

    jobs: list[str] = field(default_factory=list)
    """Every job, finals and rounds included."""
    finals: dict[str, str] = field(default_factory=dict)
    """Of each draft that was approved."""
    rounds: dict[str, str] = field(default_factory=dict)
    """Of each draft that was rejected, the next one."""
    batches: list[str] = field(default_factory=list)
    approvals: int = 0
    """Answers to approvals, those of the same draft included."""
    ended: int = 0
    """Jobs that clients have seen end."""
    _lock: Lock = field(default_factory=Lock)

    def note(self, *job_ids: str) -> None:
        with self._lock:
            self.jobs += job_ids

    def note_end(self) -> None:
        with self._lock:
            self.ended += 1

    def note_final(self, draft: str, final: str) -> None:
        """One final of a draft; every approval names the same."""
        with self._lock:
            assert self.finals.setdefault(draft, final) == final
            self.approvals += 1


class Clients:
    """Some of them at once, each with one story after the other."""

    def __init__(self, stack: Stack, hook: str, seed: int) -> None:
        self.accepted = Accepted()
        self._stack = stack
        self._hook = hook
        self._seed = seed
        self._home_time = Event()
        self._is_given_up = Event()
        self._at_work: list[Future[None]] = []

    def begin(self, pool: ThreadPoolExecutor, count: int) -> None:
        self._at_work = [pool.submit(self._work, number) for number in range(count)]

    def check(self) -> None:
        """Raise what has made a client give up."""
        for work in self._at_work:
            if work.done():
                work.result()

    def go_home(self) -> None:
        """Let each end the story that it is at."""
        self._home_time.set()
        for work in self._at_work:
            work.result()

    def give_up(self) -> None:
        """Let each leave its story where it is."""
        self._home_time.set()
        self._is_given_up.set()

    def _work(self, number: int) -> None:
        dice = random.Random(f"{self._seed} {number}")
        stories = {self._approve: 6, self._revise: 2, self._take: 2, self._approve_batch: 1}
        while not self._home_time.is_set():
            [story] = dice.choices(list(stories), list(stories.values()))
            story(dice)

    def _take(self, dice: random.Random) -> None:
        """A picture that nobody reviews."""
        self._ended(self._submit(dice, quality="standard"))

    def _approve(self, dice: random.Random) -> None:
        """A draft, and its final; some editors press the button twice at once."""
        draft = self._submit(dice, quality="draft")
        if self._ended(draft)["status"] == "completed":
            self._approved(draft, times=dice.choice((1, 1, 2)))

    def _revise(self, dice: random.Random) -> None:
        """A draft that is rejected for another one, which is approved."""
        draft = self._submit(dice, quality="draft")
        if self._ended(draft)["status"] != "completed":
            return
        body = {"revise": {"seed": dice.randrange(2**32)}}
        again = str(self._insist(f"jobs/{draft}/reject", dice, body)["revision_job_id"])
        self.accepted.rounds[draft] = again
        self.accepted.note(again)
        if self._ended(again)["status"] == "completed":
            self._approved(again, times=1)

    def _approve_batch(self, dice: random.Random) -> None:
        image = {"quality": "standard", "provider": FREE, **_WIDE}
        prompts = [f"a pier {dice.random()}" for _ in range(_BATCH)]
        images = [{"prompt": prompt, **image} for prompt in prompts]
        body = {"images": images, "webhook_url": self._hook, "webhook_events": _ALL_EVENTS}
        batch = self._insist("batch-generate", dice, body)
        self.accepted.batches.append(batch["batch_id"])
        self.accepted.note(*batch["job_ids"])
        for draft in batch["job_ids"]:
            self._ended(draft)
        decided: dict[str, str] = {}

        def look() -> dict[str, str] | None:
            """Whoever reads the answer sees what it has left out, and approves again."""
            answer = self._insist(f"batches/{batch['batch_id']}/approve", dice, {})
            decided.update({each["job_id"]: each["final_job_id"] for each in answer["results"]})
            return decided if len(decided) == _BATCH else None

        for draft, final in self._patiently(look, "every draft of the batch is approved").items():
            self._follow(draft, final)

    def _submit(self, dice: random.Random, **fields: str) -> str:
        provider = dice.choice((FREE, *VENDORS))
        body = {
            # Unlike any other: a vendor is asked which of what it knows was this.
            "prompt": f"a bay {dice.random()}",
            "provider": provider,
            "webhook_url": self._hook,
            **_WIDE,
            **fields,
        }
        job_id = str(self._insist("generate-async", dice, body)["job_id"])
        self.accepted.note(job_id)
        return job_id

    def _approved(self, draft: str, times: int) -> None:
        with ThreadPoolExecutor(times) as editors:
            answers = editors.map(
                lambda editor: self._insist(
                    f"jobs/{draft}/approve", random.Random(f"{draft} {editor}"), _FINAL
                ),
                range(times),
            )
            finals = [str(answer["final_job_id"]) for answer in answers]
        self._follow(draft, *finals)

    def _follow(self, draft: str, *finals: str) -> None:
        for final in finals:
            self.accepted.note_final(draft, final)
        self.accepted.note(finals[0])
        self._ended(finals[0])

    def _ended(self, job_id: str) -> Json:
        # What a batch's image is asked for stands in the store until it is begun.
        watch = Watch(self._stack, later=_LATER)

        def look() -> Json | None:
            answer = watch.look(job_id)
            return answer if answer and has_ended(answer) else None

        answer = self._patiently(look, f"{job_id} ends")
        self.accepted.note_end()
        return answer

    def _insist(self, path: str, dice: random.Random, body: Json) -> Json:
        """The answer, however often it takes to get it."""
        key = {"Idempotency-Key": f"{dice.getrandbits(64):x}"}

        def look() -> Json | None:
            try:
                response = self._stack.http.post(f"{API}/{path}", json=body, headers=key)
            except httpx.TransportError:
                return None
            if response.status_code >= 400 and response.json()["code"] in _LATER:
                return None
            assert response.status_code == 202, (path, response.text)
            answer: Json = response.json()
            return answer

        return self._patiently(look, f"{path} is accepted")

    def _patiently(self, look: Callable[[], T | None], why: str) -> T:
        """Polling as often as a good client does."""

        def look_on() -> T | None:
            if self._is_given_up.is_set():
                raise InterruptedError(f"nobody waited any more: {why}")
            return look()

        return eventually(look_on, why, seconds=_PATIENCE_SECONDS, every_seconds=_PAUSE_SECONDS)


def until_further(clients: Clients, jobs: int) -> None:
    """Return when clients have seen so many more jobs end."""
    goal = clients.accepted.ended + jobs

    def has_come() -> bool:
        clients.check()
        return clients.accepted.ended >= goal

    eventually(has_come, f"{jobs} more jobs end", seconds=_PATIENCE_SECONDS)
