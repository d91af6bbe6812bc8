"""Diffusion pipelines in this process, each loaded once; used from one thread only.

Importing this imports torch: seconds, and hundreds of megabytes.
Source: https://huggingface.co/docs/diffusers/tutorials/autopipeline
"""

from __future__ import annotations

import inspect
import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import (
    AutoPipelineForImage2Image,
    AutoPipelineForInpainting,
    AutoPipelineForText2Image,
)
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from PIL import Image, ImageOps

from domain.errors import (
    ContentRejected,
    JobFailure,
    ProviderAuth,
    ProviderModelShutDown,
    ProviderUnavailable,
    RequestRejected,
)
from domain.sizes import Size
from providers.drawings import Drawing, OnStep, Stopped, Weights
from providers.upscaling import enlarged

Pipeline = Any

_INDEX = "model_index.json"
_PNG_EFFORT = 3
_QUOTED_CHARACTERS = 300


class Pipelines:
    """Raises our failures; `device` and `dtype` are torch's names, None for what fits here."""

    def __init__(self, name: str, device: str | None, dtype: str | None) -> None:
        self._name = name
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._dtype = dtype or ("float32" if self._device == "cpu" else "float16")
        for library in (diffusers, transformers):
            library.utils.logging.disable_progress_bar()
        self._loaded: dict[Weights, Pipeline] = {}
        self._derived: dict[tuple[Weights, Any], Pipeline] = {}

    def draw(self, weights: Weights, drawing: Drawing, on_step: OnStep) -> bytes:
        """A PNG; the weights are loaded where they are not yet."""
        with self._translated("draw"):
            pipeline = self._pipeline(weights, _maker(drawing))
            arguments = self._arguments(pipeline, drawing, on_step)
            made = pipeline(**arguments)
            if any(getattr(made, "nsfw_content_detected", None) or ()):
                raise ContentRejected(
                    f"{self._name} found the picture unsafe and blackened it.",
                    provider=self._name,
                    flagged="output",
                )
            picture = made.images[0]
            if "mask_image" in arguments:
                # What is encoded and decoded changes everywhere a little.
                mask = arguments["mask_image"].resize(picture.size)
                kept = arguments["image"].resize(picture.size)
                picture = Image.composite(picture, kept, mask)
            encoded = io.BytesIO()
            picture.save(encoded, "PNG", compress_level=_PNG_EFFORT)
            return encoded.getvalue()

    def _pipeline(self, weights: Weights, maker: Any) -> Pipeline:
        """One for words, and one for pictures and one for masks that share its parts."""
        if weights not in self._loaded:
            with self._translated("load its model"):
                self._loaded[weights] = self._load(weights)
        if maker is None:
            return self._loaded[weights]
        if (weights, maker) not in self._derived:
            self._derived[weights, maker] = _quiet(maker.from_pipe(self._loaded[weights]))
        return self._derived[weights, maker]

    def _load(self, weights: Weights) -> Pipeline:
        dtype = getattr(torch, self._dtype, None)
        if not isinstance(dtype, torch.dtype):
            raise RequestRejected(f"torch has no dtype '{self._dtype}'.", provider=self._name)
        pipeline = AutoPipelineForText2Image.from_pretrained(
            weights.repo or self._folder(weights),
            local_files_only=weights.repo is None,
            revision=weights.revision,
            variant=weights.variant,
            dtype=dtype,
        )
        return _quiet(pipeline.to(self._device))

    def _folder(self, weights: Weights) -> Path:
        if weights.path is None:
            raise RequestRejected(
                f"{self._name}: set path or repo in the model's options in darkroom.toml.",
                provider=self._name,
            )
        folder = Path(weights.path).expanduser()
        if not (folder / _INDEX).is_file():
            raise RequestRejected(
                f"{self._name}: there is no model in {folder}: no {_INDEX}.", provider=self._name
            )
        return folder

    def _arguments(self, pipeline: Pipeline, drawing: Drawing, on_step: OnStep) -> dict[str, Any]:
        def stepped(
            running: Pipeline, step: int, _timestep: Any, tensors: dict[str, Any]
        ) -> dict[str, Any]:
            on_step((step + 1) / max(running.num_timesteps, 1))
            return tensors

        width, height = drawing.size
        wanted: dict[str, Any] = {
            "prompt": drawing.prompt,
            # Drawn on the CPU, so that a seed gives the same noise on every device.
            "generator": torch.Generator("cpu").manual_seed(drawing.seed),
            "num_inference_steps": drawing.steps,
        }
        optional: dict[str, Any] = {
            "width": width,
            "height": height,
            "callback_on_step_end": stepped,
        }
        if drawing.negative_prompt is not None:
            wanted["negative_prompt"] = drawing.negative_prompt
        if drawing.reference is not None:
            wanted["image"] = _picture(drawing.reference, drawing)
            if drawing.mask is not None:
                wanted["mask_image"] = _mask(drawing.mask, drawing.size)
            wanted["strength"] = drawing.strength
            # A pipeline runs only that share of its steps; none is an error.
            least = math.ceil(1 / drawing.strength)
            wanted["num_inference_steps"] = max(drawing.steps, least)
        taken = inspect.signature(pipeline.__call__).parameters
        usable = {name: value for name, value in optional.items() if name in taken}
        return {**usable, **wanted, **drawing.arguments}

    @contextmanager
    def _translated(self, deed: str) -> Iterator[None]:
        """Translate what torch, diffusers and the hub raise."""
        try:
            yield
        except (JobFailure, Stopped):
            raise
        except (torch.OutOfMemoryError, MemoryError) as error:
            torch.cuda.empty_cache()
            raise self._unavailable("ran out of memory", error) from error
        except torch.AcceleratorError as error:
            raise self._unavailable("lost its accelerator", error) from error
        except Exception as error:
            raise self._refused(deed, error) from error

    def _unavailable(self, what: str, error: Exception) -> ProviderUnavailable:
        return ProviderUnavailable(
            f"{self._name} {what}.", provider=self._name, context=type(error).__name__
        )

    def _refused(self, deed: str, error: Exception) -> JobFailure:
        """The hub's own errors are causes of what diffusers raises."""
        for cause in _causes(error):
            for kind, failure, sentence in _HUB:
                if isinstance(cause, kind):
                    return failure(f"{self._name}: {sentence}.", provider=self._name)
        said = " ".join(str(error).split())[:_QUOTED_CHARACTERS]
        return RequestRejected(f"{self._name} cannot {deed}: {said}", provider=self._name)


