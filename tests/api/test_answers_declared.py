"""Whatever is asked, the answer is one that the OpenAPI document declares.

Schemathesis makes requests of the document: such as fit it and such as do not, of what is there and
of what is not, with keys of every kind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from pydantic import SecretStr
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from domain.errors import ContentRejected
from domain.keys import Scope
from providers.base import Order, Report
from tests.api.conftest import API, DOCUMENT, Caller, manned
from tests.api.keys import bearer, key, with_key
from tests.fakes import FakeProvider
from tests.receivers import SECRET

OWNER, READER = "owner", "reader"
BLOG = "travel-42"
REFUSED_PROMPT = "a picture that no provider makes"
EXAMPLES = 12
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = [
    pytest.param(SCHEMA[path][method], id=f"{method} {path.removeprefix(API)}")
    for path, methods in DOCUMENT["paths"].items()
    for method in methods
]
EXPLORED = hypothesis.settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)

Operation = APIOperation[Any, Any, Any, Any]
AnyCase = Case[Any]
Known = dict[str, list[str]]
"""By the name of a parameter, what there is."""


@pytest.fixture(scope="module")
async def shared(
    engine_address: str, namespaces: Iterator[str], store_url: str, home: Path
) -> AsyncIterator[Caller]:
    """Two instances of the API with keys, and three crews of workers."""

    async def choosy(order: Order, report: Report) -> None:
        if order.spec.prompt == REFUSED_PROMPT:
            raise ContentRejected("Not that.", provider="studio", flagged="prompt")

    async with manned(
        engine_address,
        next(namespaces),
        store_url,
        home,
        FakeProvider(choosy),
        instances=2,
        crews=3,
        webhook_secret=SecretStr(SECRET),
        api_keys=(key(OWNER), key(READER, Scope.READ)),
    ) as caller:
        yield caller


@pytest.fixture(scope="module")
async def known(shared: Caller) -> Known:
    """Something of every kind, all of it over: no stream of it stays open."""
    async with with_key(shared, OWNER) as own:
        plain, failed = await own.create(blog_id=BLOG), await own.create(prompt=REFUSED_PROMPT)
        await own.ended(failed)
        url = (await own.completed(plain))["result"]["images"][0]["url"]
        drafts = await own.create_batch({}, {})
        finals = await own.create_batch({}, workflow="final_only")
        for job_id in (*drafts["job_ids"], *finals["job_ids"]):
            await own.completed(job_id)
        await own.post(f"/jobs/{drafts['job_ids'][0]}/reject")
    return {
        "job_id": [plain, failed, drafts["job_ids"][0]],
        "batch_id": [finals["batch_id"]],
        "blog_id": [BLOG],
        "delivery_id": [],
        "key": [url.partition("/files/")[2]],
    }


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_every_answer_is_declared_and_none_is_our_fault(
    shared: Caller, known: Known, operation: Operation
) -> None:
    positive = operation.as_strategy(GenerationMode.POSITIVE)
    negative = operation.as_strategy(GenerationMode.NEGATIVE)

    @EXPLORED
    @hypothesis.given(st.one_of(positive, positive, negative), st.data())
    def explore(case: AnyCase, data: st.DataObject) -> None:
        for name in case.path_parameters:
            chosen = data.draw(st.sampled_from([None, *known[name]]))
            case.path_parameters[name] = chosen or case.path_parameters[name]
        case.body = tamed(case.body)
        sender = data.draw(st.sampled_from([*[bearer(OWNER)] * 4, bearer(READER), {}]))
        answer = case.call(base_url=next(shared.urls), headers=sender, timeout=60)
        case.validate_response(answer, checks=[not_a_server_error, *CHECKS])

    await asyncio.to_thread(explore)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_every_answer_is_declared_while_the_engine_is_away(
    engineless: Caller, operation: Operation
) -> None:
    @hypothesis.settings(EXPLORED, max_examples=2)
    @hypothesis.given(operation.as_strategy(GenerationMode.POSITIVE))
    def explore(case: AnyCase) -> None:
        case.body = tamed(case.body)
        answer = case.call(base_url=next(engineless.urls), timeout=60)
        case.validate_response(answer, checks=CHECKS)

    await asyncio.to_thread(explore)


def tamed(body: Any) -> Any:
    """The same with small images, and with addresses that lead nowhere."""
    if isinstance(body, list):
        return [tamed(each) for each in body]
    if not isinstance(body, dict):
        return body
    body = {name: _address(name, value) for name, value in body.items()}
    return body | {"width": 64, "height": 64} if "prompt" in body else body


def _address(name: str, value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith("http"):
        return tamed(value)
    return "http://127.0.0.1:1/x.png" if "mage" in name else "https://receiver.example/"
