"""The picture while it is painted: float planes, normalised coordinates, and a drawing pen.

One unit is the square root of the picture's area. x runs from -wide/2 to wide/2 with 0 in the
middle, y from 0 at the top to tall; so geometry does not know how many pixels there are.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from providers.studio.colour import Colour, Plane, column

Step = Callable[["Canvas"], None]


@dataclass(frozen=True)
class Patch:
    """Coverage 0..1 of shape (rows, columns), whose corner is at pixel (top, left)."""

    mask: Plane
    top: int
    left: int

    @property
    def window(self) -> tuple[slice, slice, slice]:
        """The part of (3, height, width) planes that the patch covers."""
        rows, columns = self.mask.shape
        return (
            slice(None),
            slice(self.top, self.top + rows),
            slice(self.left, self.left + columns),
        )


class Canvas:
    """RGB planes of shape (3, height, width), values nominally 0..1, with their coordinates.

    model is the picture that a finish looks at while it repaints rgb.
    """

    def __init__(self, width_px: int, height_px: int) -> None:
        self.width_px = width_px
        self.height_px = height_px
        self.unit_px = math.sqrt(width_px * height_px)
        # A thumbnail leaves out what would be smaller than its pixels.
        self.small = self.unit_px < 140
        self.wide = width_px / self.unit_px
        self.tall = height_px / self.unit_px
        self.rgb: Plane = np.zeros((3, height_px, width_px), dtype=np.float32)
        self.model: Plane = self.rgb
        self.x: Plane = ((np.arange(width_px, dtype=np.float32) + 0.5) / self.unit_px) - np.float32(
            self.wide / 2
        )
        self.y: Plane = (np.arange(height_px, dtype=np.float32) + 0.5) / np.float32(self.unit_px)
        self.v: Plane = self.y / np.float32(self.tall)

    def row(self, y: float) -> int:
        """Return the pixel row at height y (units), clipped to the picture."""
        return min(max(round(y * self.unit_px), 0), self.height_px)

    def column(self, x: float) -> int:
        """Return the pixel column at x (units), clipped to the picture."""
        return min(max(round((x + self.wide / 2) * self.unit_px), 0), self.width_px)

    def whole(self, mask: Plane, top: int = 0) -> Patch:
        """Return a patch over full-width rows that start at pixel row `top`."""
        return Patch(mask, top, 0)

    def fill(self, planes: Plane, top: int = 0) -> None:
        """Replace the rows from `top` on by planes that broadcast to (3, rows, width)."""
        self.rgb[:, top:] = planes

    def blend(self, patch: Patch, colour: Colour | Plane, opacity: float = 1.0) -> None:
        """Lay a colour, or planes of the patch's shape, over the picture where the patch covers."""
        target = self.rgb[patch.window]
        paint = column(colour) if isinstance(colour, tuple) else colour
        mask = patch.mask if opacity == 1.0 else patch.mask * np.float32(opacity)
        for channel in range(3):
            change = paint[channel] - target[channel]
            change *= mask
            target[channel] += change

    def light(self, patch: Patch, colour: Colour, strength: float = 1.0) -> None:
        """Add light the way a screen does: bright stays below white."""
        target = self.rgb[patch.window]
        for channel, amount in enumerate(colour):
            gain = patch.mask * np.float32(amount * strength)
            gain *= 1.0 - np.minimum(target[channel], 1.0)
            target[channel] += gain

    def darken(self, patch: Patch, colour: Colour, strength: float = 1.0) -> None:
        """Multiply towards a colour where the patch covers, as a shadow or a glaze does."""
        target = self.rgb[patch.window]
        for channel, amount in enumerate(colour):
            target[channel] *= 1.0 - patch.mask * np.float32((1.0 - amount) * strength)

    def disc(self, x: float, y: float, radius: float, softness: float = 0.0) -> Patch:
        """Return a disc at (x, y); softness is the part of the radius over which it fades."""
        edge = max(radius * softness, 1.0 / self.unit_px)
        top, bottom = self.row(y - radius - edge), self.row(y + radius + edge)
        left, right = self.column(x - radius - edge), self.column(x + radius + edge)
        dx = self.x[left:right] - np.float32(x)
        dy = self.y[top:bottom] - np.float32(y)
        distance = np.sqrt((dx * dx)[None, :] + (dy * dy)[:, None])
        mask: Plane = np.clip((np.float32(radius + edge / 2) - distance) / np.float32(edge), 0, 1)
        return Patch(mask, top, left)

    def glow(self, x: float, y: float, radius: float, squash: float = 1.0) -> Patch:
        """Return a soft light that is 1 at (x, y) and 0 at the radius; squash flattens it."""
        high = radius * squash
        top, bottom = self.row(y - high), self.row(y + high)
        left, right = self.column(x - radius), self.column(x + radius)
        dx = (self.x[left:right] - np.float32(x)) / np.float32(radius)
        dy = (self.y[top:bottom] - np.float32(y)) / np.float32(high)
        near: Plane = np.clip(1.0 - (dx * dx)[None, :] - (dy * dy)[:, None], 0, 1)
        near *= near * near
        return Patch(near, top, left)


