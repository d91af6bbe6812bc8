"""Variations, edits, masks and upscales of every vendor that documents them: one request each."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from PIL import Image, ImageDraw

from domain.errors import CapabilityMissing
from domain.jobs import ImageSpec
from domain.operations import Operation, Source
from domain.sizes import Quality, Size
from providers.base import Order, Picture, Provider, Reference
from tests.fakes import FakeCall, png
from tests.providers.vendors import CATALOGUE, PROMPT, build, order
from tests.vendors.stand_in import StandIn, Vendor

WIDE = Size(768, 512)
PICTURE = Reference(png(*WIDE), "image/png")
DRAFT = Reference(png(96, 64, "red"), "image/png", is_draft=True)
SOURCE = Source(key="assets/a/b/0.original", width_px=768, height_px=512)
KEYS = {"stability_ai": "stability-key"}
Maker = Callable[[str], Provider]


def mask() -> bytes:
    """The left half may change."""
    image = Image.new("L", WIDE, 0)
    ImageDraw.Draw(image).rectangle((0, 0, 383, 511), fill=255)
    encoded = io.BytesIO()
    image.save(encoded, "PNG")
    return encoded.getvalue()


@pytest.fixture
async def made(stand_in: StandIn) -> AsyncIterator[Maker]:
    providers = []

    def make(name: str) -> Provider:
        fast: dict[str, Any] = (
            {} if name in ("openai", "gemini", "stability_ai") else {"poll_seconds": 0.01}
        )
        providers.append(build(name, stand_in[name].base_url, KEYS.get(name), **fast))
        return providers[-1]

    yield make
    for provider in providers:
        await provider.close()


def rework(name: str, operation: Operation, *, size: Size = WIDE, **more: Any) -> Order:
    given = {"source": PICTURE, **more}
    if given.get("mask"):
        given["mask_key"] = "records/sources/mask"
    spec = {"operation": operation, **given}
    source = spec.pop("source")
    return _with_source(name, size, source, spec)


def _with_source(name: str, size: Size, picture: Reference, spec: dict[str, Any]) -> Order:
    made = order(name, size=size, source=picture, **spec)
    known = made.spec.model_copy(update={"source": SOURCE})
    return Order(
        known, made.model, made.indices, made.size, made.references, made.source, made.mask
    )


async def one(provider: Provider, wanted: Order) -> tuple[Picture, FakeCall]:
    call = FakeCall()
    (picture,) = await provider.generate(wanted, call)
    return picture, call


def body_of(vendor: Vendor) -> dict[str, Any]:
    (charge,) = vendor.charges
    return charge.body


class TestOpenAI:
    async def test_an_edit_is_told_what_the_first_picture_is(
        self, made: Maker, stand_in: StandIn
    ) -> None:
        wanted = rework("openai", Operation.EDIT, references=(DRAFT,))
        await one(made("openai"), wanted)
        body = body_of(stand_in["openai"])
        assert stand_in["openai"].charges[0].path == "/images/edits"
        assert body["image[]"] == [PICTURE.data, DRAFT.data]
        assert body["prompt"].startswith("Edit the first picture")
        assert PROMPT in body["prompt"]
        assert "approved draft of this edit" in body["prompt"]

    async def test_a_mask_is_transparent_where_it_may_change(
        self, made: Maker, stand_in: StandIn
    ) -> None:
        photo = io.BytesIO()
        Image.new("RGB", WIDE, "navy").save(photo, "JPEG")
        jpeg = Reference(photo.getvalue(), "image/jpeg")
        wanted = rework("openai", Operation.EDIT, source=jpeg, mask=mask())
        _, call = await one(made("openai"), wanted)
        hole = Image.open(io.BytesIO(body_of(stand_in["openai"])["mask"]))
        assert (hole.getpixel((10, 10)), hole.getpixel((700, 10))) == ((0, 0, 0, 0), (0, 0, 0, 255))
        assert call.story == ["sending"]

    async def test_a_variation_may_have_no_words(self, made: Maker, stand_in: StandIn) -> None:
        wanted = rework("openai", Operation.VARIATIONS)
        silent = wanted.spec.model_copy(update={"prompt": ""})
        asked = Order(silent, wanted.model, (0,), wanted.size, source=PICTURE)
        await one(made("openai"), asked)
        prompt = body_of(stand_in["openai"])["prompt"]
        assert prompt.startswith("Make another version")
        assert prompt == prompt.strip()


async def test_gemini_is_shown_the_source_before_the_draft(made: Maker, stand_in: StandIn) -> None:
    await one(made("gemini"), rework("gemini", Operation.EDIT, references=(DRAFT,)))
    parts = body_of(stand_in["gemini"])["contents"][0]["parts"]
    shown = [part["inlineData"]["data"] for part in parts[:2]]
    assert [base64.b64decode(data, altchars=b"-_") for data in shown] == [PICTURE.data, DRAFT.data]
    assert parts[2]["text"].startswith("Edit the first picture")


class TestStability:
    async def test_a_variation_starts_from_the_picture(
        self, made: Maker, stand_in: StandIn
    ) -> None:
        await one(made("stability_ai"), rework("stability_ai", Operation.VARIATIONS, strength=0.4))
        vendor = stand_in["stability_ai"]
        assert vendor.charges[0].path.endswith("/generate/sd3")
        assert body_of(vendor) | {"image": b""} == {
            "prompt": PROMPT,
            "output_format": "png",
            "seed": "41",
            "model": "sd3.5-large-turbo",
            "mode": "image-to-image",
            "strength": "0.4",
            "image": b"",
        }

    async def test_an_edit_is_an_inpainting_where_the_mask_is_white(
        self, made: Maker, stand_in: StandIn
    ) -> None:
        picture, _ = await one(
            made("stability_ai"), rework("stability_ai", Operation.EDIT, mask=mask())
        )
        vendor = stand_in["stability_ai"]
        assert vendor.charges[0].path == "/v2beta/stable-image/edit/inpaint"
        white = Image.open(io.BytesIO(body_of(vendor)["mask"]))
        assert (white.mode, white.getpixel((10, 10)), white.getpixel((700, 10))) == ("L", 255, 0)
        assert Image.open(io.BytesIO(picture.data)).size == WIDE
        assert picture.cost_usd is None

    async def test_an_upscale_is_four_times_as_large(self, made: Maker, stand_in: StandIn) -> None:
        wanted = rework("stability_ai", Operation.UPSCALE, size=Size(3072, 2048))
        picture, _ = await one(made("stability_ai"), wanted)
        assert stand_in["stability_ai"].charges[0].path.endswith("/upscale/fast")
        assert Image.open(io.BytesIO(picture.data)).size == (3072, 2048)
        assert (picture.seed, picture.cost_usd) == (0, 0.02)


class TestBlackForestLabs:
    async def test_an_edit_gives_the_picture_as_its_input(
        self, made: Maker, stand_in: StandIn
    ) -> None:
        await one(made("bfl"), rework("bfl", Operation.EDIT, references=(DRAFT,)))
        body = body_of(stand_in["bfl"])
        assert base64.b64decode(body["input_image"]) == PICTURE.data
        assert base64.b64decode(body["input_image_2"]) == DRAFT.data
        assert (body["width"], body["height"]) == WIDE

    async def test_a_mask_goes_to_the_model_that_fills(
        self, made: Maker, stand_in: StandIn
    ) -> None:
        picture, _ = await one(made("bfl"), rework("bfl", Operation.EDIT, mask=mask()))
        vendor = stand_in["bfl"]
        assert vendor.charges[0].path == "/v1/flux-pro-1.0-fill"
        assert set(body_of(vendor)) == {"prompt", "seed", "output_format", "image", "mask"}
        assert body_of(vendor)["prompt"] == PROMPT
        assert Image.open(io.BytesIO(picture.data)).size == WIDE


class TestFal:
    async def test_an_edit_goes_to_the_editing_endpoint(
        self, made: Maker, stand_in: StandIn
    ) -> None:
        wanted = rework("fal", Operation.EDIT, model="fal-ai/flux-2-pro", references=(DRAFT,))
        await one(made("fal"), wanted)
        assert stand_in["fal"].charges[0].path == "/fal-ai/flux-2-pro/edit"
        assert len(body_of(stand_in["fal"])["image_urls"]) == 2

    async def test_a_variation_by_strength_reads_words_as_a_description(
        self, made: Maker, stand_in: StandIn
    ) -> None:
        wanted = rework("fal", Operation.VARIATIONS, model="fal-ai/flux/dev", strength=0.5)
        await one(made("fal"), wanted)
        body = body_of(stand_in["fal"])
        assert (body["prompt"], body["strength"]) == (PROMPT, 0.5)

    async def test_a_mask_goes_to_the_model_that_fills(
        self, made: Maker, stand_in: StandIn
    ) -> None:
        await one(made("fal"), rework("fal", Operation.EDIT, mask=mask()))
        body = body_of(stand_in["fal"])
        assert stand_in["fal"].charges[0].path == "/fal-ai/flux-pro/v1/fill"
        assert body["mask_url"].startswith("data:image/png;base64,")
        assert "image_size" not in body


class TestReplicate:
    async def test_an_edit_uploads_the_picture_first(self, made: Maker, stand_in: StandIn) -> None:
        slug = "black-forest-labs/flux-2-pro"
        await one(made("replicate"), rework("replicate", Operation.EDIT, model=slug))
        vendor = stand_in["replicate"]
        assert vendor.jobs["file-1"]["data"] == PICTURE.data
        assert len(body_of(vendor)["input"]["input_images"]) == 1

    async def test_a_mask_is_uploaded_too(self, made: Maker, stand_in: StandIn) -> None:
        await one(made("replicate"), rework("replicate", Operation.EDIT, mask=mask()))
        vendor = stand_in["replicate"]
        asked = body_of(vendor)["input"]
        assert vendor.charges[0].path.endswith("/flux-fill-pro/predictions")
        assert asked["image"].endswith("/file-1")
        assert asked["mask"].endswith("/file-2")


async def test_huggingface_edits_by_its_image_to_image(made: Maker, stand_in: StandIn) -> None:
    wanted = rework("huggingface", Operation.EDIT, model="Qwen/Qwen-Image")
    await one(made("huggingface"), wanted)
    (charge,) = stand_in["huggingface"].charges
    assert charge.path == "/fal-ai/fal-ai/qwen-image-edit-plus"
    assert base64.b64encode(PICTURE.data).decode() in str(charge.body)


class TestComfyUI:
    async def test_a_mask_keeps_what_is_outside_it(self, made: Maker, stand_in: StandIn) -> None:
        wanted = rework("comfyui", Operation.EDIT, mask=mask(), strength=0.6)
        picture, _ = await one(made("comfyui"), wanted)
        nodes = {node["class_type"]: node for node in graph_of(stand_in).values()}
        assert nodes["KSampler"]["inputs"]["denoise"] == 0.6
        assert nodes["SetLatentNoiseMask"]
        assert nodes["ImageCompositeMasked"]["inputs"]["destination"] == ["5", 0]
        assert mask() in stand_in["comfyui"].files.values()
        assert Image.open(io.BytesIO(picture.data)).size == wanted.size

    async def test_an_upscale_is_a_graph_of_its_own(self, made: Maker, stand_in: StandIn) -> None:
        wanted = rework("comfyui", Operation.UPSCALE, size=Size(1536, 1024))
        picture, _ = await one(made("comfyui"), wanted)
        loader = graph_of(stand_in)["1"]
        assert loader["inputs"] == {"model_name": "RealESRGAN_x4plus.pth"}
        assert Image.open(io.BytesIO(picture.data)).size == (1536, 1024)
        assert picture.seed is None


def graph_of(stand_in: StandIn) -> dict[str, Any]:
    graph: dict[str, Any] = body_of(stand_in["comfyui"])["prompt"]
    return graph


@pytest.mark.parametrize(
    ("name", "operation", "more", "field"),
    [
        ("gemini", Operation.UPSCALE, {}, "model"),
        ("gemini", Operation.EDIT, {"mask_key": "m"}, "mask_image_url"),
        ("openai", Operation.EDIT, {"strength": 0.5}, "strength"),
        ("stability_ai", Operation.EDIT, {}, "mask_image_url"),
        ("stability_ai", Operation.UPSCALE, {}, "scale"),
    ],
)
def test_what_no_model_of_a_vendor_can_is_refused(
    name: str, operation: Operation, more: dict[str, Any], field: str
) -> None:
    spec = ImageSpec(
        prompt=PROMPT,
        quality=Quality.STANDARD,
        width_px=1536,
        height_px=1024,
        seed=1,
        operation=operation,
        source=SOURCE,
        **more,
    )
    with pytest.raises(CapabilityMissing) as refused:
        CATALOGUE.target(name, None, spec)
    assert field in {named for named, _ in refused.value.errors}
