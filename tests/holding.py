"""A worker that is not heard, as one is that stands still or is cut off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.client import AsyncActivityHandle
from temporalio.service import RPCError, RPCStatusCode


@contextmanager
def unheard(activity_type: str) -> Iterator[None]:
    """No heartbeat of an activity of that type arrives while the block runs."""
    heartbeat = AsyncActivityHandle.heartbeat

    async def away(handle: AsyncActivityHandle, *details: object, rpc_timeout: timedelta) -> None:
        if activity.info().activity_type == activity_type:
            raise RPCError("not reached", RPCStatusCode.UNAVAILABLE, b"")
        await heartbeat(handle, *details, rpc_timeout=rpc_timeout)

    with pytest.MonkeyPatch.context() as held:
        held.setattr(AsyncActivityHandle, "heartbeat", away)
        yield
