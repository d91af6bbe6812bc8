"""How many requests the engine's frontend served, by operation, as the server counts them."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

import httpx

from bench.wire import LOOPBACK

_REQUESTS = re.compile(r"^service_requests\{(?P<labels>[^}]*)\} (?P<count>\S+)$", re.MULTILINE)
_OPERATION = re.compile(r'operation="([^"]+)"')

_PUBLISHED_SECONDS = 2.0
_OF_WORKERS = ("Poll", "Respond", "RecordActivityTask", "RecordWorker", "ShutdownWorker")


async def settled_calls(metrics_port: int) -> Counter[str]:
    """Calls so far that no worker makes: those of the API, and of whoever else asks.

    The server publishes its counts with a delay, so this waits until they stand still.
    """
    while True:
        earlier = of_the_door(await calls_so_far(metrics_port))
        await asyncio.sleep(_PUBLISHED_SECONDS)
        if (calls := of_the_door(await calls_so_far(metrics_port))) == earlier:
            return calls


def of_the_door(calls: Counter[str]) -> Counter[str]:
    """Those that no worker makes."""
    return Counter({name: n for name, n in calls.items() if not name.startswith(_OF_WORKERS)})


async def calls_so_far(metrics_port: int) -> Counter[str]:
    """All calls, as the server published them last."""
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"http://{LOOPBACK}:{metrics_port}/metrics")).text
    calls: Counter[str] = Counter()
    for match in _REQUESTS.finditer(text):
        operation = _OPERATION.search(match["labels"])
        if operation and 'service_name="frontend"' in match["labels"]:
            calls[operation[1]] += round(float(match["count"]))
    return calls
