"""Plans what begins from a picture: by whom, how large, and how a final is bound to its draft."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from domain.errors import CapabilityMissing, InvalidRequest
from domain.jobs import Consistency, ImageSpec, JobRecord, JobRequest
from domain.operations import Operation, Source
from domain.sizes import LONG_SIDE_PX, MAX_SIDE_PX, Quality, Size
from providers.catalogue import Catalogue
from providers.models import Model
from storage.keys import original_key

_BY_SEED = (Consistency.SEED, Consistency.SEED_AND_REFERENCE)


def source_of(record: JobRecord, image_index: int) -> Source | None:
    """A job's picture as a source; None where there is none of that index."""
    result, spec = record.state.result, record.request.spec
    if result is None or image_index >= len(result.images):
        return None
    image = result.images[image_index]
    source = Source(
        key=original_key(record.job_id, record.request.asset_token, image_index),
        width_px=image.variants[0].width_px,
        height_px=image.variants[0].height_px,
        job_id=record.job_id,
        image_index=image_index,
        digital_source_type=image.digital_source_type,
        alt_text=image.alt_text,
        provider=result.provider,
    )
    if not _is_drawn_from_words(spec):
        return source
    return source.model_copy(
        update={
            "prompt": spec.prompt,
            "negative_prompt": spec.negative_prompt,
            "style": spec.style,
            "palette": spec.palette,
            "seed": image.seed,
        }
    )


def rework_size(operation: Operation, quality: Quality, source: Source) -> Size:
    """The size of a variation or an edit, in its source's shape.

    A variation is as large as a new picture of that quality; so is an edit, but no smaller than
    what it edits unless it is a draft.
    """
    long_px = max(source.width_px, source.height_px)
    wanted_px = LONG_SIDE_PX[quality]
    if operation is Operation.EDIT and quality is not Quality.DRAFT:
        wanted_px = max(wanted_px, min(long_px, MAX_SIDE_PX))
    return Size(
        max(1, round(source.width_px * wanted_px / long_px)),
        max(1, round(source.height_px * wanted_px / long_px)),
    )


def default_provider(catalogue: Catalogue, configured: frozenset[str], spec: ImageSpec) -> str:
    """Who makes what names no provider.

    Of what begins from a picture: who is configured for it, who made the source, the default of the
    quality, or else the first that can.
    """
    usual = catalogue.default_provider(spec.quality)
    if spec.operation is None:
        return usual
    maker = spec.source.provider if spec.source else None
    wanted = [catalogue.default_for(spec.operation), maker, usual, *catalogue.providers]
    usable = [name for name in wanted if name in configured]
    able = [name for name in usable if name and _can(catalogue, name, spec)]
    doing = [name for name in usable if name and _does(catalogue, name, spec)]
    return next(iter(able or doing), usual)


@contextmanager
def able_named(catalogue: Catalogue, configured: frozenset[str], spec: ImageSpec) -> Iterator[None]:
    """Whoever is refused for want of a capability is told who has it."""
    try:
        yield
    except CapabilityMissing as missing:
        if spec.operation is None:
            raise
        able = [name for name in sorted(configured) if _can(catalogue, name, spec)]
        told = f"These can: {', '.join(able)}." if able else "No provider that is configured can."
        raise CapabilityMissing(f"{missing.message} {told}", missing.errors) from missing


def bound_to_source(final: JobRequest, model: Model) -> JobRequest:
    """The final, where its draft was made from a picture, bound as well as its model can.

    The same seed makes the same again. Else an edit is repeated on its source with the draft as a
    further reference; and where the model has no room for two, the draft alone is drawn again,
    unless only the mask tells what must stay as the source has it.
    """
    spec = final.spec
    if spec.operation is None:
        return final
    by_seed = final.consistency in _BY_SEED
    has_room = model.references > 1 and spec.operation is Operation.EDIT
    is_redrawn = (
        not (by_seed and model.seed_at_any_size)
        and not has_room
        and spec.mask_key is None
        and model.references > 0
        and Operation.GENERATE in model.operations
    )
    if is_redrawn:
        redrawn = spec.model_copy(update={"operation": None, "strength": None})
        return final.model_copy(update={"spec": redrawn, "consistency": Consistency.REFERENCE})
    key = spec.reference_key if has_room else None
    return final.model_copy(
        update={
            "spec": spec.model_copy(update={"reference_key": key}),
            "consistency": _consistency(by_seed=by_seed, by_reference=key is not None),
        }
    )


def _consistency(*, by_seed: bool, by_reference: bool) -> Consistency:
    if by_seed:
        return Consistency.SEED_AND_REFERENCE if by_reference else Consistency.SEED
    return Consistency.REFERENCE if by_reference else Consistency.NONE


def _is_drawn_from_words(spec: ImageSpec) -> bool:
    if spec.reference_key is not None or spec.reference_image_url is not None:
        return False
    is_again = spec.operation is Operation.VARIATIONS and bool(spec.source and spec.source.prompt)
    return spec.operation is None or is_again


def _does(catalogue: Catalogue, provider: str, spec: ImageSpec) -> bool:
    """Whether a provider's model does what is asked, if perhaps not at that size."""
    name = catalogue.default_model(provider, spec)
    return not catalogue.providers[provider].models[name].cannot(spec)


def _can(catalogue: Catalogue, provider: str, spec: ImageSpec) -> bool:
    try:
        catalogue.target(provider, None, spec)
    except InvalidRequest:
        return False
    return True
