"""ComfyUI's workflow graphs in API format as templates: `{{prompt}}` and its like are filled in.

A string that is nothing but a placeholder becomes the value itself, a number stays a number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Graph = dict[str, Any]
"""Nodes by id: `{"class_type": …, "inputs": {…}}`."""
Scalar = str | int | float | bool

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class GraphError(Exception):
    """A graph cannot be used; the message says why."""


def read_graph(path: Path) -> Graph:
    """The graph in a file; raises `GraphError`."""
    try:
        graph = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise GraphError(f"the workflow {path} cannot be read: {error}") from error
    nodes = graph.values() if isinstance(graph, dict) else []
    if not nodes or not all(isinstance(node, dict) and "class_type" in node for node in nodes):
        raise GraphError(f"the workflow {path} is not in ComfyUI's API format: export it as such")
    return dict(graph)


def placeholders(graph: Graph) -> frozenset[str]:
    """The names that a graph asks values for."""
    return frozenset(name for text in _texts(graph) for name in _PLACEHOLDER.findall(text))


def filled(graph: Graph, values: Mapping[str, Scalar]) -> Graph:
    """The graph with values in place of its placeholders; raises `GraphError` where one lacks."""
    missing = sorted(placeholders(graph) - set(values))
    if missing:
        raise GraphError(f"the workflow asks for {{{{{missing[0]}}}}}, which has no value")
    made: Graph = _filled(graph, values)
    return made


def steps_of(graph: Graph) -> int:
    """How many sampling steps a filled graph asks for, over all its samplers."""
    steps = (node.get("inputs", {}).get("steps") for node in graph.values())
    return sum(count for count in steps if isinstance(count, int))


def _filled(part: Any, values: Mapping[str, Scalar]) -> Any:
    if isinstance(part, dict):
        return {name: _filled(value, values) for name, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, values) for value in part]
    if not isinstance(part, str):
        return part
    if alone := _PLACEHOLDER.fullmatch(part):
        return values[alone[1]]
    return _PLACEHOLDER.sub(lambda found: str(values[found[1]]), part)


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict | list):
        for value in part.values() if isinstance(part, dict) else part:
            yield from _texts(value)
