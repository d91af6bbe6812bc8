from __future__ import annotations

from collections.abc import Callable

import pytest

from domain.errors import Billed, InvalidOutput, ProviderUnavailable
from domain.jobs import ImageSpec, Outcome, Target
from domain.renders import RenderOrder
from domain.sizes import Quality
from pipeline.rendering import Renderer
from providers.base import Order, Picture, Report
from storage.keys import original_key
from storage.objects import ObjectStore
from tests.fakes import FakeProvider, png

ORDER = RenderOrder(
    job_id="img_1",
    asset_token="token",
    spec=ImageSpec(
        prompt="sea", quality=Quality.DRAFT, width_px=64, height_px=48, seed=5, num_images=3
    ),
    target=Target(provider="studio", model="studio-1", expected_seconds=1),
    progress_from=5,
    progress_to=90,
)


def nothing(share: float) -> None:
    """Nobody listens."""


class Paid(FakeProvider):
    """Charges for every picture, and can send one that is none."""

    def __init__(self, broken: Callable[[int], bool] = lambda index: False) -> None:
        super().__init__(is_paid=True)
        self._broken = broken

    async def generate(self, order: Order, report: Report) -> list[Picture]:
        pictures = await super().generate(order, report)
        return [
            Picture(
                data=b"no picture" if self._broken(index) else picture.data,
                seed=picture.seed,
                cost_usd=0.04,
            )
            for index, picture in zip(order.indices, pictures, strict=True)
        ]

    @property
    def asked_for(self) -> list[tuple[int, ...]]:
        return [order.indices for order in self.orders]


class TestRender:
    async def test_the_originals_are_stored_untouched(self, store: ObjectStore) -> None:
        rendered = await Renderer({"studio": FakeProvider()}, store).render(ORDER, nothing)
        assert [original.key for original in rendered.originals] == [
            original_key("img_1", "token", index) for index in range(3)
        ]
        assert [original.seed for original in rendered.originals] == [5, 6, 7]
        assert {(o.width_px, o.height_px) for o in rendered.originals} == {(64, 48)}
        assert rendered.cost_usd == 0
        assert rendered.attempts[0].outcome is Outcome.COMPLETED
        for original in rendered.originals:
            assert await store.get(original.key) == png(64, 48)

    async def test_what_was_paid_for_and_stored_is_not_paid_for_again(
        self, store: ObjectStore
    ) -> None:
        provider = Paid()
        first = await Renderer({"studio": provider}, store).render(ORDER, nothing)
        again = await Renderer({"studio": provider}, store).render(ORDER, nothing)
        assert provider.asked_for == [(0, 1, 2)]
        assert again.originals == first.originals
        assert again.cost_usd == pytest.approx(0.12)

    async def test_only_what_is_missing_is_made_again(self, store: ObjectStore) -> None:
        broken = Paid(lambda index: index == 1)
        with pytest.raises(InvalidOutput) as failed:
            await Renderer({"studio": broken}, store).render(ORDER, nothing)
        assert failed.value.billed is Billed.YES
        whole = Paid()
        rendered = await Renderer({"studio": whole}, store).render(ORDER, nothing)
        assert whole.asked_for == [(1, 2)]
        assert [original.seed for original in rendered.originals] == [5, 6, 7]
        assert rendered.cost_usd == pytest.approx(0.12)

    async def test_a_picture_that_arrived_in_part_is_made_again(self, store: ObjectStore) -> None:
        await store.put(original_key("img_1", "token", 0), png(64, 48)[:60], "application/x")
        provider = Paid()
        await Renderer({"studio": provider}, store).render(ORDER, nothing)
        assert provider.asked_for == [(0, 1, 2)]

    async def test_a_picture_whose_note_is_lost_is_kept_at_an_unknown_cost(
        self, store: ObjectStore
    ) -> None:
        await store.put(original_key("img_1", "token", 0), png(64, 48), "application/x")
        provider = Paid()
        rendered = await Renderer({"studio": provider}, store).render(ORDER, nothing)
        assert provider.asked_for == [(1, 2)]
        assert rendered.cost_usd is None

    async def test_what_costs_nothing_is_made_again(self, store: ObjectStore) -> None:
        provider = FakeProvider()
        for _ in range(2):
            await Renderer({"studio": provider}, store).render(ORDER, nothing)
        assert len(provider.orders) == 2

    async def test_another_job_shares_nothing(self, store: ObjectStore) -> None:
        provider = Paid()
        other = ORDER.model_copy(update={"job_id": "img_2"})
        await Renderer({"studio": provider}, store).render(ORDER, nothing)
        await Renderer({"studio": provider}, store).render(other, nothing)
        assert len(provider.orders) == 2

    async def test_bytes_that_are_no_picture_are_not_stored(self, store: ObjectStore) -> None:
        with pytest.raises(InvalidOutput):
            await Renderer({"studio": Paid(lambda index: True)}, store).render(ORDER, nothing)
        provider = Paid()
        await Renderer({"studio": provider}, store).render(ORDER, nothing)
        assert provider.asked_for == [(0, 1, 2)]

    async def test_a_providers_failure_is_passed_on(self, store: ObjectStore) -> None:
        async def fail(order: Order, report: Report) -> None:
            raise ProviderUnavailable("down", provider="studio")

        with pytest.raises(ProviderUnavailable):
            await Renderer({"studio": FakeProvider(fail)}, store).render(ORDER, nothing)

    async def test_what_the_provider_reports_is_passed_on(self, store: ObjectStore) -> None:
        heard: list[float] = []

        async def tell(order: Order, report: Report) -> None:
            report(0.25)

        await Renderer({"studio": FakeProvider(tell)}, store).render(ORDER, heard.append)
        assert heard == [0.25]
