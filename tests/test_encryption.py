"""Encrypted payloads on a real engine, whose database is looked into."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter

from domain.errors import ContentRejected
from domain.ids import final_id
from domain.jobs import JobState, JobStatus
from domain.reviews import Approval
from domain.sizes import Quality
from encryption import ENCODING, KEY_ID, Cipher, Undecipherable, converter, key_id
from pipeline.planning import Planner
from providers.base import Order, Report
from providers.catalogue import load_catalogue
from providers.registry import Roster
from settings import Settings, SettingsError, load_settings
from storage import objects
from tests.fakes import FakeProvider
from tests.starting import start_job, wish
from tests.waiting import eventually
from worker import build_workers

OLD, NEW = b"o" * 32, b"n" * 32
CLEAR = Payload(metadata={"encoding": b"json/plain"}, data=b'"a lighthouse"')


class TestCipher:
    async def test_what_it_seals_it_opens(self) -> None:
        [sealed] = await Cipher([OLD]).encode([CLEAR])
        assert sealed.metadata["encoding"] == ENCODING
        assert b"lighthouse" not in sealed.SerializeToString()
        assert await Cipher([OLD]).decode([sealed]) == [CLEAR]

    async def test_no_two_sealed_payloads_are_alike(self) -> None:
        first, second = await Cipher([OLD]).encode([CLEAR, CLEAR])
        assert first.data != second.data

    async def test_after_a_rotation_it_seals_with_the_new_key_and_opens_the_old(self) -> None:
        [old] = await Cipher([OLD]).encode([CLEAR])
        rotated = Cipher([NEW, OLD])
        [new] = await rotated.encode([CLEAR])
        assert new.metadata[KEY_ID] == key_id(NEW).encode()
        assert await rotated.decode([old, new]) == [CLEAR, CLEAR]

    async def test_a_key_that_is_gone_is_named(self) -> None:
        [sealed] = await Cipher([OLD]).encode([CLEAR])
        with pytest.raises(Undecipherable, match=key_id(OLD)):
            await Cipher([NEW]).decode([sealed])

    @pytest.mark.parametrize("place", [0, 11, 12, -1])
    async def test_a_changed_byte_is_noticed(self, place: int) -> None:
        [sealed] = await Cipher([OLD]).encode([CLEAR])
        data = bytearray(sealed.data)
        data[place] ^= 1
        with pytest.raises(Undecipherable, match="tampered"):
            await Cipher([OLD]).decode([Payload(metadata=sealed.metadata, data=bytes(data))])

    async def test_a_payload_that_was_cut_is_noticed(self) -> None:
        [sealed] = await Cipher([OLD]).encode([CLEAR])
        with pytest.raises(Undecipherable, match="tampered"):
            await Cipher([OLD]).decode([Payload(metadata=sealed.metadata, data=sealed.data[:5])])

    async def test_what_was_never_sealed_passes(self) -> None:
        assert await Cipher([OLD]).decode([CLEAR]) == [CLEAR]

    def test_without_a_key_nothing_is_sealed(self) -> None:
        assert converter([]) is pydantic_data_converter


class TestSetting:
    @pytest.mark.parametrize("wrong", ["hunter2", base64.b64encode(b"short").decode(), " "])
    def test_a_key_of_another_length_stops_the_start_and_is_not_shown(
        self, wrong: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DARKROOM_ENCRYPTION_KEY", wrong)
        with pytest.raises(SettingsError, match="openssl rand -base64 32") as refused:
            load_settings()
        assert "hunter2" not in str(refused.value)

    def test_the_first_encrypts(self) -> None:
        text = " ".join(base64.b64encode(key).decode() for key in (NEW, OLD))
        assert Settings.model_validate({"encryption_key": text}).encryption_keys == (NEW, OLD)


class Sealed:
    """Clients and workers of one namespace, by the keys that they have."""

    def __init__(self, client: Client, settings: Settings, store: objects.ObjectStore) -> None:
        self._client, self._settings, self._store = client, settings, store

    async def client(self, *keys: bytes) -> Client:
        return await Client.connect(
            self._client.service_client.config.target_host,
            namespace=self._client.namespace,
            data_converter=converter(keys),
        )

    @asynccontextmanager
    async def workers(self, *keys: bytes, fake: FakeProvider | None = None) -> AsyncIterator[None]:
        roster = Roster({"studio": fake or FakeProvider()})
        async with AsyncExitStack() as running:
            for worker in build_workers(
                await self.client(*keys),
                self._settings,
                self._store,
                load_catalogue(self._settings.config),
                roster,
            ):
                await running.enter_async_context(worker)
            yield


@pytest.fixture
def sealed(client: Client, settings: Settings, store: objects.ObjectStore) -> Sealed:
    return Sealed(client, settings, store)


def is_in_the_database(home: Path, text: str) -> bool:
    return any(text.encode() in file.read_bytes() for file in home.glob("temporal.db*"))


async def awaiting(client: Client, job_id: str) -> JobState:
    handle = client.get_workflow_handle(job_id, result_type=JobState)

    async def look() -> JobState | None:
        state = await handle.query("status", result_type=JobState)
        return state if state.awaits_review else None

    return await eventually(look, f"{job_id} awaits review")


@pytest.mark.parametrize("keys", [(), (OLD,)], ids=["in the clear", "encrypted"])
async def test_the_engine_holds_no_prompt_and_no_failure_in_the_clear(
    keys: Sequence[bytes], sealed: Sealed, planner: Planner, home: Path
) -> None:
    prompt = f"a lighthouse named {os.urandom(8).hex()}"
    reason = f"refused because of {os.urandom(8).hex()}"

    async def refuse(order: Order, report: Report) -> None:
        raise ContentRejected(reason, provider="studio")

    client = await sealed.client(*keys)
    async with sealed.workers(*keys, fake=FakeProvider(refuse)):
        job = await start_job(client, planner.job(wish(prompt)))
        with pytest.raises(WorkflowFailureError):
            await job.result()
    for secret in (prompt, reason):
        assert is_in_the_database(home, secret) is not bool(keys)


async def test_a_draft_of_before_is_approved_after_a_rotation(
    sealed: Sealed, planner: Planner
) -> None:
    async with sealed.workers():
        clear = await start_job(await sealed.client(), planner.job(wish()))
        await awaiting(await sealed.client(), clear.id)
    async with sealed.workers(OLD):
        old = await start_job(await sealed.client(OLD), planner.job(wish()))
        await awaiting(await sealed.client(OLD), old.id)
    client = await sealed.client(NEW, OLD)
    async with sealed.workers(NEW, OLD):
        for draft in (clear, old):
            handle = client.get_workflow_handle(draft.id, result_type=JobState)
            await handle.signal("approve", Approval(reviewer="ann"))
            await handle.result()
            final = client.get_workflow_handle(final_id(draft.id), result_type=JobState)
            state: JobState = await final.result()
            assert state.status is JobStatus.COMPLETED
            history = await final.fetch_history()
            [given] = history.events[0].workflow_execution_started_event_attributes.input.payloads
            assert given.metadata[KEY_ID] == key_id(NEW).encode()


async def test_no_search_attribute_holds_a_prompt(sealed: Sealed, planner: Planner) -> None:
    client = await sealed.client(OLD)
    request = planner.job(wish("a very secret lighthouse", Quality.DRAFT))
    async with sealed.workers(OLD):
        job = await start_job(client, request)
        await awaiting(client, job.id)
    attributes = (await job.describe()).raw_description.workflow_execution_info.search_attributes
    assert b"secret" not in attributes.SerializeToString()
