"""Who is told of a tenant's jobs, and the secrets that sign what they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field

from domain.batches import BatchRequest
from domain.errors import InvalidRequest
from domain.jobs import JobRequest
from domain.keys import DEFAULT_TENANT, Tenant
from domain.webhooks import Subscription, WebhookEvent, signing_secrets
from pipeline.guarding import unreachable
from providers.catalogue import CatalogueError, checked, read_config

R = TypeVar("R", JobRequest, BatchRequest)


class WebhookTable(BaseModel):
    """One `[[webhooks]]` of `darkroom.toml`.

    Without a `url` it only gives the secret that signs what the tenant's requests ask for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: Tenant = DEFAULT_TENANT
    url: AnyHttpUrl | None = None
    events: list[WebhookEvent] | None = Field(default=None, min_length=1)
    secret_env: str = Field(min_length=1)
    """The variable with the secret; with several secrets while they are rotated."""


class Subscriptions:
    """All that are set up; `secrets` sign what is sent for tenants that have none of their own."""

    def __init__(
        self,
        tables: Sequence[tuple[WebhookTable, tuple[str, ...]]],
        secrets: tuple[str, ...] = (),
        allowed_hosts: frozenset[str] = frozenset(),
    ) -> None:
        self._default = secrets
        self._allowed_hosts = allowed_hosts
        self._by_tenant: dict[str, list[Subscription]] = {}
        self._secrets: dict[tuple[str, str | None], tuple[str, ...]] = {}
        for table, found in tables:
            url = str(table.url) if table.url is not None else None
            self._secrets[table.tenant, url] = found
            if url is not None:
                subscription = Subscription(url=url, events=table.events)
                self._by_tenant.setdefault(table.tenant, []).append(subscription)

    def of(self, tenant: str) -> list[Subscription]:
        """Who hears of everything of a tenant's."""
        return self._by_tenant.get(tenant, [])

    def secrets(self, tenant: str, url: str) -> tuple[str, ...]:
        """What signs a message, the receiver's own first; empty where nothing can."""
        own = self._secrets.get((tenant, url)) or self._secrets.get((tenant, None))
        return own or self._default

    def check(self, tenant: str, url: str, field: str) -> None:
        """Refuse an address that nothing signs for or that can never be reached.

        Raises `InvalidRequest` naming the field.
        """
        if not self.secrets(tenant, url):
            raise InvalidRequest(
                "Webhooks are not set up here: DARKROOM_WEBHOOK_SECRET signs them.",
                [(field, "needs DARKROOM_WEBHOOK_SECRET, or a secret of the tenant's")],
            )
        problem = unreachable(url, self._allowed_hosts)
        if problem is not None:
            raise InvalidRequest(f"The webhook's address {problem}.", [(field, problem)])

    def attached(self, request: R, base_url: str | None) -> R:
        """A request that knows who else is told, and where what they are told leads."""
        others = self.of(request.tenant)
        if not others and request.webhook_url is None:
            return request
        return request.model_copy(
            update={"tenant_webhooks": others or None, "base_url": base_url},
        )


def load_subscriptions(
    config: Path,
    environ: Mapping[str, str],
    secrets: tuple[str, ...],
    allowed_hosts: frozenset[str],
) -> Subscriptions:
    """The `[[webhooks]]` of `darkroom.toml`; raises `CatalogueError` naming what is wrong."""
    tables = read_config(config).get("webhooks", [])
    if not isinstance(tables, list):
        raise CatalogueError(f"{config}: webhooks are written [[webhooks]]")
    found: dict[tuple[str, AnyHttpUrl | None], tuple[WebhookTable, tuple[str, ...]]] = {}
    for number, written in enumerate(tables, start=1):
        where = f"{config}: webhooks.{number}"
        table = checked(partial(WebhookTable.model_validate, written), config, "webhooks", number)
        if (table.tenant, table.url) in found:
            raise CatalogueError(f"{where}: the tenant has this url already")
        problem = unreachable(str(table.url), allowed_hosts) if table.url else None
        if problem is not None:
            raise CatalogueError(f"{where}.url: {problem}")
        found[table.tenant, table.url] = (table, _secrets(where, table.secret_env, environ))
    return Subscriptions(list(found.values()), secrets, allowed_hosts)


def _secrets(where: str, variable: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    try:
        return signing_secrets(environ.get(variable, ""))
    except ValueError as error:
        raise CatalogueError(f"{where}.secret_env: the variable {variable} {error}") from error
