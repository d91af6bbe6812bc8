from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pytest
from PIL import Image

from domain.errors import (
    Billed,
    Cancelled,
    GenerationFailed,
    InvalidOutput,
    JobFailure,
    OutcomeUnknown,
    ProviderAuth,
    ProviderRateLimited,
    ProviderUnavailable,
    RequestRejected,
)
from domain.jobs import CostBasis
from domain.sizes import Quality, Size
from providers.base import Provider, Reference
from providers.registry import KINDS, Connection
from tests.fakes import FakeCall, png
from tests.providers.vendors import CATALOGUE, DRAFT, PROMPT, nowhere, order
from tests.vendors.comfyui import failed_entry
from tests.vendors.stand_in import Fault, StandIn, Truncated, Vendor

PROMPT_ID = str(uuid5(NAMESPACE_OID, f"darkroom:{FakeCall().key}"))
"""The call's key decides it, so that a prompt can be looked up whose answer was lost."""
UNTIL_CANCELLED = 10**6
UNTIL_TOLD = 600.0
"""Seconds between polls: the test would not end if it were not the socket that told."""

Maker = Callable[..., Provider]


@pytest.fixture
def vendor(stand_in: StandIn) -> Vendor:
    return stand_in["comfyui"]


@pytest.fixture
async def made(vendor: Vendor) -> AsyncIterator[Maker]:
    """Adapters with options of their own."""
    providers = []

    def make(base_url: str | None = None, **options: Any) -> Provider:
        entry = CATALOGUE.providers["comfyui"]
        options = {**entry.options, "poll_seconds": 0.001, **options}
        entry = entry.model_copy(update={"options": options})
        connection = Connection("comfyui", entry, base_url or vendor.base_url, "comfyui-key")
        providers.append(KINDS["comfyui"].build(connection))
        return providers[-1]

    yield make
    for provider in providers:
        await provider.close()


@pytest.fixture
def comfyui(made: Maker) -> Provider:
    return made()


def node(vendor: Vendor, kind: str) -> dict[str, Any]:
    """The inputs of the only such node in the graph that was queued last."""
    graph = vendor.charges[-1].body["prompt"]
    (found,) = (node["inputs"] for node in graph.values() if node["class_type"] == kind)
    return dict(found)


def texts(vendor: Vendor) -> list[str]:
    graph = vendor.charges[-1].body["prompt"].values()
    return [node["inputs"]["text"] for node in graph if node["class_type"] == "CLIPTextEncode"]


def paid(vendor: Vendor) -> int:
    return vendor.requests.count("POST /prompt")


