"""ComfyUI's server: a queue in memory, a history, and a socket that tells of steps.

It runs one prompt at a time, and checks a bearer token as a proxy before a real one would.
Source: https://docs.comfy.org/development/comfyui-server/comms_routes
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection

from tests.vendors.stand_in import Vendor, form_of, picture, vendor_of

router = APIRouter()

CHECKPOINTS = ["sd_xl_base_1.0.safetensors", "flux1-schnell-fp8.safetensors"]
OUTPUTS = {"PreviewImage": "temp", "SaveImage": "output"}
NODES = {
    *OUTPUTS,
    "CheckpointLoaderSimple",
    "CLIPTextEncode",
    "EmptyLatentImage",
    "ImageCompositeMasked",
    "ImageScale",
    "ImageToMask",
    "ImageUpscaleWithModel",
    "KSampler",
    "LoadImage",
    "RepeatLatentBatch",
    "SetLatentNoiseMask",
    "UpscaleModelLoader",
    "VAEDecode",
    "VAEEncode",
}
Graph = dict[str, dict[str, Any]]


@router.post("/prompt")
async def queue_prompt(request: Request) -> Response:
    vendor, body = vendor_of(request), await request.json()
    if instead := _stranger(request):
        return instead
    refused, charged = _problem(vendor, body), len(vendor.charges)
    answered = await vendor.begin(request, body, charges=refused is None)
    if len(vendor.charges) == charged:
        return answered or JSONResponse(refused, 400)
    prompt_id = body.get("prompt_id") or str(uuid4())
    job = vendor.jobs.setdefault(body.get("client_id", prompt_id), _job())
    job |= {"id": prompt_id, "graph": body["prompt"], "polls_left": vendor.polls_until_done}
    job["arrived"].set()
    number = len(vendor.jobs)
    return answered or JSONResponse({"prompt_id": prompt_id, "number": number, "node_errors": {}})


@router.get("/queue")
async def list_queue(request: Request) -> Response:
    vendor = vendor_of(request)
    if instead := _stranger(request) or await vendor.begin_free(request):
        return instead
    for job in _unfinished(vendor)[:1]:
        job["polls_left"] -= 1
        if job["polls_left"] < 0:
            _finish(vendor, job)
    items = [[number, job["id"], job["graph"], {}, []] for number, job in _numbered(vendor)]
    return JSONResponse({"queue_running": items[:1], "queue_pending": items[1:]})


@router.post("/queue")
async def change_queue(request: Request) -> Response:
    vendor = vendor_of(request)
    if instead := _stranger(request) or await vendor.begin_free(request):
        return instead
    unwanted = (await request.json()).get("delete", [])
    for job in _unfinished(vendor)[1:]:
        if job["id"] in unwanted:
            del job["graph"]
    return Response()


@router.post("/interrupt")
async def interrupt(request: Request) -> Response:
    vendor = vendor_of(request)
    if instead := _stranger(request) or await vendor.begin_free(request):
        return instead
    wanted = (await request.json()).get("prompt_id")
    for job in _unfinished(vendor)[:1]:
        if job["id"] == wanted:
            said = {"prompt_id": wanted, "node_id": "5", "node_type": "KSampler", "executed": []}
            job["entry"] = failed_entry("execution_interrupted", said)
    return Response()


@router.get("/history/{prompt_id}")
async def history(prompt_id: str, request: Request) -> Response:
    vendor = vendor_of(request)
    if instead := _stranger(request) or await vendor.begin_free(request):
        return instead
    entries = {job["id"]: job["entry"] for job in vendor.jobs.values() if "entry" in job}
    return JSONResponse({prompt_id: entries[prompt_id]} if prompt_id in entries else {})


@router.post("/upload/image")
async def upload(request: Request) -> Response:
    vendor, form = vendor_of(request), await _upload_of(request)
    if instead := _stranger(request) or await vendor.begin_free(request):
        return instead
    if "image" not in form:
        return Response(status_code=400)
    vendor.files[f"input/{form['subfolder']}/{form['name']}"] = form["image"]
    return JSONResponse(
        {"name": form["name"], "subfolder": form["subfolder"], "type": form["type"]}
    )


@router.get("/view")
async def view(request: Request, filename: str, subfolder: str, type: str) -> Response:  # noqa: A002
    vendor = vendor_of(request)
    if instead := _stranger(request) or await vendor.begin_free(request):
        return instead
    data = vendor.files.get(f"{type}/{subfolder}/{filename}")
    return Response(status_code=404) if data is None else Response(data, media_type="image/png")


@router.websocket("/ws")
async def events(socket: WebSocket) -> None:
    vendor = vendor_of(socket)
    if vendor.refuses_sockets or _stranger(socket):
        return await socket.close()
    await socket.accept()
    telling = asyncio.create_task(_tell(vendor, socket))
    with suppress(WebSocketDisconnect):
        while True:
            await socket.receive_text()
    telling.cancel()
    return None


async def _tell(vendor: Vendor, socket: WebSocket) -> None:
    """Every step of the client's prompt, and its end where it ends by itself."""
    job = vendor.jobs.setdefault(socket.query_params["clientId"], _job())
    await _say(socket, "status", {"status": {"exec_info": {"queue_remaining": 0}}})
    await job["arrived"].wait()
    await socket.send_bytes(b"\x00\x00\x00\x01a preview")
    await _say(socket, "progress", {"value": 9, "max": 9, "prompt_id": "another's", "node": "5"})
    steps = _inputs(job["graph"], "KSampler").get("steps", 0)
    for step in range(1, steps + 1):
        about = {"value": step, "max": steps, "prompt_id": job["id"], "node": "5"}
        await _say(socket, "progress", about)
    if vendor.polls_until_done == 0:
        await _say(socket, "executing", {"node": None, "prompt_id": job["id"]})


