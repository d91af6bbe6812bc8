"""An editor's day: ask for images, watch them, decide, hold finals against drafts."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.desk.conftest import Darkroom, Unique
from tests.desk.pages import come_to, frame, titled


class TestTheStory:
    async def test_a_batch_is_made_watched_and_approved_by_keyboard(
        self, darkroom: Darkroom, page: Page, unique: Unique
    ) -> None:
        quick, held = unique("a pier in fog"), unique("a held lighthouse")
        await come_to(page, darkroom.open, "new")
        await page.get_by_label("Prompt 1", exact=True).fill(quick)
        await page.get_by_role("button", name="Another image").click()
        await page.keyboard.type(held)
        await page.get_by_role("textbox", name="Blog").fill(unique("blog"))
        quote = page.get_by_role("complementary", name="What it costs")
        await expect(quote).to_contain_text("2 drafts")
        await expect(quote).to_contain_text("Finals, where all are approved")
        await page.get_by_role("button", name="Make 2 drafts").click()

        await expect(page).to_have_url(f"{darkroom.open.http.base_url}/#/review")
        working = titled(page, held).get_by_role("progressbar")
        await expect(working).to_have_attribute("aria-valuenow", "47")
        await expect(titled(page, held)).to_contain_text("Developing")
        await expect(titled(page, quick).get_by_role("button", name="Approve")).to_be_visible()
        darkroom.easel.let_go(held)
        await expect(titled(page, held).get_by_role("button", name="Approve")).to_be_visible()

        await titled(page, quick).focus()
        await page.keyboard.press("a")
        await expect(titled(page, quick)).to_contain_text("Approved")
        await expect(titled(page, held)).to_be_focused()
        await page.keyboard.press("ArrowLeft")
        await expect(titled(page, quick)).to_be_focused()
        await expect(titled(page, quick)).to_contain_text("Compare with the final")
        await page.keyboard.press("c")
        compare = page.get_by_role("dialog", name="Draft and final")
        await expect(compare.get_by_role("img")).to_have_count(2)
        slider = compare.get_by_role("slider")
        await expect(slider).to_be_focused()
        await page.keyboard.press("Home")
        await expect(slider).to_have_attribute("aria-valuetext", "0 % draft")
        await page.keyboard.press("Escape")
        await expect(compare).to_have_count(0)

    async def test_changes_start_the_next_round(
        self, darkroom: Darkroom, page: Page, unique: Unique
    ) -> None:
        first, second = unique("a red kite"), unique("a blue kite")
        job_id = await darkroom.open.draft(prompt=first)
        await come_to(page, darkroom.open, "review")
        await frame(page, job_id).focus()
        await page.keyboard.press("e")
        prompt = page.get_by_role("dialog").get_by_label("Prompt")
        await expect(prompt).to_be_focused()
        await expect(prompt).to_have_value(first)
        await prompt.fill(second)
        await page.get_by_role("button", name="Keep the seed").click()
        await page.get_by_role("button", name="Make the next round").click()
        await expect(titled(page, second)).to_contain_text("next round")
        await expect(frame(page, job_id)).to_contain_text("Rejected")
        decided = await darkroom.open.job(job_id)
        rounds = (await darkroom.open.get(f"/jobs/{job_id}/rounds")).json()["jobs"]
        revised = rounds[1]
        assert revised["job_id"] == decided["revision_job_id"]
        assert revised["parameters"]["prompt"] == second
        assert revised["changed"] == ["prompt"]

    async def test_rejecting_is_asked_about_and_told_why(
        self, darkroom: Darkroom, page: Page, unique: Unique
    ) -> None:
        job_id = await darkroom.open.draft(prompt=unique("a grey wall"))
        await come_to(page, darkroom.open, "review")
        await (
            page.get_by_role("button", name="You: no name")
            .or_(page.get_by_role("button", name="You: "))
            .click()
        )
        await page.get_by_label("Your name").fill("Ann")
        await page.keyboard.press("Escape")
        await frame(page, job_id).focus()
        await page.keyboard.press("r")
        await page.keyboard.press("Escape")
        assert (await darkroom.open.job(job_id))["review"]["state"] == "awaiting"
        await expect(frame(page, job_id)).to_be_focused()
        await page.keyboard.press("r")
        await page.get_by_label("Why").fill("Too grey")
        await page.get_by_role("button", name="Reject for good").click()
        await expect(frame(page, job_id)).to_contain_text("Rejectedby Ann")
        review = (await darkroom.open.job(job_id))["review"]
        assert (review["state"], review["reviewer"], review["comment"]) == (
            *("rejected", "Ann"),
            "Too grey",
        )

    async def test_a_batch_is_approved_at_once(
        self, darkroom: Darkroom, page: Page, unique: Unique
    ) -> None:
        blog = unique("all")
        batch = await darkroom.open.create_batch({}, {}, blog_id=blog)
        for job_id in batch["job_ids"]:
            await darkroom.open.completed(job_id)
        await come_to(page, darkroom.open, "review")
        group = page.get_by_role("region", name=blog)
        await group.get_by_role("button", name="Approve all 2").click()
        await expect(page.get_by_role("dialog")).to_contain_text("2 finals will be made")
        await page.get_by_role("button", name="Approve 2").click()
        await expect(group.get_by_text("Approved", exact=True)).to_have_count(2)
        for job_id in batch["job_ids"]:
            await darkroom.open.completed(f"{job_id}-final")

    async def test_drafts_are_looked_at_one_by_one(
        self, darkroom: Darkroom, page: Page, unique: Unique
    ) -> None:
        batch = await darkroom.open.create_batch({"num_images": 3}, {}, blog_id=unique("loupe"))
        for job_id in batch["job_ids"]:
            await darkroom.open.completed(job_id)
        first, second = batch["job_ids"]
        images = (await darkroom.open.job(first))["result"]["images"]
        await come_to(page, darkroom.open, "review")
        await frame(page, first).focus()
        await page.keyboard.press("Enter")
        loupe = page.get_by_role("dialog")
        shown = loupe.locator(".loupe-image img")
        await expect(shown).to_have_attribute("src", images[0]["url"])
        await page.keyboard.press("3")
        await expect(shown).to_have_attribute("src", images[2]["url"])
        await page.keyboard.press("ArrowRight")
        other = (await darkroom.open.job(second))["result"]["images"][0]
        await expect(shown).to_have_attribute("src", other["url"])
        await page.keyboard.press("ArrowLeft")
        await expect(shown).to_have_attribute("src", images[2]["url"])
        await page.keyboard.press("a")
        await expect(shown).to_have_attribute("src", other["url"])
        assert (await darkroom.open.job(first))["review"]["image_index"] == 2
        await page.keyboard.press("Escape")
        await expect(loupe).to_have_count(0)
        await expect(frame(page, first)).to_contain_text("Approved")
        await expect(frame(page, second)).to_be_focused()

    async def test_what_others_decide_shows_without_a_reload(
        self, darkroom: Darkroom, page: Page, unique: Unique
    ) -> None:
        job_id = await darkroom.open.draft(prompt=unique("a shared draft"))
        await come_to(page, darkroom.open, "review")
        await expect(frame(page, job_id)).to_be_visible()
        await darkroom.open.post(f"/jobs/{job_id}/approve", {"reviewer": "Ben"})
        await expect(frame(page, job_id)).to_contain_text("by Ben", timeout=20_000)


class TestTheConnection:
    async def test_a_lost_one_is_said_and_what_was_missed_is_caught_up(
        self, darkroom: Darkroom, page: Page, unique: Unique
    ) -> None:
        held = unique("a held storm")
        await darkroom.open.create(prompt=held, quality="draft")
        await come_to(page, darkroom.open, "review")
        await expect(titled(page, held).get_by_role("progressbar")).to_be_visible()
        await page.context.set_offline(True)
        await expect(page.get_by_text("The connection is lost")).to_be_visible()
        darkroom.easel.let_go(held)
        await page.context.set_offline(False)
        await expect(titled(page, held).get_by_role("button", name="Approve")).to_be_visible()
        await expect(page.get_by_text("The connection is lost")).to_have_count(0)

    async def test_what_is_sent_meanwhile_is_not_said_to_be_done(
        self, darkroom: Darkroom, page: Page, unique: Unique
    ) -> None:
        job_id = await darkroom.open.draft(prompt=unique("a raft"))
        await come_to(page, darkroom.open, "review")
        await frame(page, job_id).focus()
        await page.context.set_offline(True)
        await page.keyboard.press("a")
        await expect(page.get_by_text("Nothing was changed")).to_be_visible()
        await page.context.set_offline(False)
        await expect(frame(page, job_id).get_by_role("button", name="Approve")).to_be_enabled()
        assert (await darkroom.open.job(job_id))["review"]["state"] == "awaiting"
