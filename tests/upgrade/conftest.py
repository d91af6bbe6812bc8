"""Fleets on an engine and a store that outlive them, with vendors that do so too."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterable, Iterator

import pytest
from temporalio.client import Client

from storage import objects
from tests.e2e.vendors import environment
from tests.fleet import Fleet
from tests.vendors.stand_in import StandIn

OTHERS = ("DARKROOM_", "TEMPORAL_")
VENDORS = ("STABILITY_", "BFL_")
CONFIG = """\
[providers.bfl.options]
poll_seconds = 0.1
"""


class Site:
    """One namespace of an engine and one bucket, and the processes that work there."""

    def __init__(self, fleet: Fleet, engine_address: str, store_url: str, name: str) -> None:
        self.fleet = fleet
        self._engine_address = engine_address
        self._store_url = store_url
        self._name = name

    def assert_ran_once(self, job_ids: Iterable[str]) -> None:
        """Each job is one workflow with one run, and the store has one set of files for it."""
        wanted = dict.fromkeys(job_ids, 1)
        runs, files = asyncio.run(self._found(wanted))
        assert {job_id: runs[job_id] for job_id in wanted} == wanted
        assert files == wanted

    async def _found(self, job_ids: Iterable[str]) -> tuple[Counter[str], dict[str, int]]:
        client = await Client.connect(self._engine_address, namespace=self._name)
        store = objects.connect(self._store_url, self._name)
        runs = Counter([execution.id async for execution in client.list_workflows()])
        return runs, {job_id: len(await store.folders(f"assets/{job_id}/")) for job_id in job_ids}


@pytest.fixture
def site(
    tmp_path_factory: pytest.TempPathFactory,
    engine_address: str,
    namespaces: Iterator[str],
    store_url: str,
    stand_in: StandIn,
) -> Iterator[Site]:
    folder, name = tmp_path_factory.mktemp("site"), next(namespaces)
    (folder / "darkroom.toml").write_text(CONFIG)
    fleet = Fleet(
        folder,
        {
            **{key: value for key, value in os.environ.items() if not key.startswith(OTHERS)},
            **{
                key: value
                for key, value in environment(stand_in).items()
                if key.startswith(VENDORS)
            },
            "TEMPORAL_ADDRESS": engine_address,
            "TEMPORAL_NAMESPACE": name,
            "TEMPORAL_CONFIG_FILE": os.devnull,
            "DARKROOM_S3_ENDPOINT": store_url,
            "DARKROOM_S3_BUCKET": name,
            "DARKROOM_HOME": str(folder),
            # The engine has no scheduler.
            "DARKROOM_KEEP_REJECTED_DAYS": "forever",
            "DARKROOM_KEEP_FAILED_DAYS": "forever",
        },
    )
    try:
        yield Site(fleet, engine_address, store_url, name)
    finally:
        fleet.close()
