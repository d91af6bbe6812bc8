from __future__ import annotations

import base64
import hashlib
import io

import pytest
from PIL import Image
from thumbhash import thumb_hash_to_average_rgba

from domain.errors import InvalidOutput
from imaging.develop import Encoded, develop_original
from tests.imaging.pictures import AI_MADE, encoded, gradient, pixels, source_types


def opened(encoding: Encoded) -> Image.Image:
    image = Image.open(io.BytesIO(encoding.data))
    image.load()
    return image


class TestDevelop:
    @pytest.mark.parametrize(
        ("image_format", "formats"),
        [("PNG", ["png", "webp"]), ("JPEG", ["jpeg", "webp"]), ("WEBP", ["webp"])],
    )
    def test_the_first_encoding_has_the_originals_format(
        self, image_format: str, formats: list[str]
    ) -> None:
        encodings = develop_original(encoded(gradient(), image_format)).encodings
        assert [encoding.format for encoding in encodings] == formats
        for encoding in encodings:
            image = opened(encoding)
            assert (image.format or "").lower() == encoding.format
            assert image.size == (encoding.width_px, encoding.height_px) == (48, 32)
            assert encoding.sha256 == hashlib.sha256(encoding.data).hexdigest()

    @pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
    def test_every_encoding_says_that_it_is_ai_made(self, image_format: str) -> None:
        for encoding in develop_original(encoded(gradient(), image_format)).encodings:
            assert source_types(encoding.data) == [AI_MADE]
            assert b"DigitalSourceType" in opened(encoding).info["xmp"]

    @pytest.mark.parametrize("mode", ["CMYK", "L"])
    def test_what_is_encoded_anew_says_so_too(self, mode: str) -> None:
        original = encoded(gradient().convert(mode), "JPEG")
        for encoding in develop_original(original).encodings:
            assert source_types(encoding.data) == [AI_MADE]

    @pytest.mark.parametrize("image_format", ["PNG", "JPEG"])
    def test_no_pixel_of_the_original_is_touched(self, image_format: str) -> None:
        original = encoded(gradient(), image_format)
        assert pixels(develop_original(original).encodings[0].data) == pixels(original)

    def test_a_jpeg_without_jfif_is_marked_too(self) -> None:
        exif = Image.Exif()
        exif[0x010E] = "a description"
        original = encoded(gradient(), "JPEG", exif=exif.tobytes())
        main = develop_original(original).encodings[0]
        assert source_types(main.data) == [AI_MADE]

    def test_the_seal_is_the_last_that_is_done_to_each_file(self) -> None:
        developed = develop_original(
            encoded(gradient(), "PNG"), seal=lambda data, kind: data + kind.encode()
        )
        for encoding in developed.encodings:
            assert encoding.data.endswith(encoding.format.encode())
            assert encoding.sha256 == hashlib.sha256(encoding.data).hexdigest()

    def test_the_file_names_end_as_the_web_expects(self) -> None:
        extensions = [
            encoding.extension
            for encoding in develop_original(encoded(gradient(), "JPEG")).encodings
        ]
        assert extensions == ["jpg", "webp"]

    def test_again_gives_the_same_bytes(self) -> None:
        original = encoded(gradient(), "PNG")
        assert develop_original(original) == develop_original(original)

    @pytest.mark.parametrize("alpha", [0, 128])
    def test_transparency_survives_in_every_encoding(self, alpha: int) -> None:
        image = gradient().convert("RGBA")
        image.putalpha(alpha)
        developed = develop_original(encoded(image, "PNG"))
        assert developed.thumbhash
        for encoding in developed.encodings:
            assert opened(encoding).convert("RGBA").getpixel((3, 3))[3] == alpha  # type: ignore[index]

    def test_the_placeholder_looks_like_the_picture(self) -> None:
        developed = develop_original(encoded(Image.new("RGB", (64, 32), "#ff8000"), "PNG"))
        red, green, blue, alpha = thumb_hash_to_average_rgba(
            list(base64.b64decode(developed.thumbhash))
        )
        assert (round(red, 1), round(green, 1), round(blue, 1), round(alpha, 1)) == (1, 0.5, 0, 1)

    def test_the_dominant_colour_is_the_commonest_not_the_mean(self) -> None:
        image = Image.new("RGB", (60, 60), "#ff0000")
        image.paste("#0000ff", (0, 0, 60, 16))
        assert develop_original(encoded(image, "PNG")).dominant_color == "#ff0000"

    @pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (64, 4096)])
    def test_odd_shapes_are_developed(self, size: tuple[int, int]) -> None:
        developed = develop_original(encoded(Image.new("RGB", size, "#123456"), "PNG"))
        assert developed.dominant_color == "#123456"
        assert developed.thumbhash
        assert {opened(encoding).size for encoding in developed.encodings} == {size}

    def test_what_is_no_picture_is_refused(self) -> None:
        with pytest.raises(InvalidOutput):
            develop_original(b"no picture")
