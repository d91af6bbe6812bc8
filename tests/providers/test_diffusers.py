"""Against a real pipeline, tiny and with random weights, that the tests write themselves."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import mean
from string import ascii_lowercase
from threading import Event, Thread
from typing import Any

import pytest
from huggingface_hub import constants
from PIL import Image

from domain.errors import (
    Billed,
    ContentRejected,
    JobFailure,
    ProviderAuth,
    ProviderModelShutDown,
    ProviderUnavailable,
    RequestRejected,
)
from domain.jobs import CostBasis
from domain.sizes import Quality, Size
from providers.base import Order, Picture, Provider, Reference
from providers.registry import KINDS, Connection
from tests.fakes import FakeCall, png
from tests.providers.likeness import distance
from tests.providers.vendors import CATALOGUE, order

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")

SMALL = Size(64, 48)
STEPS = 4
Maker = Callable[..., Provider]


def write_tokenizer(folder: Path) -> Any:
    """One that knows letters only."""
    special = ["<|startoftext|>", "!", "<|endoftext|>"]
    letters = [letter + end for letter in ascii_lowercase for end in ("", "</w>")]
    vocabulary = {token: number for number, token in enumerate(special + letters)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return transformers.CLIPTokenizer.from_pretrained(str(folder), model_max_length=77)


def text_encoder() -> Any:
    config = {"hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2}
    tokens = {"vocab_size": 64, "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    return transformers.CLIPTextModel(
        transformers.CLIPTextConfig(num_hidden_layers=1, **config, **tokens)
    )


def denoiser() -> Any:
    return diffusers.UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(4, 8),
        layers_per_block=1,
        norm_num_groups=2,
        cross_attention_dim=8,
        attention_head_dim=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )


def autoencoder() -> Any:
    return diffusers.AutoencoderKL(
        latent_channels=4,
        block_out_channels=[4, 8],
        norm_num_groups=2,
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
    )


def write_model(folder: Path, **more: Any) -> Path:
    """A Stable Diffusion of a few thousand weights."""
    (folder / "tokenizer").mkdir()
    # More threads than one only wait for each other over tensors that small.
    torch.set_num_threads(1)
    torch.manual_seed(0)
    parts = {
        "unet": denoiser(),
        "vae": autoencoder(),
        "scheduler": diffusers.DDIMScheduler(steps_offset=1, clip_sample=False),
        "safety_checker": None,
        "feature_extractor": None,
        **more,
    }
    pipeline = diffusers.StableDiffusionPipeline(
        text_encoder=text_encoder(),
        tokenizer=write_tokenizer(folder / "tokenizer"),
        requires_safety_checker=False,
        **parts,
    )
    pipeline.save_pretrained(folder / "model")
    return folder / "model"


def schedule() -> Any:
    """Stable Diffusion's own."""
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    return diffusers.DDIMScheduler(steps_offset=1, clip_sample=False, **betas)


def faithful() -> Any:
    """An autoencoder that gives back what it was given, but for brightness and contrast."""
    made = autoencoder()
    for name, part in made.named_modules():
        if isinstance(part, torch.nn.Conv2d):
            torch.nn.init.dirac_(part.weight)
            torch.nn.init.zeros_(part.bias)
        if name.endswith(("conv2", "to_out.0")):  # the branches beside the way through
            torch.nn.init.zeros_(part.weight)
            torch.nn.init.zeros_(part.bias)
        if name.endswith(("conv_norm_out", "conv_out")):  # where its SiLU is a straight line
            torch.nn.init.constant_(part.bias, -4 if name.endswith("conv_out") else 4)
    return made


def taught() -> Any:
    """A denoiser that has seen soft blobs for a few seconds."""
    made, noise_of = denoiser(), schedule()
    words, optimizer = torch.zeros(8, 1, 8), torch.optim.Adam(made.parameters(), 1e-2)
    for _ in range(120):
        blobs = torch.nn.functional.interpolate(torch.randn(8, 4, 4, 4), size=16, mode="bicubic")
        noise, when = torch.randn_like(blobs), torch.randint(0, 1000, (8,))
        guess = made(noise_of.add_noise(blobs, noise, when), when, words).sample
        optimizer.zero_grad()
        (guess - noise).square().mean().backward()
        optimizer.step()
    return made


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("diffusers"))


