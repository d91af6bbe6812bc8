from __future__ import annotations

import pytest
from temporalio.client import Client

from settings import Settings
from tests.api.conftest import PROMPT, Caller, Json, Serve, problem, small

PRICED = """
[providers.studio.models.studio-1]
deprecated_on = 2026-11-01
successor = "studio-2"

[providers.studio.models.studio-1.price]
per_megapixel_usd = 0.08
source = "https://example.com/pricing"
date = 2026-11-01

[providers.studio.models.small]
expected_seconds = { draft = 1, standard = 1, high = 1, ultra = 1 }
sizes = { max_side_px = 512 }
"""


@pytest.fixture
def priced(settings: Settings) -> None:
    settings.config.write_text(PRICED)


async def quoted(api: Caller, body: Json) -> Json:
    answer = await api.post("/quote", body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


class TestOneImage:
    async def test_what_is_free_costs_nothing(self, door: Caller) -> None:
        quote = await quoted(door, small(num_images=3))
        [image] = quote["images"]
        assert (image["provider"], image["model"]) == ("studio", "studio-1")
        assert (image["width"], image["height"], image["num_images"]) == (64, 64, 3)
        assert image["price_usd"] == image["price_per_image_usd"] == 0
        assert image["expected_seconds"] >= 1
        assert not image["is_draft"]
        assert "final" not in image
        assert quote["total"]["images"] == 3
        assert quote["total"]["finals_price_usd"] is None

    @pytest.mark.usefixtures("priced")
    async def test_a_price_is_per_image_and_times_their_number(self, serve: Serve) -> None:
        body = {"prompt": PROMPT, "aspect_ratio": "1:1", "quality": "standard", "num_images": 3}
        async with serve() as api:
            quote = await quoted(api, body)
        [image] = quote["images"]
        assert (image["price_per_image_usd"], image["price_usd"]) == (0.08, 0.24)
        assert quote["total"]["price_usd"] == 0.24
        [warning] = image["warnings"]
        assert "studio-2" in warning

    @pytest.mark.usefixtures("priced")
    async def test_an_unknown_price_is_null_and_never_nothing(self, serve: Serve) -> None:
        async with serve() as api:
            quote = await quoted(api, small(model="small"))
        assert quote["images"][0]["price_usd"] is None
        assert quote["images"][0]["price_per_image_usd"] is None
        assert quote["total"]["price_usd"] is None

    @pytest.mark.usefixtures("priced")
    async def test_a_draft_tells_the_price_of_its_final(self, serve: Serve) -> None:
        body = {"prompt": PROMPT, "aspect_ratio": "1:1", "quality": "draft"}
        async with serve() as api:
            quote = await quoted(api, body)
        [image] = quote["images"]
        assert image["is_draft"]
        assert image["price_usd"] == 0.02
        assert image["final"] == {
            "provider": "studio",
            "model": "studio-1",
            "quality": "high",
            "width": 1536,
            "height": 1536,
            "price_usd": 0.18,
        }
        assert quote["total"]["price_usd"] == 0.02
        assert quote["total"]["finals_price_usd"] == 0.18

    async def test_what_generate_refuses_is_refused(self, door: Caller) -> None:
        body = problem(await door.post("/quote", {"prompt": ""}), 422, "invalid_request")
        assert [error["field"] for error in body["errors"]] == ["prompt"]
        problem(await door.post("/quote", small(model="none")), 422, "invalid_request")

    async def test_a_provider_that_is_stood_in_for_is_said(self, door: Caller) -> None:
        quote = await quoted(door, small(provider="stability_ai"))
        assert "'stability_ai' is not configured" in quote["images"][0]["message"]


class TestBatch:
    @pytest.mark.usefixtures("priced")
    async def test_its_images_are_drafts_first_and_add_up(self, serve: Serve) -> None:
        image = {"prompt": PROMPT, "aspect_ratio": "1:1", "quality": "standard"}
        async with serve() as api:
            drafts = await quoted(api, {"images": [image, image]})
            finals = await quoted(api, {"images": [image, image], "workflow": "final_only"})
        assert [each["is_draft"] for each in drafts["images"]] == [True, True]
        assert drafts["total"]["price_usd"] == 0.04
        assert drafts["total"]["finals_price_usd"] == 0.16
        assert finals["total"]["price_usd"] == 0.16
        assert finals["total"]["finals_price_usd"] is None

    @pytest.mark.usefixtures("priced")
    async def test_one_unknown_price_makes_the_sum_unknown(self, serve: Serve) -> None:
        images = [small(), small(model="small")]
        async with serve() as api:
            quote = await quoted(api, {"images": images, "workflow": "final_only"})
        assert [image["price_usd"] is None for image in quote["images"]] == [False, True]
        assert quote["total"]["price_usd"] is None

    async def test_images_that_take_turns_take_longer(self, door: Caller) -> None:
        body = {"images": [small() for _ in range(4)], "max_concurrency": 2}
        quote = await quoted(door, body)
        assert quote["total"]["expected_seconds"] == 2 * quote["images"][0]["expected_seconds"]

    async def test_what_is_wrong_is_said_with_its_image(self, door: Caller) -> None:
        answer = await door.post("/quote", {"images": [small(), {"prompt": ""}]})
        body = problem(answer, 422, "invalid_request")
        assert [error["field"] for error in body["errors"]] == ["images.1.prompt"]
        answer = await door.post("/quote", {"images": [small(), small(model="none")]})
        body = problem(answer, 422, "invalid_request")
        assert [error["field"] for error in body["errors"]] == ["images.1.model"]


async def test_nothing_starts(api: Caller, client: Client) -> None:
    await quoted(api, small())
    await quoted(api, {"images": [small()]})
    assert [each async for each in client.list_workflows()] == []
