"""Two whole Darkrooms for all end-to-end tests; each test finds its own healthy.

One has only what is built in, the other has all vendors.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.jobs import Watch
from tests.e2e.stack import Stack
from tests.e2e.vendors import new_stack
from tests.vendors.stand_in import StandIn


@pytest.fixture
def watch(stack: Stack) -> Watch:
    return Watch(stack)


@pytest.fixture(scope="package")
def whole_vendor_stack(
    tmp_path_factory: pytest.TempPathFactory, one_stand_in: StandIn
) -> Iterator[Stack]:
    stack = new_stack(tmp_path_factory.mktemp("vendor-stack"), one_stand_in)
    try:
        yield stack
    finally:
        stack.close()


@pytest.fixture
def vendor_stack(whole_vendor_stack: Stack) -> Stack:
    whole_vendor_stack.ensure_up()
    return whole_vendor_stack


@pytest.fixture
def vendor_watch(vendor_stack: Stack) -> Watch:
    return Watch(vendor_stack)
