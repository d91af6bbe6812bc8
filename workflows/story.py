"""The current details that the Temporal Web UI shows, in Markdown."""

from __future__ import annotations

from domain.batches import BatchRequest, BatchState
from domain.jobs import JobRequest, JobState


def details_of(request: JobRequest, state: JobState, namespace: str) -> str:
    """A job for an editor: stage, review, and links to what belongs to it."""
    spec, first = request.spec, request.targets[0]
    lines = [
        f"**{state.status}** · {state.stage} · {state.progress_percentage} %",
        f"{spec.width_px}x{spec.height_px} px, seed {spec.seed}, {first.provider}/{first.model}",
    ]
    if state.review is not None:
        by = f" by {state.review.reviewer}" if state.review.reviewer else ""
        lines.append(f"Review: **{state.review.state}**{by}")
        if state.review.problem:
            lines.append(f"Last approval not carried out: {state.review.problem}")
        if state.awaits_review:
            lines.append("Signal `approve` or `reject` decides it.")
    if state.error is not None:
        lines.append(f"Failed: {state.error.code}: {state.error.message}")
    related = {
        "Draft": request.draft_job_id,
        "Revision of": request.revision_of,
        "Retry of": request.retry_of,
        "Batch": request.batch_id,
        "Final": state.final_job_id,
        "Next round": state.revision_job_id,
    }
    lines += [
        f"{title}: [{job_id}](/namespaces/{namespace}/workflows/{job_id})"
        for title, job_id in related.items()
        if job_id
    ]
    return "\n\n".join(lines)


def batch_details_of(request: BatchRequest, state: BatchState) -> str:
    """A batch for an editor."""
    made = sum(item.is_made for item in state.items)
    return (
        f"**{state.status}** · {state.progress_percentage} %\n\n"
        f"{made} of {request.total_images} images made, {request.flow}"
    )