class TestGenerate:
    async def test_a_draft_is_one_prompt_of_the_shipped_graph(
        self, comfyui: Provider, vendor: Vendor
    ) -> None:
        call = FakeCall()
        (picture,) = await comfyui.generate(order("comfyui", size=Size(1024, 576)), call)
        sampler, canvas = node(vendor, "KSampler"), node(vendor, "EmptyLatentImage")
        assert texts(vendor) == [PROMPT, ""]
        assert (sampler["seed"], sampler["steps"], sampler["cfg"]) == (41, 12, 7)
        assert canvas == {"width": 1024, "height": 576, "batch_size": 1}
        assert node(vendor, "CheckpointLoaderSimple")["ckpt_name"].startswith("sd_xl_base")
        assert Image.open(io.BytesIO(picture.data)).size == (1024, 576)
        assert (picture.seed, picture.cost_usd) == (41, 0)
        assert picture.cost_basis is CostBasis.CATALOGUE
        assert call.story == ["sending", f"submitted {PROMPT_ID}"]
        assert len(vendor.charges) == paid(vendor) == 1

    @pytest.mark.parametrize(
        ("asked", "drawn"),
        [
            (Size(512, 512), Size(728, 728)),
            (Size(512, 288), Size(968, 544)),
            (Size(1152, 1536), Size(1152, 1536)),
        ],
    )
    async def test_a_size_is_one_that_the_model_is_good_at(
        self, comfyui: Provider, vendor: Vendor, asked: Size, drawn: Size
    ) -> None:
        await comfyui.generate(order("comfyui", size=asked), FakeCall())
        canvas = node(vendor, "EmptyLatentImage")
        assert (canvas["width"], canvas["height"]) == drawn

    async def test_quality_is_a_number_of_steps(self, comfyui: Provider, vendor: Vendor) -> None:
        await comfyui.generate(order("comfyui", quality=Quality.HIGH), FakeCall())
        assert node(vendor, "KSampler")["steps"] == 30

    async def test_a_negative_prompt_is_an_input_and_a_style_is_folded_in(
        self, comfyui: Provider, vendor: Vendor
    ) -> None:
        wish = order("comfyui", style="oil-on-canvas", negative_prompt="people")
        await comfyui.generate(wish, FakeCall())
        positive, negative = texts(vendor)
        assert positive.endswith("Style: oil on canvas.")
        assert negative == "people"

    async def test_a_model_without_a_negative_prompt_has_it_folded_in(
        self, comfyui: Provider, vendor: Vendor
    ) -> None:
        wish = order("comfyui", model="flux-schnell", negative_prompt="people")
        await comfyui.generate(wish, FakeCall())
        assert texts(vendor) == [f"{PROMPT}\n\nAvoid: people.", ""]
        assert node(vendor, "KSampler")["cfg"] == 1

    async def test_a_final_starts_from_its_draft(self, comfyui: Provider, vendor: Vendor) -> None:
        draft = Reference(png(64, 64), "image/png", is_draft=True)
        bound = order("comfyui", quality=Quality.HIGH, size=Size(1024, 1024), references=(draft,))
        call = FakeCall()
        (picture,) = await comfyui.generate(bound, call)
        uploaded = vendor.files[f"input/{node(vendor, 'LoadImage')['image']}"]
        assert uploaded == draft.data
        assert 0 < node(vendor, "KSampler")["denoise"] < 0.5
        assert node(vendor, "KSampler")["seed"] == 41
        assert texts(vendor)[0] == PROMPT
        assert Image.open(io.BytesIO(picture.data)).size == (1024, 1024)
        assert vendor.requests.index("POST /upload/image") < vendor.requests.index("POST /prompt")

    async def test_another_reference_leaves_more_freedom(self, made: Maker, vendor: Vendor) -> None:
        given = order("comfyui", references=(Reference(png(64, 64), "image/png"),))
        await made().generate(given, FakeCall())
        assert node(vendor, "KSampler")["denoise"] == 0.7
        await made(reference_strength=0.5).generate(given, FakeCall())
        assert node(vendor, "KSampler")["denoise"] == 0.5

    async def test_a_batch_is_one_prompt_and_only_its_first_picture_has_the_seed(
        self, comfyui: Provider, vendor: Vendor
    ) -> None:
        pictures = await comfyui.generate(order("comfyui", indices=(2, 3)), FakeCall())
        assert [picture.seed for picture in pictures] == [43, None]
        assert node(vendor, "EmptyLatentImage")["batch_size"] == 2
        assert pictures[0].data != pictures[1].data
        assert paid(vendor) == 1


