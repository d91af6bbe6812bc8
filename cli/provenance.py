"""`darkroom provenance`: what files say of their making. Needs no running Darkroom."""

from __future__ import annotations

import json
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from cli.errors import told_in_one_sentence
from domain.provenance import Manifest, Marks
from imaging.marks import MarkReader, Unreadable
from pipeline.marking import load_mark_reader
from settings import load_settings

_LARGEST_BYTES = 256 * 1024 * 1024


class Verdict(IntEnum):
    """The exit status; of several files the worst."""

    MARKED = 0
    NOT_MARKED = 1
    UNREADABLE = 2


def provenance(
    files: Annotated[list[Path], typer.Argument(help="PNG, JPEG, WebP or AVIF.", metavar="FILE…")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    trust_anchors: Annotated[
        Path | None,
        typer.Option(help="PEM: certificates to trust; else DARKROOM_C2PA_TRUST_ANCHORS."),
    ] = None,
) -> None:
    """Show whether files say that they are AI-made, and who signed it.

    Exits with 0 when every file says so, 1 when one does not, 2 when one cannot be read.
    """
    with told_in_one_sentence():
        reader = load_mark_reader(trust_anchors or load_settings().c2pa_trust_anchors)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    worst = Verdict.MARKED
    for file in files:
        verdict, told = _looked_at(reader, file, as_json=as_json)
        console.print(told)
        worst = max(worst, verdict)
    raise typer.Exit(worst)


def _looked_at(reader: MarkReader, file: Path, *, as_json: bool) -> tuple[Verdict, str | Group]:
    try:
        marks = reader.read(_bytes(file))
    except (OSError, Unreadable) as error:
        problem = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if as_json:
            return Verdict.UNREADABLE, json.dumps({"file": str(file), "error": problem})
        return Verdict.UNREADABLE, Group(_title(file, f"unreadable: {problem}", "red"), "")
    verdict = Verdict.MARKED if marks.says_ai else Verdict.NOT_MARKED
    if as_json:
        said = {"file": str(file), "marked": marks.says_ai, **marks.model_dump(mode="json")}
        return verdict, json.dumps(said)
    word = "marked as AI-made" if marks.says_ai else "not marked as AI-made"
    color = "green" if marks.says_ai else "yellow"
    return verdict, Group(_title(file, word, color), _table(marks), "")


def _bytes(file: Path) -> bytes:
    with file.open("rb") as opened:
        data = opened.read(_LARGEST_BYTES + 1)
    if len(data) > _LARGEST_BYTES:
        raise Unreadable(f"It is over {_LARGEST_BYTES // 1024**2} MB.")
    return data


def _title(file: Path, word: str, color: str) -> Text:
    return Text.assemble((str(file), "bold"), "  ", (word, color))


def _table(marks: Marks) -> Table:
    rows = {
        "picture": f"{marks.media_type}, {marks.width_px} by {marks.height_px}",
        "digital source type": marks.digital_source_type or "none",
        "AI system": marks.ai_system,
        "written by": marks.generator,
        "C2PA": marks.c2pa.state.told if marks.c2pa else "no manifest",
        "problems": ", ".join(marks.c2pa.problems) if marks.c2pa else None,
    }
    if marks.c2pa:
        for place, manifest in enumerate(marks.c2pa.chain):
            rows["manifest" if place == 0 else f"made of ({place})"] = _told(manifest)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        if value:
            table.add_row(Text(f"  {name}"), Text(value))
    return table


def _told(manifest: Manifest) -> str:
    who = " / ".join(filter(None, (manifest.issuer, manifest.common_name))) or "nobody named"
    said = [
        f"{manifest.title or manifest.label} by {manifest.generator or 'an unnamed program'}",
        f"signed by {who} ({manifest.algorithm or 'unknown algorithm'})"
        + (f" at {manifest.signed_at}" if manifest.signed_at else ""),
        ", ".join(manifest.actions),
    ]
    if manifest.digital_source_type:
        said.append(f"source {manifest.digital_source_type}")
    if manifest.approval is not None:
        told = ", ".join(f"{name} {value}" for name, value in manifest.approval.items())
        said.append(f"approved: {told}")
    return "\n".join(line for line in said if line)
