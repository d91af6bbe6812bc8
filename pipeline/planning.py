"""Decides provider, model, size and seed of a job, of its final and of its next round."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime

from domain.batches import BatchFlow
from domain.errors import ProviderNotConfigured
from domain.ids import new_asset_token
from domain.jobs import Consistency, ImageSpec, JobRequest, Target
from domain.renders import SuccessorOrder
from domain.reviews import FinalChoices, Revision
from domain.sizes import AspectRatio, Quality, Size, size_for
from domain.wishes import Wish
from providers.catalogue import Catalogue

STAND_IN = "studio"


class Planner:
    """Turns wishes into job requests; raises `Refusal`s before anything is started or paid.

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
    ) -> None:
        self._catalogue = catalogue
        self._configured = configured
        self._problems = problems
        self._stands_in = stand_in and configured <= {STAND_IN}
        self._review_seconds = review_seconds

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
        """The request of the final bound to a draft: same prompt, same seed, larger."""
        choices = choices or FinalChoices()
        quality = choices.quality or draft.request.final_quality
        if quality is Quality.DRAFT:
            quality = Quality.HIGH
        provider = choices.provider or draft.provider
        same_provider = provider == draft.provider
        target, stood_in_for = self._target(
            provider,
            choices.model or (self._successor(draft, quality) if same_provider else None),
            quality,
        )
        drawn = draft.request.spec
        size = self._resized(drawn, quality, choices.width, choices.height)
        spec = drawn.model_copy(
            update={
                "quality": quality,
                "width_px": size.width_px,
                "height_px": size.height_px,
                "seed": draft.drawn_seed if draft.drawn_seed is not None else drawn.seed,
                "num_images": 1,
            }
        )
        self._catalogue.check(target, spec)
        return draft.request.model_copy(
            update={
                "spec": spec,
                "targets": [target],
                "asset_token": draft.asset_token,
                "created_at": datetime.now(UTC),
                "stand_in_for": stood_in_for or draft.request.stand_in_for,
                "draft_job_id": draft.job_id,
                "revision_of": None,
                "consistency": self._consistency(draft, target),
            }
        )

    def revision(self, draft: SuccessorOrder, revise: Revision) -> JobRequest:
        """The request of a draft's next round: what the editor changed, and a fresh seed."""
        drawn = draft.request.spec
        first = draft.request.targets[0]
        ratio = revise.aspect_ratio or drawn.aspect_ratio
        explicit = None if ratio else Size(drawn.width_px, drawn.height_px)
        wish = Wish(
            prompt=revise.prompt or drawn.prompt,
            aspect_ratio=ratio,
            width=revise.width or (explicit.width_px if explicit else None),
            height=revise.height or (explicit.height_px if explicit else None),
            style=revise.style or drawn.style,
            negative_prompt=revise.negative_prompt or drawn.negative_prompt,
            seed=draft.seed if revise.seed is None else revise.seed,
            num_images=drawn.num_images,
            provider=revise.provider or first.provider,
            model=revise.model or (first.model if not revise.provider else None),
            reference_image_url=drawn.reference_image_url,
            fallback_providers=[target.provider for target in draft.request.targets[1:]],
        )
        planned = self._plan(wish, Quality.DRAFT)
        return draft.request.model_copy(
            update={
                "spec": planned.spec,
                "targets": planned.targets,
                "asset_token": draft.asset_token,
                "created_at": datetime.now(UTC),
                "stand_in_for": planned.stand_in_for or draft.request.stand_in_for,
                "revision_of": draft.job_id,
            }
        )

    def _plan(self, wish: Wish, quality: Quality) -> JobRequest:
        named = [
            wish.provider or self._catalogue.default_provider,
            *(wish.fallback_providers or []),
        ]
        chosen = [
            self._target(provider, wish.model if place == 0 else None, quality)
            for place, provider in enumerate(named)
        ]
        targets = list({(t.provider, t.model): t for t, _ in chosen}.values())
        spec = self._spec(wish, quality)
        for target in targets:
            self._catalogue.check(target, spec)
        return JobRequest(
            spec=spec,
            targets=targets,
            asset_token=new_asset_token(),
            created_at=datetime.now(UTC),
            review_seconds=self._review_seconds,
            stand_in_for=chosen[0][1],
            blog_id=wish.blog_id,
            blog_job_id=wish.blog_job_id,
            tags=wish.tags,
            metadata=wish.metadata,
            webhook_url=wish.webhook_url,
            alt_text=wish.alt_text,
        )

    def _spec(self, wish: Wish, quality: Quality) -> ImageSpec:
        ratio = wish.aspect_ratio or AspectRatio.SQUARE
        size = size_for(quality, ratio)
        explicit = wish.width is not None and wish.height is not None
        if explicit:
            size = Size(wish.width or 0, wish.height or 0)
        return ImageSpec(
            prompt=wish.prompt,
            negative_prompt=wish.negative_prompt,
            style=wish.style,
            quality=quality,
            aspect_ratio=None if explicit else ratio,
            width_px=size.width_px,
            height_px=size.height_px,
            seed=secrets.randbelow(2**32) if wish.seed is None else wish.seed,
            num_images=wish.num_images,
            reference_image_url=wish.reference_image_url,
        )

    def _target(
        self, provider: str, model: str | None, quality: Quality
    ) -> tuple[Target, str | None]:
        """The target, and the provider it stands in for where it does."""
        if provider in self._configured:
            return self._catalogue.target(provider, model, quality), None
        if self._stands_in:
            return self._catalogue.target(STAND_IN, None, quality), provider
        usable = ", ".join(sorted(self._configured))
        raise ProviderNotConfigured(
            f"The provider '{provider}' is not configured here; choose one of: {usable}.",
            [("provider", "not configured")],
        )

    def _successor(self, draft: SuccessorOrder, quality: Quality) -> str | None:
        """The draft's own model where it binds by seed, else the quality's default."""
        entry = self._catalogue.providers.get(draft.provider)
        model = entry.models.get(draft.model) if entry else None
        return draft.model if model and model.seed else None

    @staticmethod
    def _resized(drawn: ImageSpec, quality: Quality, width: int | None, height: int | None) -> Size:
        """Explicit pixels, else the draft's ratio at the quality, else the draft's own pixels."""
        if width is not None and height is not None:
            return Size(width, height)
        if drawn.aspect_ratio is not None:
            return size_for(quality, drawn.aspect_ratio)
        return Size(drawn.width_px, drawn.height_px)

    def _consistency(self, draft: SuccessorOrder, target: Target) -> Consistency:
        same = (target.provider, target.model) == (draft.provider, draft.model)
        binds = same and self._catalogue.model(target).seed
        return Consistency.SEED if binds else Consistency.NONE