class TestWorkflow:
    @staticmethod
    def written(path: Path, **more: Any) -> str:
        """The shipped graph with other outputs, as an operator would export it."""
        shipped = Path(__file__).parents[2] / "providers" / "comfyui_graphs"
        graph = json.loads((shipped / "text_to_image.json").read_text()) | more
        path.write_text(json.dumps(graph))
        return str(path)

    async def test_the_operators_graph_is_filled_in(
        self, made: Maker, vendor: Vendor, tmp_path: Path
    ) -> None:
        saved = {"images": ["6", 0], "filename_prefix": "{{ blog }}/seed-{{seed}}"}
        own = self.written(tmp_path / "w.json", saver={"class_type": "SaveImage", "inputs": saved})
        wish = order("comfyui", model="flux-schnell")
        await made(workflow=own, blog="sea", cfg=3.5).generate(wish, FakeCall())
        assert node(vendor, "SaveImage")["filename_prefix"] == "sea/seed-41"

    @pytest.mark.parametrize(("named", "kind"), [(None, "output"), ("7", "temp")])
    async def test_what_was_saved_goes_before_previews_unless_a_node_is_named(
        self, made: Maker, vendor: Vendor, tmp_path: Path, named: str | None, kind: str
    ) -> None:
        saver = {"class_type": "SaveImage", "inputs": {"images": ["6", 0]}}
        own = self.written(tmp_path / "w.json", saver=saver)
        (picture,) = await made(workflow=own, output_node=named).generate(
            order("comfyui"), FakeCall()
        )
        (fetched,) = [data for name, data in vendor.files.items() if name.startswith(kind)]
        assert picture.data == fetched

    async def test_a_graph_without_a_negative_prompt_has_it_folded_in(
        self, made: Maker, vendor: Vendor, tmp_path: Path
    ) -> None:
        other = {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "ugly"}}
        own = self.written(tmp_path / "w.json", **{"3": other})
        wish = order("comfyui", negative_prompt="people")
        await made(workflow=own).generate(wish, FakeCall())
        assert texts(vendor) == [f"{PROMPT}\n\nAvoid: people.", "ugly"]

    async def test_a_prompt_is_text_whatever_it_holds(
        self, comfyui: Provider, vendor: Vendor
    ) -> None:
        wish = order("comfyui")
        prompt = 'a sign: "{{seed}}" \\ {{model}}'
        spec = wish.spec.model_copy(update={"prompt": prompt})
        await comfyui.generate(type(wish)(spec, wish.model, wish.indices, wish.size), FakeCall())
        assert texts(vendor)[0] == prompt

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (None, "cannot be read"),
            ("{", "cannot be read"),
            ('{"nodes": [], "links": []}', "API format"),
            ("[]", "API format"),
            ('{"1": {"class_type": "Sum", "inputs": {"a": ["{{depth}}", 1]}}}', "{{depth}}"),
            (
                '{"1": {"class_type": "LoadImage", "inputs": {"image": "{{reference}}"}}}',
                "no value",
            ),
        ],
        ids=["absent", "broken", "ui-format", "list", "unknown", "needs-reference"],
    )
    async def test_a_graph_that_cannot_be_used_is_refused_before_anything_is_sent(
        self, made: Maker, vendor: Vendor, tmp_path: Path, text: str | None, said: str
    ) -> None:
        path, call = tmp_path / "w.json", FakeCall()
        if text is not None:
            path.write_text(text)
        with pytest.raises(RequestRejected) as refused:
            await made(workflow=str(path)).generate(order("comfyui"), call)
        assert said in refused.value.message
        assert (call.story, vendor.requests) == ([], [])

    async def test_a_graph_that_takes_no_reference_refuses_one(
        self, made: Maker, vendor: Vendor, tmp_path: Path
    ) -> None:
        own = self.written(tmp_path / "w.json")
        given = order("comfyui", references=(Reference(png(8, 8), "image/png"),))
        with pytest.raises(RequestRejected, match="reference"):
            await made(workflow=own).generate(given, FakeCall())
        assert vendor.requests == []


class TestProgress:
    async def test_steps_are_reported_and_the_end_is_heard_at_once(
        self, made: Maker, vendor: Vendor
    ) -> None:
        vendor.polls_until_done = 0
        call = FakeCall()
        await made(poll_seconds=UNTIL_TOLD).generate(order("comfyui"), call)
        assert call.shares == [step / 12 for step in range(1, 13)]
        assert vendor.requests.count("GET /queue") == 1

    async def test_without_a_socket_the_history_is_polled(
        self, comfyui: Provider, vendor: Vendor
    ) -> None:
        vendor.refuses_sockets = True
        vendor.polls_until_done = 3
        call = FakeCall()
        (picture,) = await comfyui.generate(order("comfyui"), call)
        assert Image.open(io.BytesIO(picture.data)).size == (728, 728)
        assert (call.shares, vendor.requests.count("GET /queue")) == ([], 4)


class TestTicket:
    async def test_a_ticket_is_taken_up_and_nothing_is_submitted(
        self, comfyui: Provider, vendor: Vendor
    ) -> None:
        await comfyui.generate(order("comfyui"), FakeCall())
        call = FakeCall(PROMPT_ID)
        (picture,) = await comfyui.generate(order("comfyui"), call)
        assert (picture.seed, picture.cost_usd, call.story) == (41, 0, [])
        assert len(vendor.charges) == paid(vendor) == 1

    async def test_an_id_that_the_server_chose_itself_is_the_ticket(
        self, comfyui: Provider, vendor: Vendor
    ) -> None:
        vendor.jobs["other"] = {"id": "other", "graph": {}, "entry": failed_entry("x", {})}
        vendor.faults.append(Fault.answer(200, {"prompt_id": "other"}, is_paid=True))
        call = FakeCall()
        with pytest.raises(RequestRejected):
            await comfyui.generate(order("comfyui"), call)
        assert call.ticket == "other"

    async def test_a_ticket_in_neither_queue_nor_history_is_lost_not_done(
        self, comfyui: Provider, vendor: Vendor
    ) -> None:
        with pytest.raises(OutcomeUnknown) as lost:
            await comfyui.generate(order("comfyui"), FakeCall(PROMPT_ID))
        assert lost.value.billed is Billed.UNKNOWN
        assert vendor.charges == []

    async def test_a_submission_whose_answer_was_lost_is_found_by_its_key(
        self, comfyui: Provider, vendor: Vendor
    ) -> None:
        vendor.faults.append(Fault(Truncated(), is_paid=True))
        call = FakeCall()
        with pytest.raises(OutcomeUnknown):
            await comfyui.generate(order("comfyui"), call)
        assert call.story == ["sending"]
        found = await comfyui.find(order("comfyui"), call.key, datetime.now(UTC))
        assert found == PROMPT_ID
        await comfyui.generate(order("comfyui"), FakeCall(found))
        assert await comfyui.find(order("comfyui"), call.key, datetime.now(UTC)) == PROMPT_ID
        assert len(vendor.charges) == 1

    async def test_a_submission_that_is_nowhere_may_have_been_forgotten(
        self, comfyui: Provider
    ) -> None:
        with pytest.raises(OutcomeUnknown):
            await comfyui.find(order("comfyui"), "img_2.0.0", datetime.now(UTC))