async def _say(socket: WebSocket, event: str, data: dict[str, Any]) -> None:
    await socket.send_text(json.dumps({"type": event, "data": data}))


def _job() -> dict[str, Any]:
    """One that was announced by its socket only; a prompt that was queued has a graph."""
    return {"arrived": asyncio.Event()}


def failed_entry(event: str, said: dict[str, Any]) -> dict[str, Any]:
    """What the history holds of a prompt that did not come to its end."""
    messages = [["execution_start", {"prompt_id": said.get("prompt_id")}], [event, said]]
    status = {"status_str": "error", "completed": False, "messages": messages}
    return {"prompt": [], "outputs": {}, "status": status, "meta": {}}


def _stranger(request: HTTPConnection) -> Response | None:
    known = request.headers.get("authorization") == "Bearer comfyui-key"
    return None if known else Response("who are you, sk-123?", 401)


async def _upload_of(request: Request) -> dict[str, Any]:
    body = await form_of(request)
    async with request.form() as form:
        body["name"] = getattr(form.get("image"), "filename", None)
    return body


def _unfinished(vendor: Vendor) -> list[dict[str, Any]]:
    return [job for job in vendor.jobs.values() if "graph" in job and "entry" not in job]


def _numbered(vendor: Vendor) -> list[tuple[int, dict[str, Any]]]:
    return list(enumerate(_unfinished(vendor)))


def _problem(vendor: Vendor, body: dict[str, Any]) -> dict[str, Any] | None:
    """What the server's validation finds."""
    if body.get("prompt_id") and str(UUID(body["prompt_id"])) != body["prompt_id"]:
        return _refusal("invalid_prompt_id", "prompt_id must be a valid UUID")
    graph: Graph = body["prompt"]
    for name, node in graph.items():
        if node["class_type"] not in NODES:
            return _refusal("missing_node_type", f"Node '{node['class_type']}' not found.")
        if wrong := _wrong_input(vendor, node):
            errors = [{"type": "value_not_in_list", "message": wrong[0], "details": wrong[1]}]
            failed = {name: {"errors": errors, "class_type": node["class_type"]}}
            return _refusal("prompt_outputs_failed_validation", "failed validation", failed)
    if not any(node["class_type"] in OUTPUTS for node in graph.values()):
        return _refusal("prompt_no_outputs", "Prompt has no outputs")
    return None


def _wrong_input(vendor: Vendor, node: dict[str, Any]) -> tuple[str, str] | None:
    inputs = node["inputs"]
    if "ckpt_name" in inputs and inputs["ckpt_name"] not in CHECKPOINTS:
        return "Value not in list", f"ckpt_name: '{inputs['ckpt_name']}' not in {CHECKPOINTS}"
    if node["class_type"] == "LoadImage" and f"input/{inputs['image']}" not in vendor.files:
        return "Custom validation failed for node", f"image - no such file: {inputs['image']}"
    return None


def _refusal(kind: str, message: str, nodes: dict[str, Any] | None = None) -> dict[str, Any]:
    error = {"type": kind, "message": message, "details": "", "extra_info": {}}
    return {"error": error, "node_errors": nodes or {}}


def _inputs(graph: Graph, *kinds: str) -> dict[str, Any]:
    """Those of the first node of these kinds; none where there is no such node."""
    return next((node["inputs"] for node in graph.values() if node["class_type"] in kinds), {})


def _finish(vendor: Vendor, job: dict[str, Any]) -> None:
    """Draw what the graph asks for and enter it in the history."""
    graph = job["graph"]
    canvas = _inputs(graph, "EmptyLatentImage", "ImageScale")
    batch = _inputs(graph, "EmptyLatentImage", "RepeatLatentBatch")
    seed = _inputs(graph, "KSampler").get("seed", 0)
    outputs = {}
    for name, node in graph.items():
        if kind := OUTPUTS.get(node["class_type"]):
            made = range(batch.get("batch_size") or batch.get("amount", 1))
            files = [f"{name}_{job['id']}_{number}.png" for number in made]
            for number, file in enumerate(files):
                drawn = picture(canvas["width"], canvas["height"], seed + number)
                vendor.files[f"{kind}//{file}"] = drawn
            listed = [{"filename": file, "subfolder": "", "type": kind} for file in files]
            outputs[name] = {"images": listed}
    status = {"status_str": "success", "completed": True, "messages": []}
    job["entry"] = {"prompt": [], "outputs": outputs, "status": status, "meta": {}}
