"""How alike two pictures are, whatever their sizes."""

from __future__ import annotations

import io

import imagehash
from PIL import Image


def distance(one: bytes, other: bytes) -> int:
    """Of 64 bits of a perceptual hash, how many differ: unrelated pictures differ by about half."""
    return int(_hash(one) - _hash(other))


def _hash(data: bytes) -> imagehash.ImageHash:
    with Image.open(io.BytesIO(data)) as opened:
        return imagehash.phash(opened)
