"""Reads the marks in a file back: XMP by us, C2PA by its own library. Treats every byte as hostile.

The library bounds how deep and how large a manifest may be, and fetches nothing.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

import c2pa
from defusedxml import DefusedXmlException, ElementTree
from PIL import Image

from domain.provenance import Manifest, Manifests, ManifestState, Marks, Upstream
from imaging.provenance import IPTC_EXT, XMP_BASIC, jpeg_packets, png_packets

APPROVAL_LABEL = "darkroom.approval"

_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF")
_SOURCE_TYPE = f"{{{IPTC_EXT}}}DigitalSourceType"
_AI_SYSTEM = f"{{{IPTC_EXT}}}AISystemUsed"
_CREATOR_TOOL = f"{{{XMP_BASIC}}}CreatorTool"
_ELSEWHERE = "{http://purl.org/dc/terms/}provenance"
_UNTRUSTED = "signingCredential.untrusted"
_STATES = {"Trusted": ManifestState.TRUSTED, "Valid": ManifestState.VALID}
_LONGEST_TEXT = 300
_LONGEST_LIST = 20
_OFFLINE: dict[str, Any] = {
    "version": 1,
    "core": {
        "allowed_network_hosts": [],
        "decode_identity_assertions": False,
        "max_decompressed_manifest_size_in_mb": 32,
    },
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}


class Unreadable(ValueError):
    """The bytes are no picture in a format whose marks are known here."""


class MarkReader:
    """Reads marks; `trust_anchors` are the PEM certificates that count as trusted, if any do."""

    def __init__(self, trust_anchors: str | None = None) -> None:
        trust = {"trust": {"user_anchors": trust_anchors}} if trust_anchors else {}
        self._context = c2pa.Context.from_dict({**_OFFLINE, **trust})

    def read(self, data: bytes) -> Marks:
        """What the bytes of a PNG, JPEG, WebP or AVIF say; blocks. Raises `Unreadable`."""
        media_type, size, packets = _opened(data)
        said = _Said(packets)
        manifests = self._manifests(data, media_type)
        has_none = manifests is None or manifests.state is ManifestState.UNREADABLE
        if has_none and said.first(_ELSEWHERE) is not None:
            manifests = Manifests(state=ManifestState.REMOTE)
        return Marks(
            media_type=media_type,
            width_px=size[0],
            height_px=size[1],
            digital_source_type=_news_code(said.first(_SOURCE_TYPE)) or _signed_code(manifests),
            generator=_text(said.first(_CREATOR_TOOL)),
            ai_system=_text(said.first(_AI_SYSTEM)),
            c2pa=manifests,
        )

    def _manifests(self, data: bytes, media_type: str) -> Manifests | None:
        try:
            reader = c2pa.Reader.try_create(media_type, io.BytesIO(data), context=self._context)
            if reader is None:
                return None
            with reader:
                return _manifests_of(json.loads(reader.json()))
        except (c2pa.C2paError, ValueError):
            return Manifests(state=ManifestState.UNREADABLE)


def upstream_of(marks: Marks) -> Upstream | None:
    """What is kept of a vendor's manifest."""
    if marks.c2pa is None:
        return None
    own = next(iter(marks.c2pa.chain), None)
    return Upstream(
        state=marks.c2pa.state,
        issuer=own.issuer if own else None,
        generator=own.generator if own else None,
    )


