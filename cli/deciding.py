"""`darkroom approve`, `reject` and `cancel`: what editors say."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from cli.errors import CommandError, Exit, ended
from cli.generating import Wait, WaitSeconds, check
from cli.screen import Json, Reviewer, aside, login_name, plain, print_json
from cli.showing import show_answer
from cli.talking import talking
from cli.watching import WAIT_SECONDS, followed, is_batch
from darkroom_client import Client
from darkroom_client.types import FinalBody, Quality, ReviseBody

Ids = Annotated[list[str], typer.Argument(metavar="ID…", help="Jobs, or batches.")]
Comment = Annotated[str | None, typer.Option(help="Kept with the decision.")]


def approve(
    subject_ids: Ids,
    reviewer: Reviewer = None,
    comment: Comment = None,
    image: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Which of a draft's images, from 1.")
    ] = None,
    quality: Annotated[Quality | None, typer.Option(help="Of the final.")] = None,
    provider: Annotated[str | None, typer.Option(help="Of the final.")] = None,
    model: Annotated[str | None, typer.Option(help="Of the final.")] = None,
    width: Annotated[int | None, typer.Option(help="Of the final, with --height.")] = None,
    height: Annotated[int | None, typer.Option()] = None,
    wait: Wait = False,
    timeout: WaitSeconds = WAIT_SECONDS,
    as_json: Json = False,
) -> None:
    """Approve drafts: their finals start. Of a batch, all that await review."""
    chosen = {
        "quality": quality,
        "provider": provider,
        "model": model,
        "width": width,
        "height": height,
    }
    final = cast("FinalBody", {k: v for k, v in chosen.items() if v is not None})
    decision: Any = _decision(reviewer, comment)
    if final:
        decision["final"] = final
    if image is not None:
        decision["image_index"] = image - 1
    with talking() as client:
        answers: list[Any] = [
            client.approve_batch(each, **decision)
            if is_batch(each)
            else client.approve(each, **decision)
            for each in subject_ids
        ]
        if not wait:
            _tell(answers, as_json=as_json)
            return
        for final_id in _finals(client, answers):
            answer = followed(client, final_id, wait_seconds=timeout)
            show_answer(client, answer, as_json=as_json)
            check(answer)


def reject(
    subject_ids: Ids,
    revise: Annotated[
        str | None, typer.Option(metavar="PROMPT", help="Make it again with this prompt.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Make it again, with another seed.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Make it again, with this seed.")] = None,
    style: Annotated[str | None, typer.Option(help="Make it again, in this style.")] = None,
    negative_prompt: Annotated[
        str | None, typer.Option(help="Make it again, without this.")
    ] = None,
    provider: Annotated[str | None, typer.Option(help="Make it again, by this one.")] = None,
    model: Annotated[str | None, typer.Option(help="Make it again, with this one.")] = None,
    reviewer: Reviewer = None,
    comment: Comment = None,
    wait: Wait = False,
    timeout: WaitSeconds = WAIT_SECONDS,
    as_json: Json = False,
) -> None:
    """Reject drafts; with a change, such as --revise, the next round starts."""
    changed = {
        "prompt": revise,
        "seed": seed,
        "style": style,
        "negative_prompt": negative_prompt,
        "provider": provider,
        "model": model,
    }
    revision = cast("ReviseBody", {k: v for k, v in changed.items() if v is not None})
    decision: Any = _decision(reviewer, comment)
    if revision or again:
        decision["revise"] = revision
    elif wait:
        raise ended("there is nothing to wait for without a change, such as --revise", Exit.WRONG)
    with talking() as client:
        answers: list[Any] = [
            client.reject_batch(each, **decision)
            if is_batch(each)
            else client.reject(each, **decision)
            for each in subject_ids
        ]
        if not wait:
            _tell(answers, as_json=as_json)
            return
        for answer in answers:
            for each in answer.get("results", [answer]):
                if each.get("revision_job_id"):
                    job = followed(client, each["revision_job_id"], wait_seconds=timeout)
                    show_answer(client, job, as_json=as_json)
                    check(job)


def cancel(subject_ids: Ids, as_json: Json = False) -> None:
    """Cancel what has not ended; images that are made stay."""
    with talking() as client:
        answers = [
            client.cancel_batch(each) if is_batch(each) else client.cancel(each)
            for each in subject_ids
        ]
        if as_json:
            print_json(answers[0] if len(answers) == 1 else answers)
            return
        for each, answer in zip(subject_ids, answers, strict=True):
            late = answer.get("cancellation") == "too_late"
            said = "is too late to cancel; the image is kept" if late else "is cancelled"
            typer.echo(f"{each} {said}")


def _decision(reviewer: str | None, comment: str | None) -> dict[str, Any]:
    said = {"reviewer": reviewer or login_name(), "comment": comment}
    return {name: value for name, value in said.items() if value is not None}


def _finals(client: Client, answers: list[Any]) -> list[str]:
    started = [each for answer in answers for each in answer.get("results", [answer])]
    finals = [each["final_job_id"] for each in started if each.get("final_job_id")]
    if not finals:
        raise CommandError("nothing awaited a review")
    return finals


def _tell(answers: list[Any], *, as_json: bool) -> None:
    if as_json:
        print_json(answers[0] if len(answers) == 1 else answers)
        return
    for answer in answers:
        for each in answer.get("results", [answer]):
            follows = each.get("final_job_id") or each.get("revision_job_id")
            typer.echo(follows or each["job_id"])
            if each.get("detail"):
                aside().print(plain(f"{each['job_id']}: {each['detail']}"), style="dim")
        said = answer.get("message") or f"{answer['decided']} decided."
        aside().print(plain(said), style="dim")
