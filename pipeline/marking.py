"""How this installation marks what it makes: words, signature, and what a vendor had marked."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.x509 import load_pem_x509_certificates

from domain.errors import SigningFailed
from domain.provenance import (
    COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA,
    TRAINED_ALGORITHMIC_MEDIA,
    Marks,
    Provenance,
    SigningPlan,
    Story,
)
from domain.renders import DevelopOrder
from imaging.develop import Seal, as_it_is
from imaging.marks import MarkReader, Unreadable, upstream_of
from imaging.provenance import xmp_packet
from imaging.sealing import CredentialsRefused, Sealer

GENERATOR = "Darkroom"
_LARGEST_PEM = 1024 * 1024
_SOON = timedelta(days=30)

logger = logging.getLogger("darkroom.marking")


class CredentialsError(Exception):
    """A certificate or key that was set up cannot be used; the message names the setting."""


@dataclass(frozen=True)
class Marking:
    """What is done to each file of one image, and what is told of it."""

    digital_source_type: str
    packet: bytes
    seal: Seal
    provenance: Provenance


class Marker:
    """Marks every image, and signs finals where there is a certificate."""

    def __init__(
        self,
        reader: MarkReader | None = None,
        sealer: Sealer | None = None,
        version: str | None = None,
    ) -> None:
        self._reader = reader or MarkReader()
        self._sealer = sealer
        self._generator = f"{GENERATOR} {version}" if version else GENERATOR

    def marking(self, order: DevelopOrder, index: int, original: bytes) -> Marking:
        """How the image that is made of an original is marked; blocks. Raises `SigningFailed`."""
        marks = self._marks(original)
        source_type = _source_type(order, marks)
        ai_system = f"{order.rendered.provider}/{order.rendered.model}"
        seal: Seal | None = None
        if self._sealer is not None and not order.request.is_draft:
            if marks is None:
                raise SigningFailed("The original is of no format that can be signed.")
            story = _story(order, index, source_type, ai_system)
            seal = self._sealer.seal_for(original, marks, story)
        upstream = upstream_of(marks) if marks else None
        return Marking(
            digital_source_type=source_type,
            packet=xmp_packet(source_type, ai_system=ai_system, generator=self._generator),
            seal=seal or as_it_is,
            provenance=Provenance(signed=seal is not None, upstream=upstream),
        )

    def _marks(self, original: bytes) -> Marks | None:
        """What the vendor marked; None of what is no picture, which is found out elsewhere."""
        try:
            return self._reader.read(original)
        except Unreadable:
            return None


def load_sealer(plan: SigningPlan | None, version: str) -> Sealer | None:
    """What signs finals; None where there is no plan to. Raises `CredentialsError`."""
    if plan is None:
        return None
    chain = _pem("DARKROOM_C2PA_CERTIFICATE", plan.certificate)
    key = _pem("DARKROOM_C2PA_PRIVATE_KEY", plan.private_key)
    try:
        sealer = Sealer(
            chain,
            key,
            generator=GENERATOR,
            version=version,
            algorithm=plan.algorithm,
            timestamp_url=plan.timestamp_url,
            tells_comment=plan.tells_comment,
        )
    except CredentialsRefused as refused:
        raise CredentialsError(
            f"DARKROOM_C2PA_CERTIFICATE={plan.certificate} cannot sign finals: {refused}"
        ) from None
    if sealer.expires_at < datetime.now(UTC) + _SOON:
        logger.warning("the certificate that signs finals expires on %s", sealer.expires_at.date())
    return sealer


def load_mark_reader(trust_anchors: Path | None) -> MarkReader:
    """What reads marks, and which certificates it trusts. Raises `CredentialsError`."""
    if trust_anchors is None:
        return MarkReader()
    pem = _pem("DARKROOM_C2PA_TRUST_ANCHORS", trust_anchors)
    try:
        load_pem_x509_certificates(pem)
        return MarkReader(pem.decode())
    except ValueError as error:
        raise CredentialsError(
            f"DARKROOM_C2PA_TRUST_ANCHORS={trust_anchors} holds no PEM certificates"
        ) from error


def _pem(setting: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_PEM)
    except OSError as error:
        raise CredentialsError(f"{setting}={path} cannot be read: {error.strerror}") from error


def _source_type(order: DevelopOrder, marks: Marks | None) -> str:
    """What we did, or the vendor's word where it says that a photograph has a part in it."""
    ours = order.request.digital_source_type(order.rendered.provider, order.rendered.model)
    theirs = marks.digital_source_type if marks else None
    if ours == TRAINED_ALGORITHMIC_MEDIA and theirs == COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA:
        return theirs
    return ours


def _story(order: DevelopOrder, index: int, source_type: str, ai_system: str) -> Story:
    request, endorsed = order.request, order.request.endorsement
    return Story(
        title=f"{order.job_id}.{index}",
        digital_source_type=source_type,
        ai_system=ai_system,
        draft_job_id=request.draft_job_id,
        **(endorsed.model_dump() if endorsed else {}),
    )
