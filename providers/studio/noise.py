"""Smooth random fields in the canvas's units.

Every field is built from lattices of fixed spacing, coarse to fine; resolution decides only how
many fine lattices are added, so a larger picture shows the same field with more detail.
"""

from functools import lru_cache

import numpy as np
from PIL import Image

from providers.studio.canvas import Canvas
from providers.studio.colour import Plane

_ATLAS_SIDE = 1024


@lru_cache(maxsize=1)
def _atlas() -> Plane:
    values = np.random.Generator(np.random.PCG64(20240229)).random(
        (_ATLAS_SIDE, _ATLAS_SIDE), dtype=np.float32
    )
    values = values * 2 - 1
    values.flags.writeable = False
    return values


def _lattice(first: tuple[int, int], shape: tuple[int, int], offset: tuple[int, int]) -> Plane:
    """Return shape (rows, columns) of the endless lattice, from index `first` on."""
    mask = _ATLAS_SIDE - 1
    top, left = (first[0] + offset[0]) & mask, (first[1] + offset[1]) & mask
    if top + shape[0] <= _ATLAS_SIDE and left + shape[1] <= _ATLAS_SIDE:
        return _atlas()[top : top + shape[0], left : left + shape[1]]
    rows, columns = np.arange(shape[0]) + top, np.arange(shape[1]) + left
    values: Plane = _atlas()[np.ix_(rows & mask, columns & mask)]
    return values


def _resample(values: Plane, size: tuple[int, int], box: tuple[float, ...]) -> Plane:
    values = np.ascontiguousarray(values)
    image = Image.frombuffer("F", values.shape[::-1], values, "raw", "F", 0, 1)
    left, top, right, bottom = box
    resized = image.resize(size, Image.Resampling.BICUBIC, box=(left, top, right, bottom))
    return np.frombuffer(resized.tobytes(), dtype=np.float32).reshape(size[::-1])


def fbm(
    canvas: Canvas,
    rng: np.random.Generator,
    scale: float,
    *,
    stretch: float = 1.0,
    octaves: int = 6,
    gain: float = 0.5,
    rows: tuple[int, int] | None = None,
) -> Plane:
    """Return fractal noise, roughly -1..1, of shape (height, width) or of the given pixel rows.

    scale is the size of the largest blobs in units, stretch how much wider than high they are.
    """
    top_px, bottom_px = rows or (0, canvas.height_px)
    offset = int(rng.integers(1 << 20)), int(rng.integers(1 << 20))
    phase = float(rng.random()), float(rng.random())
    px = 1.0 / canvas.unit_px
    finest = px * (3.2 if canvas.small else 1.6)
    spans = (
        (top_px * px + 4, bottom_px * px + 4),
        (-canvas.wide / 2 + 4, canvas.wide / 2 + 4),
    )
    spacing = (scale, scale * stretch)
    total: Plane | None = None
    first = (0, 0)
    weight, power = 1.0, 0.0
    for octave in range(octaves):
        if octave and max(spacing) / 2**octave < finest:
            break
        starts, counts = _cover(spans, spacing, 2**octave, phase)
        lattice = _lattice(starts, counts, (offset[0] + 131 * octave, offset[1] + 57 * octave))
        if total is None:
            total = lattice * np.float32(weight)
        else:
            total = _doubled(total, first, starts, counts)
            total = total + lattice * np.float32(weight)
        first = starts
        power += weight * weight
        weight *= gain
        last = octave
    assert total is not None  # noqa: S101
    size = (canvas.width_px, bottom_px - top_px)
    box = _view(spans, spacing, 2**last, phase, first)
    full = sum(gain ** (2 * k) for k in range(octaves))
    return _resample(total, size, box) * np.float32(1.0 / np.sqrt(full))


def _cover(
    spans: tuple[tuple[float, float], ...],
    spacing: tuple[float, float],
    split: int,
    phase: tuple[float, float],
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return first index and count per axis of the lattice points that cover the view."""
    starts, counts = [], []
    for (low, high), step, shift in zip(spans, spacing, phase, strict=True):
        start = int(np.floor((low / step + shift) * split)) - 3
        stop = int(np.ceil((high / step + shift) * split)) + 4
        # Coarser levels must hold the finer ones, so the margin is counted at the coarse level.
        starts.append(start)
        counts.append(stop - start)
    return (starts[0], starts[1]), (counts[0], counts[1])


def _doubled(
    values: Plane, first: tuple[int, int], starts: tuple[int, int], counts: tuple[int, int]
) -> Plane:
    """Resample a lattice to the points of the next one, which is twice as fine."""
    box = []
    for axis in (1, 0):
        low = starts[axis] / 2 - first[axis] + 0.25
        box.append((low, low + counts[axis] / 2))
    (left, right), (top, bottom) = box
    return _resample(values, (counts[1], counts[0]), (left, top, right, bottom))


def _view(
    spans: tuple[tuple[float, float], ...],
    spacing: tuple[float, float],
    split: int,
    phase: tuple[float, float],
    first: tuple[int, int],
) -> tuple[float, ...]:
    edges = [
        [(edge / step + shift) * split - start + 0.5 for edge in span]
        for span, step, shift, start in zip(spans, spacing, phase, first, strict=True)
    ]
    (top, bottom), (left, right) = edges
    return left, top, right, bottom


def line(
    x: Plane,
    rng: np.random.Generator,
    scale: float,
    *,
    octaves: int = 5,
    gain: float = 0.5,
    sharp: bool = False,
) -> Plane:
    """Return one-dimensional fractal noise, roughly -1..1, at positions x in units.

    sharp joins the lattice points by straight lines, as rock does; otherwise the curve is smooth.
    """
    values = rng.random((octaves, 512), dtype=np.float32) * 2 - 1
    total = np.zeros_like(x)
    for octave in range(octaves):
        place = (x / np.float32(scale) + np.float32(7.3 + octave)) * np.float32(2**octave)
        base = np.floor(place)
        part = place - base
        if not sharp:
            part = part * part * (3 - 2 * part)
        index = base.astype(np.int64)
        row = values[octave]
        low, high = row[index % 512], row[(index + 1) % 512]
        total += (low + (high - low) * part) * np.float32(gain**octave)
    full = sum(gain ** (2 * k) for k in range(octaves))
    return total / np.float32(np.sqrt(full))


def grain(canvas: Canvas, rng: np.random.Generator, size_px: float = 1.0) -> Plane:
    """Return film grain, roughly -1..1, of shape (height, width) and blobs of size_px pixels."""
    step = max(size_px, 1.0)
    shape = (int(canvas.height_px / step) + 3, int(canvas.width_px / step) + 3)
    offset = int(rng.integers(1 << 20)), int(rng.integers(1 << 20))
    values = _lattice((0, 0), shape, offset)
    if step == 1.0:
        return values[: canvas.height_px, : canvas.width_px]
    box = (1.0, 1.0, 1 + canvas.width_px / step, 1 + canvas.height_px / step)
    return _resample(values, (canvas.width_px, canvas.height_px), box)
