"""`darkroom generate`, `darkroom retry` and `darkroom batch`: what starts jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from cli.batch_file import Batch, read_batch
from cli.errors import CommandError, Exit, ended
from cli.fetching import save_all
from cli.screen import Json, aside, out, plain, print_json, usd
from cli.showing import show_answer
from cli.talking import talking
from cli.watching import WAIT_SECONDS, followed
from darkroom_client import Client, InvalidRequest, JobFailed
from darkroom_client.types import AspectRatio, BatchFlow, BatchRequestBody, ImageRequest, Quality

Wait = Annotated[bool, typer.Option("--wait", help="Stay until it has ended, and show it.")]
WaitSeconds = Annotated[
    float, typer.Option("--timeout", min=1, metavar="SECONDS", help="Wait no longer than this.")
]
Folder = Annotated[
    Path | None, typer.Option("--to", metavar="DIR", help="Save the images there; implies --wait.")
]
PriceOnly = Annotated[bool, typer.Option("--quote", help="Only say what it would cost.")]
Blog = Annotated[str | None, typer.Option("--blog", metavar="ID", help="The blog it is for.")]


def generate(
    prompt: Annotated[str, typer.Argument(help="What the picture shows.")],
    quality: Annotated[Quality | None, typer.Option(help="`draft` awaits a review.")] = None,
    aspect_ratio: Annotated[AspectRatio | None, typer.Option()] = None,
    width: Annotated[int | None, typer.Option(help="In pixels, with --height.")] = None,
    height: Annotated[int | None, typer.Option()] = None,
    style: Annotated[str | None, typer.Option()] = None,
    placement: Annotated[
        str | None, typer.Option(help="Where it will be shown: its shape and size.")
    ] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="What it does not show.")] = None,
    seed: Annotated[int | None, typer.Option()] = None,
    num_images: Annotated[int | None, typer.Option("--images", "-n", min=1, max=4)] = None,
    provider: Annotated[str | None, typer.Option(help="See `darkroom providers`.")] = None,
    model: Annotated[str | None, typer.Option()] = None,
    fallback: Annotated[
        list[str] | None, typer.Option(help="Another provider to try; several times.")
    ] = None,
    reference: Annotated[str | None, typer.Option(metavar="URL", help="An image to go by.")] = None,
    blog: Blog = None,
    blog_job: Annotated[str | None, typer.Option(metavar="ID")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Several times for several.")] = None,
    alt_text: Annotated[str | None, typer.Option(help="The prompt where none is given.")] = None,
    webhook_url: Annotated[str | None, typer.Option(metavar="URL")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same again starts nothing twice.")
    ] = None,
    wait: Wait = False,
    timeout: WaitSeconds = WAIT_SECONDS,
    to: Folder = None,
    quote: PriceOnly = False,
    as_json: Json = False,
) -> None:
    """Start one image; with --wait stay until it is there."""
    asked: dict[str, Any] = {
        "prompt": prompt,
        "quality": quality,
        "aspect_ratio": aspect_ratio,
        "width": width,
        "height": height,
        "style": style,
        "placement": placement,
        "negative_prompt": negative_prompt,
        "seed": seed,
        "num_images": num_images,
        "provider": provider,
        "model": model,
        "fallback_providers": fallback or None,
        "reference_image_url": reference,
        "blog_id": blog,
        "blog_job_id": blog_job,
        "tags": tag or None,
        "alt_text": alt_text,
        "webhook_url": webhook_url,
    }
    image = cast("ImageRequest", {k: v for k, v in asked.items() if v is not None})
    with talking() as client:
        if quote:
            _tell_price(client, image, as_json=as_json)
            return
        accepted = client.generate_async(idempotency_key=idempotency_key, **image)
        go_on(client, accepted, "job_id", wait=wait, timeout=timeout, to=to, as_json=as_json)


def retry(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="A job that has failed.")],
    wait: Wait = False,
    timeout: WaitSeconds = WAIT_SECONDS,
    as_json: Json = False,
) -> None:
    """Start a failed job's request once more, as a job of its own."""
    with talking() as client:
        accepted = client.retry(job_id)
        go_on(client, accepted, "job_id", wait=wait, timeout=timeout, to=None, as_json=as_json)


