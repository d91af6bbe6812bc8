"""`darkroom keys`: who may use the API. A running Darkroom sees every change at once."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from api.keyring import all_keys, digest_of
from cli import keys_file
from cli.errors import CommandError, told_in_one_sentence
from domain.keys import DEFAULT_TENANT, ApiKey, Scope
from settings import Settings, load_settings

PREFIX = "dk_"
_RANDOM_BYTES = 32

keys = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True)


@keys.command()
def create(
    scope: Annotated[list[Scope], typer.Option(help="What the key may do; give it several times.")],
    tenant: Annotated[str, typer.Option(help="Whose images it makes and sees.")] = DEFAULT_TENANT,
    name: Annotated[
        str | None, typer.Option(help="What its decisions are signed with; must be unique.")
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="A limit in each API process.")
    ] = None,
) -> None:
    """Print a new key, this once, and keep its hash."""
    with told_in_one_sentence():
        settings = load_settings()
        secret = f"{PREFIX}{secrets.token_urlsafe(_RANDOM_BYTES)}"
        key = _key(secret, name or _some_name(tenant), tenant, scope, requests_per_minute)
        if any(other.name == key.name for other in _all(settings)):
            raise CommandError(f"there is a key named '{key.name}'; choose another --name")
        keys_file.add(settings.keys_path, key)
    typer.echo(f"'{key.name}' is in {settings.keys_path}; this is not shown again:", err=True)
    typer.echo(secret)


@keys.command(name="list")
def list_() -> None:
    """Show every key there is, wherever it is set up; never the key itself."""
    with told_in_one_sentence():
        found = _all(load_settings())
    if not found:
        typer.echo("There are no keys: only this machine itself is served.")
        return
    table = Table("name", "tenant", "scopes", "per minute", "created", box=None)
    for key in found:
        limit = str(key.requests_per_minute or "")
        created = f"{key.created_at:%Y-%m-%d}" if key.created_at else ""
        table.add_row(key.name, key.tenant, " ".join(sorted(key.scopes)), limit, created)
    Console(soft_wrap=True).print(table)


@keys.command()
def revoke(name: Annotated[str, typer.Argument(help="As `darkroom keys list` shows it.")]) -> None:
    """Take a key out of use at once."""
    with told_in_one_sentence():
        settings = load_settings()
        if keys_file.remove(settings.keys_path, name):
            typer.echo(f"'{name}' is revoked.", err=True)
        elif any(key.name == name for key in _all(settings)):
            raise CommandError(
                f"'{name}' is not in {settings.keys_path}: "
                f"take it out of {settings.config} or DARKROOM_API_KEYS"
            )
        else:
            raise CommandError(f"there is no key named '{name}'; `darkroom keys list` shows all")


def _key(
    secret: str, name: str, tenant: str, scopes: list[Scope], requests_per_minute: int | None
) -> ApiKey:
    try:
        return ApiKey(
            name=name,
            tenant=tenant,
            scopes=frozenset(scopes),
            sha256=digest_of(secret),
            requests_per_minute=requests_per_minute,
            created_at=datetime.now(UTC),
        )
    except ValidationError as error:
        # A name that was made of the tenant is wrong with it, and comes before it.
        last = error.errors()[-1]
        option = str(last["loc"][0]).replace("_", "-")
        raise CommandError(f"--{option}: {last['msg']}") from error


def _some_name(tenant: str) -> str:
    return f"{tenant}-{secrets.token_hex(3)}"


def _all(settings: Settings) -> list[ApiKey]:
    return all_keys(settings.config, settings.keys_path, settings.api_keys)
