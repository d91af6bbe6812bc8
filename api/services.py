"""What routes depend on, built once in the API's lifespan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from temporalio.client import Client

from api.answers import Addresses
from api.billing import Billing
from api.budgets import BudgetDesk
from api.deciding import Decisions
from api.engine_room import EngineRoom
from api.estimates import Estimates
from api.health import HealthCheck
from api.offering import Offering
from api.quoting import Quotes
from api.reading import Reader
from api.submitting import InlineRunner, Submissions
from pipeline.developing import Developer
from pipeline.paying import Cashier
from pipeline.planning import Planner
from pipeline.references import References
from pipeline.rendering import Renderer
from pipeline.spending import LockedPurse, load_budgets
from providers.catalogue import Catalogue
from providers.registry import Roster
from settings import Settings
from storage.archive import Archive
from storage.ledger import Ledger
from storage.objects import ObjectStore


@dataclass(frozen=True)
class Services:
    """Everything behind the routes."""

    settings: Settings
    namespace: str
    store: ObjectStore
    reader: Reader
    submissions: Submissions
    decisions: Decisions
    estimates: Estimates
    health: HealthCheck
    quotes: Quotes
    billing: Billing
    offering: Offering

    @classmethod
    def build(
        cls,
        settings: Settings,
        client: Client,
        store: ObjectStore,
        catalogue: Catalogue,
        roster: Roster,
    ) -> Services:
        """Wire the services; no call is made yet."""
        archive, ledger = Archive(store), Ledger(store)
        engine = EngineRoom(client)
        reader = Reader(engine, archive, settings.poll_interval_seconds)
        estimates = Estimates(engine)
        planner = Planner(
            catalogue,
            roster.offered,
            roster.problems,
            stand_in=settings.stand_in,
            review_seconds=settings.review_seconds,
        )
        budgets = load_budgets(settings.config)
        desk = BudgetDesk(engine, budgets)
        submissions = Submissions(
            engine,
            planner,
            archive,
            reader,
            estimates,
            InlineRunner(
                Renderer(
                    roster.providers,
                    store,
                    References(store, settings.reference_hosts),
                    Cashier(LockedPurse(budgets), ledger),
                ),
                Developer(store, archive, planner),
            ),
            desk,
            batch_concurrency=settings.batch_concurrency,
            takes_webhooks=settings.webhook_secret is not None,
        )
        return cls(
            settings=settings,
            namespace=client.namespace,
            store=store,
            reader=reader,
            submissions=submissions,
            decisions=Decisions(engine, reader, archive, planner, desk),
            estimates=estimates,
            health=HealthCheck(engine, store),
            quotes=Quotes(planner, estimates, settings.batch_concurrency),
            billing=Billing(ledger, desk),
            offering=Offering(catalogue, roster),
        )

    def addresses(self, request: Request) -> Addresses:
        """Where this caller finds things: as configured, else by the address it came to."""
        settings = self.settings
        return Addresses(
            api=str(settings.public_url or request.base_url).rstrip("/"),
            assets=str(settings.asset_base_url).rstrip("/") if settings.asset_base_url else None,
            temporal_ui=str(settings.temporal_ui_url).rstrip("/")
            if settings.temporal_ui_url
            else None,
            namespace=self.namespace,
        )


# Asynchronous, or every request would take two turns through a thread pool.
async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _addresses(request: Request) -> Addresses:
    return (await _services(request)).addresses(request)


Served = Annotated[Services, Depends(_services)]
At = Annotated[Addresses, Depends(_addresses)]
