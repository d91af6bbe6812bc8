"""`develop` of one original beside a library that does the same encodes bare: CPU, wall, memory.

Each runs in a process of its own, so that its peak of memory is its own. libvips is measured where
`pyvips` is installed, which Darkroom does not need: `pip install 'pyvips[binary]'`.
"""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from bench.prompts import prompt
from imaging.assets import AssetSettings
from imaging.develop import develop_original
from providers.studio.art import Scene, compose

SIZE = (1536, 1024)
_SETTINGS = AssetSettings()
_SOCIAL = (_SETTINGS.social_width, _SETTINGS.social_height)
_WIDTHS = _SETTINGS.widths_of(SIZE[0])
_VIPS_AVIF_EFFORT = 1
"""Of all that libvips lets choose, the nearest to Pillow's speed 8."""

Work = Callable[[bytes], object]


def compare(rounds: int) -> dict[str, dict[str, float]]:
    """The least of several runs of each: `cpu_ms`, `wall_ms`, `peak_mb`."""
    best: dict[str, dict[str, float]] = {}
    names = [name for name in WORKS if name != "libvips, bare" or find_spec("pyvips")]
    with TemporaryDirectory() as folder:
        original = Path(folder) / "original.png"
        compose(Scene(prompt(0), None, None, 0, *SIZE)).save(original, compress_level=3)
        for name in names * 2:
            told = _measured(name, original, rounds)
            earlier = best.setdefault(name, told)
            best[name] = {each: min(told[each], earlier[each]) for each in told}
    return best


def _measured(name: str, original: Path, rounds: int) -> dict[str, float]:
    ended = subprocess.run(
        [sys.executable, "-m", "bench.developing", name, str(original), str(rounds)],
        cwd=Path(__file__).parents[1],
        check=True,
        capture_output=True,
        text=True,
    )
    told: dict[str, float] = json.loads(ended.stdout)
    return told


def _darkroom(data: bytes) -> object:
    return develop_original(data, _SETTINGS)


def _darkroom_on_all_cores(data: bytes) -> object:
    with ThreadPoolExecutor(os.cpu_count()) as hands:
        return develop_original(data, _SETTINGS, hands=hands)


def _pillow(data: bytes) -> object:
    image = Image.open(io.BytesIO(data))
    image.load()
    lanczos = Image.Resampling.LANCZOS
    for width in _WIDTHS:
        size = (width, round(SIZE[1] * width / SIZE[0]))
        scaled = image if width == SIZE[0] else image.resize(size, lanczos, reducing_gap=2.0)
        scaled.save(
            io.BytesIO(),
            "AVIF",
            quality=_SETTINGS.avif_quality,
            speed=_SETTINGS.avif_speed,
            max_threads=1,
            autotiling=False,
        )
        scaled.save(
            io.BytesIO(), "WEBP", quality=_SETTINGS.webp_quality, method=_SETTINGS.webp_effort
        )
        _pillow_jpeg(scaled)
    _pillow_jpeg(image.resize(_SOCIAL, lanczos, box=(0, 109, 1536, 915), reducing_gap=2.0))
    return image


def _pillow_jpeg(image: Image.Image) -> None:
    quality = _SETTINGS.jpeg_quality
    image.save(io.BytesIO(), "JPEG", quality=quality, progressive=True, optimize=True)


def _vips(data: bytes) -> object:
    import pyvips

    pyvips.cache_set_max(0)
    image = pyvips.Image.pngload_buffer(data).copy_memory()
    jpeg = {"Q": _SETTINGS.jpeg_quality, "interlace": True, "optimize_coding": True}
    for width in _WIDTHS:
        scaled = image if width == SIZE[0] else image.thumbnail_image(width).copy_memory()
        scaled.heifsave_buffer(
            Q=_SETTINGS.avif_quality, compression="av1", effort=_VIPS_AVIF_EFFORT
        )
        scaled.webpsave_buffer(Q=_SETTINGS.webp_quality, effort=_SETTINGS.webp_effort)
        scaled.jpegsave_buffer(**jpeg)
    crop = image.thumbnail_image(_SOCIAL[0], height=_SOCIAL[1], crop="attention")
    return crop.jpegsave_buffer(**jpeg)


WORKS: dict[str, Work] = {
    "develop": _darkroom,
    "Pillow, bare": _pillow,
    "libvips, bare": _vips,
    "develop, all cores": _darkroom_on_all_cores,
}


def _measure(work: Work, data: bytes, rounds: int) -> dict[str, float]:
    cpus, walls = [], []
    # The first round pays for what is loaded once.
    for _ in range(rounds + 1):
        cpu, wall = time.process_time(), time.perf_counter()
        work(data)
        cpus.append((time.process_time() - cpu) * 1000)
        walls.append((time.perf_counter() - wall) * 1000)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu_ms": min(cpus[1:]), "wall_ms": min(walls[1:]), "peak_mb": peak}


if __name__ == "__main__":
    work, original, rounds = sys.argv[1:]
    print(json.dumps(_measure(WORKS[work], Path(original).read_bytes(), int(rounds))))
