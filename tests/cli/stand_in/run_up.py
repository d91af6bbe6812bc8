"""`darkroom up` with the worker and the API that stand beside this file."""

from __future__ import annotations

from pathlib import Path

import typer

from cli.errors import told_in_one_sentence
from cli.up import run
from settings import load_settings


def main() -> None:
    with told_in_one_sentence():
        run(load_settings(), Path(__file__).parent)


if __name__ == "__main__":
    typer.run(main)