class Pen:
    """Collects outlines in units and turns them into one anti-aliased patch.

    Later outlines replace earlier ones, so ink 0 cuts a hole.
    """

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self._outlines: list[tuple[Plane, int]] = []

    def polygon(self, points: Plane, ink: float = 1.0) -> None:
        """Add an outline of shape (n, 2)."""
        self._outlines.append((points, round(ink * 255)))

    def polygons(self, outlines: Plane, inks: Plane | None = None) -> None:
        """Add outlines of shape (k, n, 2) with one ink each."""
        for index, outline in enumerate(outlines):
            self.polygon(outline, 1.0 if inks is None else float(inks[index]))

    def box(self, left: float, top: float, right: float, bottom: float, ink: float = 1.0) -> None:
        """Add an upright rectangle."""
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        self.polygon(np.array(corners, dtype=np.float32), ink)

    def oval(self, x: float, y: float, across: float, down: float, ink: float = 1.0) -> None:
        """Add an ellipse with the given half axes."""
        size = max(across, down) * self._canvas.unit_px
        self.polygon(
            _ring(10 + round(min(38.0, size * 0.7))) * _pair(across, down) + _pair(x, y), ink
        )

    def ovals(self, centres: Plane, radii: Plane, inks: Plane | None = None) -> None:
        """Add discs around centres (k, 2) with one radius each."""
        if len(centres) == 0:
            return
        size = float(radii.max()) * self._canvas.unit_px
        ring = _ring(8 + round(min(24.0, size * 0.7)))
        self.polygons(centres[:, None, :] + ring[None] * radii[:, None, None], inks)

    def stroke(self, points: Plane, start: float, end: float, ink: float = 1.0) -> None:
        """Add a line through points (n, 2) whose width tapers from start to end."""
        widths = start + (end - start) * _even(len(points))
        self.polygon(_outlines(points[None], widths)[0], ink)

    def strokes(self, paths: Plane, start: float, end: float, inks: Plane | None = None) -> None:
        """Add lines through paths (k, n, 2) that all taper from start to end."""
        widths = start + (end - start) * _even(paths.shape[1])
        self.polygons(_outlines(paths, widths), inks)

    def patch(self) -> Patch:
        """Rasterise everything drawn so far."""
        if not self._outlines:
            return Patch(np.zeros((0, 0), dtype=np.float32), 0, 0)
        canvas = self._canvas
        shift = np.array([canvas.wide / 2, 0.0], dtype=np.float32)
        pixels = (np.concatenate([o for o, _ in self._outlines]) + shift) * np.float32(
            canvas.unit_px
        )
        left, top = _corner(pixels.min(axis=0), canvas)
        right, bottom = _corner(pixels.max(axis=0) + 2, canvas)
        if right <= left or bottom <= top:
            return Patch(np.zeros((0, 0), dtype=np.float32), 0, 0)
        fine = 4 if canvas.unit_px < 900 else 3 if canvas.unit_px < 1400 else 2
        pixels = (pixels - np.array([left, top], dtype=np.float32)) * fine - np.float32(0.5)
        image = self._draw(pixels, (right - left) * fine, (bottom - top) * fine)
        levels = np.frombuffer(image.reduce(fine).tobytes(), dtype=np.uint8)
        mask: Plane = levels.reshape(bottom - top, right - left) * np.float32(1 / 255)
        return Patch(mask, top, left)

    def _draw(self, pixels: Plane, width: int, height: int) -> Image.Image:
        image = Image.new("L", (width, height))
        draw = ImageDraw.Draw(image)
        start = 0
        flat = pixels.ravel().tolist()
        for outline, ink in self._outlines:
            stop = start + 2 * len(outline)
            draw.polygon(flat[start:stop], fill=ink)
            start = stop
        return image


@lru_cache(maxsize=64)
def _ring(count: int) -> Plane:
    turn = np.arange(count, dtype=np.float32) * np.float32(2 * math.pi / count)
    return _frozen(np.stack([np.cos(turn), np.sin(turn)], axis=1))


@lru_cache(maxsize=64)
def _even(count: int) -> Plane:
    return _frozen(np.linspace(0, 1, count, dtype=np.float32))


def _frozen(values: Plane) -> Plane:
    values.flags.writeable = False
    return values


def _pair(x: float, y: float) -> Plane:
    return np.array((x, y), dtype=np.float32)


def _outlines(paths: Plane, widths: Plane) -> Plane:
    """Return closed outlines (k, 2n, 2) of lines through paths (k, n, 2) of widths (n,)."""
    along = np.empty_like(paths)
    along[:, 1:-1] = paths[:, 2:] - paths[:, :-2]
    along[:, 0] = paths[:, 1] - paths[:, 0]
    along[:, -1] = paths[:, -1] - paths[:, -2]
    scale = widths / (2 * np.maximum(np.hypot(along[..., 0], along[..., 1]), 1e-6))
    aside = np.empty_like(paths)
    aside[..., 0] = -along[..., 1] * scale
    aside[..., 1] = along[..., 0] * scale
    return np.concatenate([paths + aside, (paths - aside)[:, ::-1]], axis=1, dtype=np.float32)


def _corner(point: Plane, canvas: Canvas) -> tuple[int, int]:
    x = min(max(math.floor(float(point[0])), 0), canvas.width_px)
    y = min(max(math.floor(float(point[1])), 0), canvas.height_px)
    return x, y
