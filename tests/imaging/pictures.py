"""Pictures as providers send them, and a reader of marks that shares no code with ours."""

from __future__ import annotations

import io
import struct
import zlib
from xml.etree import ElementTree

from PIL import Image

SOURCE_TYPE = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
AI_MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def gradient(width_px: int = 48, height_px: int = 32) -> Image.Image:
    """A picture whose every corner is told from the others."""
    image = Image.linear_gradient("L").resize((width_px, height_px))
    across = image.transpose(Image.Transpose.ROTATE_90).resize((width_px, height_px))
    return Image.merge("RGB", (image, across, Image.new("L", (width_px, height_px), 128)))


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    into = io.BytesIO()
    image.save(into, image_format, **options)
    return into.getvalue()


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as opened:
        return opened.convert("RGB").tobytes()


def source_types(data: bytes) -> list[str]:
    """Every `DigitalSourceType` that the file's XMP packets state."""
    return [
        value
        for packet in _packets(data)
        for element in ElementTree.fromstring(packet.strip(b"\x00")).iter()
        for name, value in element.attrib.items()
        if name == SOURCE_TYPE
    ]


def _packets(data: bytes) -> list[bytes]:
    if data.startswith(b"\x89PNG"):
        return _png_packets(data)
    if data.startswith(b"\xff\xd8"):
        return _jpeg_packets(data)
    if data[4:12] == b"ftypavif":
        return _avif_packets(data)
    return _webp_packets(data)


def _png_packets(data: bytes) -> list[bytes]:
    found, at = [], 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        (check,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert check == zlib.crc32(kind + body), "a chunk is damaged"
        keyword, _, rest = body.partition(b"\x00")
        if kind == b"iTXt" and keyword == b"XML:com.adobe.xmp":
            assert rest[0] == 0, "it is not compressed"
            found.append(rest[2:].split(b"\x00", 2)[2])
        at += 12 + length
    return found


def _jpeg_packets(data: bytes) -> list[bytes]:
    found, at = [], 2
    while data[at] == 0xFF and data[at + 1] != 0xDA:
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        body = data[at + 4 : at + 2 + length]
        header, _, rest = body.partition(b"\x00")
        if data[at + 1] == 0xE1 and header == b"http://ns.adobe.com/xap/1.0/":
            found.append(rest)
        at += 2 + length
    return found


def _webp_packets(data: bytes) -> list[bytes]:
    found, at = [], 12
    while at < len(data):
        kind, length = struct.unpack("<4sI", data[at : at + 8])
        if kind == b"XMP ":
            found.append(data[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    return found


def _avif_packets(data: bytes) -> list[bytes]:
    """XMP lies as it is in the media data; the item that points at it has its media type."""
    assert data.count(b"application/rdf+xml") == 1
    begin, end = b"<?xpacket begin", b'<?xpacket end="w"?>'
    return [begin + part.split(end)[0] + end for part in data.split(begin)[1:]]
