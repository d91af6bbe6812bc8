"""Weather over a whole Darkroom at work: what can go wrong with each part, drawn from a seed."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e import outside_store
from tests.e2e.clients import VENDORS, Clients, until_further
from tests.e2e.clock import Clock, find_library
from tests.e2e.hooks import Receiver, receiving
from tests.e2e.outside_store import OutsideStore, running_outside_store
from tests.e2e.stack import Stack
from tests.e2e.vendors import new_stack
from tests.e2e.workers import environment_beside
from tests.fleet import Worker
from tests.vendors.stand_in import StandIn

WITHOUT_HEAVY_SDKS = dict.fromkeys(("GEMINI_API_KEY", "HF_TOKEN", "OPENAI_API_KEY"), "")
"""A worker that cannot use them starts in half the time."""
POLLS = 4
LATENCY_SECONDS = 0.2
"""Between the charge and the answer: many a fault comes in between."""
LONG_SECONDS = 8.0
"""Heartbeats are missed after five: what a held worker was at is begun elsewhere by then."""
SHORT_SECONDS = (1.0, 4.0)
_STEPS_SECONDS = (3600, -3600, 8 * 24 * 3600)
_JOBS_BETWEEN = 4

Lasting = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong with one part, for as long as it is entered."""

    kind: str
    part: str
    lasting: Lasting
    is_alone: bool = False
    """Nothing else goes wrong meanwhile."""

    @property
    def name(self) -> str:
        return f"{self.kind} {self.part}"


class Scene:
    """One Darkroom with two workers, its store, its vendors, its receiver, and its clock."""

    def __init__(
        self,
        stack: Stack,
        store: OutsideStore,
        stand_in: StandIn,
        receiver: Receiver,
        clock: Clock | None,
    ) -> None:
        self.stack = stack
        self.store = store
        self.stand_in = stand_in
        self.receiver = receiver
        self.clock = clock
        self.faults: Counter[str] = Counter()
        self._second: Worker | None = None
        self._seconds = 0

    def begin(self) -> None:
        """Bring all of it up."""
        self.stand_in.reset()
        for name in VENDORS:
            self.stand_in[name].polls_until_done = POLLS
            self.stand_in[name].latency_seconds = LATENCY_SECONDS
        self.stack.ensure_up()
        self.second_worker()

    def close(self) -> None:
        if self._second is not None:
            self._second.kill()
        self.stack.close()

    def second_worker(self) -> Worker:
        """The one beside that of `up`; started where it does not run."""
        if self._second is None or not self._second.is_alive():
            self._seconds += 1
            log = self.stack.home / "logs" / f"second-worker-{self._seconds}.log"
            self._second = Worker(environment_beside(self.stack), self.stack.folder, log)
        return self._second

    def kinds(self, dice: random.Random) -> list[Fault]:
        """One of each."""
        faults = [
            Fault("kill -9", "worker", lambda: self._killed("worker")),
            Fault("kill -9", "second worker", self._second_killed),
            Fault("kill -9", "api", lambda: self._killed("api")),
            Fault("kill -9", "engine", lambda: self._killed("engine")),
            Fault("kill -9", "store", self.store.killed),
            Fault("kill -9", "everything", self._all_killed, is_alone=True),
            Fault("hold", "worker", lambda: self.stack.held("worker")),
            Fault("hold", "second worker", lambda: self.second_worker().held()),
            Fault("hold", "api", lambda: self.stack.held("api")),
            Fault("hold", "engine", lambda: self.stack.held("engine")),
            Fault("hold", "store", self.store.held),
            Fault("slow", "gate", lambda: self.store.tempered(outside_store.SLOW)),
            Fault("500", "gate", lambda: self.store.tempered(outside_store.FAILING)),
            Fault("503", "gate", lambda: self.store.tempered(outside_store.BUSY)),
            Fault("full", "store", self.store.full),
        ]
        if self.clock is not None:
            seconds = dice.choice(_STEPS_SECONDS)
            clock = self.clock
            faults.append(Fault("step", "clock", lambda: clock.stepped(seconds)))
        return faults

    def strike(self, faults: Sequence[Fault], seconds: float) -> None:
        """Let them last that long, together."""
        with ExitStack() as lasting:
            for fault in faults:
                lasting.enter_context(fault.lasting())
                self.faults[fault.name] += 1
            time.sleep(seconds)

    @contextmanager
    def _killed(self, part: str) -> Iterator[None]:
        self.stack.kill(part)
        yield

    @contextmanager
    def _second_killed(self) -> Iterator[None]:
        self.second_worker().kill()
        yield
        self.second_worker()

    @contextmanager
    def _all_killed(self) -> Iterator[None]:
        self.stack.kill_everything()
        self.store.stop()
        self.second_worker().kill()
        yield
        self.store.start()
        self.stack.up()
        self.second_worker()


@contextmanager
def scene_in(folder: Path, stand_in: StandIn) -> Iterator[Scene]:
    """Everything below `folder`; without libfaketime there is no clock that steps."""
    folder.mkdir(parents=True, exist_ok=True)
    library = find_library()
    clock = Clock(library, folder) if library else None
    home = folder / "home"
    with running_outside_store(home) as store, receiving() as receiver:
        environment = {
            **WITHOUT_HEAVY_SDKS,
            **store.environment,
            **(clock.environment if clock else {}),
            "DARKROOM_WEBHOOK_ALLOW_HOSTS": "127.0.0.1",
        }
        stack = new_stack(folder, stand_in, environment)
        scene = Scene(stack, store, stand_in, receiver, clock)
        try:
            yield scene
        finally:
            scene.close()


def storm(
    scene: Scene,
    *,
    clients: int,
    seed: int,
    at_once: int,
    goes_on: Callable[[], bool],
    say: Callable[[str], None],
) -> Clients:
    """Every kind of fault, so many at once, in an order drawn from `seed`; again while `goes_on`.

    Clients work meanwhile; returns when each has come to the end of what it was at.
    """
    dice = random.Random(seed)
    scene.begin()
    crowd = Clients(scene.stack, scene.receiver.url, seed)
    with ThreadPoolExecutor(clients) as pool:
        try:
            crowd.begin(pool, clients)
            until_further(crowd, clients)
            while True:
                for faults in _strikes(scene.kinds(dice), dice, at_once):
                    seconds = _lasting(faults, dice)
                    say(f"{' and '.join(fault.name for fault in faults)}, {seconds:.1f} s")
                    scene.strike(faults, seconds)
                    until_further(crowd, _JOBS_BETWEEN)
                if not goes_on():
                    break
            scene.stack.until_healthy()
        except BaseException:
            crowd.give_up()
            raise
        crowd.go_home()
    return crowd


def _strikes(
    kinds: Sequence[Fault], dice: random.Random, at_once: int
) -> Iterator[Sequence[Fault]]:
    """All of them, some at once where they hit different parts."""
    left = dice.sample(kinds, len(kinds))
    while left:
        struck: list[Fault] = []
        for fault in left:
            if len(struck) < at_once and all(_may_coincide(fault, other) for other in struck):
                struck.append(fault)
        left = [fault for fault in left if fault not in struck]
        yield struck


def _may_coincide(one: Fault, other: Fault) -> bool:
    return one.part != other.part and not one.is_alone and not other.is_alone


def _lasting(faults: Sequence[Fault], dice: random.Random) -> float:
    """Long where a worker is held, sometimes long else."""
    is_taken_over = any(fault.kind == "hold" and "worker" in fault.part for fault in faults)
    return LONG_SECONDS if is_taken_over or not dice.randrange(5) else dice.uniform(*SHORT_SECONDS)