class TestCancel:
    @staticmethod
    async def begun(comfyui: Provider, vendor: Vendor) -> asyncio.Task[Any]:
        """A generation that is being polled for."""
        vendor.polls_until_done = UNTIL_CANCELLED
        vendor.poll_faults.append(Fault())
        polled = vendor.poll_faults[0].reached
        work = asyncio.create_task(comfyui.generate(order("comfyui"), FakeCall()))
        await asyncio.to_thread(polled.wait, 30)
        return work

    async def test_what_is_running_is_interrupted(self, comfyui: Provider, vendor: Vendor) -> None:
        work = await self.begun(comfyui, vendor)
        await comfyui.cancel(PROMPT_ID)
        with pytest.raises(Cancelled) as stopped:
            await work
        assert stopped.value.billed is Billed.NO
        assert "POST /interrupt" in vendor.requests
        assert "POST /queue" not in vendor.requests

    async def test_what_waits_is_taken_out_of_the_queue(
        self, comfyui: Provider, vendor: Vendor
    ) -> None:
        first = {"id": "another's", "graph": {}, "polls_left": UNTIL_CANCELLED}
        vendor.jobs["another's"] = first
        work = await self.begun(comfyui, vendor)
        await comfyui.cancel(PROMPT_ID)
        with pytest.raises(Cancelled):
            await work
        assert "POST /interrupt" not in vendor.requests
        assert "entry" not in first

    async def test_what_began_before_it_was_taken_out_is_interrupted(
        self, comfyui: Provider, vendor: Vendor
    ) -> None:
        running = {"id": PROMPT_ID, "graph": {}, "polls_left": UNTIL_CANCELLED}
        vendor.jobs["x"] = running
        before = {"queue_running": [], "queue_pending": [[0, PROMPT_ID, {}, {}, []]]}
        vendor.poll_faults.append(Fault.answer(200, before))
        await comfyui.cancel(PROMPT_ID)
        asked = ["GET /queue", "POST /queue", "GET /queue", "POST /interrupt"]
        assert vendor.requests == asked
        assert "entry" in running

    async def test_what_is_done_is_left_alone(self, comfyui: Provider, vendor: Vendor) -> None:
        await comfyui.generate(order("comfyui"), FakeCall())
        await comfyui.cancel(PROMPT_ID)
        assert not {"POST /queue", "POST /interrupt"} & set(vendor.requests)

    async def test_a_caller_who_stops_waiting_stops_nothing_upstream(
        self, comfyui: Provider, vendor: Vendor
    ) -> None:
        work = await self.begun(comfyui, vendor)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert not {"POST /queue", "POST /interrupt"} & set(vendor.requests)


def refusal(message: str, **nodes: Any) -> dict[str, Any]:
    error = {"type": "prompt_outputs_failed_validation", "message": message, "details": ""}
    return {"error": error, "node_errors": nodes}


SUBMISSIONS = [
    (400, refusal("Prompt has no outputs"), RequestRejected),
    (400, {"error": "invalid prompt", "node_errors": []}, RequestRejected),
    (401, "key comfyui-key is wrong", ProviderAuth),
    (403, "not from this origin", ProviderAuth),
    (404, "not found", RequestRejected),
    (405, "method not allowed", RequestRejected),
    (413, "too large", RequestRejected),
    (429, "slow down", ProviderRateLimited),
    (500, "Server got itself in trouble", ProviderUnavailable),
    (502, "bad gateway", ProviderUnavailable),
    (504, "gateway timeout", OutcomeUnknown),
]
POLLS = [
    (401, "who are you", ProviderAuth),
    (404, "the tunnel is closed", ProviderUnavailable),
    (429, "slow down", ProviderRateLimited),
    (502, "bad gateway", ProviderUnavailable),
    (504, "gateway timeout", ProviderUnavailable),
    (200, "<html>a proxy's page</html>", ProviderUnavailable),
]


