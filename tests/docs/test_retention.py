"""The page on retention: its commands and its table are the code's."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from temporalio.client import Client
from typer.testing import CliRunner

from cli.main import app
from domain.keys import DEFAULT_TENANT
from domain.names import RETENTION_SCHEDULE
from domain.retention import FOREVER, RetentionClass
from domain.reviews import Rejection
from engine import ensure_retention_schedule
from pipeline.keeping import load_policy
from pipeline.planning import Planner
from settings import Settings
from storage.keys import job_files
from storage.objects import ObjectStore
from tests.conftest import WorkerFactory
from tests.docs.pages import page, snippets
from tests.starting import start_job, wish
from workflows.image_job import ImageJobWorkflow

PAGE = page("retention.md")


@pytest.fixture
def client(scheduling_client: Client) -> Client:
    return scheduling_client


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"keep_rejected_days": 0})


def test_the_table_is_the_settings() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| `DARKROOM_(\w+)` \| (\w+) \|$", PAGE, re.MULTILINE)
    assert [row[0] for row in rows] == list(RetentionClass)
    for kind, name, default in rows:
        assert name == f"KEEP_{kind.upper()}_DAYS"
        days = Settings.model_fields[name.lower()].default
        assert default == (FOREVER if days is None else str(days))


def test_a_tenants_table_is_taken(tmp_path: Path) -> None:
    [table] = snippets(PAGE, "toml")
    config = tmp_path / "darkroom.toml"
    config.write_text(table)
    policy = load_policy(Settings().keeping, config)
    ages = {kind: policy.age("acme", kind) for kind in RetentionClass}
    assert [age.days if age else None for age in ages.values()] == [7, 30, None, 30]
    others = policy.age(DEFAULT_TENANT, RetentionClass.REJECTED)
    assert others is not None
    assert others.days == 90


async def test_its_commands_look_and_sweep(
    client: Client,
    store: ObjectStore,
    planner: Planner,
    new_worker: WorkerFactory,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    [commands] = snippets(PAGE, "sh")
    look, now = (line.split()[1:] for line in commands.splitlines())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEMPORAL_ADDRESS", client.service_client.config.target_host)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", client.namespace)

    async def said(words: list[str]) -> tuple[int, str]:
        ran = await asyncio.to_thread(CliRunner().invoke, app, words)
        return ran.exit_code, ran.output

    assert await said(["retention"]) == (1, "darkroom: say --dry-run or --now\n")
    status, told = await said(now)
    assert (status, "kept for ever" in told) == (1, True)
    assert await said(look) == (1, "darkroom: no worker is running that could look\n")
    await ensure_retention_schedule(client, is_wanted=True)
    async with new_worker():
        job = await start_job(client, planner.job(wish()))
        await job.signal(ImageJobWorkflow.reject, Rejection())
        await job.result()
        status, told = await said(look)
        assert status == 0, told
        assert re.search(r"rejected +1 +3 +0\.0", told)
        status, told = await said(now)
        assert status == 0, told
    assert await store.keys(job_files(job.id)) != []
    schedule = await client.get_schedule_handle(RETENTION_SCHEDULE).describe()
    assert schedule.info.num_actions == 1
