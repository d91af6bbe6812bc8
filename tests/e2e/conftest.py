"""One whole Darkroom for all end-to-end tests; each finds it healthy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.jobs import Watch
from tests.e2e.stack import Stack


@pytest.fixture(scope="package")
def whole_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("whole-stack"))
    try:
        yield stack
    finally:
        stack.close()


@pytest.fixture
def stack(whole_stack: Stack) -> Stack:
    whole_stack.ensure_up()
    return whole_stack


@pytest.fixture
def watch(stack: Stack) -> Watch:
    return Watch(stack)
