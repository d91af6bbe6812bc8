"""Images as a reader of a blog sees them: whether they open, and whether two look alike."""

from __future__ import annotations

import io
import itertools

import httpx
from PIL import Image

_SIDE = 16


def opened(response: httpx.Response) -> Image.Image:
    """The whole image in an answer, decoded."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("image/")
    image = Image.open(io.BytesIO(response.content))
    image.load()
    return image


def likeness(one: Image.Image, other: Image.Image) -> float:
    """How alike two images look, by their difference hashes: 1 the same, about 0.5 unrelated."""
    differing = (_difference_hash(one) ^ _difference_hash(other)).bit_count()
    return 1 - differing / _SIDE**2


def _difference_hash(image: Image.Image) -> int:
    """One bit for each pixel of a small copy that is brighter than the one to its left."""
    pixels = image.convert("L").resize((_SIDE + 1, _SIDE), Image.Resampling.LANCZOS).tobytes()
    rows = [pixels[start : start + _SIDE + 1] for start in range(0, len(pixels), _SIDE + 1)]
    bits = [right > left for row in rows for left, right in itertools.pairwise(row)]
    return sum(bit << place for place, bit in enumerate(bits))
