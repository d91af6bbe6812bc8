"""`darkroom download` and `darkroom open`: images on this machine, and in an article."""

from __future__ import annotations

import os
import webbrowser
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile
from typing import Annotated, Any

import typer

from cli.article import Article, ArticleError, Picture, is_named
from cli.batch_file import PICTURE, read_text
from cli.errors import CommandError
from cli.finished import Finished, ending, file_name, finished
from cli.screen import Json, aside, plain, print_json
from cli.talking import talking
from darkroom_client import Client

_FOLDER = Path("images")
"""Beside the article, for pictures whose mark names no place."""


def download(
    subject_id: Annotated[str, typer.Argument(metavar="ID", help="A job or a batch.")],
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder they are saved in; this one.")
    ] = None,
    write_back: Annotated[
        Path | None,
        typer.Option(metavar="FILE.md", help="Put them into the article that asked for them."),
    ] = None,
    drafts: Annotated[bool, typer.Option(help="Take drafts where there is no final yet.")] = False,
    as_json: Json = False,
) -> None:
    """Save a job's or a batch's images; with --write-back put them into their article."""
    with talking() as client:
        if write_back is None:
            saved = [
                str(path) for path in save_all(client, subject_id, to or Path(), drafts=drafts)
            ]
        else:
            saved = _write_back(client, subject_id, write_back, to, drafts=drafts)
        if as_json:
            print_json({"saved": saved})
            return
        for path in saved:
            typer.echo(path)


def open_(
    subject_id: Annotated[str, typer.Argument(metavar="ID", help="A job or a batch.")],
    temporal: Annotated[bool, typer.Option(help="Its page in the Temporal Web UI.")] = False,
    as_json: Json = False,
) -> None:
    """Open the image in a browser, the final where there is one; without one print its address."""
    with talking() as client:
        found = list(finished(client, subject_id))
        if temporal:
            urls = [url for each in found if (url := each.job["links"].get("temporal_ui"))]
        else:
            urls = [image["url"] for each in found for image in each.images]
        if not urls:
            raise CommandError(f"there is nothing to open of '{subject_id}' yet")
        if as_json:
            print_json({"urls": urls})
            return
        for url in urls:
            if not _opened(url):
                typer.echo(plain(url))


def _opened(url: str) -> bool:
    """Whether a browser was found; only web addresses are handed to one."""
    return url.startswith(("http://", "https://")) and webbrowser.open(url)


def save_all(client: Client, subject_id: str, folder: Path, *, drafts: bool) -> Iterator[Path]:
    """Save every image that is there; what is not is said."""
    for each in _to_save(client, subject_id, drafts=drafts):
        for number, image in enumerate(each.images):
            path = folder / file_name(each.job["job_id"], image, number)
            yield client.download(image, path)


def _to_save(client: Client, subject_id: str, *, drafts: bool) -> Iterator[Finished]:
    for each in finished(client, subject_id):
        if each.is_final or (drafts and each.is_there):
            yield each
        elif each.is_there:
            aside().print(f"{each.asked_id} is a draft; --drafts takes it", style="dim")
        else:
            aside().print(f"{each.asked_id} is {plain(each.job['status'])}", style="dim")


def _write_back(
    client: Client, subject_id: str, file: Path, folder: Path | None, *, drafts: bool
) -> list[str]:
    """Save the pictures, then change the article at once; the paths, of the article last."""
    text = read_text(file)
    pictures: dict[str, Picture] = {}
    saved: list[str] = []
    try:
        article = Article(text)
        known = article.names
        for each in _to_save(client, subject_id, drafts=drafts):
            name = str(each.job["metadata"].get(PICTURE, ""))
            if name not in known:
                aside().print(f"{each.asked_id} is for nothing in {file}", style="dim")
                continue
            path = _path(file, folder, name, each.images[0])
            saved.append(str(client.download(each.images[0], path)))
            relative = os.path.relpath(path.absolute(), file.absolute().parent)
            alt_text = str(each.images[0]["alt_text"])
            pictures[name] = Picture(PurePosixPath(relative).as_posix(), alt_text)
        written = article.with_pictures(pictures)
    except ArticleError as error:
        raise CommandError(f"{file}:{error.line}: {error}") from None
    if written != text:
        _replace(file, text, written)
        saved.append(str(file))
    return saved


def _path(file: Path, folder: Path | None, name: str, image: Any) -> Path:
    """Where a picture goes: where its mark says, below the article, else into the folder."""
    base = (folder or file.parent / _FOLDER) if is_named(name) else file.parent
    return base / f"{name}{ending(image)}"


def _replace(file: Path, before: str, text: str) -> None:
    """Put the article in its place as a whole, unless somebody has changed it meanwhile."""
    target = file.resolve()
    with NamedTemporaryFile("wb", dir=target.parent, prefix=".darkroom-", delete=False) as written:
        partial = Path(written.name)
        try:
            written.write(text.encode())
            written.flush()
            os.fsync(written.fileno())
            partial.chmod(target.stat().st_mode & 0o7777)
            if read_text(target) != before:
                raise CommandError(f"{file} was changed meanwhile; nothing was written to it")
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