class TestFailures:
    @pytest.mark.parametrize(("status", "body", "kind"), SUBMISSIONS)
    async def test_each_answer_becomes_one_error_after_one_submission(
        self, comfyui: Provider, vendor: Vendor, status: int, body: Any, kind: type[JobFailure]
    ) -> None:
        vendor.faults.append(Fault.answer(status, body, {"retry-after": "7"}))
        with pytest.raises(JobFailure) as failed:
            await comfyui.generate(order("comfyui"), FakeCall())
        assert type(failed.value) is kind
        assert failed.value.provider == "comfyui"
        assert "comfyui-key" not in str(failed.value)
        assert paid(vendor) == 1
        if kind is ProviderRateLimited:
            assert failed.value.retry_after_seconds == 7

    @pytest.mark.parametrize(("status", "body", "kind"), POLLS)
    async def test_a_poll_that_fails_costs_nothing_and_is_not_repeated(
        self, comfyui: Provider, vendor: Vendor, status: int, body: Any, kind: type[JobFailure]
    ) -> None:
        vendor.poll_faults.append(Fault.answer(status, body))
        with pytest.raises(JobFailure) as failed:
            await comfyui.generate(order("comfyui"), FakeCall(PROMPT_ID))
        assert (type(failed.value), failed.value.billed) == (kind, Billed.NO)
        assert vendor.requests == ["GET /queue"]

    async def test_a_node_that_is_wrong_is_named(self, made: Maker, vendor: Vendor) -> None:
        wish = order("comfyui", model="flux-schnell")
        entry = CATALOGUE.providers["comfyui"]
        options = entry.models[wish.model].options | {"model": "gone.safetensors"}
        model = entry.models[wish.model].model_copy(update={"options": options})
        entry = entry.model_copy(update={"models": {wish.model: model}})
        provider = KINDS["comfyui"].build(
            Connection("comfyui", entry, vendor.base_url, "comfyui-key")
        )
        with pytest.raises(RequestRejected, match=r"ckpt_name: 'gone\.safetensors' not in"):
            await provider.generate(wish, FakeCall())
        assert vendor.charges == []
        await provider.close()

    @pytest.mark.parametrize(
        ("exception", "kind"),
        [("torch.OutOfMemoryError", GenerationFailed), ("RuntimeError", RequestRejected)],
    )
    async def test_a_prompt_that_broke_off_says_where(
        self, comfyui: Provider, vendor: Vendor, exception: str, kind: type[JobFailure]
    ) -> None:
        said = {
            "node_type": "KSampler",
            "exception_message": "mat1 and mat2 shapes cannot be multiplied",
            "exception_type": exception,
        }
        entry = failed_entry("execution_error", said)
        vendor.jobs["x"] = {"id": PROMPT_ID, "graph": {}, "entry": entry}
        with pytest.raises(JobFailure, match="KSampler: mat1 and mat2") as failed:
            await comfyui.generate(order("comfyui"), FakeCall(PROMPT_ID))
        assert (type(failed.value), failed.value.billed) == (kind, Billed.NO)

    async def test_an_end_without_a_picture_is_no_output(
        self, comfyui: Provider, vendor: Vendor
    ) -> None:
        entry = {"outputs": {"7": {"text": ["hello"]}}, "status": None}
        vendor.jobs["x"] = {"id": PROMPT_ID, "graph": {}, "entry": entry}
        with pytest.raises(InvalidOutput):
            await comfyui.generate(order("comfyui"), FakeCall(PROMPT_ID))

    @pytest.mark.parametrize(("status", "kind"), [(404, InvalidOutput), (503, ProviderUnavailable)])
    async def test_a_picture_that_cannot_be_fetched(
        self, comfyui: Provider, vendor: Vendor, status: int, kind: type[JobFailure]
    ) -> None:
        await comfyui.generate(order("comfyui"), FakeCall())
        history = Fault(), Fault()
        vendor.poll_faults.extend((*history, Fault.answer(status, "")))
        with pytest.raises(kind):
            await comfyui.generate(order("comfyui"), FakeCall(PROMPT_ID))

    async def test_a_server_that_cannot_be_reached_was_asked_nothing(self, made: Maker) -> None:
        call = FakeCall()
        with pytest.raises(ProviderUnavailable) as failed:
            await made(nowhere()).generate(order("comfyui", size=DRAFT), call)
        assert failed.value.billed is Billed.NO
        assert call.story == []
