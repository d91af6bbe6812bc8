"""The page on publishing: what its functions make of a job's answer, in a real Chromium."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, Route, async_playwright

from tests.api.conftest import (  # noqa: F401  the fixtures
    Caller,
    closed_address,
    engineless,
)
from tests.contract.conftest import HERE as CONTRACT
from tests.contract.conftest import install_compiler, output_of
from tests.docs.pages import page, snippets

PAGE = page("publishing.md")
CHROMIUM = "/usr/bin/chromium"
_FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
_MAKE = """
import { headOf, pictureOf } from "./publish.mjs";
const image = JSON.parse(process.argv[2]);
console.log(JSON.stringify({ head: headOf(image), picture: pictureOf(image) }));
"""
_SHIFTS = """() => new Promise((done) => {
  let moved = 0;
  const add = (entries) => entries.forEach((entry) => (moved += entry.value));
  const observer = new PerformanceObserver((list) => add(list.getEntries()));
  observer.observe({ type: "layout-shift", buffered: true });
  const told = () => { add(observer.takeRecords()); done(moved); };
  const after = (frames) =>
    frames ? requestAnimationFrame(() => after(frames - 1)) : setTimeout(told);
  after(3);
})"""


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    if shutil.which(CHROMIUM) is None:
        pytest.fail(f"{CHROMIUM} is missing; install your distribution's package `chromium`")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def image(engineless: Caller) -> dict[str, Any]:  # noqa: F811
    """What a job's answer tells of its image; without the engine it is told the same."""
    wanted = {"prompt": 'A "boat" & <its> harbour', "quality": "high", "aspect_ratio": "16:9"}
    answer = await engineless.post("/generate", wanted)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["images"][0])


@pytest.fixture
def blog(image: dict[str, Any]) -> str:
    """Where the page is: at the images' origin, for a browser lets no far page reach loopback."""
    return str(httpx.URL(image["url"]).join("/blog"))


@pytest.fixture
def html(image: dict[str, Any], tmp_path: Path) -> str:
    """A page as a blog's server makes it, by the functions that are shown."""
    install_compiler()
    [functions] = snippets(PAGE, "javascript")
    [placeholders] = snippets(PAGE, "html")
    (tmp_path / "publish.mjs").write_text(functions)
    (tmp_path / "make.mjs").write_text(_MAKE)
    made = json.loads(output_of("node", str(tmp_path / "make.mjs"), json.dumps(image)))
    return (
        f"<!doctype html><html><head><title>A post</title>{made['head']}</head>"
        f"<body style='margin: 0'><h1>A post</h1>{made['picture']}"
        f"<p id='after'>What follows the picture.</p>{placeholders}</body></html>"
    )


class TestPage:
    async def test_it_shows_the_right_file_and_nothing_moves(
        self, chromium: Browser, html: str, blog: str, image: dict[str, Any]
    ) -> None:
        shown = await chromium.new_page(viewport={"width": 900, "height": 700})
        may_come = await _serve(shown, html, blog)
        await shown.goto(f"{blog}/", wait_until="domcontentloaded")
        picture, after = shown.locator("img"), shown.locator("#after")
        await shown.wait_for_function("document.images[0].style.backgroundImage.startsWith('url')")
        placeholder = await picture.evaluate("image => image.style.backgroundImage")
        assert placeholder.startswith('url("data:image/png;base64,')
        place = await after.bounding_box()
        may_come.set()
        await picture.evaluate("image => image.decode()")
        assert await after.bounding_box() == place
        assert await shown.evaluate(_SHIFTS) == 0
        right = [v for v in image["variants"] if (v["format"], v["width"]) == ("avif", 960)]
        assert [v["url"] for v in right] == [await picture.evaluate("image => image.currentSrc")]
        assert await picture.evaluate("image => image.width / image.height") == pytest.approx(
            16 / 9, abs=0.01
        )
        assert await picture.get_attribute("alt") == image["alt_text"]
        await shown.evaluate("document.querySelector('h1').style.height = '300px'")
        assert await shown.evaluate(_SHIFTS) > 0, "a shift would have been seen"

    async def test_its_linked_data_and_preview_say_what_it_is(
        self,
        chromium: Browser,
        html: str,
        blog: str,
        image: dict[str, Any],
        engineless: Caller,  # noqa: F811
    ) -> None:
        shown = await chromium.new_page()
        (await _serve(shown, html, blog)).set()
        await shown.goto(f"{blog}/")
        linked = json.loads(await shown.locator("[type='application/ld+json']").inner_text())
        assert linked["digitalSourceType"].endswith("/digitalsourcetype/trainedAlgorithmicMedia")
        assert linked["description"] == image["alt_text"]
        preview = await shown.locator("[property='og:image']").get_attribute("content")
        assert preview == image["social_url"]
        for url in (linked["contentUrl"], linked["thumbnailUrl"], preview):
            assert isinstance(url, str)
            found = await engineless.http.get(url)
            assert found.status_code == httpx.codes.OK
            assert found.headers["content-type"].startswith("image/")


async def _serve(shown: Page, html: str, blog: str) -> asyncio.Event:
    """Serve the page; its pictures come once the event is set."""
    may_come = asyncio.Event()

    async def document(route: Route) -> None:
        await route.fulfill(body=html, content_type="text/html; charset=utf-8")

    async def package(route: Route) -> None:
        await route.fulfill(path=CONTRACT / "node_modules" / "thumbhash" / "thumbhash.js")

    async def picture(route: Route) -> None:
        await may_come.wait()
        await route.continue_()

    await shown.route(f"{blog}/", document)
    await shown.route(f"{blog}/thumbhash.js", package)
    await shown.route("**/files/**", picture)
    return may_come
