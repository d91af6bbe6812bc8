"""Decides provider, model, size and seed of a job, of its final and of its next round."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from domain.batches import BatchFlow
from domain.errors import CapabilityMissing, InvalidRequest, ProviderNotConfigured
from domain.ids import new_asset_token
from domain.jobs import Asked, Consistency, ImageSpec, JobRequest, Target
from domain.renders import SuccessorOrder
from domain.reviews import FinalChoices, FinalOffer, Revision
from domain.sizes import AspectRatio, Quality, Size, size_for
from domain.wishes import Wish
from pipeline.editing import able_named, bound_to_source, default_provider, rework_size
from pipeline.house import House, HouseStyle, Preference, dressed
from providers.catalogue import Catalogue
from storage.keys import original_key

STAND_IN = "studio"


class Planner:
    """Turns wishes into job requests; raises `Refusal`s before anything is started or paid.

    `house` knows styles and placements, by default those that are built in.

    `configured` names the providers that can be used here, `problems` what each of the others
    lacks. With `stand_in`, and only `studio` configured, `studio` renders whatever provider a
    request names.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        configured: frozenset[str],
        problems: Mapping[str, str],
        *,
        stand_in: bool,
        review_seconds: float,
        house: House | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._configured = configured
        self._problems = problems
        self._stands_in = stand_in and configured <= {STAND_IN}
        self._review_seconds = review_seconds
        self._house = house or House()

    def job(self, wish: Wish) -> JobRequest:
        """The request of a job of its own."""
        return self._plan(wish, wish.quality or Quality.STANDARD)

    def batch_item(self, wish: Wish, flow: BatchFlow) -> JobRequest:
        """The request of one image of a batch, first a draft where the flow says so."""
        if flow is BatchFlow.FINAL_ONLY:
            asked = None if wish.quality is Quality.DRAFT else wish.quality
            return self._plan(wish, asked or Quality.STANDARD)
        asked = None if wish.quality is Quality.DRAFT else wish.quality
        request = self._plan(wish, Quality.DRAFT)
        return request.model_copy(update={"final_quality": asked or Quality.HIGH})

    def final(self, draft: SuccessorOrder, choices: FinalChoices | None) -> JobRequest:
        """The request of the final bound to a draft's chosen image: same prompt, same seed."""
        choices = choices or FinalChoices()
        quality = choices.quality or draft.request.final_quality
        if quality is Quality.DRAFT:
            quality = Quality.HIGH
        drawn, index = draft.request.spec, _chosen(draft)
        preferred = self._preferred(draft, choices, quality)
        provider = choices.provider or (preferred.provider if preferred else draft.provider)
        size = self._resized(drawn, quality, choices.width, choices.height)
        spec = drawn.model_copy(
            update={
                "quality": quality,
                "width_px": size.width_px,
                "height_px": size.height_px,
                "aspect_ratio": None if choices.width is not None else drawn.aspect_ratio,
                "seed": drawn.seed_of(index) if draft.drawn_seed is None else draft.drawn_seed,
                "num_images": 1,
                "reference_image_url": None,
            }
        )
        own = self._successor(draft) if provider == draft.provider else None
        model = choices.model or (preferred.model if preferred else None) or own
        target, stood_in_for = self._target(provider, model, spec)
        final = draft.request.model_copy(
            update={
                "spec": spec.model_copy(update=self._references(draft, target)),
                "targets": [target],
                "asset_token": draft.asset_token,
                "created_at": datetime.now(UTC),
                "stand_in_for": stood_in_for or draft.request.stand_in_for,
                "draft_job_id": draft.job_id,
                "endorsement": draft.endorsement,
                "revision_of": None,
                "retry_of": None,
                "once": None,
                "consistency": self._binding(draft, target, spec),
                "warnings": self._catalogue.warnings(target, spec) or None,
            }
        )
        return bound_to_source(final, self._catalogue.model(target))

    def offer(self, draft: JobRequest, provider: str, model: str) -> FinalOffer:
        """What approving a draft starts where the editor wishes nothing else.

        `provider` and `model` draw it, which after a fallback are not the first choice.
        """
        drawn = SuccessorOrder(
            job_id="",
            asset_token=draft.asset_token,
            seed=draft.spec.seed,
            request=draft,
            provider=provider,
            model=model,
        )
        request = self.final(drawn, None)
        target, spec = request.targets[0], request.spec
        return FinalOffer(
            provider=target.provider,
            model=target.model,
            quality=spec.quality,
            width_px=target.width_px or spec.width_px,
            height_px=target.height_px or spec.height_px,
            price_usd=target.price_usd,
        )

    def revision(self, draft: SuccessorOrder, revise: Revision) -> JobRequest:
        """The request of a draft's next round: what the editor changed, and a fresh seed.

        A provider that an earlier house style preferred gives way to a new one's.
        """
        drawn, words = draft.request.spec, draft.request.spec.words
        first, named = draft.request.targets[0], revise.provider or draft.request.named_provider
        is_open = named is None and revise.style is not None and revise.model is None
        negative = revise.negative_prompt
        reference = revise.reference_image_url or drawn.reference_image_url
        wish = Wish(
            prompt=revise.prompt or words.prompt,
            style=revise.style or words.style,
            negative_prompt=words.negative_prompt if negative is None else negative,
            seed=revise.seed,
            num_images=revise.num_images or drawn.num_images,
            provider=None if is_open else revise.provider or first.provider,
            model=revise.model or (None if revise.provider or is_open else first.model),
            reference_image_url=str(reference) if reference else None,
            fallback_providers=[target.provider for target in draft.request.targets[1:]],
            tenant=draft.request.tenant,
            **self._reshaped(drawn, revise),
            operation=drawn.operation,
            source=drawn.source,
            mask_key=drawn.mask_key,
            strength=drawn.strength,
        )
        planned = self._plan(wish, Quality.DRAFT, fresh_seed=draft.seed)
        return draft.request.model_copy(
            update={
                "spec": planned.spec,
                "targets": planned.targets,
                "asset_token": draft.asset_token,
                "created_at": datetime.now(UTC),
                "stand_in_for": planned.stand_in_for or draft.request.stand_in_for,
                "named_provider": named,
                "revision_of": draft.job_id,
                "retry_of": None,
                "once": None,
                "warnings": planned.warnings,
            }
        )

    def retry(self, failed: JobRequest, job_id: str) -> JobRequest:
        """The request of a failed job once more: the same picture, by what may be used today.

        Its batch is not concerned with it any more.
        """
        targets = [self._target(t.provider, t.model, failed.spec)[0] for t in failed.targets]
        return failed.model_copy(
            update={
                "targets": targets,
                "asset_token": new_asset_token(),
                "created_at": datetime.now(UTC),
                "batch_id": None,
                "retry_of": job_id,
                "warnings": self._catalogue.warnings(targets[0], failed.spec) or None,
                "once": None,
            }
        )

    def _plan(self, wish: Wish, quality: Quality, fresh_seed: int | None = None) -> JobRequest:
        style = self._house.style(wish.style, wish.tenant)
        spec = self._spec(wish, quality, style, fresh_seed)
        is_open = wish.provider is None and wish.model is None and wish.operation is None
        preferred = style.preference(quality) if style and is_open else None
        first = wish.provider or (preferred.provider if preferred else None)
        model = preferred.model if preferred else wish.model
        named = [
            first or default_provider(self._catalogue, self._configured, spec),
            *(wish.fallback_providers or []),
        ]
        chosen = [
            self._target(provider, model if place == 0 else None, spec)
            for place, provider in enumerate(named)
        ]
        targets = list({(t.provider, t.model): t for t, _ in chosen}.values())
        self._check_seed(wish, targets[0])
        return JobRequest(
            spec=spec,
            targets=targets,
            asset_token=new_asset_token(),
            created_at=datetime.now(UTC),
            review_seconds=self._review_seconds,
            stand_in_for=chosen[0][1],
            named_provider=wish.provider,
            blog_id=wish.blog_id,
            blog_job_id=wish.blog_job_id,
            tags=wish.tags,
            metadata=wish.metadata,
            webhook_url=wish.webhook_url,
            webhook_events=wish.webhook_events,
            alt_text=wish.alt_text,
            operation=wish.operation,
            source_job_id=wish.source.job_id if wish.source else None,
            warnings=self._catalogue.warnings(targets[0], spec) or None,
        )

    def _check_seed(self, wish: Wish, target: Target) -> None:
        """A seed that is asked for is one that the first choice honours; a fallback may not."""
        if wish.seed is not None and not self._catalogue.model(target).seed:
            problem = "takes no seed; leave it out"
            raise CapabilityMissing(
                f"{target.provider}/{target.model} {problem}.", [("seed", problem)]
            )

    def _spec(
        self, wish: Wish, quality: Quality, style: HouseStyle | None, fresh_seed: int | None
    ) -> ImageSpec:
        seed = fresh_seed if wish.seed is None else wish.seed
        placement = self._house.placement(wish.placement) if wish.placement else None
        has_own_size = wish.width is not None or wish.aspect_ratio is not None
        ratio: AspectRatio | None = wish.aspect_ratio or AspectRatio.SQUARE
        size = size_for(quality, ratio or AspectRatio.SQUARE)
        if wish.width is not None and wish.height is not None:
            ratio, size = None, Size(wish.width, wish.height)
        elif placement is not None and not has_own_size:
            ratio, size = placement.ratio, placement.size(quality)
        asked = Asked(
            prompt=wish.prompt,
            negative_prompt=wish.negative_prompt,
            style=wish.style,
            placement=wish.placement,
            own_size=has_own_size or None,
        )
        return ImageSpec(
            **dressed(asked, style, placement),
            quality=quality,
            aspect_ratio=ratio,
            width_px=size.width_px,
            height_px=size.height_px,
            seed=secrets.randbelow(2**32) if seed is None else seed,
            num_images=wish.num_images,
            reference_image_url=wish.reference_image_url,
            operation=wish.operation,
            source=wish.source,
            mask_key=wish.mask_key,
            strength=wish.strength,
        )

    def _target(
        self, provider: str, model: str | None, spec: ImageSpec
    ) -> tuple[Target, str | None]:
        """The target, and the provider it stands in for where it does."""
        if provider in self._configured:
            with able_named(self._catalogue, self._configured, spec):
                return self._catalogue.target(provider, model, spec), None
        if self._stands_in:
            return self._catalogue.target(STAND_IN, None, spec), provider
        usable = ", ".join(sorted(self._configured))
        remedy = self._problems.get(provider, "it is not in the catalogue")
        raise ProviderNotConfigured(
            f"The provider '{provider}' is not configured here ({remedy}); configured: {usable}.",
            [("provider", remedy)],
        )

    def _successor(self, draft: SuccessorOrder) -> str | None:
        """The draft's own model where it binds by seed, else the quality's default."""
        model = self._catalogue.find(draft.provider, draft.model)
        return draft.model if model and model.seed_at_any_size else None

    def _preferred(
        self, draft: SuccessorOrder, choices: FinalChoices, quality: Quality
    ) -> Preference | None:
        """Who renders the final by its house style, where nobody was named and none fell back."""
        request = draft.request
        style = self._house.style(request.spec.words.style, request.tenant)
        is_open = not (choices.provider or choices.model or request.named_provider)
        has_fallen_back = draft.provider != request.targets[0].provider
        if style is None or not is_open or has_fallen_back:
            return None
        return style.preference(quality)

    def _reshaped(self, drawn: ImageSpec, revise: Revision) -> dict[str, Any]:
        """Placement and shape of the next round: the editor's, else as the draft had them."""
        words = drawn.words
        placement = revise.placement
        if placement is None and self._house.knows_placement(words.placement):
            placement = words.placement
        shaped = revise.placement or (placement and not words.own_size)
        if revise.width is not None or revise.aspect_ratio is not None or shaped:
            sides = {"width": revise.width, "height": revise.height}
            return {"placement": placement, "aspect_ratio": revise.aspect_ratio, **sides}
        if drawn.aspect_ratio is not None:
            return {"placement": placement, "aspect_ratio": drawn.aspect_ratio}
        return {"placement": placement, "width": drawn.width_px, "height": drawn.height_px}

    def _resized(
        self, drawn: ImageSpec, quality: Quality, width: int | None, height: int | None
    ) -> Size:
        """Explicit pixels, else the draft's placement or ratio at the quality, else its own pixels.

        A placement that is not known any more has left its ratio behind.
        """
        if width is not None and height is not None:
            return Size(width, height)
        words = drawn.words
        if words.placement and not words.own_size and self._house.knows_placement(words.placement):
            return self._house.placement(words.placement).size(quality)
        if drawn.operation is not None and drawn.source is not None:
            return rework_size(drawn.operation, quality, drawn.source)
        if drawn.aspect_ratio is not None:
            return size_for(quality, drawn.aspect_ratio)
        return Size(drawn.width_px, drawn.height_px)

    def _references(self, draft: SuccessorOrder, target: Target) -> dict[str, Any]:
        """The draft as a reference, and the caller's own where the model has room for both."""
        room = self._catalogue.model(target).references
        return {
            "reference_key": original_key(
                draft.job_id, draft.request.asset_token, draft.image_index or 0
            )
            if room
            else None,
            "reference_image_url": draft.request.spec.reference_image_url if room > 1 else None,
        }

    def _binding(self, draft: SuccessorOrder, target: Target, spec: ImageSpec) -> Consistency:
        """What makes the final look like its draft."""
        model = self._catalogue.model(target)
        is_known = not draft.image_index or draft.drawn_seed is not None
        by_seed = (model.seed and is_known) and (
            (
                model.seed_at_any_size
                and (target.provider, target.model) == (draft.provider, draft.model)
            )
            or _makes(target, spec) in [_makes(t, draft.request.spec) for t in _drawn_by(draft)]
        )
        if by_seed:
            return Consistency.SEED_AND_REFERENCE if model.references else Consistency.SEED
        return Consistency.REFERENCE if model.references else Consistency.NONE


def _chosen(draft: SuccessorOrder) -> int:
    """The index of the image that a final is bound to; raises `InvalidRequest`."""
    index, count = draft.image_index or 0, draft.request.spec.num_images
    if 0 <= index < count:
        return index
    has = (
        "one image: image_index is 0" if count == 1 else f"{count}: image_index is 0 to {count - 1}"
    )
    raise InvalidRequest(
        f"There is no image {index} of '{draft.job_id}', which has {has}.",
        [("image_index", "names none of the draft's images")],
    )


def _drawn_by(draft: SuccessorOrder) -> list[Target]:
    """The draft's target that rendered it."""
    who = (draft.provider, draft.model)
    return [target for target in draft.request.targets if (target.provider, target.model) == who]


def _makes(target: Target, spec: ImageSpec) -> tuple[str, str, int, int]:
    """Whose picture, and how large."""
    width, height = target.width_px or spec.width_px, target.height_px or spec.height_px
    return target.provider, target.model, width, height
