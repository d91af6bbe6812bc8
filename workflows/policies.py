"""How long and how often: named activity options, each with its reason."""

from __future__ import annotations

from datetime import timedelta

from temporalio.common import Priority, RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityConfig

from domain.jobs import Target
from domain.names import WEBHOOK_QUEUE, provider_queue
from domain.webhooks import Delivery

_PATIENT = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=30),
)

_RENDER = ActivityConfig(
    # A queue may be long and a vendor slow; the error's kind, not a count of attempts, ends it.
    schedule_to_close_timeout=timedelta(hours=24),
    start_to_close_timeout=timedelta(minutes=30),
    # A worker that dies costs its jobs seconds.
    heartbeat_timeout=timedelta(seconds=5),
    retry_policy=_PATIENT,
    # The activity may have to cancel at the vendor, or to keep what was paid for anyway.
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)


def render_by(target: Target, priority: Priority) -> ActivityConfig:
    """Options of `render` on the target's own queue, where its rate limit applies."""
    config = _RENDER.copy()
    config["task_queue"] = provider_queue(target.provider)
    config["priority"] = priority
    config["summary"] = f"{target.provider}/{target.model}"
    return config


DEVELOP = ActivityConfig(
    summary="variants, marks and the record",
    # The picture exists and is paid for: outwait any outage of the store.
    schedule_to_close_timeout=timedelta(days=2),
    start_to_close_timeout=timedelta(minutes=5),
    heartbeat_timeout=timedelta(seconds=5),
    retry_policy=_PATIENT,
    # A cancel that comes this late finds the job finished.
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)

ARCHIVE = ActivityConfig(
    summary="the record",
    # The engine keeps the truth for now; a store that is away must not hold a job open for ever.
    schedule_to_close_timeout=timedelta(hours=6),
    start_to_close_timeout=timedelta(seconds=10),
    retry_policy=_PATIENT,
)

PLAN = ActivityConfig(
    summary="what the catalogue says today",
    # A look-up in the worker's memory. Not a local activity: one that is under way when its
    # workflow is evicted from a worker's cache is lost until it times out.
    schedule_to_close_timeout=timedelta(days=1),
    start_to_close_timeout=timedelta(seconds=10),
    retry_policy=_PATIENT,
)

LOAD_ITEMS = ActivityConfig(
    summary="the next images",
    schedule_to_close_timeout=timedelta(days=2),
    start_to_close_timeout=timedelta(seconds=10),
    retry_policy=_PATIENT,
)

INSPECT = ActivityConfig(
    summary="jobs not heard from for long",
    # One describe and one read for each of up to a thousand jobs; tried again at the next round.
    schedule_to_close_timeout=timedelta(minutes=10),
    start_to_close_timeout=timedelta(minutes=5),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=_PATIENT,
)

SWEEP = ActivityConfig(
    # A thousand records and the files of some; done again from its start after a kill.
    schedule_to_close_timeout=timedelta(hours=12),
    start_to_close_timeout=timedelta(hours=1),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=_PATIENT,
)

_DELIVER = ActivityConfig(
    # Where nothing but deliveries can be kept waiting by a receiver that lets us wait.
    task_queue=WEBHOOK_QUEUE,
    # Receivers are down for weekends.
    schedule_to_close_timeout=timedelta(days=3),
    # Twice as long as a receiver is waited for: this is for a worker that died.
    start_to_close_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=5),
        backoff_coefficient=3.0,
        maximum_interval=timedelta(hours=4),
    ),
)


def deliver_to(delivery: Delivery) -> ActivityConfig:
    """Options of `deliver`, fair among receivers: much for one delays no other's."""
    config = _DELIVER.copy()
    config["priority"] = Priority(fairness_key=delivery.fairness_key)
    config["summary"] = delivery.event
    return config
