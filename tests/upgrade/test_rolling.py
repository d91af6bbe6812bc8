"""A rolling restart of the workers while jobs flow: none is lost, none is made or paid twice."""

from __future__ import annotations

import threading

from tests.e2e.jobs import Watch, assert_completed, submit
from tests.e2e.waiting import eventually
from tests.upgrade.conftest import Site
from tests.vendors.stand_in import Fault, StandIn

WORKERS = 3
JOBS = 6
"""With a vendor while a worker is asked to stop; each worker has some of them."""
SMALL = {"width": 64, "height": 64}


def test_each_job_is_paid_and_made_once_while_three_workers_are_replaced(
    site: Site, stand_in: StandIn
) -> None:
    [api], workers = site.fleet.start(apis=1, workers=WORKERS)
    vendor = stand_in["bfl"]
    jobs: list[str] = []
    for number, worker in enumerate(workers):
        held = threading.Event()
        faults = [Fault(hold=held) for _ in range(JOBS)]
        vendor.faults.extend(faults)
        jobs += [submit(api, f"wave {number}", provider="bfl", **SMALL) for _ in faults]
        for fault in faults:
            eventually(fault.reached.is_set, "the vendor is at work")
        worker.ask_to_stop()
        held.set()
        site.fleet.start_worker()
        assert worker.stopped() == 0, worker.said
    ended = Watch(api).until_ended(jobs)
    assert_completed(api, ended)
    tries = [tried for job in ended for tried in job["attempts"]]
    assert [tried for tried in tries if tried["outcome"] == "unknown"] == []
    assert len(vendor.charges) == len(jobs), tries
    site.assert_ran_once(jobs)
