from __future__ import annotations

import io
import struct
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from PIL import Image

from domain.errors import SigningFailed, SigningUnavailable
from domain.provenance import ManifestState, Story, Upstream
from imaging.marks import MarkReader, upstream_of
from imaging.provenance import mark_png, xmp_packet
from imaging.sealing import CredentialsRefused, Sealer
from tests.imaging.certificates import (
    ORGANISATION,
    YEAR,
    Credentials,
    credentials,
    new_key,
    pem_of,
    sealer,
)
from tests.imaging.pictures import AI_MADE, encoded, gradient, pixels, source_types
from tests.imaging.readers import manifest_store, signed_by_vendor

DECIDED = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
STORY = Story(
    title="img_1.0",
    digital_source_type="trainedAlgorithmicMedia",
    ai_system="studio/studio-1",
    draft_job_id="img_0",
    reviewer="ann",
    decided_by="desk",
    decided_at=DECIDED,
    comment="not for the public",
)
FORMATS = ["png", "jpeg", "webp", "avif"]


def sealed(
    original: bytes, data: bytes, image_format: str, by: Sealer, story: Story = STORY
) -> bytes:
    return by.seal_for(original, MarkReader().read(original), story)(data, image_format)


def own_manifest(data: bytes, media_type: str) -> dict[str, Any]:
    store = manifest_store(data, media_type)
    return dict(store["manifests"][store["active_manifest"]])


def assertion(manifest: dict[str, Any], label: str) -> dict[str, Any] | None:
    found = [a["data"] for a in manifest["assertions"] if a["label"] == label]
    return dict(found[0]) if found else None


