"""What routes depend on, built once in the API's lifespan."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from temporalio.client import Client

from api import context
from api.answers import Addresses
from api.billing import Billing
from api.blogs import Blogs
from api.bodies import Bodies
from api.budgets import BudgetDesk
from api.claims import Claims
from api.closing import Closing
from api.deciding import Decisions
from api.deliveries import Deliveries
from api.engine_room import EngineRoom
from api.estimates import Estimates
from api.health import HealthCheck
from api.keeping import Keeping
from api.listing import Listing
from api.marks import MarkDesk
from api.offering import Offering
from api.quoting import Quotes
from api.reading import Reader
from api.records import Records
from api.retrying import Retries
from api.reworking import Reworks
from api.rounds import Rounds
from api.streaming import Streams
from api.submitting import InlineRunner, Submissions
from api.trying import WebhookTrials
from api.watching import Watchman
from observing.meters import Meters
from pipeline.delivering import WebhookSender
from pipeline.developing import Developer, load_assets
from pipeline.house import load_house
from pipeline.marking import Marker, load_mark_reader, load_sealer
from pipeline.paying import Cashier
from pipeline.planning import Planner
from pipeline.references import References
from pipeline.rendering import Renderer
from pipeline.sourcing import Sources
from pipeline.spending import LockedPurse, load_budgets
from pipeline.subscribing import load_subscriptions
from providers.catalogue import Catalogue
from providers.registry import Roster
from settings import Settings
from storage.archive import Archive
from storage.ledger import Ledger
from storage.objects import ObjectStore
from version import VERSION


@dataclass(frozen=True)
class Services:
    """Everything behind the routes."""

    settings: Settings
    client: Client
    store: ObjectStore
    keeping: Keeping
    reader: Reader
    listing: Listing
    blogs: Blogs
    rounds: Rounds
    submissions: Submissions
    retries: Retries
    decisions: Decisions
    estimates: Estimates
    bodies: Bodies
    closing: Closing
    watchman: Watchman
    streams: Streams
    health: HealthCheck
    quotes: Quotes
    billing: Billing
    offering: Offering
    deliveries: Deliveries
    webhook_trials: WebhookTrials
    marks: MarkDesk

    @classmethod
    def build(
        cls,
        settings: Settings,
        client: Client,
        store: ObjectStore,
        catalogue: Catalogue,
        roster: Roster,
        meters: Meters | None = None,
    ) -> Services:
        """Wire the services; no call is made yet.

        Raises `CatalogueError`, and `CredentialsError` where finals cannot be signed as set up.
        """
        meters = meters or Meters()
        archive, ledger = Archive(store), Ledger(store)
        engine = EngineRoom(client, settings.patience_seconds)
        keeping = Keeping(archive)
        reader = Reader(engine, archive, keeping, settings.poll_interval_seconds)
        records = Records(archive, keeping.settled_seconds)
        estimates = Estimates(engine)
        closing = Closing()
        watchman = Watchman(closing, settings.poll_interval_seconds)
        house = load_house(settings.config, catalogue)
        planner = Planner(
            catalogue,
            roster.offered,
            roster.problems,
            stand_in=settings.stand_in,
            review_seconds=settings.review_seconds,
            house=house,
        )
        budgets = load_budgets(settings.config)
        desk = BudgetDesk(engine, budgets)
        claims = Claims(engine, archive)
        subscriptions = load_subscriptions(
            settings.config, os.environ, settings.webhook_secrets, settings.webhook_hosts
        )
        mark_reader = load_mark_reader(settings.c2pa_trust_anchors)
        marker = Marker(mark_reader, load_sealer(settings.signing, VERSION), VERSION)
        references = References(store, settings.reference_hosts)
        reworks = Reworks(reader, archive, Sources(store, references))
        submissions = Submissions(
            engine,
            planner,
            reworks,
            archive,
            reader,
            estimates,
            claims,
            InlineRunner(
                Renderer(
                    roster.providers,
                    store,
                    references,
                    Cashier(LockedPurse(budgets), ledger, meters.entered),
                ),
                Developer(store, archive, planner, marker, load_assets(settings.config)),
                meters,
            ),
            desk,
            batch_concurrency=settings.batch_concurrency,
            subscriptions=subscriptions,
        )
        return cls(
            settings=settings,
            client=client,
            store=store,
            keeping=keeping,
            reader=reader,
            listing=Listing(engine, reader, records, settings.patience_seconds),
            blogs=Blogs(archive, records),
            rounds=Rounds(engine, reader, records),
            submissions=submissions,
            retries=Retries(
                engine, reader, archive, planner, estimates, desk, subscriptions, claims
            ),
            decisions=Decisions(engine, reader, archive, planner, desk, claims),
            estimates=estimates,
            bodies=Bodies(estimates),
            closing=closing,
            watchman=watchman,
            streams=Streams(watchman, settings.keep_alive_seconds),
            health=HealthCheck(engine, store, settings.patience_seconds),
            quotes=Quotes(planner, reworks, estimates, claims, settings.batch_concurrency),
            billing=Billing(ledger, desk),
            offering=Offering(catalogue, roster, house),
            deliveries=Deliveries(engine, claims),
            webhook_trials=WebhookTrials(
                subscriptions, WebhookSender(settings.webhook_hosts), claims
            ),
            marks=MarkDesk(mark_reader, store, reader),
        )

    def addresses(self, request: Request) -> Addresses:
        """Where this caller finds things: as configured, else by the address it came to."""
        return Addresses.configured(self.settings, str(request.base_url), self.client.namespace)


# Asynchronous, or every request would take two turns through a thread pool.
async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    context.base_url.set(services.addresses(request).api)
    return services


async def _addresses(request: Request) -> Addresses:
    return (await _services(request)).addresses(request)


Served = Annotated[Services, Depends(_services)]
At = Annotated[Addresses, Depends(_addresses)]
