"""What a request would cost, and how long it would take; nothing starts and nothing is stored."""

from __future__ import annotations

from api.answers import final_answer, stand_in_message
from api.auth import Caller
from api.claims import Claims
from api.estimates import Estimates
from api.once import Repeatable
from api.problems import refused_as_of
from api.rework_bodies import SourceBody
from api.reworking import Reworks
from api.schemas import (
    BatchRequestBody,
    FinalAnswer,
    ImageRequest,
    QuoteAnswer,
    QuotedImage,
    QuotedTotal,
)
from domain.errors import InvalidRequest
from domain.jobs import JobRequest
from domain.renders import total_usd
from pipeline.planning import Planner


class Quotes:
    """Plans as a submission does; raises the planner's refusals."""

    def __init__(
        self,
        planner: Planner,
        reworks: Reworks,
        estimates: Estimates,
        claims: Claims,
        batch_concurrency: int,
    ) -> None:
        self._planner = planner
        self._reworks = reworks
        self._estimates = estimates
        self._claims = claims
        self._batch_concurrency = batch_concurrency

    async def give(
        self,
        body: ImageRequest | BatchRequestBody | SourceBody,
        caller: Caller,
        once: Repeatable | None = None,
    ) -> QuoteAnswer:
        """The price of any; the same for the same request, where it is sent again as that."""
        kept = await self._claims.kept(once, caller.tenant)
        if kept is not None:
            return QuoteAnswer.model_validate(kept.answer)
        quote = await self._of(body, caller.tenant)
        told = await self._claims.keep(once, caller.tenant, quote.model_dump())
        return QuoteAnswer.model_validate(told)

    async def _of(
        self, body: ImageRequest | BatchRequestBody | SourceBody, tenant: str
    ) -> QuoteAnswer:
        if isinstance(body, BatchRequestBody):
            return self.batch(body, tenant)
        wish = await self._reworks.wish(body, tenant, keep=False)
        return self._quote([self._planner.job(wish)], 1)

    def batch(self, body: BatchRequestBody, tenant: str) -> QuoteAnswer:
        """The price of what `batch-generate` would make, first as drafts where it says so."""
        requests = []
        for index, image in enumerate(body.images):
            with refused_as_of(index):
                wish = image.wish(tenant=tenant)
                requests.append(self._planner.batch_item(wish, body.workflow))
        at_once = body.max_concurrency or self._batch_concurrency
        return self._quote(requests, -(-len(requests) // at_once))

    def _quote(self, requests: list[JobRequest], rounds: int) -> QuoteAnswer:
        images = [self._image(request) for request in requests]
        finals = [image.final.price_usd for image in images if image.final is not None]
        return QuoteAnswer(
            images=images,
            total=QuotedTotal(
                images=sum(image.num_images for image in images),
                price_usd=total_usd(image.price_usd for image in images),
                finals_price_usd=total_usd(finals) if finals else None,
                expected_seconds=self._seconds(requests[0], rounds),
            ),
        )

    def _image(self, request: JobRequest) -> QuotedImage:
        target, spec = request.targets[0], request.spec
        final, problem = self._final(request)
        return QuotedImage(
            provider=target.provider,
            model=target.model,
            quality=spec.quality,
            width=target.width_px or spec.width_px,
            height=target.height_px or spec.height_px,
            num_images=spec.num_images,
            price_per_image_usd=target.price_usd,
            price_usd=total_usd([target.price_usd] * spec.num_images),
            expected_seconds=self._seconds(request, 1),
            is_draft=request.is_draft,
            message=stand_in_message(request.stand_in_for),
            warnings=[*(request.warnings or []), *problem] or None,
            final=final,
        )

    def _final(self, request: JobRequest) -> tuple[FinalAnswer | None, list[str]]:
        """What approving the draft would start, or why nothing could be."""
        if not request.is_draft:
            return None, []
        target = request.targets[0]
        try:
            offer = self._planner.offer(request, target.provider, target.model)
            return final_answer(offer), []
        except InvalidRequest as refused:
            return None, [f"The draft will have no final: {refused.message}"]

    def _seconds(self, request: JobRequest, rounds: int) -> int:
        by_catalogue = request.targets[0].expected_seconds
        return self._estimates.whole_seconds(request.recipe, by_catalogue, rounds)
