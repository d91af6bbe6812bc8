from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from imaging.provenance import mark_png, xmp_packet
from settings import Settings
from tests.api.conftest import API, Caller, Serve, problem
from tests.conftest import WorkerFactory
from tests.fakes import png
from tests.imaging.certificates import ORGANISATION, credentials
from tests.imaging.pictures import AI_MADE
from tests.imaging.readers import manifest_store, signed_by_vendor

PATH = f"{API}/provenance"


async def posted(door: Caller, data: bytes, kind: str = "image/png") -> httpx.Response:
    return await door.http.post(PATH, content=data, headers={"Content-Type": kind})


class TestReadMarks:
    async def test_the_marks_of_any_file_are_read(self, door: Caller) -> None:
        picture = mark_png(png(64, 48), xmp_packet("trainedAlgorithmicMedia", ai_system="a/b"))
        answer = await posted(door, picture)
        assert answer.status_code == 200
        assert answer.json() == {
            "marked": True,
            "digital_source_type": AI_MADE,
            "ai_system": "a/b",
            "media_type": "image/png",
            "width": 64,
            "height": 48,
        }

    async def test_a_certificate_on_no_trust_list_is_said_to_be(self, door: Caller) -> None:
        signed = signed_by_vendor(png(64, 48), "image/png")
        found = (await posted(door, signed, "application/octet-stream")).json()["c2pa"]
        assert found["state"] == "valid"
        assert found["trusted"] is False
        assert "no trust list" in found["message"]
        [manifest] = found["manifests"]
        assert manifest["issuer"] == ORGANISATION
        assert manifest["digital_source_type"] == AI_MADE

    @pytest.mark.parametrize(
        ("data", "kind"),
        [
            (b"no picture", "image/png"),
            (b"", "image/png"),
            (b"{}", "application/json"),
            (b"<html>", "text/html"),
        ],
    )
    async def test_what_is_no_picture_is_refused(
        self, door: Caller, data: bytes, kind: str
    ) -> None:
        problem(await posted(door, data, kind), 415, "unsupported_media_type")

    async def test_a_picture_is_taken_nowhere_else(self, door: Caller) -> None:
        answer = await door.http.post(
            f"{API}/generate-async", content=png(8, 8), headers={"Content-Type": "image/png"}
        )
        problem(answer, 415, "unsupported_media_type")

    async def test_a_file_over_the_limit_is_refused(self, serve: Serve) -> None:
        async with serve(max_body_bytes=2048) as door:
            problem(await posted(door, bytes(4096)), 413, "body_too_large")


class TestJobMarks:
    async def test_the_stored_files_of_a_job_are_read(self, staffed: Caller) -> None:
        job_id = await staffed.create()
        job = await staffed.completed(job_id)
        answer = await staffed.get(f"/jobs/{job_id}/provenance")
        assert answer.status_code == 200
        [image] = answer.json()["images"]
        [own] = job["result"]["images"]
        assert image["image_id"] == own["image_id"]
        assert image["url"] == own["url"]
        assert image["marks"]["digital_source_type"] == own["digital_source_type"] == AI_MADE
        assert image["original"]["marked"] is False
        assert own["provenance"] == {"digital_source_type": AI_MADE, "signed": False}


class TestSignedFinal:
    @pytest.fixture
    def settings(self, settings: Settings, tmp_path: Path) -> Settings:
        """With a certificate."""
        found, certificate, key = credentials(), tmp_path / "chain.pem", tmp_path / "key.pem"
        certificate.write_bytes(found.chain)
        key.write_bytes(found.key)
        return settings.model_copy(
            update={"c2pa_certificate": certificate, "c2pa_private_key": key}
        )

    async def test_it_says_who_approved_its_draft(
        self, api: Caller, new_worker: WorkerFactory
    ) -> None:
        async with new_worker():
            draft_id = await api.draft()
            body = {"reviewer": "ann", "comment": "lovely"}
            approved = (await api.post(f"/jobs/{draft_id}/approve", body)).json()
            final = await api.completed(approved["final_job_id"])
            answer = await api.get(f"/jobs/{final['job_id']}/provenance")
        [own] = final["result"]["images"]
        assert own["provenance"]["signed"] is True
        [image] = answer.json()["images"]
        assert image["marks"]["c2pa"]["state"] == "valid"
        signed, original = image["marks"]["c2pa"]["manifests"]
        assert signed["approval"].pop("decided_at")
        assert signed["approval"] == {"draft_job_id": draft_id, "reviewer": "ann"}
        assert original["actions"] == ["c2pa.created"]
        stored = await api.http.get(own["url"])
        assert manifest_store(stored.content, "image/png")["validation_state"] == "Valid"
