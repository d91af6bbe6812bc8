"""Named streams of random draws that depend on prompt and seed alone, never on pixel counts."""

import hashlib
from functools import lru_cache

import numpy as np


class Dice:
    """A family of independent generators; the same name always gives the same draws."""

    def __init__(self, prompt: str, seed: int) -> None:
        words = " ".join(prompt.casefold().split())
        text = f"{seed}\n{words}".encode("utf-8", "surrogatepass")
        self._key = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
        self._drawn: dict[str, float] = {}

    def roll(self, name: str) -> np.random.Generator:
        """Return a fresh generator for `name`, always at the start of its stream."""
        return np.random.Generator(np.random.PCG64(self._key ^ _salt(name)))

    def draw(self, name: str) -> float:
        """Return the first draw, 0 to 1, of the named stream."""
        if name not in self._drawn:
            self._drawn[name] = float(self.roll(name).random())
        return self._drawn[name]


@lru_cache(maxsize=2048)
def _salt(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
