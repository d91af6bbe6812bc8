"""Every page, for everybody: what it shows, at each width, in both themes, to axe."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.api.conftest import api_settings, served
from tests.desk.conftest import Darkroom
from tests.desk.pages import address, come_to
from tests.waiting import free_port

BLOG = "pages"
_SERIOUS = ("serious", "critical")


@dataclass(frozen=True)
class Made:
    """Something of everything."""

    draft_id: str
    batch_id: str


@pytest.fixture(scope="module")
async def made(darkroom: Darkroom) -> Made:
    api = darkroom.open
    batch = await api.create_batch({"num_images": 2}, {}, {}, blog_id=BLOG)
    for job_id in batch["job_ids"]:
        await api.completed(job_id)
    draft_id = batch["job_ids"][1]
    answer = await api.post(f"/jobs/{draft_id}/approve", {"reviewer": "Ann", "comment": "Yes"})
    assert answer.status_code == 202
    await api.completed(f"{draft_id}-final")
    return Made(draft_id, batch["batch_id"])


def paths(made: Made) -> list[str]:
    return [
        *("review", "new", "jobs", "blogs", "costs", "providers", "nowhere"),
        f"jobs/{made.draft_id}",
        f"batches/{made.batch_id}",
        f"blogs/{BLOG}",
    ]


async def faults(page: Page, axe: str, rules: list[str] | None = None) -> list[str]:
    """What axe finds serious, in one line each; by all of its rules where none is named."""
    await page.evaluate(axe)
    found: list[dict[str, Any]] = await page.evaluate(
        "(rules) => axe.run(rules ? {runOnly: rules} : {}).then((told) => told.violations)", rules
    )
    return [
        f"{page.url} {each['id']}: {json.dumps([node['html'][:160] for node in each['nodes']][:3])}"
        for each in found
        if each["impact"] in _SERIOUS
    ]


@pytest.mark.parametrize(("theme", "rules"), [("light", None), ("dark", ["color-contrast"])])
async def test_axe_finds_nothing_serious(
    darkroom: Darkroom,
    chromium: Browser,
    made: Made,
    axe: str,
    theme: Any,
    rules: list[str] | None,
) -> None:
    context = await chromium.new_context(color_scheme=theme, reduced_motion="reduce")
    page = await context.new_page()
    found = []
    for path in paths(made):
        await come_to(page, darkroom.open, path)
        await expect(page.get_by_role("status", name="Loading")).to_have_count(0)
        found += await faults(page, axe, rules)
    await come_to(page, darkroom.open, "review")
    for key, title in (
        ("e", "Ask for changes"),
        ("r", "Reject"),
        ("?", "Keys"),
        ("Enter", "Draft"),
    ):
        await page.locator("[data-job].awaiting").first.focus()
        await page.keyboard.press(key)
        await expect(page.get_by_role("dialog", name=title)).to_be_visible()
        await expect(
            page.get_by_role("dialog").get_by_role("status", name="Loading")
        ).to_have_count(0)
        found += await faults(page, axe, rules)
        await page.keyboard.press("Escape")
    await page.goto(address(darkroom.locked, "review"))
    await expect(page.get_by_label("API key")).to_be_visible()
    found += await faults(page, axe, rules)
    await context.close()
    assert found == []


@pytest.mark.parametrize("width", [390, 1024])
async def test_no_page_is_wider_than_its_window(
    darkroom: Darkroom, page: Page, made: Made, width: int
) -> None:
    await page.set_viewport_size({"width": width, "height": 844})
    for path in paths(made):
        await come_to(page, darkroom.open, path)
        await expect(page.get_by_role("status", name="Loading")).to_have_count(0)
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, path


_WATCHES_LATE = """async () => {
  const files = document.querySelector("script[type=module]").src.replace("app.mjs", "");
  const { html, render } = await import(`${files}html.mjs`);
  const { store, useStore } = await import(`${files}store.mjs`);
  const told = store("before");
  const Told = () => html`<output>${useStore(told)}</output>`;
  render(html`<${Told} />`, document.body.appendChild(document.createElement("div")));
  told.set("after");
}"""
"""A store that is set between the drawing of a component and its effects."""


class TestStore:
    async def test_what_is_told_between_drawing_and_watching_is_shown(
        self, darkroom: Darkroom, page: Page
    ) -> None:
        await come_to(page, darkroom.open, "costs")
        await page.evaluate(_WATCHES_LATE)
        await expect(page.locator("output")).to_have_text("after")


class TestPages:
    async def test_a_job_tells_its_life_and_its_raw_answer(
        self, darkroom: Darkroom, page: Page, made: Made
    ) -> None:
        await come_to(page, darkroom.open, f"jobs/{made.draft_id}")
        life = page.locator(".timeline")
        for told in (
            "Accepted",
            "studio/studio-1",
            "Completed",
            "Approved",
            "Ann: Yes",
            "Its final",
        ):
            await expect(life).to_contain_text(told)
        await expect(page.get_by_role("link", name="Temporal")).to_have_attribute(
            "href", (await darkroom.open.job(made.draft_id))["links"]["temporal_ui"]
        )
        await page.get_by_text("Raw answer").click()
        raw = json.loads(await page.locator("pre").inner_text())
        assert raw["job_id"] == made.draft_id
        await page.get_by_role("button", name="Compare with the final").click()
        await expect(page.get_by_role("dialog").get_by_role("img")).to_have_count(2)

    async def test_jobs_are_found_by_what_they_are_for(
        self, darkroom: Darkroom, page: Page, made: Made
    ) -> None:
        await come_to(page, darkroom.open, "jobs")
        filters = page.get_by_role("search")
        await filters.get_by_label("Blog").fill(BLOG)
        await page.keyboard.press("Enter")
        await filters.get_by_label("Review").select_option("approved")
        await expect(page).to_have_url(
            address(darkroom.open, f"jobs?review=approved&blog_id={BLOG}")
        )
        await expect(page.locator("tbody tr")).to_have_count(1)
        await page.locator("tbody a").first.click()
        await expect(page.get_by_role("heading", name="Draft", level=1)).to_be_focused()

    async def test_a_blogs_markup_is_a_picture_of_all_its_formats(
        self, darkroom: Darkroom, page: Page, made: Made
    ) -> None:
        await come_to(page, darkroom.open, "blogs")
        await page.locator("a.blog", has_text=BLOG).click()
        await page.get_by_role("button", name="Markup", exact=True).click()
        markup = await page.locator("pre.markup").inner_text()
        final = (await darkroom.open.job(f"{made.draft_id}-final"))["result"]["images"][0]
        assert markup.startswith("<picture>")
        assert f'src="{final["url"]}"' in markup
        for source in final["sources"]:
            assert f'<source type="{source["type"]}"' in markup
            assert f'srcset="{source["srcset"]}"' in markup

    async def test_costs_are_drawn_and_in_a_table(
        self, darkroom: Darkroom, page: Page, made: Made
    ) -> None:
        await come_to(page, darkroom.open, "costs")
        await expect(page.get_by_role("img", name="Costs from")).to_be_visible()
        bill = (await darkroom.open.get("/costs")).json()["total"]
        await expect(page.locator(".stats.big")).to_contain_text(str(bill["calls"]))
        await page.get_by_text("As a table").click()
        await expect(page.get_by_role("row", name="studio").first).to_be_visible()
        await page.get_by_role("button", name="By model").click()
        await expect(page.get_by_text("studio-1").first).to_be_visible()

    async def test_a_provider_without_its_key_says_what_is_missing(
        self, darkroom: Darkroom, page: Page
    ) -> None:
        await come_to(page, darkroom.open, "providers")
        openai = page.locator("li.provider", has_text="OPENAI_API_KEY")
        await expect(openai).to_contain_text("Not configured")
        await expect(page.locator("li.provider", has_text="studio-1")).to_contain_text("Configured")

    async def test_a_refused_request_is_told_in_the_servers_words(
        self, darkroom: Darkroom, page: Page
    ) -> None:
        await come_to(page, darkroom.open, "new")
        await page.get_by_label("Prompt 1", exact=True).fill("a lighthouse")
        await page.get_by_text("More", exact=True).click()
        await page.get_by_label("Webhook").fill("http://127.0.0.1:9/")
        await page.get_by_role("button", name="Make the draft").click()
        await expect(page.locator(".toast.bad")).to_contain_text("webhook_url")

    async def test_the_theme_is_kept(self, darkroom: Darkroom, page: Page) -> None:
        await come_to(page, darkroom.open, "providers")
        await page.get_by_role("button", name="change to light").click()
        await page.get_by_role("button", name="change to dark").click()
        await page.reload()
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")

    async def test_an_engine_that_is_away_is_said(
        self, page: Page, store_url: str, tmp_path: Path
    ) -> None:
        settings = api_settings(tmp_path / "none.toml", store_url, "engineless-desk")
        async with served(settings, f"127.0.0.1:{free_port()}", "default") as api:
            await come_to(page, api, "review")
            await expect(page.get_by_text("Jobs that were accepted go on")).to_be_visible()
            await expect(page.get_by_role("alert")).to_be_visible()
