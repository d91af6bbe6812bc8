"""What the picture itself costs on one core: drawn, encoded and developed without Darkroom."""

from __future__ import annotations

import io
import time
from itertools import pairwise
from statistics import mean

from bench.prompts import prompt
from imaging.develop import develop_original
from providers.studio.art import Scene, compose

Size = tuple[int, int]

_STEPS = ("compose", "PNG encode", "develop: decode, mark, WebP, thumbhash, colour")


def picture_costs(size: Size, pictures: int) -> dict[str, float]:
    """Mean CPU milliseconds of each step of a `studio` picture of that size."""
    # The first picture pays for what is loaded once.
    costs = [_cost(size, number) for number in range(pictures + 1)][1:]
    return {name: mean(cost[i] for cost in costs) for i, name in enumerate(_STEPS)}


def _cost(size: Size, number: int) -> list[float]:
    clock = [time.process_time()]
    image = compose(Scene(prompt(number), None, None, number, *size))
    clock.append(time.process_time())
    encoded = io.BytesIO()
    image.save(encoded, "PNG", compress_level=3)
    clock.append(time.process_time())
    develop_original(encoded.getvalue())
    clock.append(time.process_time())
    return [(after - before) * 1000 for before, after in pairwise(clock)]
