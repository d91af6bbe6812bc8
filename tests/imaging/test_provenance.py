"""The marks as others read them: ExifTool, and Pillow's own reader of XMP."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image, PngImagePlugin

from imaging.develop import develop_original
from imaging.provenance import mark_jpeg, mark_png, xmp_packet
from tests.imaging.pictures import AI_MADE, encoded, gradient, pixels, source_types
from tests.imaging.readers import exiftool, signed_by_vendor

PACKET = xmp_packet("trainedAlgorithmicMedia", ai_system='a<b/"c"', generator="Darkroom 9")
VENDORS = xmp_packet("digitalCapture", generator="a camera")
PROMPT = "a secret prompt"


def marked(image_format: str) -> bytes:
    if image_format == "PNG":
        return mark_png(encoded(gradient(), "PNG"), PACKET)
    return encoded(gradient(), image_format, xmp=PACKET)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "AVIF"])
class TestPacket:
    def test_exiftool_reads_it(self, image_format: str) -> None:
        said = exiftool(marked(image_format))
        assert said["XMP-iptcExt:DigitalSourceType"] == AI_MADE
        assert said["XMP-iptcExt:AISystemUsed"] == 'a<b/"c"'
        assert said["XMP-xmp:CreatorTool"] == "Darkroom 9"
        assert "ExifTool:Warning" not in said

    def test_pillow_reads_it(self, image_format: str) -> None:
        with Image.open(io.BytesIO(marked(image_format))) as opened:
            said = opened.getxmp()["xmpmeta"]["RDF"]["Description"]
        assert said["DigitalSourceType"] == AI_MADE


def of_a_camera(image_format: str) -> bytes:
    """A vendor's picture that is full of words, with a packet of its own."""
    exif = Image.Exif()
    exif[0x010E] = PROMPT
    if image_format == "JPEG":
        return encoded(gradient(), "JPEG", exif=exif.tobytes(), xmp=VENDORS, comment=PROMPT)
    words = PngImagePlugin.PngInfo()
    words.add_text("parameters", PROMPT)
    words.add_text("workflow", PROMPT, zip=True)
    return mark_png(encoded(gradient(), "PNG"), VENDORS)[:-12] + _tail(
        encoded(gradient(), "PNG", pnginfo=words, exif=exif.tobytes())
    )


def _tail(data: bytes) -> bytes:
    """The chunks after the pixels, where words may stand too."""
    return data[33:]


@pytest.mark.parametrize(("image_format", "mark"), [("PNG", mark_png), ("JPEG", mark_jpeg)])
class TestMark:
    def test_a_vendors_packet_does_not_stay_beside_ours(
        self, image_format: str, mark: Callable[[bytes, bytes], bytes]
    ) -> None:
        original = of_a_camera(image_format)
        done = mark(original, PACKET)
        assert source_types(done) == [AI_MADE]
        assert pixels(done) == pixels(original)

    def test_no_word_of_the_vendors_is_passed_on(
        self, image_format: str, mark: Callable[[bytes, bytes], bytes]
    ) -> None:
        done = exiftool(mark(of_a_camera(image_format), PACKET))
        assert PROMPT not in str(done)
        assert "a camera" not in str(done)

    def test_what_colours_need_stays(
        self, image_format: str, mark: Callable[[bytes, bytes], bytes]
    ) -> None:
        profile = b"a profile of 128 bytes and more" * 8
        done = mark(encoded(gradient(), image_format, icc_profile=profile), PACKET)
        with Image.open(io.BytesIO(done)) as opened:
            assert opened.info["icc_profile"] == profile

    def test_again_it_is_the_same(
        self, image_format: str, mark: Callable[[bytes, bytes], bytes]
    ) -> None:
        once = mark(encoded(gradient(), image_format), PACKET)
        assert mark(once, PACKET) == once

    def test_a_file_that_ends_too_early_is_marked_as_far_as_it_goes(
        self, image_format: str, mark: Callable[[bytes, bytes], bytes]
    ) -> None:
        whole = encoded(gradient(), image_format)
        for length in range(40, len(whole), 97):
            assert PACKET in mark(whole[:length], PACKET)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG"])
def test_what_we_encode_of_a_signed_original_has_our_mark_and_no_broken_manifest(
    image_format: str,
) -> None:
    media_type = f"image/{image_format.lower()}"
    original = signed_by_vendor(encoded(gradient(), image_format), media_type)
    for encoding in develop_original(original).encodings:
        assert source_types(encoding.data) == [AI_MADE]
        assert b"c2pa" not in encoding.data
