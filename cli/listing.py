"""`darkroom jobs`, `watch`, `costs` and `providers`: what there is to know."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any

import typer

from cli.generating import WaitSeconds, check
from cli.screen import (
    Json,
    aside,
    out,
    plain,
    print_facts,
    print_json,
    print_json_line,
    print_table,
    state,
    usd,
)
from cli.showing import show_answer
from cli.talking import talking
from cli.watching import WAIT_SECONDS, followed
from darkroom_client.client import Until
from darkroom_client.types import JobStatus, ReviewState


def jobs(
    status: Annotated[JobStatus | None, typer.Option()] = None,
    review: Annotated[ReviewState | None, typer.Option()] = None,
    blog: Annotated[str | None, typer.Option(metavar="ID")] = None,
    batch: Annotated[str | None, typer.Option(metavar="ID")] = None,
    provider: Annotated[str | None, typer.Option()] = None,
    tag: Annotated[str | None, typer.Option()] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601; UTC else.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 20,
    as_json: Json = False,
) -> None:
    """List jobs, newest first."""
    with talking() as client:
        found: list[Any] = list(
            islice(
                client.jobs(
                    status=status,
                    review=review,
                    blog_id=blog,
                    batch_id=batch,
                    provider=provider,
                    tag=tag,
                    created_after=since,
                    created_before=until,
                    limit=min(limit, 200),
                ),
                limit,
            )
        )
        if as_json:
            print_json({"jobs": found})
            return
        if not found:
            aside().print("There are none.", style="dim")
            return
        print_table(
            ("job", "created", "status", "review", "model", "cost", "alt text"),
            (
                (
                    job["job_id"],
                    _when(job["created_at"]),
                    state(job["status"]),
                    state((job.get("review") or {}).get("state", "")),
                    f"{job['provider']} {job['model']}",
                    usd(job["cost"]["amount_usd"]) if job.get("cost") else "",
                    job.get("alt_text") or job.get("error_message"),
                )
                for job in found
            ),
        )


def watch(
    subject_id: Annotated[str, typer.Argument(metavar="ID", help="A job or a batch.")],
    until: Annotated[
        Until, typer.Option(help="Until the image is there, or also its review is over.")
    ] = "completed",
    timeout: WaitSeconds = WAIT_SECONDS,
    as_json: Json = False,
) -> None:
    """Follow a job or a batch to its end; with --json one line of JSON for each event."""
    with talking() as client:
        if not as_json:
            answer = followed(client, subject_id, until=until, wait_seconds=timeout)
            show_answer(client, answer, as_json=False)
        else:
            answer = None
            for event in client.stream(subject_id, until=until, max_wait_seconds=timeout):
                print_json_line({"event": event.name, "id": event.id, "data": event.data})
                answer = event.data
        if answer is not None:
            check(answer)


def costs(
    first: Annotated[str | None, typer.Option("--from", metavar="DAY")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="DAY", help="Included.")] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="day, blog, provider, model; several times for several."),
    ] = None,
    blog: Annotated[str | None, typer.Option(metavar="ID")] = None,
    provider: Annotated[str | None, typer.Option()] = None,
    as_json: Json = False,
) -> None:
    """Show what was spent, and how the budgets stand; the last 30 days else."""
    groups = by or ["day"]
    with talking() as client:
        bill = client.costs(
            first=first, last=last, group_by=groups, blog_id=blog, provider=provider
        )
        if as_json:
            print_json(bill)
            return
        columns = ["blog_id" if group == "blog" else group for group in groups]
        rows: list[Any] = [*bill["rows"]]
        print_table(
            (*groups, "images", "calls", "unknown", "spent"),
            (
                (
                    *(row.get(column, "") for column in columns),
                    row["images"],
                    row["calls"],
                    row["unknown_calls"] or "",
                    usd(row["amount_usd"]),
                )
                for row in rows
            ),
        )
        total = bill["total"]
        print_facts([("total", f"{usd(total['amount_usd'])} for {total['images']} images")])
        for budget in bill["budgets"]:
            whose = budget.get("blog") or budget.get("tenant") or "all"
            left = f"{usd(budget['left_usd'])} of {usd(budget['amount_usd'])} left"
            print_facts([("budget", f"{whose}, {budget['period']}: {left}")])


def providers(
    models: Annotated[bool, typer.Option("--models", help="List the models instead.")] = False,
    as_json: Json = False,
) -> None:
    """Show who can make images here, and what the others lack."""
    with talking() as client:
        if models:
            known = client.models()
            if as_json:
                print_json(known)
                return
            print_table(
                ("provider", "model", "state", "draft", "high", "shut down on", "problem"),
                (
                    (
                        each["provider"],
                        each["model"],
                        state("ok" if each["available"] else "down"),
                        _price(each, "draft"),
                        _price(each, "high"),
                        each.get("shutdown_on", ""),
                        each.get("problem", ""),
                    )
                    for each in known["models"]
                ),
            )
            return
        listed = client.providers()
        if as_json:
            print_json(listed)
            return
        print_table(
            ("provider", "state", "draft", "high", "what it lacks"),
            (
                (
                    each["name"],
                    state("ok" if each["configured"] else "down"),
                    each["defaults"].get("draft", ""),
                    each["defaults"].get("high", ""),
                    each.get("problem", ""),
                )
                for each in listed["providers"]
            ),
        )
        if out().is_terminal:
            default = {q: each["name"] for each in listed["providers"] for q in each["default_for"]}
            said = ", ".join(f"{quality} {name}" for quality, name in default.items())
            aside().print(plain(f"Where a request names none: {said}"), style="dim")


def _price(model: Any, quality: str) -> str:
    if model["price"] is None:
        return "unknown"
    return usd(model["price"]["by_quality_usd"].get(quality))


def _when(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%m-%d %H:%M:%S")
