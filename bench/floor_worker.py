"""The floor's worker: `python -m bench.floor_worker`, with the SDK's defaults."""

from __future__ import annotations

import asyncio
import signal

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

from bench.floor import TASK_QUEUE, FloorWorkflow, do_nothing


async def work() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = await Client.connect(**ClientConfig.load_client_connect_config())
    async with Worker(
        client, task_queue=TASK_QUEUE, workflows=[FloorWorkflow], activities=[do_nothing]
    ):
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(work())
