from __future__ import annotations

import base64
import hashlib
import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image
from thumbhash import thumb_hash_to_average_rgba

from domain.errors import InvalidOutput
from imaging.assets import AssetSettings
from imaging.develop import Encoded, develop_original
from imaging.provenance import xmp_packet
from tests.imaging.pictures import AI_MADE, encoded, gradient, pixels, source_types

FINAL = encoded(gradient(1536, 864), "PNG")


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

    @pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (64, 4096), (700, 3)])
    def test_odd_shapes_are_developed(self, size: tuple[int, int]) -> None:
        original = encoded(Image.new("RGB", size, "#123456"), "PNG")
        developed = develop_original(original, AssetSettings(widths=(16,)))
        assert developed.dominant_color == "#123456"
        assert developed.thumbhash
        for encoding in developed.encodings:
            assert opened(encoding).size == (encoding.width_px, encoding.height_px)
        assert developed.main.width_px == size[0]

    def test_a_final_comes_in_every_format_at_every_width(self) -> None:
        developed = develop_original(FINAL)
        assert [(each.format, each.width_px, each.height_px) for each in developed.variants] == [
            (kind, *size)
            for kind in ("avif", "webp", "jpeg")
            for size in ((1536, 864), (960, 540), (480, 270))
        ]
        for encoding in developed.encodings:
            image = opened(encoding)
            assert (image.format or "").lower() == encoding.format
            assert image.size == (encoding.width_px, encoding.height_px)
            assert source_types(encoding.data) == [AI_MADE]

    def test_a_wide_one_has_a_social_crop_too(self) -> None:
        social = develop_original(FINAL).social
        assert social
        assert (social.format, opened(social).size) == ("jpeg", (1200, 630))

    @pytest.mark.parametrize("size", [(900, 900), (900, 1200), (700, 500)])
    def test_what_is_tall_or_small_has_none(self, size: tuple[int, int]) -> None:
        assert develop_original(encoded(gradient(*size), "JPEG")).social is None

    def test_a_preview_has_one_variant(self) -> None:
        developed = develop_original(FINAL, is_preview=True)
        assert [each.format for each in developed.encodings] == ["png", "webp"]

    def test_a_transparent_picture_has_png_instead_of_jpeg(self) -> None:
        image = gradient(1000, 600).convert("RGBA")
        image.putalpha(Image.linear_gradient("L").resize(image.size))
        developed = develop_original(encoded(image, "PNG"))
        kinds = [(each.format, each.width_px) for each in developed.variants]
        assert kinds == [("avif", 1000), ("avif", 480), ("webp", 1000), ("webp", 480), ("png", 480)]
        for encoding in [developed.main, *developed.variants]:
            low, high = opened(encoding).convert("RGBA").getchannel("A").getextrema()
            assert low < 20, encoding.format  # type: ignore[operator]
            assert high > 235, encoding.format  # type: ignore[operator]
        assert developed.social
        assert opened(developed.social).getpixel((600, 2))[0] > 200  # type: ignore[index]

    def test_colors_survive_in_every_format(self) -> None:
        for encoding in develop_original(
            encoded(Image.new("RGB", (600, 400), "#c81e5a"), "PNG")
        ).encodings:
            found = opened(encoding).convert("RGB").getpixel((300, 200))
            assert all(abs(a - b) < 6 for a, b in zip(found, (0xC8, 0x1E, 0x5A), strict=True))  # type: ignore[arg-type]

    def test_many_hands_give_the_same_as_none(self) -> None:
        with ThreadPoolExecutor(2) as hands:
            assert develop_original(FINAL, hands=hands) == develop_original(FINAL)

    def test_the_mark_is_as_it_is_told(self) -> None:
        told = AI_MADE.replace("trained", "compositeWithTrained")
        packet = xmp_packet("compositeWithTrainedAlgorithmicMedia")
        for encoding in develop_original(encoded(gradient(), "PNG"), packet=packet).encodings:
            assert source_types(encoding.data) == [told]

    def test_what_is_no_picture_is_refused(self) -> None:
        with pytest.raises(InvalidOutput):
            develop_original(b"no picture")
