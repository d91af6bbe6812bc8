"""Who may see and do what on the desk."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.api.keys import secret_of
from tests.desk.conftest import Darkroom, Unique
from tests.desk.pages import address, frame, sign_in


class TestSignIn:
    async def test_a_wrong_key_is_told_and_a_right_one_lets_in(
        self, darkroom: Darkroom, page: Page, unique: Unique
    ) -> None:
        job_id = await darkroom.editor.draft(prompt=unique("a door"))
        await sign_in(page, darkroom.locked, "dk_wrong")
        await expect(page.get_by_text("This API key is not known")).to_be_visible()
        await page.get_by_label("API key").fill(secret_of("editor"))
        await page.keyboard.press("Enter")
        await frame(page, job_id).get_by_role("button", name="Approve").click()
        await expect(frame(page, job_id)).to_contain_text("Approved")
        review = (await darkroom.editor.job(job_id))["review"]
        assert review["decided_by"] == "editor"

    async def test_streams_work_with_a_key(
        self, darkroom: Darkroom, page: Page, unique: Unique
    ) -> None:
        held = unique("a held door")
        job_id = await darkroom.editor.create(prompt=held, quality="draft")
        await sign_in(page, darkroom.locked, secret_of("reader"))
        await page.goto(address(darkroom.locked, f"jobs/{job_id}"))
        await expect(page.get_by_text("Developing").first).to_be_visible()
        darkroom.easel.let_go(held)
        await expect(page.get_by_text("Awaits review").first).to_be_visible()

    async def test_a_reader_sees_no_buttons_to_decide_with(
        self, darkroom: Darkroom, page: Page, unique: Unique
    ) -> None:
        job_id = await darkroom.editor.draft(prompt=unique("a window"))
        await sign_in(page, darkroom.locked, secret_of("reader"))
        await expect(frame(page, job_id)).to_be_visible()
        for name in ("Approve", "Changes", "Reject"):
            await expect(page.get_by_role("button", name=name)).to_have_count(0)
        await expect(page.get_by_role("link", name="New", exact=True)).to_have_count(0)
        await frame(page, job_id).focus()
        for pressed in ("a", "r", "e"):
            await page.keyboard.press(pressed)
        await expect(page.get_by_role("dialog")).to_have_count(0)
        assert (await darkroom.editor.job(job_id))["review"]["state"] == "awaiting"
        await page.goto(address(darkroom.locked, "new"))
        await expect(page.get_by_text("lacks the scope")).to_be_visible()

    async def test_a_key_is_forgotten_with_its_tab_unless_it_is_wished(
        self, darkroom: Darkroom, page: Page
    ) -> None:
        async def is_known_elsewhere() -> bool:
            other = await page.context.new_page()
            await other.goto(address(darkroom.locked, "jobs"))
            await expect(other.locator("h1")).to_be_visible()
            known = await other.get_by_label("API key").count() == 0
            await other.close()
            return known

        await sign_in(page, darkroom.locked, secret_of("reader"))
        await expect(page.get_by_role("heading", name="Review")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("heading", name="Review")).to_be_visible()
        assert not await is_known_elsewhere()
        await page.get_by_role("button", name="You: ").click()
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_label("Stay signed in").check()
        await page.get_by_label("API key").fill(secret_of("reader"))
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Review")).to_be_visible()
        assert await is_known_elsewhere()
