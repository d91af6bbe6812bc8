"""The machine-readable mark that an image is AI-made: IPTC `DigitalSourceType` in XMP.

Sources: IPTC Photo Metadata Standard 2025.1; XMP part 3 for where each format keeps its packet.
"""

from __future__ import annotations

import struct
import zlib

NEWS_CODES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TRAINED_ALGORITHMIC_MEDIA = "trainedAlgorithmicMedia"

_PNG_SIGNATURE_AND_IHDR = 8 + 25
_PNG_XMP_KEYWORD = b"XML:com.adobe.xmp"
_JPEG_XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\x00"


def xmp_packet(digital_source_type: str) -> bytes:
    """An XMP packet that says how the image came to be; the argument is an IPTC NewsCode."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about=""'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        f' Iptc4xmpExt:DigitalSourceType="{NEWS_CODES}{digital_source_type}"/>'
        "</rdf:RDF></x:xmpmeta>"
        '<?xpacket end="w"?>'
    ).encode()


def mark_png(data: bytes, packet: bytes) -> bytes:
    """The same PNG with the packet in an iTXt chunk after IHDR; no pixel is touched."""
    body = _PNG_XMP_KEYWORD + b"\x00\x00\x00\x00\x00" + packet
    chunk = b"iTXt" + body
    framed = struct.pack(">I", len(body)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return data[:_PNG_SIGNATURE_AND_IHDR] + framed + data[_PNG_SIGNATURE_AND_IHDR:]


def mark_jpeg(data: bytes, packet: bytes) -> bytes:
    """The same JPEG with the packet in an APP1 segment; no pixel is touched.

    The segment follows APP0 where there is one: JFIF wants that to come first.
    """
    body = _JPEG_XMP_HEADER + packet
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    at = 2
    if data[2:4] == b"\xff\xe0":
        at += 2 + int.from_bytes(data[4:6], "big")
    return data[:at] + segment + data[at:]
