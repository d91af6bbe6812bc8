"""A Markdown article that asks for pictures, and the same article with the pictures in it. Pure.

It asks in marks, `![prompt: a lighthouse at dusk](images/hero)`, and in its YAML front matter, in
the list `darkroom.images`. Nothing of the text but these places is ever changed: an article that
cannot be written back exactly is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote

import yaml
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline import image as image_rule
from markdown_it.token import Token

TABLE = "darkroom"

_FRONT = re.compile(
    "\ufeff?---[ \t]*(?:\r\n|\r|\n)(.*?)^(?:---|\\.\\.\\.)[ \t]*$", re.DOTALL | re.MULTILINE
)
_LINE_END = re.compile(r"\r\n|\r|\n")
_PROMPT = re.compile(r"\s*prompt:\s*(.*)", re.IGNORECASE | re.DOTALL)
_EXTENSION = re.compile(r"\.(?:jpe?g|png|webp|avif|gif)$", re.IGNORECASE)
_NO_PATH = re.compile(r"[\x00-\x1f\x7f\\:\"]|^/|^$")
_MEANS_SOMETHING = re.compile(r"[\\`*_\[\]<>~]|&(?=#?\w+;)")
_SLUG_LENGTH = 40
_NAMED = re.compile(r"(?:.*/)?([a-z0-9-]+-[0-9a-f]{8})")


class ArticleError(Exception):
    """The article cannot be taken; `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Wish:
    """One picture that an article asks for."""

    picture: str
    """What the article knows it by: its place without an extension, else a name of its own."""
    fields: dict[str, Any]
    """Of an image request; what the article says of all pictures is among them."""
    line: int


@dataclass(frozen=True)
class Picture:
    """A finished picture for an article."""

    path: str
    """Relative to the article, with `/` between the folders and with an extension."""
    alt_text: str


@dataclass(frozen=True)
class _Place:
    """A part of the text that a picture stands in, or is to stand in."""

    start: int
    end: int
    line: int
    source: str
    pictures: frozenset[str]
    """What the article may know by this place."""
    label: str
    title: str
    prompt: str | None = None
    """None where the picture is there already."""

    def one_of(self, pictures: Mapping[str, Picture]) -> Picture | None:
        """The picture that belongs here."""
        return next((pictures[name] for name in self.pictures if name in pictures), None)

    def has(self, picture: Picture) -> bool:
        """Whether it is here already."""
        return self.prompt is None and self.source == picture.path

    def filled(self, picture: Picture) -> str:
        """What stands here with the picture; a label that was written is kept."""
        if self.prompt is not None:
            return f"![{_escaped(picture.alt_text)}]({quote(picture.path)})"
        title = f' "{_in_quotes(self.title)}"' if self.title else ""
        return f"![{self.label}]({quote(picture.path)}{title})"


@dataclass(frozen=True)
class _Entry:
    """One of `darkroom.images` in the front matter."""

    node: yaml.MappingNode
    fields: dict[str, Any]
    picture: str
    line: int

    @property
    def is_filled(self) -> bool:
        return "src" in self.fields


class Article:
    """What an article asks for and what it has."""

    def __init__(self, text: str) -> None:
        """Read it; raises `ArticleError`."""
        self._text = text
        front = _FRONT.match(text)
        self._front = front.group(1) if front else ""
        self._front_start = front.start(1) if front else 0
        self._defaults, self._entries = _front_matter(self._front, text[: self._front_start])
        body_start = front.end() if front else 0
        self.misread: list[int] = []
        """Lines with what looks like a mark and is no image to Markdown."""
        self._places = list(_places(text, body_start, self.misread))

    @property
    def wishes(self) -> list[Wish]:
        """The pictures that are not there yet, in order; marks with one name are one picture."""
        found: dict[str, Wish] = {}
        for wish in self._asked():
            before = found.setdefault(wish.picture, wish)
            if before.fields != wish.fields:
                raise ArticleError(
                    wish.line, f"'{wish.picture}' is asked for in line {before.line} already"
                )
        return list(found.values())

    @property
    def names(self) -> frozenset[str]:
        """All pictures that the article asks for or may have."""
        placed = (name for place in self._places for name in place.pictures)
        return frozenset((*(entry.picture for entry in self._entries), *placed))

    def _asked(self) -> Iterator[Wish]:
        for entry in self._entries:
            if not entry.is_filled:
                own = {name: value for name, value in entry.fields.items() if name != "path"}
                yield Wish(entry.picture, {**self._defaults, **own}, entry.line)
        for place in self._places:
            if place.prompt is not None:
                alt = {"alt_text": place.title} if place.title else {}
                fields = {**self._defaults, "prompt": place.prompt, **alt}
                [picture] = place.pictures
                yield Wish(picture, fields, place.line)

    def with_pictures(self, pictures: Mapping[str, Picture]) -> str:
        """The text with these in their places, by `Wish.picture`; the same again changes nothing.

        Raises `ArticleError` where that would change anything else.
        """
        edits = [
            (place.start, place.end, place.filled(picture))
            for place in self._places
            if (picture := place.one_of(pictures)) and not place.has(picture)
        ]
        for entry in self._entries:
            if entry.picture in pictures:
                edits += self._entry_edits(entry, pictures[entry.picture])
        text = self._text
        for start, end, instead in sorted(edits, reverse=True):
            text = text[:start] + instead + text[end:]
        self._check(text, pictures)
        return text

    def _entry_edits(self, entry: _Entry, picture: Picture) -> list[tuple[int, int, str]]:
        if entry.is_filled:
            [value] = [value for key, value in entry.node.value if key.value == "src"]
            if entry.fields["src"] == picture.path:
                return []
            start = self._front_start + value.start_mark.index
            return [(start, self._front_start + value.end_mark.index, _yaml_text(picture.path))]
        added = {"src": picture.path}
        if "alt_text" not in entry.fields:
            added["alt_text"] = picture.alt_text
        lines = [f"{name}: {_yaml_text(value)}" for name, value in added.items()]
        [(key, value)] = [(k, v) for k, v in entry.node.value if k.value == "prompt"]
        if entry.node.flow_style:
            at = self._front_start + value.end_mark.index
            return [(at, at, "".join(f", {line}" for line in lines))]
        behind = self._line_behind(value.end_mark)
        indent = " " * key.start_mark.column
        before = "" if self._text[:behind].endswith(("\n", "\r")) else "\n"
        return [(behind, behind, before + "".join(f"{indent}{line}\n" for line in lines))]

    def _line_behind(self, mark: yaml.Mark) -> int:
        at: int = self._front_start + mark.index
        if mark.column == 0:
            return at
        found = _LINE_END.search(self._text, at)
        return found.end() if found else len(self._text)

    def _check(self, text: str, pictures: Mapping[str, Picture]) -> None:
        """Read what would be written, and refuse it unless it is what is meant."""
        again = Article(text)
        told = [_filled_entry(entry, pictures) for entry in self._entries]
        meant = [
            (picture.path if picture else place.source, None if picture else place.prompt)
            for place in self._places
            for picture in [place.one_of(pictures)]
        ]
        if (
            [entry.fields for entry in again._entries] != told
            or again._rest_of_front() != self._rest_of_front()
            or [(place.source, place.prompt) for place in again._places] != meant
        ):
            line = self._places[0].line if self._places else 1
            raise ArticleError(line, "the pictures cannot be put in without changing the text")

    def _rest_of_front(self) -> Any:
        """The front matter without the images' own fields."""
        whole = yaml.safe_load(self._front) if self._entries else None
        if whole:
            whole[TABLE]["images"] = len(whole[TABLE]["images"])
        return whole


def _filled_entry(entry: _Entry, pictures: Mapping[str, Picture]) -> dict[str, Any]:
    picture = pictures.get(entry.picture)
    if picture is None:
        return entry.fields
    alt_text = entry.fields.get("alt_text", picture.alt_text)
    alt = {} if entry.is_filled and "alt_text" not in entry.fields else {"alt_text": alt_text}
    return {**entry.fields, "src": picture.path, **alt}


def named(prompt: str) -> str:
    """The name of a picture whose mark names no place: the same for the same prompt."""
    slug = re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:_SLUG_LENGTH].strip("-")
    return f"{slug or 'image'}-{hashlib.sha256(prompt.encode()).hexdigest()[:8]}"


def is_named(picture: str) -> bool:
    """Whether a picture's name says nothing of its place."""
    return "/" not in picture and _NAMED.fullmatch(picture) is not None


def _stem(path: str, line: int) -> str:
    """A place without its extension; raises `ArticleError` for one outside the article's folder."""
    bare = _EXTENSION.sub("", path)
    parts = PurePosixPath(bare).parts
    if _NO_PATH.search(bare) or any(part.startswith(".") for part in parts):
        raise ArticleError(line, f"'{path}' is no place below the article's folder")
    return "/".join(parts)


def _front_matter(front: str, before: str) -> tuple[dict[str, Any], list[_Entry]]:
    """What holds for all pictures, and the pictures that the front matter asks for."""
    line = _lines(before)
    if f"{TABLE}:" not in front:
        return {}, []
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(front)):
            raise ArticleError(line, f"with `{TABLE}` in it, the front matter takes no aliases")
        root, whole = yaml.compose(front, yaml.SafeLoader), yaml.safe_load(front)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = line + (mark.line if mark else 0)
        raise ArticleError(at, f"the front matter is not valid YAML: {_said(error)}") from None
    except (ValueError, RecursionError):
        raise ArticleError(line, "the front matter is not valid YAML") from None
    table = whole.get(TABLE) if isinstance(whole, dict) else None
    if table is None:
        return {}, []
    [node] = [value for key, value in _pairs(root) if key.value == TABLE]
    at = line + node.start_mark.line
    if not isinstance(table, dict) or not isinstance(table.get("images", []), list):
        raise ArticleError(at, f"`{TABLE}` is a table, and its `images` a list of tables")
    defaults = {name: value for name, value in table.items() if name != "images"}
    return defaults, list(_entries(node, table.get("images", []), line))


def _entries(node: yaml.Node, listed: list[Any], line: int) -> Iterator[_Entry]:
    nodes = [value.value for key, value in _pairs(node) if key.value == "images"]
    for each, fields in zip(nodes[0] if nodes else [], listed, strict=True):
        at = line + each.start_mark.line
        prompt = fields.get("prompt") if isinstance(fields, dict) else None
        if not isinstance(prompt, str) or not prompt.strip():
            raise ArticleError(at, f"each of `{TABLE}.images` is a table with a `prompt`")
        place = fields.get("path")
        picture = named(" ".join(prompt.split())) if place is None else _stem(str(place), at)
        yield _Entry(each, fields, picture, at)


def _pairs(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    return node.value if isinstance(node, yaml.MappingNode) else []


def _said(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or "it cannot be read")


def _parser() -> MarkdownIt:
    """CommonMark and tables; an image's token knows where in its block's text it stands."""

    def image(state: StateInline, silent: bool) -> bool:
        start = state.pos
        found = image_rule(state, silent)
        if found and not silent:
            state.tokens[-1].meta = {"span": (start, state.pos)}
        return found

    parser = MarkdownIt("commonmark").enable("table")
    parser.inline.ruler.at("image", image)
    return parser


_MARKDOWN = _parser()


def _places(text: str, body_start: int, misread: list[int]) -> Iterator[_Place]:
    """The marks and the local pictures below the front matter, in order."""
    starts = [body_start, *(found.end() for found in _LINE_END.finditer(text, body_start))]
    for block in _MARKDOWN.parse(text[body_start:]):
        if block.type == "inline" and block.map is not None:
            images = [token for token in block.children or [] if token.type == "image"]
            if any(
                "![prompt:" in token.content
                for token in block.children or []
                if token.type == "text"
            ):
                misread.append(_lines(text[: starts[block.map[0]]]))
            for token in images:
                yield from _place(token, block, text, starts)


def _place(token: Token, block: Token, text: str, starts: list[int]) -> Iterator[_Place]:
    source, asked = unquote(str(token.attrs["src"])), _PROMPT.match(token.content)
    first_line = (block.map or [0])[0]
    start, end = (_offset(at, block, text, starts) for at in token.meta["span"])
    line = _lines(text[: starts[first_line]])
    title = str(token.attrs.get("title", ""))
    if asked is None:
        if start is not None and end is not None and "://" not in source:
            names = frozenset(_names(source, line))
            yield _Place(start, end, line, source, names, token.content, title)
        return
    if start is None or end is None:
        raise ArticleError(line, "this mark cannot be told apart; put it on a line of its own")
    line = _lines(text[:start])
    said = _PROMPT.match(RendererHTML().renderInlineAsText(token.children, _MARKDOWN.options, {}))
    prompt = " ".join(said.group(1).split()) if said else ""
    if not prompt:
        raise ArticleError(line, "this mark says nothing behind `prompt:`")
    picture = _stem(source, line) if source else named(prompt)
    names = frozenset((picture,))
    yield _Place(start, end, line, source, names, token.content, title, prompt)


def _names(source: str, line: int) -> Iterator[str]:
    """Its place below the article, and its own name where it was given one, wherever it is."""
    with suppress(ArticleError):
        yield _stem(source, line)
    found = _NAMED.fullmatch(_EXTENSION.sub("", source))
    if found:
        yield found.group(1)


def _offset(at: int, block: Token, text: str, starts: list[int]) -> int | None:
    """Where in the text a place in a block's content is; None where that cannot be told.

    A block's content is its lines without what leads them in (`>`, `-`, `#`, `|`) and out.
    """
    before = block.content[:at]
    number = before.count("\n")
    column = len(before) - (before.rfind("\n") + 1)
    content = block.content.split("\n")[number]
    bare = content.strip()
    first = (block.map or [0])[0] + number
    if first >= len(starts):
        return None
    end = starts[first + 1] if first + 1 < len(starts) else len(text)
    line = text[starts[first] : end].replace("\0", "\ufffd")
    found = line.find(bare)
    if found < 0 or line.find(bare, found + 1) >= 0:
        return None
    return starts[first] + found + column - (len(content) - len(content.lstrip()))


def _lines(before: str) -> int:
    """The number of the line that follows this text, from 1."""
    return len(_LINE_END.findall(before)) + 1


def _escaped(alt_text: str) -> str:
    """As Markdown that says just this, and asks for nothing."""
    bare = " ".join(alt_text.split())
    while asked := _PROMPT.match(bare):
        bare = asked.group(1)
    # A cell of a table would end at the bar, also at an escaped one that is looked for later.
    return _MEANS_SOMETHING.sub(r"\\\g<0>", bare).replace("|", "&#124;")


def _in_quotes(title: str) -> str:
    return " ".join(title.split()).replace("\\", "\\\\").replace('"', '\\"')


def _yaml_text(value: str) -> str:
    return json.dumps(value)
