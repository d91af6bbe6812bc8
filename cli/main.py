"""The root of the command `darkroom`; each subcommand is a module that is added here."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.keys import keys
from cli.provenance import provenance
from cli.retention import retention
from cli.up import up
from version import VERSION

app = typer.Typer(
    name="darkroom",
    help="Durable image generation with editorial approval.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command()(up)
app.command()(provenance)
app.command()(retention)
app.add_typer(keys, name="keys")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"darkroom {VERSION}")
        raise typer.Exit


@app.callback()
def root(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Durable image generation with editorial approval."""


if __name__ == "__main__":
    app()
