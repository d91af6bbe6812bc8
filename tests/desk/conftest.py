"""The desk in a real Chromium, in front of a real engine, store, worker and API.

The provider is a fake that holds whatever prompt asks to be held. Without keys everybody may do
everything; behind keys it is the tenant `press` who works.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from domain.keys import Scope
from providers.base import Order, Report
from providers.catalogue import load_catalogue
from providers.registry import Roster
from storage import objects
from tests import npm
from tests.api.conftest import Caller, api_settings, served
from tests.api.keys import key, with_key
from tests.fakes import FakeProvider
from tests.waiting import DEADLINE_SECONDS
from worker import build_workers

HERE = Path(__file__).parent
CHROMIUM = "/usr/bin/chromium"
_FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
_UNREACHED = re.compile(r"Failed to load resource|ERR_INTERNET_DISCONNECTED")
"""What Chromium writes for an answer that is an error, or that does not come."""


expect.set_options(timeout=DEADLINE_SECONDS * 1000)


class Easel:
    """Paints at once, but for prompts with `held` in them: those halfway, until they are let go."""

    def __init__(self) -> None:
        self._gates: dict[str, asyncio.Event] = {}

    async def __call__(self, order: Order, report: Report) -> None:
        prompt = order.spec.words.prompt
        if "held" in prompt:
            report(0.5)
            await self._gate(prompt).wait()

    def let_go(self, prompt: str) -> None:
        self._gate(prompt).set()

    def _gate(self, prompt: str) -> asyncio.Event:
        return self._gates.setdefault(prompt, asyncio.Event())


@dataclass(frozen=True)
class Darkroom:
    """What the tests' pages are of."""

    open: Caller
    """Without keys."""
    locked: Caller
    """Behind the keys `editor` and `reader`."""
    editor: Caller
    """Who sends the editor's key."""
    easel: Easel


@pytest.fixture(scope="package")
async def darkroom(
    engine_address: str, namespaces: Iterator[str], store_url: str, home: Path
) -> AsyncIterator[Darkroom]:
    client = await Client.connect(
        engine_address, namespace=next(namespaces), data_converter=pydantic_data_converter
    )
    store = objects.connect(store_url, client.namespace)
    await store.ensure_bucket()
    settings = api_settings(
        home / "none.toml",
        store_url,
        client.namespace,
        temporal_ui_url="http://127.0.0.1:8233",
    )
    keys = (
        key("editor", Scope.READ, Scope.REVIEW, Scope.GENERATE, tenant="press"),
        key("reader", Scope.READ, tenant="press"),
    )
    easel = Easel()
    roster = Roster({"studio": FakeProvider(easel, is_paid=True, cost_usd=0.02)})
    async with AsyncExitStack() as stack:
        for worker in build_workers(
            client, settings, store, load_catalogue(settings.config), roster
        ):
            await stack.enter_async_context(worker)
        namespace = client.namespace
        open_ = await stack.enter_async_context(served(settings, engine_address, namespace))
        closed = settings.model_copy(update={"api_keys": keys})
        locked = await stack.enter_async_context(served(closed, engine_address, namespace))
        editor = await stack.enter_async_context(with_key(locked, "editor"))
        yield Darkroom(open_, locked, editor, easel)


@pytest.fixture(scope="package")
async def chromium() -> AsyncIterator[Browser]:
    if shutil.which(CHROMIUM) is None:
        pytest.fail(f"{CHROMIUM} is missing; install your distribution's package `chromium`")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """A page of its own browser profile; whatever goes wrong in its scripts fails the test."""
    context = await chromium.new_context(viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda told: wrong.extend([told.text] if told.type == "error" else []))
    yield page
    await context.close()
    assert [line for line in wrong if not _UNREACHED.search(line)] == []


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe, which checks a page against what WCAG asks."""
    npm.install(HERE)
    return (HERE / "node_modules" / "axe-core" / "axe.min.js").read_text()


Unique = Callable[[str], str]


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> Unique:
    """Makes names that no other test uses."""
    return lambda name: f"{name}-{abs(hash(request.node.nodeid)) % 10**8}"