def batch(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="JSON, YAML, CSV, or a Markdown article.")
    ],
    blog: Blog = None,
    workflow: Annotated[
        BatchFlow | None, typer.Option(help="Whether editors see drafts first.")
    ] = None,
    quality: Annotated[Quality | None, typer.Option(help="For the images that name none.")] = None,
    wait: Wait = False,
    timeout: WaitSeconds = WAIT_SECONDS,
    to: Folder = None,
    quote: PriceOnly = False,
    as_json: Json = False,
) -> None:
    """Start all images that a file asks for; docs/cli.md describes the formats."""
    with talking() as client:
        found = read_batch(file)
        for line in found.misread:
            aside().print(f"{file}:{line}: this looks like a mark and is no image in Markdown")
        if quality is not None:
            found.images = [{"quality": quality, **image} for image in found.images]
        asked = {**found.fields, "blog_id": blog, "workflow": workflow, "images": found.images}
        body = cast("BatchRequestBody", {k: v for k, v in asked.items() if v is not None})
        try:
            if quote:
                _tell_price(client, body, as_json=as_json)
                return
            accepted = client.batch_generate(**body)
        except InvalidRequest as refused:
            raise _at_its_line(found, refused) from None
        go_on(client, accepted, "batch_id", wait=wait, timeout=timeout, to=to, as_json=as_json)
        if found.path.suffix.lower() in (".md", ".markdown") and not as_json:
            hint = f"darkroom download {accepted['batch_id']} --write-back {file}"
            aside().print(f"When its finals are there: {hint}")


def go_on(
    client: Client,
    accepted: Any,
    id_field: str,
    *,
    wait: bool,
    timeout: float,
    to: Path | None,
    as_json: bool,
) -> None:
    """After a start: name the id, or stay until the end and show it."""
    subject_id = accepted[id_field]
    if not (wait or to):
        if as_json:
            print_json(accepted)
            return
        typer.echo(subject_id)
        if accepted.get("message"):
            aside().print(plain(accepted["message"]), style="dim")
        aside().print(f"Follow it: darkroom watch {subject_id}", style="dim")
        return
    try:
        answer = followed(client, subject_id, wait_seconds=timeout)
    except KeyboardInterrupt:
        aside().print(f"\nIt goes on: darkroom watch {subject_id}")
        raise
    show_answer(client, answer, as_json=as_json)
    if to is not None:
        for path in save_all(client, subject_id, to, drafts=True):
            aside().print(f"saved {path}")
    if not as_json and (answer.get("review") or {}).get("state") == "awaiting":
        aside().print(f"It awaits a decision: darkroom approve {subject_id}", style="dim")
    check(answer)


def check(answer: Any) -> None:
    """End with the status for a failure where a job has failed, or one of a batch's."""
    if "counts" in answer:
        failed = answer["counts"].get("failed", 0)
        if failed:
            raise ended(f"{failed} of {answer['total_images']} images have failed", Exit.FAILED)
    elif answer["status"] == "failed":
        raise JobFailed(answer)


def _at_its_line(batch: Batch, refused: InvalidRequest) -> Exception:
    """The refusal with the line of the file that it is about, where it names one."""
    for problem in refused.errors:
        line = batch.line_of(problem["field"])
        if line is not None:
            what = problem["field"].split(".", 2)[-1]
            return CommandError(f"{batch.path}:{line}: {what}: {problem['message']}")
    return refused


def _tell_price(client: Client, body: ImageRequest | BatchRequestBody, *, as_json: bool) -> None:
    quote = client.quote(body)
    if as_json:
        print_json(quote)
        return
    total = quote["total"]
    by = sorted({f"{image['provider']} {image['model']}" for image in quote["images"]})
    out().print(f"{total['images']} by {plain(', '.join(by))}: {usd(total['price_usd'])}")
    if any(image["is_draft"] for image in quote["images"]):
        out().print(f"their finals: {usd(total['finals_price_usd'])}")
