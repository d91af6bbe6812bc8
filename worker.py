"""The worker process: settings → client → activities → Workers; drains on SIGTERM.

Run it alone with `python worker.py`, as many as there is work for.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

import encryption
import engine
from activities.batch import BatchActivities
from activities.budget import BudgetActivities
from activities.deliver import DeliverActivities
from activities.develop import DevelopActivities
from activities.plan import PlanActivities
from activities.purse import BudgetPurse
from activities.render import RenderActivities
from activities.retention import RetentionActivities
from api.telling import Teller
from domain.errors import StorageUnavailable
from domain.names import TASK_QUEUE, WEBHOOK_QUEUE, provider_queue
from observing import logs
from observing.activities import ActivityWatch
from observing.core import metered_runtime
from observing.exposing import exposed
from observing.meters import Meters
from observing.tracing import Tracing, start_tracing
from pipeline.delivering import DELIVERIES_AT_ONCE, WebhookSender
from pipeline.developing import Developer, load_assets
from pipeline.house import load_house
from pipeline.keeping import load_policy
from pipeline.marking import CredentialsError, Marker, load_mark_reader, load_sealer
from pipeline.paying import Cashier, Told, nobody
from pipeline.planning import Planner
from pipeline.references import References
from pipeline.rendering import Renderer
from pipeline.spending import NoBudgets, Purse, load_budgets
from pipeline.subscribing import load_subscriptions
from providers.catalogue import Catalogue, CatalogueError, load_catalogue
from providers.registry import Roster, build_roster
from providers.studio.provider import Studio
from settings import Settings, SettingsError, load_settings
from storage import objects
from storage.archive import Archive
from storage.ledger import Ledger
from version import VERSION
from workflows.budget import BudgetWorkflow
from workflows.claim import ClaimWorkflow
from workflows.image_batch import ImageBatchWorkflow
from workflows.image_job import ImageJobWorkflow
from workflows.retention import RetentionWorkflow
from workflows.webhook import WebhookWorkflow

Connect = Callable[[], Awaitable[Client]]

logger = logging.getLogger("darkroom.worker")

WORKFLOWS = [
    ImageJobWorkflow,
    ImageBatchWorkflow,
    WebhookWorkflow,
    BudgetWorkflow,
    ClaimWorkflow,
    RetentionWorkflow,
]

_SANDBOX = SandboxRestrictions.default.with_passthrough_modules(
    "activities",
    "domain",
    "workflows.failures",
    "workflows.options",
    "workflows.policies",
    "workflows.progress",
    "workflows.story",
)
"""The workflows stay inside; what they are made of is pure and need not be imported for each."""

_STICKY_TIMEOUT = timedelta(seconds=1)
_DEVELOPS_AT_ONCE_PER_CORE = 2
_CALLS_AT_ONCE = 20
_SAY_AGAIN_SECONDS = 30.0


def build_workers(
    client: Client,
    settings: Settings,
    store: objects.ObjectStore,
    catalogue: Catalogue,
    roster: Roster,
    *,
    cached_workflows: int = 1000,
    told: Told = nobody,
) -> list[Worker]:
    """One worker for workflows and common activities, one for webhooks, one for each provider.

    Where the settings name providers, only one for each of those. With no cached workflows every
    step is a replay, as tests want it. `told` hears of every paid call. Raises `CatalogueError`,
    `CredentialsError`, `SettingsError`.
    """
    served = _served(settings, roster)
    hands = _hands(client, settings, store, catalogue, roster, served, told)
    if settings.worker_only:
        return hands
    story = _story(client, settings, store, catalogue, roster, cached_workflows)
    return [story, _courier(client, settings, store), *hands]


def _served(settings: Settings, roster: Roster) -> list[str]:
    """The providers whose queues this process polls."""
    for name in settings.worker_only:
        if name not in roster.providers:
            remedy = roster.problems.get(name, "it is not configured here")
            raise SettingsError(f"DARKROOM_WORKER_PROVIDERS: '{name}' cannot be served: {remedy}")
    return [name for name in roster.providers if name in (settings.worker_only or roster.providers)]


def _story(
    client: Client,
    settings: Settings,
    store: objects.ObjectStore,
    catalogue: Catalogue,
    roster: Roster,
    cached_workflows: int,
) -> Worker:
    archive = Archive(store)
    planner = Planner(
        catalogue,
        roster.offered,
        roster.problems,
        stand_in=settings.stand_in,
        review_seconds=settings.review_seconds,
        house=load_house(settings.config, catalogue),
    )
    marker = Marker(
        load_mark_reader(settings.c2pa_trust_anchors),
        load_sealer(settings.signing, VERSION),
        VERSION,
    )
    assets = load_assets(settings.config)
    develops = DevelopActivities(Developer(store, archive, planner, marker, assets), archive)
    batches = BatchActivities(client, archive)
    plans = PlanActivities(planner)
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=WORKFLOWS,
        activities=[
            develops.develop,
            develops.archive_job,
            develops.archive_batch,
            batches.load_items,
            batches.inspect_jobs,
            BudgetActivities(client).find_idle_jobs,
            RetentionActivities(
                client, store, load_policy(settings.keeping, settings.config)
            ).sweep,
            plans.plan_final,
            plans.plan_revision,
        ],
        workflow_runner=SandboxedWorkflowRunner(restrictions=_SANDBOX),
        max_cached_workflows=cached_workflows,
        max_concurrent_activities=_DEVELOPS_AT_ONCE_PER_CORE * (os.cpu_count() or 1),
        sticky_queue_schedule_to_start_timeout=_STICKY_TIMEOUT,
        max_heartbeat_throttle_interval=timedelta(seconds=settings.heartbeat_seconds),
        graceful_shutdown_timeout=timedelta(seconds=settings.drain_seconds),
    )


def _hands(
    client: Client,
    settings: Settings,
    store: objects.ObjectStore,
    catalogue: Catalogue,
    roster: Roster,
    served: Iterable[str],
    told: Told,
) -> list[Worker]:
    references = References(store, settings.reference_hosts)
    cashier = Cashier(_purse(client, settings), Ledger(store), told)
    renders = RenderActivities(
        Renderer(roster.providers, store, references, cashier),
        settings.on_unknown_outcome,
        settings.heartbeat_seconds,
    )
    return [
        Worker(
            client,
            task_queue=provider_queue(name),
            activities=[renders.render, renders.take_up],
            max_concurrent_activities=_calls_at_once(name, catalogue, settings),
            max_task_queue_activities_per_second=catalogue.providers[name].requests_per_second,
            max_heartbeat_throttle_interval=timedelta(seconds=settings.heartbeat_seconds),
            graceful_shutdown_timeout=timedelta(seconds=settings.drain_seconds),
        )
        for name in served
    ]


def _purse(client: Client, settings: Settings) -> Purse:
    budgets = load_budgets(settings.config)
    return BudgetPurse(client, budgets) if budgets else NoBudgets()


def _calls_at_once(provider: str, catalogue: Catalogue, settings: Settings) -> int:
    if provider == Studio.NAME:
        return settings.studio_concurrency
    return catalogue.providers[provider].concurrency or _CALLS_AT_ONCE


def _courier(client: Client, settings: Settings, store: objects.ObjectStore) -> Worker:
    """Deliveries have a worker of their own: a receiver that hangs takes no place of a job's."""
    subscriptions = load_subscriptions(
        settings.config, os.environ, settings.webhook_secrets, settings.webhook_hosts
    )
    sender = WebhookSender(settings.webhook_hosts)
    teller = Teller(client, Archive(store), settings)
    return Worker(
        client,
        task_queue=WEBHOOK_QUEUE,
        activities=[DeliverActivities(sender, subscriptions, teller).deliver],
        max_concurrent_activities=DELIVERIES_AT_ONCE,
        graceful_shutdown_timeout=timedelta(seconds=settings.drain_seconds),
    )


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, then let running activities finish."""
    stop = _stop_event()
    meters, tracing = Meters(), start_tracing("darkroom-worker", VERSION, os.environ)
    client = await _connected(stop, _as_observed(settings, meters, tracing))
    if client is None:
        return
    await engine.ensure_search_attributes(client)
    if not settings.worker_only:
        is_wanted = load_policy(settings.keeping, settings.config).youngest is not None
        await engine.ensure_retention_schedule(client, is_wanted=is_wanted)
    store = objects.connect(settings.s3_url, settings.s3_bucket)
    await _prepare(store)
    catalogue = load_catalogue(settings.config)
    roster = build_roster(catalogue, os.environ, settings.studio_concurrency)
    meters.know({name: entry.models for name, entry in catalogue.providers.items()})
    workers = build_workers(client, settings, store, catalogue, roster, told=meters.entered)
    async with AsyncExitStack() as running:
        if tracing is not None:
            running.callback(tracing.close)
        running.push_async_callback(roster.close)
        await running.enter_async_context(
            exposed(meters.registry, settings.worker_metrics_host, settings.worker_metrics_port)
        )
        for worker in workers:
            await running.enter_async_context(worker)
        logger.info("ready on %s", ", ".join(sorted(worker.task_queue for worker in workers)))
        await stop.wait()
        logger.info("draining for up to %.0f s", settings.drain_seconds)
        await _shut_down(workers)
    logger.info("stopped")


def _as_observed(settings: Settings, meters: Meters, tracing: Tracing | None) -> Connect:
    """How to connect a client that counts and traces all that its workers do."""
    runtime, core = metered_runtime(settings.log_level)
    meters.registry.register(core)
    outside = [tracing.interceptor] if tracing else []
    interceptors = [*outside, ActivityWatch(meters)]
    converter = encryption.converter(settings.encryption_keys)
    return partial(engine.connect, converter, runtime=runtime, interceptors=interceptors)


async def _prepare(store: objects.ObjectStore) -> None:
    """Create the bucket where we may; a store that is away now is waited for by each job."""
    try:
        await store.ensure_bucket()
    except StorageUnavailable as error:
        logger.warning("%s", error)


async def _shut_down(workers: Iterable[Worker]) -> None:
    await asyncio.gather(*(worker.shutdown() for worker in workers))


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _connected(stop: asyncio.Event, connect: Connect) -> Client | None:
    """A connected client, waited for as long as it takes; None when asked to stop before."""
    loop = asyncio.get_running_loop()
    say_again_at = loop.time()
    while not stop.is_set():
        try:
            return await connect()
        except RuntimeError as error:
            if loop.time() >= say_again_at:
                logger.warning("the engine does not answer yet: %s", error)
                say_again_at = loop.time() + _SAY_AGAIN_SECONDS
            with_timeout = asyncio.wait_for(stop.wait(), timeout=1)
            await asyncio.gather(with_timeout, return_exceptions=True)
    return None


def main() -> int:
    """Run the worker; returns the process's exit status."""
    # The sandbox imports a workflow's module anew for each workflow: from bytecode, where it can.
    sys.dont_write_bytecode = False
    try:
        settings = load_settings()
        logs.install(settings.log_level, settings.log_format, logs.secrets_in(os.environ))
        asyncio.run(run(settings))
    except (
        SettingsError,
        CatalogueError,
        CredentialsError,
        engine.SearchAttributesMissing,
    ) as error:
        sys.stderr.write(f"darkroom worker: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