class TestSeal:
    @pytest.mark.parametrize("kind", ["p256", "rsa"])
    @pytest.mark.parametrize("image_format", FORMATS)
    def test_c2pas_own_reader_finds_the_file_whole(self, kind: str, image_format: str) -> None:
        found = credentials(kind)
        original = encoded(gradient(), "PNG")
        packet = xmp_packet("trainedAlgorithmicMedia")
        data = encoded(gradient(24, 16), image_format, xmp=packet)
        data = mark_png(data, packet) if image_format == "png" else data
        signed = sealed(original, data, image_format, sealer(found))
        store = manifest_store(signed, f"image/{image_format}", found.root)
        assert store["validation_state"] == "Trusted"
        manifest = store["manifests"][store["active_manifest"]]
        assert manifest["signature_info"]["alg"].lower() == {"p256": "es256", "rsa": "ps256"}[kind]
        assert manifest["signature_info"]["issuer"] == ORGANISATION
        assert manifest["claim_generator_info"][0]["name"] == "Darkroom"
        assert pixels(signed) == pixels(data)
        with Image.open(io.BytesIO(signed)) as opened:
            assert b"DigitalSourceType" in opened.info["xmp"]

    def test_it_tells_what_was_done_to_the_original(self) -> None:
        original = encoded(gradient(48, 32), "PNG")
        by = sealer()
        for size, image_format, changes in (
            ((48, 32), "png", []),
            ((24, 16), "png", ["c2pa.resized"]),
            ((32, 48), "png", ["c2pa.orientation"]),
            ((25, 17), "webp", ["c2pa.resized", "c2pa.transcoded"]),
            ((30, 10), "jpeg", ["c2pa.cropped", "c2pa.resized", "c2pa.transcoded"]),
        ):
            signed = sealed(original, encoded(gradient(*size), image_format), image_format, by)
            said = assertion(own_manifest(signed, f"image/{image_format}"), "c2pa.actions.v2")
            assert said
            assert [a["action"] for a in said["actions"]] == ["c2pa.opened", *changes]
            assert said["actions"][0]["digitalSourceType"] == AI_MADE

    def test_an_original_without_a_manifest_gets_one_in_the_chain(self) -> None:
        signed = sealed(encoded(gradient(), "PNG"), encoded(gradient(), "webp"), "webp", sealer())
        store = manifest_store(signed, "image/webp")
        own = store["manifests"][store["active_manifest"]]
        [ingredient] = own["ingredients"]
        assert ingredient["relationship"] == "parentOf"
        said = assertion(store["manifests"][ingredient["active_manifest"]], "c2pa.actions.v2")
        assert said
        [created] = said["actions"]
        assert created["action"] == "c2pa.created"
        assert created["digitalSourceType"] == AI_MADE
        assert created["softwareAgent"]["name"] == "studio/studio-1"

    def test_a_vendors_manifest_stays_in_the_chain(self) -> None:
        original = signed_by_vendor(encoded(gradient(), "JPEG"), "image/jpeg")
        signed = sealed(original, encoded(gradient(), "avif"), "avif", sealer())
        store = manifest_store(signed, "image/avif")
        assert len(store["manifests"]) == 2
        [ingredient] = store["manifests"][store["active_manifest"]]["ingredients"]
        vendors = store["manifests"][ingredient["active_manifest"]]
        assert vendors["claim_generator_info"][0]["name"] == "Vendor's model"
        marks = MarkReader().read(signed)
        assert marks.c2pa
        assert [m.generator for m in marks.c2pa.chain] == ["Darkroom 9", "Vendor's model 3"]

    def test_a_vendors_manifest_that_is_broken_is_told_of(self) -> None:
        original = bytearray(signed_by_vendor(encoded(gradient(), "PNG"), "image/png"))
        original[-20] ^= 1
        signed = sealed(bytes(original), encoded(gradient(), "png"), "png", sealer())
        found = MarkReader().read(signed).c2pa
        assert found
        assert found.state is ManifestState.VALID
        assert "assertion.dataHash.mismatch" in found.problems

    def test_an_original_whose_manifest_is_no_manifest_is_signed_for(self) -> None:
        plain = encoded(gradient(), "PNG")
        chunk = b"caBX" + bytes(200)
        framed = struct.pack(">I", 200) + chunk + struct.pack(">I", zlib.crc32(chunk))
        original = plain[:33] + framed + plain[33:]
        assert upstream_of(MarkReader().read(original)) == Upstream(state=ManifestState.UNREADABLE)
        signed = sealed(original, plain, "png", sealer())
        found = MarkReader().read(signed).c2pa
        assert found
        assert found.state is ManifestState.VALID
        assert len(found.chain) == 2

    def test_the_approval_is_an_assertion_without_the_comment(self) -> None:
        signed = sealed(encoded(gradient(), "PNG"), encoded(gradient(), "png"), "png", sealer())
        manifest = own_manifest(signed, "image/png")
        assert assertion(manifest, "darkroom.approval") == {
            "draft_job_id": "img_0",
            "decided_at": "2026-11-27T09:30:00+00:00",
            "reviewer": "ann",
            "decided_by": "desk",
        }
        assert b"not for the public" not in signed

    def test_the_comment_is_public_where_that_is_wished(self) -> None:
        by = sealer(tells_comment=True)
        signed = sealed(encoded(gradient(), "PNG"), encoded(gradient(), "png"), "png", by)
        said = assertion(own_manifest(signed, "image/png"), "darkroom.approval")
        assert said
        assert said["comment"] == "not for the public"

    def test_what_nobody_approved_says_so_by_silence(self) -> None:
        story = Story(
            title="img_1.0", digital_source_type="trainedAlgorithmicMedia", ai_system="a/b"
        )
        original = encoded(gradient(), "PNG")
        signed = sealed(original, encoded(gradient(), "png"), "png", sealer(), story)
        assert assertion(own_manifest(signed, "image/png"), "darkroom.approval") is None

    @pytest.mark.parametrize("image_format", FORMATS)
    def test_a_file_that_is_changed_afterwards_is_found_out(self, image_format: str) -> None:
        original = encoded(gradient(), "PNG")
        data = encoded(gradient(), image_format)
        signed = bytearray(sealed(original, data, image_format, sealer()))
        pixel = {"png": -20, "jpeg": -3, "webp": signed.rfind(b"VP8 ") + 40, "avif": -3}
        signed[pixel[image_format]] ^= 1
        found = MarkReader().read(bytes(signed)).c2pa
        assert found
        assert found.state is ManifestState.INVALID
        assert any("Hash.mismatch" in problem for problem in found.problems)

    def test_marking_a_signed_file_anew_takes_its_broken_manifest_off(self) -> None:
        signed = signed_by_vendor(encoded(gradient(), "PNG"), "image/png")
        again = mark_png(signed, xmp_packet("trainedAlgorithmicMedia"))
        assert source_types(again) == [AI_MADE]
        assert MarkReader().read(again).c2pa is None

    def test_what_cannot_be_signed_is_a_failure_and_no_unsigned_file(self) -> None:
        original = encoded(gradient(), "PNG")
        with pytest.raises(SigningFailed) as failed:
            sealed(original, b"\xff\xd8 no picture", "png", sealer())
        assert not failed.value.retryable

    def test_an_absent_timestamp_authority_is_waited_for(self) -> None:
        found = credentials()
        by = Sealer(
            found.chain, found.key, generator="D", timestamp_url="http://127.0.0.1:9/timestamp"
        )
        original = encoded(gradient(), "PNG")
        with pytest.raises(SigningUnavailable) as failed:
            sealed(original, original, "png", by)
        assert failed.value.retryable
        assert failed.value.code == "signing_failed"

    def test_a_certificate_that_expires_while_we_run_signs_nothing_more(self) -> None:
        found, times = credentials(), [datetime.now(UTC)]
        by = Sealer(found.chain, found.key, generator="D", clock=lambda: times[-1])
        times.append(by.expires_at)
        original = encoded(gradient(), "PNG")
        with pytest.raises(SigningUnavailable, match="expired"):
            sealed(original, original, "png", by)


