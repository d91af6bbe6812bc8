"""What stands in a picture's place while it loads: a thumbhash and a colour."""

from __future__ import annotations

import base64

from PIL import Image
from thumbhash import rgba_to_thumb_hash

_SIDE_PX = 16
_COLORS = 6


def placeholder(image: Image.Image) -> tuple[str, str]:
    """Thumbhash, in base64 (https://evanw.github.io/thumbhash/), and dominant colour, `#rrggbb`."""
    small = image.copy()
    small.thumbnail((_SIDE_PX, _SIDE_PX), Image.Resampling.BOX)
    return _thumbhash(small), _dominant_color(small)


def _thumbhash(small: Image.Image) -> str:
    rgba = Image.alpha_composite(Image.new("RGBA", small.size, "white"), small.convert("RGBA"))
    hashed = rgba_to_thumb_hash(rgba.width, rgba.height, list(rgba.tobytes()))
    return base64.b64encode(bytes(hashed)).decode()


def _dominant_color(small: Image.Image) -> str:
    palette = small.convert("RGB").quantize(_COLORS)
    indices = palette.tobytes()
    commonest = max(range(_COLORS), key=indices.count)
    red, green, blue = (palette.getpalette() or [0, 0, 0])[3 * commonest : 3 * commonest + 3]
    return f"#{red:02x}{green:02x}{blue:02x}"
