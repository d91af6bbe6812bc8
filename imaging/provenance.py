"""The machine-readable mark that an image is AI-made: IPTC `DigitalSourceType` in XMP.

Sources: IPTC Photo Metadata Standard 2025.1; XMP part 3 for where each format keeps its packet.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

from domain.provenance import TRAINED_ALGORITHMIC_MEDIA as TRAINED_ALGORITHMIC_MEDIA

NEWS_CODES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
XMP_BASIC = "http://ns.adobe.com/xap/1.0/"

_PNG_SIGNATURE = 8
_LARGEST_PACKET = 1024 * 1024
_PNG_XMP_KEYWORD = b"XML:com.adobe.xmp\x00"
_PNG_DROPPED = frozenset({b"iTXt", b"tEXt", b"zTXt", b"eXIf", b"caBX"})
"""Words, prompts among them, and the manifest of a file that this no longer is."""
_JPEG_XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\x00"
_JFIF, _APP1, _APP2, _ADOBE, _APP15, _COMMENT, _SCAN = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE, 0xDA
_JPEG_BARE = frozenset({0x01, 0xFF, *range(0xD0, 0xD9)})
"""What stands without a length; 0xFF is a byte that fills."""


class Part(NamedTuple):
    """One chunk or segment of a file, from `start` to `end` with all that frames it."""

    kind: bytes
    body: bytes
    start: int
    end: int


def xmp_packet(
    digital_source_type: str, *, ai_system: str | None = None, generator: str | None = None
) -> bytes:
    """An XMP packet that says how the image came to be.

    `digital_source_type` is an IPTC NewsCode, `ai_system` the provider and model, `generator` the
    program that wrote the file.
    """
    said = {"Iptc4xmpExt:DigitalSourceType": f"{NEWS_CODES}{digital_source_type}"}
    if ai_system is not None:
        said["Iptc4xmpExt:AISystemUsed"] = ai_system
    if generator is not None:
        said["xmp:CreatorTool"] = generator
    properties = "".join(f" {name}={quoteattr(value)}" for name, value in said.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="{IPTC_EXT}" xmlns:xmp="{XMP_BASIC}"'
        f"{properties}/>"
        "</rdf:RDF></x:xmpmeta>"
        '<?xpacket end="w"?>'
    ).encode()


def mark_png(data: bytes, packet: bytes) -> bytes:
    """The same PNG with this packet and no other words; no pixel is touched."""
    header, *parts = png_parts(data)
    body = _PNG_XMP_KEYWORD + b"\x00\x00\x00\x00" + packet
    chunk = b"iTXt" + body
    framed = struct.pack(">I", len(body)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    kept = [data[part.start : part.end] for part in parts if part.kind not in _PNG_DROPPED]
    return b"".join([data[: header.end], framed, *kept])


def mark_jpeg(data: bytes, packet: bytes) -> bytes:
    """The same JPEG with this packet and no other words; no pixel is touched.

    The segment follows APP0 where there is one: JFIF wants that to come first. What colours need
    stays.
    """
    body = _JPEG_XMP_HEADER + packet
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    first: list[bytes] = []
    kept: list[bytes] = []
    end = 2
    for part in jpeg_parts(data):
        if not _is_of_words(part):
            into = first if part.kind[0] == _JFIF else kept
            into.append(data[part.start : part.end])
        end = part.end
    return b"".join([data[:2], *first, segment, *kept, data[end:]])


def png_parts(data: bytes) -> Iterator[Part]:
    """The chunks of a PNG up to its end, or to where it is damaged."""
    at = _PNG_SIGNATURE
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        yield Part(kind, data[at + 8 : at + 8 + length], at, end)
        if kind == b"IEND":
            return
        at = end


def jpeg_parts(data: bytes) -> Iterator[Part]:
    """The segments of a JPEG before its first scan, or to where it is damaged."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind = data[at + 1]
        if kind == _SCAN:
            return
        if kind in _JPEG_BARE:
            at += 1 if kind == 0xFF else 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield Part(bytes([kind]), data[at + 4 : end], at, end)
        at = end


def png_packets(data: bytes) -> list[bytes]:
    """The XMP packets of a PNG, wherever in it they stand."""
    found = []
    for part in png_parts(data):
        if part.kind == b"iTXt" and part.body.startswith(_PNG_XMP_KEYWORD):
            flags_and_rest = part.body[len(_PNG_XMP_KEYWORD) :]
            packet = flags_and_rest[2:].split(b"\x00", 2)[-1]
            found.append(_unpacked(packet) if flags_and_rest[:1] == b"\x01" else packet)
    return found


def jpeg_packets(data: bytes) -> list[bytes]:
    """The XMP packets of a JPEG; what extends one is left out."""
    return [
        part.body.removeprefix(_JPEG_XMP_HEADER)
        for part in jpeg_parts(data)
        if part.kind[0] == _APP1 and part.body.startswith(_JPEG_XMP_HEADER)
    ]


def _is_of_words(part: Part) -> bool:
    """Whether a segment is about the picture, not needed to show it."""
    kind = part.kind[0]
    if kind == _COMMENT:
        return True
    if kind == _APP2:
        return not part.body.startswith(b"ICC_PROFILE\x00")
    return _JFIF < kind <= _APP15 and kind != _ADOBE


def _unpacked(packet: bytes) -> bytes:
    """As much of a compressed packet as an honest one has."""
    try:
        return zlib.decompressobj().decompress(packet, _LARGEST_PACKET)
    except zlib.error:
        return b""
