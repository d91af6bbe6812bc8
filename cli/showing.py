"""`darkroom show`, and what the other commands show of a job or a batch."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from cli.screen import Json, out, print_facts, print_json, print_table, show_picture, state, usd
from cli.talking import talking
from cli.watching import is_batch
from darkroom_client import Client, DarkroomError

_LARGEST_PREVIEW_PX = 900


def show(
    subject_id: Annotated[str, typer.Argument(metavar="ID", help="A job or a batch.")],
    as_json: Json = False,
) -> None:
    """Show a job or a batch, and its picture where the terminal can."""
    with talking() as client:
        answer = client.batch(subject_id) if is_batch(subject_id) else client.job(subject_id)
        show_answer(client, answer, as_json=as_json)


def show_answer(client: Client, answer: Any, *, as_json: bool) -> None:
    """A job's or a batch's answer."""
    if as_json:
        print_json(answer)
    elif "counts" in answer:
        _show_batch(answer)
    else:
        _show_job(client, answer)


def _show_job(client: Client, job: Any) -> None:
    result, review, error = job.get("result"), job.get("review"), job.get("error")
    if result:
        _draw(client, result["images"][0])
    images = result["images"] if result else []
    print_facts(
        [
            ("job", job["job_id"]),
            ("status", state(job["status"])),
            ("stage", None if result or error else job.get("current_stage")),
            ("review", state(review["state"]) if review else None),
            *(("image", image["url"]) for image in images),
            *(("size", f"{image['width']} x {image['height']}") for image in images[:1]),
            ("alt text", images[0].get("alt_text") if images else None),
            ("model", f"{result['provider']} {result['model']}" if result else None),
            ("seed", images[0].get("seed") if images else None),
            ("cost", usd(job["cost"]["amount_usd"]) if job.get("cost") else None),
            ("final", job.get("final_job_id")),
            ("next round", job.get("revision_job_id")),
            ("retried as", job.get("retry_job_id")),
            ("draft", job.get("draft_job_id")),
            ("blog", job.get("blog_id")),
            ("error", f"{error['code']}: {error['message']}" if error else None),
            ("Temporal", job["links"].get("temporal_ui")),
        ]
    )


def _show_batch(batch: Any) -> None:
    counts = ", ".join(f"{count} {status}" for status, count in batch["counts"].items() if count)
    reviews = ", ".join(f"{n} {each}" for each, n in batch["review_counts"].items() if n)
    print_facts(
        [
            ("batch", batch["batch_id"]),
            ("status", state(batch["status"])),
            ("images", f"{batch['total_images']}: {counts}"),
            ("reviews", reviews),
            ("cost", usd(batch["cost"]["amount_usd"])),
            ("blog", batch.get("blog_id")),
        ]
    )
    out().print()
    print_table(
        ("job", "status", "review", "final", "image"),
        (
            (
                job["job_id"],
                state(job["status"]),
                state(job.get("review_state", "")),
                state(job.get("final_status", "")),
                job.get("final_url") or job.get("url") or job.get("error_code"),
            )
            for job in batch["jobs"]
        ),
    )


def _draw(client: Client, image: Any) -> None:
    """The picture itself, from its smallest variant that is large enough."""
    if not out().is_terminal:
        return
    fitting = [v for v in image["variants"] if v["width"] <= _LARGEST_PREVIEW_PX] or [image]
    best = max(fitting, key=lambda variant: int(variant["width"]))
    with TemporaryDirectory() as folder:
        try:
            show_picture(client.download(best["url"], Path(folder) / "picture"))
        except DarkroomError:
            return  # its address is shown all the same
