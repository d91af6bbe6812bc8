from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import ExifTags, Image, ImageCms, ImageDraw

from domain.errors import InvalidOutput
from imaging.provenance import mark_png, xmp_packet
from imaging.sources import MAX_SIDE_PX, bring_in, marks_anything, read_mask
from tests.fakes import png


def encoded(image: Image.Image, kind: str, **more: Any) -> bytes:
    into = io.BytesIO()
    image.save(into, kind, **more)
    return into.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


class TestBringIn:
    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_a_silent_picture_stays_as_it_is(self, kind: str) -> None:
        data = encoded(Image.new("RGB", (40, 30), "teal"), kind)
        brought = bring_in(data)
        assert (brought.data, brought.width_px, brought.height_px) == (data, 40, 30)
        assert brought.media_type == f"image/{kind.lower()}"
        assert brought.digital_source_type is None

    def test_what_a_camera_wrote_is_left_behind_and_the_picture_is_upright(self) -> None:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        exif[ExifTags.Base.Make] = "Camera"
        brought = bring_in(encoded(Image.new("RGB", (40, 30)), "JPEG", exif=exif))
        assert (brought.width_px, brought.height_px) == (30, 40)
        assert b"Camera" not in brought.data
        assert not opened(brought.data).getexif()

    def test_a_picture_is_no_larger_than_what_is_made_of_it(self) -> None:
        brought = bring_in(encoded(Image.new("L", (2 * MAX_SIDE_PX, 64)), "PNG"))
        assert (brought.width_px, brought.height_px) == (MAX_SIDE_PX, 32)

    def test_colours_of_another_space_are_turned_into_ours(self) -> None:
        lab_free = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        data = encoded(Image.new("RGB", (8, 8), (200, 30, 30)), "PNG", icc_profile=lab_free)
        brought = bring_in(data)
        assert "icc_profile" not in opened(brought.data).info
        assert opened(brought.data).getpixel((4, 4)) == (200, 30, 30)

    def test_transparency_stays(self) -> None:
        clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
        data = encoded(clear, "PNG", comment="x")
        assert opened(bring_in(data).data).mode == "RGBA"

    def test_what_it_says_of_itself_is_read(self) -> None:
        said = mark_png(png(8, 8), xmp_packet("digitalCapture"))
        assert bring_in(said).digital_source_type == "digitalCapture"

    def test_what_is_no_picture_is_refused(self) -> None:
        with pytest.raises(InvalidOutput):
            bring_in(b"<html>")


class TestMasks:
    def drawn(self, mode: str, ground: Any, ink: Any, size: tuple[int, int] = (40, 30)) -> bytes:
        image = Image.new(mode, size, ground)
        ImageDraw.Draw(image).rectangle((0, 0, size[0] // 2 - 1, size[1]), fill=ink)
        return encoded(image, "PNG")

    @pytest.mark.parametrize(
        "mask",
        [
            ("L", 0, 255),
            ("RGB", "black", "white"),
            ("RGBA", (0, 0, 0, 255), (255, 255, 255, 255)),
            ("RGBA", (9, 9, 9, 255), (0, 0, 0, 0)),
        ],
        ids=["greys", "colours", "opaque", "holed"],
    )
    def test_white_or_a_hole_is_what_may_change(self, mask: tuple[str, Any, Any]) -> None:
        read = read_mask(self.drawn(*mask), 80, 60)
        assert read is not None
        image = opened(read)
        assert (image.mode, image.size) == ("L", (80, 60))
        assert (image.getpixel((2, 2)), image.getpixel((77, 2))) == (255, 0)
        assert marks_anything(read)

    def test_another_shape_is_none(self) -> None:
        assert read_mask(self.drawn("L", 0, 255), 80, 80) is None

    def test_black_marks_nothing(self) -> None:
        read = read_mask(self.drawn("L", 0, 0), 80, 60)
        assert read is not None
        assert not marks_anything(read)
