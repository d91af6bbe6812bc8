"""The root of the command `darkroom`; each subcommand is a line in a table here."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from version import VERSION

COMMANDS = {
    "up": "cli.up:up",
    "generate": "cli.generating:generate",
    "batch": "cli.generating:batch",
    "vary": "cli.reworking:vary",
    "edit": "cli.reworking:edit",
    "upscale": "cli.reworking:upscale",
    "watch": "cli.listing:watch",
    "jobs": "cli.listing:jobs",
    "show": "cli.showing:show",
    "approve": "cli.deciding:approve",
    "reject": "cli.deciding:reject",
    "cancel": "cli.deciding:cancel",
    "retry": "cli.generating:retry",
    "open": "cli.fetching:open_",
    "download": "cli.fetching:download",
    "costs": "cli.listing:costs",
    "providers": "cli.listing:providers",
    "provenance": "cli.provenance:provenance",
    "retention": "cli.retention:retention",
    "keys": "cli.keys:keys",
    "doctor": "cli.doctor:doctor",
}
"""Where each is: a function, or a Typer of its own. Loaded when it is asked for, since what serves
takes seconds to load and what only asks should not."""


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return [*COMMANDS, *(name for name in super().list_commands(ctx) if name not in COMMANDS)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            self.commands[cmd_name] = _load(cmd_name)
        return super().get_command(ctx, cmd_name)


def _load(name: str) -> Any:
    module, _, attribute = COMMANDS[name].partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        command: Any = typer.main.get_group(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        command = typer.main.get_command(alone)
    command.name = name
    return command


app = typer.Typer(
    name="darkroom",
    cls=_Commands,
    help="Durable image generation with editorial approval.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)


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
