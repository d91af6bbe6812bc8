"""The review desk's files, read once: each with its type, all under one name by their content."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path

FOLDER = Path(__file__).with_name("desk")
_PAGE = "index.html"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class DeskFiles:
    """The page and what it loads.

    Modules import each other by relative addresses, so one name for all of them, in the path,
    changes the address of each when one changes.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder

    @cached_property
    def files(self) -> dict[str, bytes]:
        """What the page loads, by its path below the folder."""
        paths = (path for path in sorted(self._folder.rglob("*")) if path.suffix in _TYPES)
        return {path.relative_to(self._folder).as_posix(): path.read_bytes() for path in paths}

    @cached_property
    def name(self) -> str:
        """Of this state of the files."""
        digest = hashlib.sha256()
        for path, body in self.files.items():
            digest.update(f"{path} {len(body)} ".encode() + body)
        return digest.hexdigest()[:16]

    @cached_property
    def page(self) -> bytes:
        """The one page, which loads the files by their name."""
        text = (self._folder / _PAGE).read_text()
        modules = [path for path in self.files if _type_of(path).startswith("text/javascript")]
        preloads = "\n".join(
            f'<link rel="modulepreload" href="{{files}}/{path}">' for path in modules
        )
        return text.replace("{preloads}", preloads).replace("{files}", f"desk/{self.name}").encode()

    def type_of(self, path: str) -> str:
        """The content type of one of the files."""
        return _type_of(path)


def _type_of(path: str) -> str:
    return _TYPES[Path(path).suffix]