@pytest.fixture
async def made() -> AsyncIterator[Maker]:
    """Adapters with options of their own."""
    providers = []

    def make(**options: Any) -> Provider:
        entry = CATALOGUE.providers["diffusers"]
        local = entry.models["local"].model_copy(update={"options": {"steps": STEPS, **options}})
        entry = entry.model_copy(update={"models": {"local": local}, "options": {"device": "cpu"}})
        providers.append(KINDS["diffusers"].build(Connection("diffusers", entry, None, None)))
        return providers[-1]

    yield make
    for provider in providers:
        await provider.close()


@pytest.fixture
def local(made: Maker, model: Path) -> Provider:
    return made(path=str(model))


def small(**more: Any) -> Order:
    return replace(order("diffusers", **more), size=SMALL)


async def only(provider: Provider, wanted: Order, call: FakeCall | None = None) -> Picture:
    (picture,) = await provider.generate(wanted, call or FakeCall())
    return picture


class TestGenerate:
    async def test_a_picture_costs_nothing_and_tells_each_step(self, local: Provider) -> None:
        call = FakeCall()
        picture = await only(local, small(), call)
        assert Image.open(io.BytesIO(picture.data)).size == SMALL
        assert (picture.seed, picture.cost_usd) == (41, 0)
        assert picture.cost_basis is CostBasis.CATALOGUE
        assert (call.story, call.shares) == ([], [0, 0.25, 0.5, 0.75, 1])
        assert not local.is_paid

    async def test_a_seed_decides_the_picture(self, local: Provider) -> None:
        first, again, other = [await only(local, small(seed=seed)) for seed in (7, 7, 8)]
        assert first.data == again.data != other.data

    async def test_each_picture_of_an_order_has_its_own_seed(self, local: Provider) -> None:
        call = FakeCall()
        pictures = await local.generate(small(indices=(0, 1)), call)
        assert [picture.seed for picture in pictures] == [41, 42]
        assert pictures[1].data == (await only(local, small(seed=42))).data
        assert call.shares == sorted(call.shares)
        assert call.shares[-1] == 1

    @pytest.mark.parametrize("hint", [{"negative_prompt": "people"}, {"style": "oil-on-canvas"}])
    async def test_hints_change_the_picture(self, local: Provider, hint: dict[str, str]) -> None:
        assert (await only(local, small(**hint))).data != (await only(local, small())).data

    async def test_steps_are_those_of_the_quality(self, made: Maker, model: Path) -> None:
        provider = made(path=str(model), steps={"draft": 2, "high": 5})
        for quality, steps in ((Quality.DRAFT, 2), (Quality.HIGH, 5)):
            call = FakeCall()
            await only(provider, small(quality=quality), call)
            assert len(call.shares) == 1 + steps

    async def test_what_the_pipeline_takes_besides_is_an_option(
        self, made: Maker, local: Provider, model: Path
    ) -> None:
        free = made(path=str(model), arguments={"guidance_scale": 1.0})
        assert (await only(free, small())).data != (await only(local, small())).data

    async def test_a_final_starts_from_its_draft(self, made: Maker, model: Path) -> None:
        provider, call = made(path=str(model), steps=20), FakeCall()
        draft = Reference(png(32, 32, "navy"), "image/png", is_draft=True)
        bound = await only(provider, small(references=(draft,)), call)
        assert Image.open(io.BytesIO(bound.data)).size == SMALL
        assert len(call.shares) == 1 + 20 * 0.35
        other = Reference(png(32, 32, "tomato"), "image/png", is_draft=True)
        assert (await only(provider, small(references=(other,)))).data != bound.data

    async def test_a_final_is_like_its_draft_and_unlike_other_seeds(
        self, made: Maker, tmp_path: Path
    ) -> None:
        torch.manual_seed(0)
        parts = {"vae": faithful(), "unet": taught(), "scheduler": schedule()}
        provider = made(path=str(write_model(tmp_path, **parts)), steps=20)
        drafts = [await only(provider, small(seed=seed)) for seed in (7, 8, 9)]
        finals = []
        for draft in drafts:
            reference = Reference(draft.data, "image/png", is_draft=True)
            wanted = small(seed=draft.seed, quality=Quality.HIGH, references=(reference,))
            finals.append(await only(provider, replace(wanted, size=Size(192, 144))))
        pairs = [(a, b) for a in range(3) for b in range(3)]
        apart = {(a, b): distance(drafts[a].data, finals[b].data) for a, b in pairs}
        bound = [apart[a, b] for a, b in pairs if a == b]
        unbound = [apart[a, b] for a, b in pairs if a != b]
        assert max(bound) < min(unbound)
        assert 2 * mean(bound) < mean(unbound)

    async def test_another_reference_leaves_more_freedom(self, made: Maker, model: Path) -> None:
        provider, call = made(path=str(model), steps=20), FakeCall()
        await only(provider, small(references=(Reference(png(8, 8), "image/png"),)), call)
        assert len(call.shares) == 1 + 20 * 0.7

    async def test_few_steps_are_enough_for_a_reference(self, made: Maker, model: Path) -> None:
        draft = Reference(png(8, 8), "image/png", is_draft=True)
        await only(made(path=str(model), steps=1), small(references=(draft,)))

    async def test_the_weights_are_loaded_once_and_shared(
        self, made: Maker, model: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "model"
        shutil.copytree(model, folder)
        provider = made(path=str(folder))
        first = await only(provider, small())
        shutil.rmtree(folder)
        assert (await only(provider, small())).data == first.data
        await only(provider, small(references=(Reference(png(8, 8), "image/png"),)))

    def test_a_process_that_only_offers_it_does_not_import_torch(self) -> None:
        code = (
            "import sys; from pathlib import Path; from providers.catalogue import load_catalogue;"
            "from providers.registry import KINDS, Connection;"
            "entry = load_catalogue(Path('none.toml')).providers['diffusers'];"
            "KINDS['diffusers'].build(Connection('diffusers', entry, None, None));"
            "sys.exit('torch' in sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


class TestCancel:
    async def test_it_stops_after_the_step_and_the_next_one_is_drawn(self, local: Provider) -> None:
        reached, released = Event(), Event()

        class Held(FakeCall):
            def report(self, share: float) -> None:
                super().report(share)
                if share > 0:
                    reached.set()
                    released.wait(30)

        call = Held()
        work = asyncio.create_task(local.generate(small(), call))
        await asyncio.to_thread(reached.wait, 30)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        released.set()
        await only(local, small())
        assert call.shares == [0, 0.25]


class Breaking(FakeCall):
    """What goes wrong at the first step."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def report(self, share: float) -> None:
        if share > 0:
            raise self._error


class Hub(BaseHTTPRequestHandler):
    """The Hugging Face hub, as it refuses a model."""

    def do_HEAD(self) -> None:
        said = {"gated": (403, "GatedRepo"), "absent": (404, "RepoNotFound")}
        status, code = said.get(self.path.split("/")[2], (404, "RevisionNotFound"))
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing, in a test."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        # What `HF_ENDPOINT` and `HF_HUB_CACHE` would have been before the import.
        address = f"http://127.0.0.1:{server.server_port}"
        files = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        yield
        server.shutdown()
        thread.join()


class TestFailures:
    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (torch.OutOfMemoryError("CUDA out of memory"), ProviderUnavailable),
            (MemoryError(), ProviderUnavailable),
            (torch.AcceleratorError("device-side assert"), ProviderUnavailable),
            (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), RequestRejected),
            (ValueError("no such scheduler"), RequestRejected),
        ],
    )
    async def test_what_breaks_a_drawing_becomes_one_error(
        self, local: Provider, error: Exception, kind: type[JobFailure]
    ) -> None:
        with pytest.raises(JobFailure) as failed:
            await only(local, small(), Breaking(error))
        assert type(failed.value) is kind
        assert (failed.value.provider, failed.value.billed) == ("diffusers", Billed.NO)
        await only(local, small())

    async def test_a_model_has_to_be_named(self, made: Maker) -> None:
        with pytest.raises(RequestRejected, match=r"set path or repo .* darkroom\.toml"):
            await only(made(), small())

    async def test_a_folder_without_a_model_is_named(self, made: Maker, tmp_path: Path) -> None:
        with pytest.raises(RequestRejected, match=f"no model in {tmp_path}"):
            await only(made(path=str(tmp_path)), small())

    async def test_half_a_model_is_refused(self, made: Maker, model: Path, tmp_path: Path) -> None:
        shutil.copytree(model, tmp_path / "model")
        shutil.rmtree(tmp_path / "model" / "unet")
        with pytest.raises(RequestRejected, match="cannot load its model"):
            await only(made(path=str(tmp_path / "model")), small())

    async def test_what_the_pipeline_does_not_take_is_refused(
        self, made: Maker, model: Path
    ) -> None:
        with pytest.raises(RequestRejected, match="divisible by 8"):
            await only(made(path=str(model), arguments={"height": 7}), small())

    async def test_a_dtype_that_is_none_is_refused(self, model: Path) -> None:
        entry = CATALOGUE.providers["diffusers"]
        entry = entry.model_copy(update={"options": {"dtype": "nn", "path": str(model)}})
        provider = KINDS["diffusers"].build(Connection("diffusers", entry, None, None))
        with pytest.raises(RequestRejected, match="'nn'"):
            await only(provider, small())
        await provider.close()

    async def test_a_blackened_picture_is_a_rejection(self, made: Maker, tmp_path: Path) -> None:
        safety = pytest.importorskip("diffusers.pipelines.stable_diffusion.safety_checker")
        vision = {"hidden_size": 8, "intermediate_size": 16, "image_size": 32, "patch_size": 16}
        sizes = {"num_hidden_layers": 1, "num_attention_heads": 2}
        config = transformers.CLIPConfig(vision_config={**vision, **sizes}, projection_dim=4)
        checker = safety.StableDiffusionSafetyChecker(config)
        checker.concept_embeds_weights.data.fill_(-2)
        processor = transformers.CLIPImageProcessor(size=32, crop_size=32)
        folder = write_model(tmp_path, safety_checker=checker, feature_extractor=processor)
        with pytest.raises(ContentRejected) as rejected:
            await only(made(path=str(folder)), small())
        assert (rejected.value.flagged, rejected.value.billed) == ("output", Billed.NO)

    @pytest.mark.filterwarnings("ignore:.*local_dir_use_symlinks")
    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("gated", ProviderAuth),
            ("absent", ProviderModelShutDown),
            ("rewritten", ProviderModelShutDown),
        ],
    )
    async def test_a_model_that_the_hub_does_not_give(
        self, made: Maker, hub: None, name: str, kind: type[JobFailure]
    ) -> None:
        with pytest.raises(kind):
            await only(made(repo=f"acme/{name}", revision="v1"), small())

    @pytest.mark.filterwarnings("ignore:.*local_dir_use_symlinks")
    async def test_a_hub_that_is_away_is_tried_again(
        self, made: Maker, hub: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(ProviderUnavailable):
            await only(made(repo="acme/model"), small())


def grey_mask(size: Size) -> bytes:
    """The left half may change."""
    image = Image.new("L", size, 0)
    image.paste(255, (0, 0, size.width_px // 2, size.height_px))
    encoded = io.BytesIO()
    image.save(encoded, "PNG")
    return encoded.getvalue()


class TestReworks:
    PICTURE = Reference(png(*SMALL, "orange"), "image/png")

    async def one(self, provider: Provider, wanted: Order) -> Image.Image:
        (made,) = await provider.generate(wanted, FakeCall())
        return Image.open(io.BytesIO(made.data)).convert("RGB")

    async def test_a_variation_is_drawn_over_its_source(self, local: Provider) -> None:
        first = small(source=self.PICTURE, operation="variations", strength=0.3)
        second = small(source=self.PICTURE, operation="variations", strength=1.0)
        assert (await self.one(local, first)).size == SMALL
        assert (await self.one(local, first)) != (await self.one(local, second))

    async def test_a_mask_keeps_the_rest_to_the_pixel(self, local: Provider) -> None:
        wanted = small(
            source=self.PICTURE, operation="edit", mask=grey_mask(SMALL), mask_key="records/m"
        )
        made = await self.one(local, wanted)
        right = (SMALL.width_px // 2, 0, *SMALL)
        left = (0, 0, SMALL.width_px // 2, SMALL.height_px)
        orange = Image.new("RGB", SMALL, "orange")
        assert made.crop(right) == orange.crop(right)
        assert made.crop(left) != orange.crop(left)

    async def test_an_upscale_is_larger(self, local: Provider) -> None:
        wanted = small(source=self.PICTURE, operation="upscale")
        made = await self.one(local, replace(wanted, size=Size(128, 96)))
        assert made.size == (128, 96)