_HUB: tuple[tuple[type[Exception], type[JobFailure], str], ...] = (
    (GatedRepoError, ProviderAuth, "the hub does not give us the model"),
    (RepositoryNotFoundError, ProviderModelShutDown, "the hub has no such model, or not for us"),
    (RevisionNotFoundError, ProviderModelShutDown, "the hub has no such revision of the model"),
    (LocalEntryNotFoundError, ProviderUnavailable, "the hub cannot be reached"),
)
"""The first that fits."""


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _quiet(pipeline: Pipeline) -> Pipeline:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _maker(drawing: Drawing) -> Any:
    """What makes a pipeline for such a drawing of one for words; None for that one itself."""
    if drawing.reference is None:
        return None
    return AutoPipelineForImage2Image if drawing.mask is None else AutoPipelineForInpainting


def _picture(data: bytes, drawing: Drawing) -> Image.Image:
    """A reference at the size of the picture: made larger, or its overhang cut off evenly."""
    with Image.open(io.BytesIO(data)) as opened:
        image = opened.convert("RGB")
    if drawing.enlarges:
        return enlarged(image, drawing.size)
    return ImageOps.fit(image, drawing.size, Image.Resampling.LANCZOS)


def _mask(data: bytes, size: Size) -> Image.Image:
    with Image.open(io.BytesIO(data)) as opened:
        return ImageOps.fit(opened.convert("L"), size, Image.Resampling.BILINEAR)
