from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from domain.errors import Billed, InvalidOutput
from imaging.decode import decode
from tests.imaging.pictures import encoded, gradient


class TestDecode:
    @pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
    def test_the_three_formats_are_read(self, image_format: str) -> None:
        decoded = decode(encoded(gradient(), image_format))
        assert decoded.format == image_format
        assert decoded.image.mode == "RGB"
        assert decoded.image.size == (48, 32)
        assert decoded.is_plain

    @pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "I;16", "RGBA"])
    def test_every_kind_of_png_becomes_rgb(self, mode: str) -> None:
        decoded = decode(encoded(Image.new(mode, (48, 32), 1), "PNG"))
        assert decoded.image.mode in ("RGB", "RGBA")
        assert decoded.image.size == (48, 32)
        assert decoded.is_plain is (mode == "RGBA")

    @pytest.mark.parametrize("level", [0, 0x4000, 0x8000, 0xFFFF])
    def test_sixteen_bits_become_the_same_grey_in_eight(self, level: int) -> None:
        decoded = decode(encoded(Image.new("I;16", (4, 4), level), "PNG"))
        red, green, blue = decoded.image.getpixel((1, 1))  # type: ignore[misc]
        assert red == green == blue
        assert abs(red - level / 257) <= 1

    def test_a_cmyk_jpeg_becomes_rgb(self) -> None:
        decoded = decode(encoded(Image.new("CMYK", (48, 32), (0, 255, 255, 0)), "JPEG"))
        assert decoded.image.mode == "RGB"
        assert not decoded.is_plain
        red, green, blue = decoded.image.getpixel((5, 5))  # type: ignore[misc]
        assert red > 200
        assert max(green, blue) < 60

    def test_transparency_is_kept(self) -> None:
        image = gradient().convert("RGBA")
        image.putalpha(0)
        for image_format in ("PNG", "WEBP", "GIF"):
            decoded = decode(encoded(image, image_format))
            assert decoded.image.mode == "RGBA"
            assert decoded.image.getpixel((1, 1))[3] == 0  # type: ignore[index]

    def test_a_palettes_transparent_colour_is_kept(self) -> None:
        image = Image.new("P", (8, 8), 0)
        image.putpalette([255, 0, 0] * 256)
        decoded = decode(encoded(image, "PNG", transparency=0))
        assert decoded.image.mode == "RGBA"
        assert decoded.image.getpixel((1, 1))[3] == 0  # type: ignore[index]

    @pytest.mark.parametrize("image_format", ["PNG", "WEBP", "GIF"])
    def test_of_an_animation_the_first_picture_is_taken(self, image_format: str) -> None:
        frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
        data = encoded(frames[0], image_format, save_all=True, append_images=frames[1:])
        decoded = decode(data)
        assert not decoded.is_plain
        red, _, blue = decoded.image.convert("RGB").getpixel((5, 5))  # type: ignore[misc]
        assert red > 200
        assert blue < 60

    def test_a_picture_that_lies_on_its_side_is_put_upright(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        data = encoded(gradient(), "JPEG", exif=exif.tobytes())
        decoded = decode(data)
        assert decoded.image.size == (32, 48)
        assert not decoded.is_plain

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"no picture",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff\xe0",
            b"RIFF\x04\x00\x00\x00WEBP",
            encoded(gradient(), "BMP"),
            encoded(gradient(), "TIFF"),
        ],
        ids=["nothing", "text", "svg", "png", "jpeg", "webp", "bmp", "tiff"],
    )
    def test_what_is_no_picture_of_these_is_invalid_and_billed(self, data: bytes) -> None:
        with pytest.raises(InvalidOutput) as refused:
            decode(data)
        assert refused.value.billed is Billed.YES

    @pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
    def test_a_picture_cut_short_anywhere_is_invalid(self, image_format: str) -> None:
        data = encoded(gradient(160, 120), image_format)
        for share in (0.01, 0.1, 0.5, 0.9):
            with pytest.raises(InvalidOutput):
                decode(data[: int(len(data) * share)])

    def test_a_damaged_png_is_invalid(self) -> None:
        data = bytearray(encoded(gradient(), "PNG"))
        data[len(data) // 2] ^= 0xFF
        with pytest.raises(InvalidOutput):
            decode(bytes(data))

    def test_a_wide_gamut_is_converted_to_srgb(self) -> None:
        data = encoded(Image.new("RGB", (8, 8), (200, 30, 30)), "PNG", icc_profile=swapped())
        decoded = decode(data)
        red, green, blue = decoded.image.getpixel((3, 3))  # type: ignore[misc]
        assert blue > 150
        assert max(red, green) < 80
        assert decoded.is_plain, "a browser reads the profile too"
        assert "icc_profile" not in decoded.image.info

    def test_the_profile_of_a_transparent_picture_leaves_its_alpha(self) -> None:
        image = Image.new("RGBA", (8, 8), (200, 30, 30, 77))
        decoded = decode(encoded(image, "PNG", icc_profile=swapped()))
        _, _, blue, alpha = decoded.image.getpixel((3, 3))  # type: ignore[misc]
        assert (blue > 150, alpha) == (True, 77)

    @pytest.mark.parametrize(
        ("mode", "profile"),
        [
            ("RGB", b"damaged"),
            ("L", b"\0" * 200),
            ("RGBA", b"damaged"),
            ("CMYK", b"damaged"),
            ("CMYK", "of RGB"),
        ],
    )
    def test_a_profile_that_does_not_fit_is_ignored(self, mode: str, profile: bytes | str) -> None:
        image, image_format = gradient().convert(mode), "JPEG" if mode == "CMYK" else "PNG"
        held = swapped() if isinstance(profile, str) else profile
        plain = decode(encoded(image, image_format)).image
        assert decode(encoded(image, image_format, icc_profile=held)).image == plain

    def test_a_channel_that_lets_nothing_through_is_no_transparency(self) -> None:
        assert not decode(encoded(gradient().convert("RGBA"), "PNG")).is_transparent

    def test_damaged_exif_leaves_the_picture_as_it_is(self) -> None:
        data = encoded(gradient(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
        assert decode(data).image.size == (48, 32)

    def test_a_jpeg_of_endless_scans_is_not_begun(self) -> None:
        data = encoded(gradient(), "JPEG")
        with pytest.raises(InvalidOutput, match="too long"):
            decode(data + b"\xff\xda" * 200)

    @pytest.mark.parametrize(
        "size", [(9000, 8000), (12_000, 8_000), (30_000, 30_000), (20_000, 10)]
    )
    def test_a_picture_with_too_many_pixels_is_invalid(self, size: tuple[int, int]) -> None:
        with pytest.raises(InvalidOutput, match="too large"):
            decode(bomb(*size))


HONEST = [
    encoded(gradient(), "PNG"),
    encoded(gradient(), "JPEG", progressive=True),
    encoded(gradient(), "WEBP"),
    encoded(gradient(), "GIF"),
    encoded(gradient().convert("CMYK"), "JPEG"),
    encoded(gradient(), "PNG", save_all=True, append_images=[gradient()]),
    encoded(gradient(), "WEBP", save_all=True, append_images=[gradient(), gradient()]),
]


class TestHostileBytes:
    @settings(max_examples=300, deadline=None, derandomize=True)
    @given(data=st.data())
    def test_a_damaged_picture_is_a_picture_or_invalid(self, data: st.DataObject) -> None:
        honest = data.draw(st.sampled_from(HONEST))
        damaged = bytearray(honest)
        places = st.integers(0, len(honest) - 1)
        for place in data.draw(st.lists(places, min_size=1, max_size=8)):
            damaged[place] ^= data.draw(st.integers(1, 255))
        end = data.draw(st.integers(0, len(honest)))
        assert_a_picture_or_invalid(bytes(damaged[: end or None]))

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(data=st.data())
    def test_chunks_with_true_checksums_and_false_content(self, data: st.DataObject) -> None:
        kinds = [b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"tEXt", b"zTXt"]
        kind, body = data.draw(st.sampled_from(kinds)), data.draw(st.binary(max_size=64))
        chunk = struct.pack(">I", len(body)) + kind + body
        checked = chunk + struct.pack(">I", zlib.crc32(kind + body))
        honest = HONEST[0]
        assert_a_picture_or_invalid(honest[:33] + checked + honest[33:])


def assert_a_picture_or_invalid(data: bytes) -> None:
    try:
        decoded = decode(data)
    except InvalidOutput:
        return
    assert decoded.image.mode in ("RGB", "RGBA")
    decoded.image.tobytes()


def swapped() -> bytes:
    """A profile whose red is sRGB's blue and the other way round."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(profile[128:132], "big")
    at = {bytes(profile[132 + 12 * i :][:4]): 132 + 12 * i for i in range(count)}
    profile[at[b"rXYZ"] : at[b"rXYZ"] + 4] = b"bXYZ"
    profile[at[b"bXYZ"] : at[b"bXYZ"] + 4] = b"rXYZ"
    return bytes(profile)


def bomb(width_px: int, height_px: int) -> bytes:
    """A tiny PNG whose header promises many pixels."""
    data = encoded(Image.new("1", (1, 1)), "PNG")
    header = b"IHDR" + struct.pack(">II", width_px, height_px) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
