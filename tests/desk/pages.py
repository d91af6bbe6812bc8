"""Where things are on the desk's pages, as an editor would look for them."""

from __future__ import annotations

from playwright.async_api import Locator, Page, expect

from tests.api.conftest import Caller


def address(api: Caller, path: str) -> str:
    return f"{api.http.base_url}/#/{path}"


async def come_to(page: Page, api: Caller, path: str) -> None:
    """Open a page of the desk and wait until it is there."""
    await page.goto(address(api, path))
    await expect(page.locator("main h1")).to_be_visible()


def frame(page: Page, job_id: str) -> Locator:
    """The draft on the contact sheet."""
    return page.locator(f'[data-job="{job_id}"]')


def titled(page: Page, prompt: str) -> Locator:
    """The drafts whose prompt begins so."""
    return page.locator("[data-job]", has_text=prompt)


async def sign_in(page: Page, api: Caller, key: str) -> None:
    await page.goto(f"{api.http.base_url}/")
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
