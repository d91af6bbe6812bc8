"""What `darkroom batch` reads: JSON, YAML, CSV, or a Markdown article. Pure.

What is wrong with a file is told with the line that it is in, also what only the server can tell.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cli.article import Article, ArticleError
from cli.errors import CommandError
from darkroom_client.types import BatchRequestBody, ImageRequest

PICTURE = "picture"
"""The entry of a job's metadata that says which picture of its article it is."""
MAX_IMAGES = 1000
_MAX_BYTES = 24 * 1024 * 1024

_OF_AN_IMAGE = frozenset(ImageRequest.__annotations__)
_OF_A_BATCH = frozenset(BatchRequestBody.__annotations__)
_NUMBERS = frozenset(("width", "height", "seed", "num_images"))
_LISTS = frozenset(("tags", "fallback_providers", "webhook_events"))
_METADATA = "metadata."


@dataclass
class Batch:
    """What a file asks for, and where in it."""

    path: Path
    images: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    """Of each image."""
    fields: dict[str, Any] = field(default_factory=dict)
    """What the file says of the batch as a whole."""
    misread: list[int] = field(default_factory=list)

    def problem(self, line: int, message: str) -> CommandError:
        """What is wrong, as editors and compilers tell it."""
        return CommandError(f"{self.path}:{line}: {message}")

    def line_of(self, refused: str) -> int | None:
        """The line of what a server's `images.3.prompt` names."""
        parts = refused.split(".")
        if parts[0] != "images" or len(parts) < 2 or not parts[1].isdecimal():
            return None
        index = int(parts[1])
        return self.lines[index] if index < len(self.lines) else None


def read_batch(path: Path) -> Batch:
    """The batch in a file, by the ending of its name; raises `CommandError`."""
    readers = {".json": _json, ".yaml": _yaml, ".yml": _yaml, ".csv": _csv}
    readers |= {".md": _article, ".markdown": _article}
    read = readers.get(path.suffix.lower())
    if read is None:
        raise CommandError(f"{path}: a batch is a file that ends in {', '.join(readers)}")
    batch = Batch(path)
    read(batch, read_text(path))
    if not batch.images:
        raise CommandError(f"{path}: there is no image in it to make")
    if len(batch.images) > MAX_IMAGES:
        raise CommandError(f"{path}: a batch takes {MAX_IMAGES} images, here are more")
    for image, line in zip(batch.images, batch.lines, strict=True):
        _check(batch, image, line)
    return batch


def read_text(path: Path) -> str:
    """A file's text, its line ends as they are; raises `CommandError`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CommandError(f"cannot read {path} ({error.strerror})") from None
    if len(content) > _MAX_BYTES:
        raise CommandError(f"{path} is too large")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not text in UTF-8") from None


def _json(batch: Batch, text: str) -> None:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise batch.problem(error.lineno, f"not valid JSON: {error.msg}") from None
    except (RecursionError, ValueError):
        raise batch.problem(1, "not valid JSON: too deep, or a number is too long") from None
    # JSON is YAML but for its tabs, so YAML's reader tells in which line something is.
    _take(batch, content, text.replace("\t", " "))


def _yaml(batch: Batch, text: str) -> None:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or "it cannot be read"
        raise batch.problem(mark.line + 1 if mark else 1, f"not valid YAML: {said}") from None
    except (RecursionError, ValueError):
        raise batch.problem(1, "not valid YAML: it cannot be read") from None
    _take(batch, content, text)


def _take(batch: Batch, content: Any, text: str) -> None:
    try:
        node: Any = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        raise batch.problem(
            1, "it is too deep, or has characters that YAML refuses"
        ) from None
    if isinstance(content, dict):
        batch.fields = {name: value for name, value in content.items() if name != "images"}
        unknown = next((name for name in batch.fields if name not in _OF_A_BATCH), None)
        if unknown is not None:
            line = next(key.start_mark.line + 1 for key, _ in node.value if key.value == unknown)
            raise batch.problem(line, _no_such(str(unknown), _OF_A_BATCH))
        content = content.get("images")
        node = next((value for key, value in node.value if key.value == "images"), None)
    if not isinstance(content, list) or node is None:
        raise batch.problem(1, "a batch is a list of images, or a table with the list `images`")
    for each, item in zip(content, node.value, strict=True):
        batch.images.append({"prompt": each} if isinstance(each, str) else each)
        batch.lines.append(item.start_mark.line + 1)


def _csv(batch: Batch, text: str) -> None:
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        head = [name.strip() for name in next(rows, [])]
        unknown = [n for n in head if n not in _OF_AN_IMAGE and not n.startswith(_METADATA)]
        if unknown or "prompt" not in head:
            said = _no_such(unknown[0], _OF_AN_IMAGE) if unknown else "there is no column `prompt`"
            raise batch.problem(1, said)
        line = rows.line_num + 1
        for row in rows:
            if row:
                if len(row) != len(head):
                    told = f"{len(row)} cells where the head has {len(head)}"
                    raise batch.problem(line, told)
                batch.images.append(_image_of(batch, dict(zip(head, row, strict=True)), line))
                batch.lines.append(line)
            line = rows.line_num + 1
    except csv.Error as error:
        raise batch.problem(rows.line_num, f"not valid CSV: {error}") from None


def _image_of(batch: Batch, cells: dict[str, str], line: int) -> dict[str, Any]:
    image: dict[str, Any] = {}
    for name, cell in cells.items():
        value = cell.strip()
        if not value:
            continue
        if name in _NUMBERS:
            if not value.isdecimal():
                raise batch.problem(line, f"`{name}` is a whole number, not '{value}'")
            image[name] = int(value)
        elif name in _LISTS:
            image[name] = [part.strip() for part in value.split(";") if part.strip()]
        elif name.startswith(_METADATA):
            image.setdefault("metadata", {})[name.removeprefix(_METADATA)] = value
        else:
            image[name] = value
    return image


def _article(batch: Batch, text: str) -> None:
    try:
        article = Article(text)
        wishes = article.wishes
    except ArticleError as error:
        raise batch.problem(error.line, str(error)) from None
    batch.misread = article.misread
    for wish in wishes:
        metadata = {**(wish.fields.get("metadata") or {}), PICTURE: wish.picture}
        batch.images.append({**wish.fields, "metadata": metadata})
        batch.lines.append(wish.line)


def _check(batch: Batch, image: Any, line: int) -> None:
    if not isinstance(image, dict):
        raise batch.problem(line, "an image is a prompt, or a table with a `prompt`")
    for name, value in image.items():
        if _snake(str(name)) not in _OF_AN_IMAGE:
            raise batch.problem(line, _no_such(str(name), _OF_AN_IMAGE))
        if not all(isinstance(part, str | int | float | None) for part in _parts(value)):
            raise batch.problem(line, f"`{name}` is nothing that an image takes")
    prompt = image.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise batch.problem(line, "there is no `prompt`")


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value
        yield from value.values()
    elif isinstance(value, list):
        yield from value
    else:
        yield value


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _no_such(name: str, known: frozenset[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), 1)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    return f"there is no field `{name}`{hint}"
