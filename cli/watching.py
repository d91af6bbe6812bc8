"""Progress of jobs and batches as it happens, from their events."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from cli.screen import aside, plain
from darkroom_client import Client
from darkroom_client.client import Until

WAIT_SECONDS = 900.0


def is_batch(subject_id: str) -> bool:
    """Whether an id is a batch's, and not one of its images'."""
    return subject_id.startswith("bat_") and "-" not in subject_id


def followed(
    client: Client,
    subject_id: str,
    *,
    until: Until = "completed",
    wait_seconds: float = WAIT_SECONDS,
) -> Any:
    """Show a job's or a batch's progress beside the output; its last answer."""
    last: Any = None
    with _Bar(aside(), subject_id) as bar:
        for event in client.stream(subject_id, until=until, max_wait_seconds=wait_seconds):
            last = event.data
            bar.show(last)
    if last is None:
        last = client.batch(subject_id) if is_batch(subject_id) else client.job(subject_id)
    return last


class _Bar:
    """A bar where there is a terminal, else a line for each new stage."""

    def __init__(self, console: Console, subject_id: str) -> None:
        self._console = console
        self._subject_id = subject_id
        self._said = ""
        self._task: TaskID | None = None
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[stage]}"),
            TimeElapsedColumn(),
            console=console,
        )

    def __enter__(self) -> _Bar:
        if self._console.is_terminal:
            self._progress.start()
            self._task = self._progress.add_task(self._subject_id, total=100, stage="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None:
            self._progress.stop()

    def show(self, answer: Any) -> None:
        """What a job's or a batch's answer says."""
        stage, percentage = plain(_stage(answer)), answer["progress_percentage"]
        if self._task is not None:
            self._progress.update(self._task, completed=percentage, stage=stage)
        elif stage != self._said:
            self._console.print(f"{self._subject_id}  {percentage} %  {stage}")
            self._said = stage


def _stage(answer: Any) -> str:
    if "counts" not in answer:
        return str(answer.get("current_stage") or answer["status"])
    counts = (f"{count} {status}" for status, count in answer["counts"].items() if count)
    return ", ".join(counts)