def _opened(data: bytes) -> tuple[str, tuple[int, int], list[bytes]]:
    """Media type, width and height, and XMP packets; no pixel is decoded."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            size, kind, own = image.size, image.format, image.info.get("xmp")
    except Image.DecompressionBombError as error:
        raise Unreadable("The picture is too large to look at.") from error
    except Exception as error:  # what damaged bytes raise is each decoder's own affair
        raise Unreadable("The bytes are no PNG, JPEG, WebP or AVIF.") from error
    if kind == "PNG":
        return "image/png", size, png_packets(data)
    if kind in ("JPEG", "MPO"):
        return "image/jpeg", size, jpeg_packets(data)
    return f"image/{str(kind).lower()}", size, [own] if isinstance(own, bytes) else []


class _Said:
    """The properties in XMP packets, written as attributes or as elements."""

    def __init__(self, packets: list[bytes]) -> None:
        self._roots = [root for root in map(_parsed, packets[:_LONGEST_LIST]) if root is not None]

    def first(self, name: str) -> str | None:
        """The first value of a property."""
        return next((value for value in self._values(name) if value.strip()), None)

    def _values(self, name: str) -> Iterator[str]:
        for root in self._roots:
            for element in root.iter():
                if name in element.attrib:
                    yield element.attrib[name]
                if element.tag == name:
                    yield " ".join(element.itertext())


def _parsed(packet: bytes) -> Element | None:
    try:
        root: Element = ElementTree.fromstring(packet.strip(b"\x00 \r\n\t"), forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError):
        return None
    return root


def _manifests_of(store: dict[str, Any]) -> Manifests:
    state = _STATES.get(str(store.get("validation_state")), ManifestState.INVALID)
    every = _mapping(store.get("manifests"))
    chain = _chain(every, str(store.get("active_manifest")))
    problems = dict.fromkeys(code for code in _failures(store, every) if code != _UNTRUSTED)
    return Manifests(
        state=state,
        problems=list(problems)[:_LONGEST_LIST],
        chain=[_manifest(label, _mapping(every[label])) for label in chain],
    )


def _chain(every: dict[str, Any], active: str) -> list[str]:
    """The labels of the active manifest and of those it was made of, each once."""
    found: list[str] = []
    left = [active]
    while left and len(found) < _LONGEST_LIST:
        label = left.pop(0)
        if label in every and label not in found:
            found.append(label)
            ingredients = _listed(_mapping(every[label]).get("ingredients"))
            left += [str(_mapping(part).get("active_manifest")) for part in ingredients]
    return found


def _manifest(label: str, said: dict[str, Any]) -> Manifest:
    signature = _mapping(said.get("signature_info"))
    generators = _listed(said.get("claim_generator_info"))
    program = _mapping(generators[0] if generators else None)
    named = filter(None, (_text(program.get("name")), _text(program.get("version"))))
    assertions = [_mapping(assertion) for assertion in _listed(said.get("assertions"))]
    actions = [
        _mapping(action)
        for assertion in assertions
        if str(assertion.get("label")).startswith("c2pa.actions")
        for action in _listed(_mapping(assertion.get("data")).get("actions"))
    ]
    codes = (_news_code(action.get("digitalSourceType")) for action in actions)
    approvals = (_mapping(a.get("data")) for a in assertions if a.get("label") == APPROVAL_LABEL)
    approval = next(approvals, None)
    return Manifest(
        label=_text(label) or "",
        title=_text(said.get("title")),
        generator=" ".join(named) or None,
        issuer=_text(signature.get("issuer")),
        common_name=_text(signature.get("common_name")),
        algorithm=_text(signature.get("alg")),
        signed_at=_text(signature.get("time")),
        actions=[name for action in actions if (name := _text(action.get("action")))],
        digital_source_type=next(filter(None, codes), None),
        approval=_flat(approval) if approval is not None else None,
    )


def _failures(store: dict[str, Any], every: dict[str, Any]) -> Iterator[str]:
    """The codes of all that failed, in the file and in what it was made of."""
    yield from _codes(store.get("validation_results"))
    for manifest in every.values():
        for ingredient in _listed(_mapping(manifest).get("ingredients")):
            yield from _codes(_mapping(ingredient).get("validation_results"))


def _codes(results: object) -> Iterator[str]:
    said = _mapping(results)
    deltas = [_mapping(d).get("validationDeltas") for d in _listed(said.get("ingredientDeltas"))]
    for checked in (said.get("activeManifest"), *deltas):
        for failure in _listed(_mapping(checked).get("failure")):
            code = _text(_mapping(failure).get("code"))
            if code is not None:
                yield code


def _signed_code(manifests: Manifests | None) -> str | None:
    """What the manifests say of the picture's source, where they are whole."""
    if manifests is None or manifests.state not in _STATES.values():
        return None
    return next((m.digital_source_type for m in manifests.chain if m.digital_source_type), None)


def _news_code(address: object) -> str | None:
    text = _text(address)
    return text.rstrip("/").rpartition("/")[2] or None if text else None


def _text(value: object) -> str | None:
    """One line that may be shown anywhere."""
    if not isinstance(value, str):
        return None
    line = "".join(c if c.isprintable() else " " for c in value[:_LONGEST_TEXT])
    return line.strip() or None


def _flat(said: dict[str, Any]) -> dict[str, str]:
    return {
        key: text
        for name, value in list(said.items())[:_LONGEST_LIST]
        if (key := _text(name)) and (text := _text(value))
    }


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
