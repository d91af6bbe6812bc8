"""What a picture says of its making: what is kept with it, and what is read back from a file."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import Field

from domain.model import Model

SigningAlgorithm = Literal["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"]


class ManifestState(StrEnum):
    """What checking a C2PA manifest came to."""

    TRUSTED = "trusted"
    """Whole, and its certificate is on the trust list."""
    VALID = "valid"
    """Whole, but its certificate is on no trust list that was given."""
    INVALID = "invalid"
    """Changed after it was signed, or signed with a certificate that was not valid."""
    UNREADABLE = "unreadable"
    """There is something, but no manifest can be made of it."""
    REMOTE = "remote"
    """It lies at another address, where nobody looked."""

    @property
    def told(self) -> str:
        """What it means, as a sentence for people."""
        return _TOLD[self]


_TOLD = {
    ManifestState.TRUSTED: "The file is as it was signed, by a certificate on the trust list.",
    ManifestState.VALID: (
        "The file is as it was signed, but the certificate is on no trust list that is set up"
        " here: it proves that nothing was changed, not who signed."
    ),
    ManifestState.INVALID: (
        "The signature does not hold: the file or its manifest was changed after it was signed,"
        " or the certificate was not valid then."
    ),
    ManifestState.UNREADABLE: "There may be C2PA data, but no manifest can be made of it.",
    ManifestState.REMOTE: "The manifest lies at another address; nothing was fetched.",
}


class Upstream(Model):
    """The C2PA manifest that the vendor put into its original."""

    state: ManifestState
    issuer: str | None = None
    """The organisation in the certificate."""
    generator: str | None = None


class Provenance(Model):
    """How an image's files are marked, beyond the mark that all of them have."""

    signed: bool = False
    """Whether each of its files carries a C2PA manifest of ours."""
    upstream: Upstream | None = None


class Manifest(Model):
    """One C2PA manifest of a file's chain."""

    label: str
    title: str | None = None
    generator: str | None = None
    issuer: str | None = None
    common_name: str | None = None
    algorithm: str | None = None
    signed_at: str | None = None
    """By a timestamp authority's word; None without one."""
    actions: list[str] = Field(default_factory=list)
    digital_source_type: str | None = None
    approval: dict[str, str] | None = None
    """The editor's, where the final is Darkroom's and was approved."""


class Manifests(Model):
    """A file's C2PA data."""

    state: ManifestState
    problems: list[str] = Field(default_factory=list)
    """C2PA's codes of what failed, but for the one that says that a certificate is on no list."""
    chain: list[Manifest] = Field(default_factory=list)
    """The file's own first, then those of what it was made of."""


class Marks(Model):
    """All that a file says of its making."""

    media_type: str
    width_px: int
    height_px: int
    digital_source_type: str | None = None
    """An IPTC NewsCode, by the XMP, else by a manifest that is whole."""
    generator: str | None = None
    ai_system: str | None = None
    c2pa: Manifests | None = None

    @property
    def says_ai(self) -> bool:
        """Whether it is marked as made, or partly made, by AI."""
        return self.digital_source_type in AI_MADE


class SigningPlan(Model):
    """How finals are to be signed, as the operator says."""

    certificate: Path
    """PEM: the certificate first, then what it was issued by."""
    private_key: Path
    algorithm: SigningAlgorithm | None = None
    """None for the one that suits the key."""
    timestamp_url: str | None = None
    tells_comment: bool = False
    """Whether the editor's comment is public too."""


class Story(Model):
    """What a manifest tells of one image."""

    title: str
    digital_source_type: str
    ai_system: str
    draft_job_id: str | None = None
    reviewer: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    comment: str | None = None


TRAINED_ALGORITHMIC_MEDIA = "trainedAlgorithmicMedia"
COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA = "compositeWithTrainedAlgorithmicMedia"
AI_MADE = frozenset(
    {
        TRAINED_ALGORITHMIC_MEDIA,
        COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA,
        "algorithmicallyEnhanced",
        "algorithmicMedia",
        "compositeSynthetic",
    }
)
"""The NewsCodes under which AI has a part in a picture."""