def with_key_of_another() -> Credentials:
    return Credentials(credentials("p256").chain, pem_of(new_key("p384")), b"")


REFUSED = {
    "expired": (lambda: credentials(begins=-2 * YEAR, ends=-YEAR), None, "expired on"),
    "not yet valid": (
        lambda: credentials(begins=timedelta(days=2)),
        None,
        "is not valid before",
    ),
    "another's key": (with_key_of_another, None, "not that of the first certificate"),
    "a web server's": (
        lambda: credentials(usage=ExtendedKeyUsageOID.SERVER_AUTH),
        None,
        "C2PA does not take",
    ),
    "another algorithm": (credentials, "ps256", "cannot sign with ps256, but with es256"),
    "encrypted": (
        lambda: Credentials(credentials().chain, pem_of(new_key("p256"), b"secret"), b""),
        None,
        "encrypted",
    ),
    "no certificate": (lambda: Credentials(b"nothing", credentials().key, b""), None, "no PEM"),
    "no key": (lambda: Credentials(credentials().chain, b"nothing", b""), None, "no PEM private"),
}


@pytest.mark.parametrize(("made", "algorithm", "why"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_sign_is_refused_at_once_and_says_why(
    made: Any, algorithm: Any, why: str
) -> None:
    found = made()
    with pytest.raises(CredentialsRefused, match=why) as refused:
        Sealer(found.chain, found.key, generator="Darkroom", algorithm=algorithm)
    secret = found.key.split(b"\n")[1].decode() if b"\n" in found.key else "nothing of it"
    assert secret not in str(refused.value)


@pytest.mark.parametrize("kind", ["ed25519", "p384"])
def test_the_algorithm_is_the_one_that_suits_the_key(kind: str) -> None:
    original = encoded(gradient(), "PNG")
    manifest = own_manifest(
        sealed(original, original, "png", sealer(credentials(kind))), "image/png"
    )
    assert manifest["signature_info"]["alg"] == {"ed25519": "Ed25519", "p384": "Es384"}[kind]
