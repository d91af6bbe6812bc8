"""Signs finished files with C2PA: the original as their parent, its own manifest kept in the chain.

Source: C2PA specification 2.x; its own library makes and checks every manifest.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from PIL import Image

from domain.errors import SigningFailed, SigningUnavailable
from domain.provenance import ManifestState, Marks, SigningAlgorithm, Story
from imaging.develop import Seal
from imaging.marks import APPROVAL_LABEL, MarkReader
from imaging.provenance import NEWS_CODES

_ORIGINAL = "original"
_CURVES: dict[str, SigningAlgorithm] = {
    "secp256r1": "es256",
    "secp384r1": "es384",
    "secp521r1": "es512",
}
_SETTINGS: dict[str, Any] = {
    "version": 1,
    "core": {"decode_identity_assertions": False, "max_decompressed_manifest_size_in_mb": 32},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": True},
    "builder": {"thumbnail": {"enabled": False}},
}


def _now() -> datetime:
    return datetime.now(UTC)


class CredentialsRefused(ValueError):
    """The certificate or its key cannot sign; the message says why and holds nothing of the key."""


class Sealer:
    """One certificate with its key; safe to use from several threads at once."""

    def __init__(
        self,
        chain: bytes,
        private_key: bytes,
        *,
        generator: str,
        version: str | None = None,
        algorithm: SigningAlgorithm | None = None,
        timestamp_url: str | None = None,
        tells_comment: bool = False,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """Check that these sign, by signing; PEM both. Raises `CredentialsRefused`."""
        certificates = _certificates(chain, clock())
        self._clock = clock
        self.expires_at = min(c.not_valid_after_utc for c in certificates)
        """When the first of the chain does."""
        algorithm = _algorithm(certificates, private_key, algorithm)
        self._generator = {"name": generator, **({"version": version} if version else {})}
        self._tells_comment = tells_comment
        self._timestamp_url = timestamp_url
        self._context = c2pa.Context.from_dict(_SETTINGS)
        try:
            info = c2pa.C2paSignerInfo(algorithm, chain, private_key, None)
            self._signer = c2pa.Signer.from_info(info)
            self._try()
            if timestamp_url is not None:
                info = c2pa.C2paSignerInfo(algorithm, chain, private_key, timestamp_url)
                self._signer = c2pa.Signer.from_info(info)
        except c2pa.C2paError as error:
            raise CredentialsRefused(
                f"C2PA does not take the certificate with {algorithm}: {error}"
            ) from None

    def seal_for(self, original: bytes, marks: Marks, story: Story) -> Seal:
        """What signs the files that were made of an original with these marks; both block.

        An original without a readable manifest is given one, in memory alone, that says how it
        came to be. Both raise `SigningFailed`.
        """
        parent, kind = original, marks.media_type
        if marks.c2pa is None or not marks.c2pa.chain:
            parent = self._sign(original, kind, self._created(story))

        def seal(data: bytes, image_format: str) -> bytes:
            made = f"image/{image_format}"
            changes = _changes(marks, data) + (["c2pa.transcoded"] if made != kind else [])
            return self._sign(data, made, self._derived(story, changes), (parent, kind))

        return seal

    def _try(self) -> None:
        """Sign a small picture, without the timestamp authority: the network may be away."""
        into = io.BytesIO()
        Image.new("RGB", (8, 8)).save(into, "PNG")
        story = Story(title="a try", digital_source_type="digitalCreation", ai_system="none")
        signed = self._signed(into.getvalue(), "image/png", self._created(story), None)
        found = MarkReader().read(signed).c2pa
        if found is None or found.state is not ManifestState.VALID:
            problems = ", ".join(found.problems) if found else "no manifest"
            raise CredentialsRefused(f"what it signs is not valid: {problems}")

    def _sign(
        self,
        data: bytes,
        media_type: str,
        manifest: dict[str, Any],
        parent: tuple[bytes, str] | None = None,
    ) -> bytes:
        if self._clock() >= self.expires_at:
            raise SigningUnavailable("The certificate that signs finals has expired.")
        try:
            return self._signed(data, media_type, manifest, parent)
        except c2pa.C2paError as error:
            if self._timestamp_url is not None:
                raise SigningUnavailable(
                    "The final could not be signed and timestamped.", context=str(error)
                ) from error
            raise SigningFailed("The final could not be signed.", context=str(error)) from error

    def _signed(
        self,
        data: bytes,
        media_type: str,
        manifest: dict[str, Any],
        parent: tuple[bytes, str] | None,
    ) -> bytes:
        into = io.BytesIO()
        with c2pa.Builder(manifest, self._context) as builder:
            if parent is not None:
                said = {"title": _ORIGINAL, "relationship": "parentOf", "label": _ORIGINAL}
                builder.add_ingredient(said, parent[1], io.BytesIO(parent[0]))
            builder.sign(self._signer, media_type, io.BytesIO(data), into)
        return into.getvalue()

    def _created(self, story: Story) -> dict[str, Any]:
        action = {
            "action": "c2pa.created",
            "digitalSourceType": f"{NEWS_CODES}{story.digital_source_type}",
            "softwareAgent": {"name": story.ai_system},
        }
        return self._manifest(story, [action])

    def _derived(self, story: Story, changes: list[str]) -> dict[str, Any]:
        opened = {
            "action": "c2pa.opened",
            "digitalSourceType": f"{NEWS_CODES}{story.digital_source_type}",
            "parameters": {"ingredientIds": [_ORIGINAL]},
        }
        manifest = self._manifest(story, [opened, *({"action": name} for name in changes)])
        approval = self._approval(story)
        if approval is not None:
            manifest["assertions"].append({"label": APPROVAL_LABEL, "data": approval})
        return manifest

    def _manifest(self, story: Story, actions: list[dict[str, Any]]) -> dict[str, Any]:
        said = {"label": "c2pa.actions.v2", "data": {"actions": actions}}
        return {
            "claim_generator_info": [self._generator],
            "title": story.title,
            "assertions": [said],
        }

    def _approval(self, story: Story) -> dict[str, str] | None:
        if story.decided_at is None:
            return None
        said = {
            "draft_job_id": story.draft_job_id,
            "decided_at": story.decided_at.astimezone(UTC).isoformat(timespec="seconds"),
            "reviewer": story.reviewer,
            "decided_by": story.decided_by,
            "comment": story.comment if self._tells_comment else None,
        }
        return {name: value for name, value in said.items() if value is not None}


def _changes(original: Marks, data: bytes) -> list[str]:
    """What was done to the original's pixels, by its size and the file's."""
    width, height = original.width_px, original.height_px
    try:
        with Image.open(io.BytesIO(data)) as image:
            new_width, new_height = image.size
    except OSError as error:
        raise SigningFailed("The final could not be signed.", context=str(error)) from error
    turned = []
    if not _alike(width, height, new_width, new_height):
        if _alike(height, width, new_width, new_height):
            width, height, turned = height, width, ["c2pa.orientation"]
        else:
            return ["c2pa.cropped", "c2pa.resized"]
    return turned if (width, height) == (new_width, new_height) else [*turned, "c2pa.resized"]


def _alike(width: int, height: int, new_width: int, new_height: int) -> bool:
    """Whether one is the other in another size, where a rounded side is off by less than one."""
    return abs(width * new_height - height * new_width) <= max(width, height)


def _certificates(chain: bytes, now: datetime) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(chain)
    except ValueError:
        raise CredentialsRefused("there is no PEM certificate in it") from None
    for certificate in found:
        who = certificate.subject.rfc4514_string()
        if certificate.not_valid_after_utc <= now:
            raise CredentialsRefused(
                f"the certificate of {who} expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
            )
        if certificate.not_valid_before_utc > now:
            raise CredentialsRefused(
                f"the certificate of {who} is not valid before"
                f" {certificate.not_valid_before_utc:%Y-%m-%d}"
            )
    return found


def _algorithm(
    certificates: list[x509.Certificate], private_key: bytes, wished: SigningAlgorithm | None
) -> SigningAlgorithm:
    """The algorithm to sign with, once the key is the certificate's."""
    try:
        key = load_pem_private_key(private_key, password=None)
    except TypeError:
        raise CredentialsRefused("the private key is encrypted; take its passphrase off") from None
    except ValueError:
        raise CredentialsRefused("there is no PEM private key in its file") from None
    shape = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        own = key.public_key().public_bytes(*shape)
        is_its_own = own == certificates[0].public_key().public_bytes(*shape)
    except ValueError:
        is_its_own = False
    if not is_its_own:
        raise CredentialsRefused("the private key is not that of the first certificate")
    suiting = _suiting(key)
    if not suiting:
        raise CredentialsRefused("C2PA has no algorithm for keys of this kind")
    if wished is not None and wished not in suiting:
        raise CredentialsRefused(f"the key cannot sign with {wished}, but with {suiting[0]}")
    return wished or suiting[0]


def _suiting(key: object) -> list[SigningAlgorithm]:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return [_CURVES[key.curve.name]] if key.curve.name in _CURVES else []
    if isinstance(key, rsa.RSAPrivateKey):
        return ["ps256", "ps384", "ps512"]
    return ["ed25519"] if isinstance(key, ed25519.Ed25519PrivateKey) else []
