from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from threading import Event

import pytest
from PIL import Image

from domain.jobs import ImageSpec
from domain.sizes import Quality, Size
from providers.base import Order
from providers.registry import build_roster
from providers.studio.provider import Studio
from tests.fakes import FakeCall
from tests.providers.likeness import distance
from tests.providers.vendors import CATALOGUE


def order(*indices: int, seed: int = 7, width_px: int = 96, height_px: int = 64) -> Order:
    spec = ImageSpec(
        prompt="a lighthouse above the sea",
        quality=Quality.DRAFT,
        width_px=width_px,
        height_px=height_px,
        seed=seed,
        num_images=max(indices) + 1,
    )
    return Order(spec, "studio-1", indices, Size(width_px, height_px))


class TestGenerate:
    async def test_the_pictures_have_the_size_and_seeds_that_were_asked_for(self) -> None:
        pictures = await Studio(2).generate(order(0, 1, 2), FakeCall())
        assert [picture.seed for picture in pictures] == [7, 8, 9]
        assert {picture.cost_usd for picture in pictures} == {0.0}
        for picture in pictures:
            with Image.open(io.BytesIO(picture.data)) as opened:
                assert (opened.format, opened.mode, opened.size) == ("PNG", "RGB", (96, 64))
        assert len({picture.data for picture in pictures}) == 3

    async def test_the_same_seed_gives_the_same_picture(self) -> None:
        (first,) = await Studio(1).generate(order(0, seed=8), FakeCall())
        _, second = await Studio(2).generate(order(0, 1, seed=7), FakeCall())
        assert first.data == second.data

    @pytest.mark.parametrize(
        ("prompt", "style"),
        [
            ("a lighthouse above the sea at dawn", None),
            ("a bowl of fruit on a table", "watercolor"),
            ("hikers before mountains", "ink"),
            ("an abstract composition in blue", "flat"),
            ("a city skyline at night", "cinematic"),
        ],
    )
    async def test_a_final_is_like_its_draft_and_unlike_other_seeds(
        self, prompt: str, style: str | None
    ) -> None:
        def drawn(width_px: int, height_px: int) -> Order:
            made = order(0, 1, width_px=width_px, height_px=height_px)
            return replace(
                made, spec=made.spec.model_copy(update={"prompt": prompt, "style": style})
            )

        draft, _ = await Studio(1).generate(drawn(384, 216), FakeCall())
        final, other = await Studio(2).generate(drawn(768, 432), FakeCall())
        bound = distance(draft.data, final.data)
        assert 2 * bound < distance(draft.data, other.data)

    async def test_a_palette_colours_the_picture_and_moves_nothing(self) -> None:
        async def drawn(palette: list[str] | None) -> bytes:
            made = order(0, width_px=384, height_px=216)
            spec = made.spec.model_copy(update={"palette": palette})
            (picture,) = await Studio(1).generate(replace(made, spec=spec), FakeCall())
            return picture.data

        plain, coral, named = [
            await drawn(palette) for palette in (None, ["#f4978e"], ["coral", "of no colour"])
        ]
        assert plain != coral == named
        assert distance(plain, coral) <= 12

    async def test_seeds_start_over_at_the_end(self) -> None:
        pictures = await Studio(1).generate(order(0, 1, seed=2**32 - 1), FakeCall())
        assert [picture.seed for picture in pictures] == [2**32 - 1, 0]

    async def test_it_reports_how_far_it_is_and_never_goes_back(self) -> None:
        call = FakeCall()
        await Studio(1).generate(order(0, 1), call)
        heard = call.shares
        assert heard == sorted(heard)
        assert heard[-1] == pytest.approx(1)
        assert 0 < heard[0] < 0.5
        assert any(0.5 < share < 1 for share in heard)

    async def test_a_cancelled_drawing_stops_on_its_thread(self) -> None:
        loop, began = asyncio.get_running_loop(), asyncio.Event()
        may_go_on = Event()

        class Waiting(FakeCall):
            def report(self, share: float) -> None:
                super().report(share)
                loop.call_soon_threadsafe(began.set)
                may_go_on.wait()

        call = Waiting()
        studio = Studio(1)
        drawing = asyncio.create_task(studio.generate(order(0), call))
        await began.wait()
        drawing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await drawing
        may_go_on.set()
        await studio.generate(order(0), FakeCall())
        assert len(call.shares) == 1


def test_the_studio_is_always_configured() -> None:
    providers = build_roster(CATALOGUE, {}, studio_concurrency=1).providers
    assert isinstance(providers["studio"], Studio)
    assert not providers["studio"].is_paid
