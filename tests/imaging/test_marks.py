from __future__ import annotations

import random
import struct
import zlib

import pytest

from domain.provenance import ManifestState
from imaging.marks import MarkReader, Unreadable, upstream_of
from imaging.provenance import IPTC_EXT, mark_jpeg, mark_png, xmp_packet
from tests.imaging.certificates import ORGANISATION, credentials
from tests.imaging.pictures import encoded, gradient
from tests.imaging.readers import signed_by_vendor

PACKET = xmp_packet("trainedAlgorithmicMedia", ai_system="fal/flux", generator="Darkroom 9")
FORMATS = ["PNG", "JPEG", "WEBP", "AVIF"]
ELEMENT = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:e="{IPTC_EXT}"><e:DigitalSourceType>
 http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia
 </e:DigitalSourceType></rdf:Description></rdf:RDF></x:xmpmeta>"""


def with_packet(image_format: str, packet: bytes) -> bytes:
    if image_format == "PNG":
        return mark_png(encoded(gradient(), "PNG"), packet)
    return encoded(gradient(), image_format, xmp=packet)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


class TestRead:
    @pytest.mark.parametrize("image_format", FORMATS)
    def test_the_words_of_every_format_are_read(self, image_format: str) -> None:
        marks = MarkReader().read(with_packet(image_format, PACKET))
        assert marks.media_type == f"image/{image_format.lower()}"
        assert (marks.width_px, marks.height_px) == (48, 32)
        assert marks.digital_source_type == "trainedAlgorithmicMedia"
        assert marks.ai_system == "fal/flux"
        assert marks.generator == "Darkroom 9"
        assert marks.says_ai
        assert marks.c2pa is None

    @pytest.mark.parametrize("image_format", FORMATS)
    def test_a_picture_without_words_says_nothing(self, image_format: str) -> None:
        marks = MarkReader().read(encoded(gradient(), image_format))
        assert marks.digital_source_type is None
        assert not marks.says_ai

    def test_a_property_may_be_an_element(self) -> None:
        marks = MarkReader().read(with_packet("JPEG", ELEMENT.encode()))
        assert marks.digital_source_type == "compositeWithTrainedAlgorithmicMedia"

    def test_a_png_may_pack_its_words_and_put_them_last(self) -> None:
        plain = encoded(gradient(), "PNG")
        words = b"XML:com.adobe.xmp\x00\x01\x00\x00\x00" + zlib.compress(PACKET)
        marks = MarkReader().read(plain[:-12] + chunk(b"iTXt", words) + plain[-12:])
        assert marks.says_ai

    def test_a_photograph_is_not_ai_made(self) -> None:
        assert not MarkReader().read(with_packet("JPEG", xmp_packet("digitalCapture"))).says_ai

    @pytest.mark.parametrize("image_format", FORMATS)
    def test_a_vendors_manifest_is_found(self, image_format: str) -> None:
        media_type = f"image/{image_format.lower()}"
        marks = MarkReader().read(signed_by_vendor(encoded(gradient(), image_format), media_type))
        assert marks.digital_source_type == "trainedAlgorithmicMedia"
        assert marks.c2pa
        assert marks.c2pa.state is ManifestState.VALID
        assert marks.c2pa.problems == []
        [manifest] = marks.c2pa.chain
        assert manifest.issuer == ORGANISATION
        assert manifest.generator == "Vendor's model 3"
        assert manifest.actions == ["c2pa.created"]
        upstream = upstream_of(marks)
        assert upstream
        assert upstream.issuer == ORGANISATION

    def test_a_certificate_on_the_trust_list_is_trusted(self) -> None:
        found = credentials()
        signed = signed_by_vendor(encoded(gradient(), "PNG"), "image/png", found)
        for anchors, state in (
            (found.root, ManifestState.TRUSTED),
            (credentials().root, ManifestState.VALID),
        ):
            marks = MarkReader(anchors.decode()).read(signed)
            assert marks.c2pa
            assert marks.c2pa.state is state

    def test_what_a_changed_file_claims_does_not_count(self) -> None:
        signed = bytearray(signed_by_vendor(encoded(gradient(), "PNG"), "image/png"))
        signed[-20] ^= 1
        marks = MarkReader().read(bytes(signed))
        assert marks.c2pa
        assert marks.c2pa.state is ManifestState.INVALID
        assert "assertion.dataHash.mismatch" in marks.c2pa.problems
        assert not marks.says_ai

    def test_a_manifest_elsewhere_is_not_fetched(self) -> None:
        words = ELEMENT.replace(
            'rdf:about=""',
            'rdf:about="" xmlns:d="http://purl.org/dc/terms/" d:provenance="http://127.0.0.1:9/m"',
        )
        marks = MarkReader().read(with_packet("JPEG", words.encode()))
        assert marks.c2pa
        assert marks.c2pa.state is ManifestState.REMOTE


ENTITIES = (
    b'<!DOCTYPE r [<!ENTITY a "'
    + b"x" * 1000
    + b'"><!ENTITY b "'
    + b"&a;" * 1000
    + b'">]><r>&b;</r>'
)


class TestHostile:
    @pytest.mark.parametrize(
        "data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"x" * 1000]
    )
    def test_what_is_no_picture_is_said_to_be_none(self, data: bytes) -> None:
        with pytest.raises(Unreadable):
            MarkReader().read(data)

    @pytest.mark.parametrize(
        "packet", [ENTITIES, b"<a", b"", b"\xff\xfe", b"<a>" * 20_000], ids=len
    )
    def test_words_that_are_made_to_hurt_say_nothing(self, packet: bytes) -> None:
        marks = MarkReader().read(mark_jpeg(encoded(gradient(), "JPEG"), packet[:60_000]))
        assert marks.digital_source_type is None

    def test_a_packet_that_unpacks_without_end_is_cut(self) -> None:
        plain = encoded(gradient(), "PNG")
        words = b"XML:com.adobe.xmp\x00\x01\x00\x00\x00" + zlib.compress(b" " * 50_000_000)
        marks = MarkReader().read(plain[:-12] + chunk(b"iTXt", words) + plain[-12:])
        assert marks.digital_source_type is None

    def test_control_characters_reach_no_terminal(self) -> None:
        words = xmp_packet("trainedAlgorithmicMedia", generator="a\u202eb\u009bc" + "d" * 1000)
        generator = MarkReader().read(with_packet("JPEG", words)).generator
        assert generator
        assert generator.startswith("a b c")
        assert len(generator) <= 300

    @pytest.mark.parametrize("image_format", FORMATS)
    def test_damage_anywhere_is_told_and_breaks_nothing(self, image_format: str) -> None:
        chance = random.Random(image_format)
        media_type = f"image/{image_format.lower()}"
        signed = signed_by_vendor(encoded(gradient(), image_format), media_type)
        reader = MarkReader()
        for _ in range(60):
            damaged = bytearray(signed)
            for _ in range(chance.randint(1, 8)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            damaged = damaged[: chance.choice([len(damaged), chance.randrange(len(damaged))])]
            try:
                reader.read(bytes(damaged))
            except Unreadable:
                continue
