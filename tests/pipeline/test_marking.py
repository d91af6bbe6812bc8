from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.provenance import ManifestState, SigningPlan, Upstream
from domain.reviews import Endorsement
from domain.sizes import Quality
from imaging.marks import MarkReader
from pipeline.developing import Developer
from pipeline.marking import CredentialsError, Marker, load_mark_reader, load_sealer
from pipeline.planning import Planner
from storage.archive import Archive
from storage.keys import job_record_key
from storage.objects import ObjectStore
from tests.fakes import png
from tests.imaging.certificates import ORGANISATION, YEAR, Credentials, credentials, sealer
from tests.imaging.pictures import AI_MADE
from tests.imaging.readers import signed_by_vendor
from tests.pipeline.test_developing import order
from tests.providers.vendors import CATALOGUE

ANN = Endorsement(decided_at=datetime(2026, 11, 27, tzinfo=UTC), reviewer="ann", decided_by="desk")


def plan(folder: Path, found: Credentials) -> SigningPlan:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(found.chain)
    key.write_bytes(found.key)
    return SigningPlan(certificate=certificate, private_key=key)


@pytest.fixture
def develop(store: ObjectStore, archive: Archive) -> Callable[[Marker], Developer]:
    planner = Planner(CATALOGUE, frozenset({"studio"}), {}, stand_in=False, review_seconds=60)
    return lambda marker: Developer(store, archive, planner, marker)


class TestDeveloping:
    async def test_every_file_of_a_final_is_signed_and_names_its_approval(
        self, store: ObjectStore, develop: Callable[[Marker], Developer]
    ) -> None:
        wanted = await order(store, png(64, 48), quality=Quality.HIGH)
        wanted.request.endorsement = ANN
        wanted.request.draft_job_id = "img_0"
        result = (await develop(Marker(sealer=sealer(), version="9")).develop(wanted)).result
        [image] = result.images
        assert image.provenance
        assert image.provenance.signed
        for variant in image.variants:
            marks = MarkReader().read(await store.get(result.key(variant)))
            assert marks.digital_source_type == "trainedAlgorithmicMedia"
            assert marks.ai_system == "studio/studio-1"
            assert marks.generator == "Darkroom 9"
            assert marks.c2pa
            assert marks.c2pa.state is ManifestState.VALID
            assert marks.c2pa.chain[0].title == "img_1.0"
            assert marks.c2pa.chain[0].approval == {
                "draft_job_id": "img_0",
                "decided_at": "2026-11-27T00:00:00+00:00",
                "reviewer": "ann",
                "decided_by": "desk",
            }

    @pytest.mark.parametrize("signs", [True, False])
    async def test_a_draft_is_marked_and_never_signed(
        self, store: ObjectStore, develop: Callable[[Marker], Developer], signs: bool
    ) -> None:
        marker = Marker(sealer=sealer() if signs else None)
        result = (await develop(marker).develop(await order(store, png(64, 48)))).result
        [image] = result.images
        assert image.provenance
        assert not image.provenance.signed
        marks = MarkReader().read(await store.get(result.key(image.variants[0])))
        assert marks.says_ai
        assert marks.c2pa is None

    async def test_a_vendors_manifest_stays_on_the_original_and_is_put_down(
        self, store: ObjectStore, archive: Archive, develop: Callable[[Marker], Developer]
    ) -> None:
        original = signed_by_vendor(png(64, 48), "image/png")
        wanted = await order(store, original)
        result = (await develop(Marker()).develop(wanted)).result
        assert await store.get(wanted.rendered.originals[0].key) == original
        upstream = Upstream(
            state=ManifestState.VALID, issuer=ORGANISATION, generator="Vendor's model 3"
        )
        [image] = result.images
        assert image.provenance
        assert image.provenance.upstream == upstream
        record = json.loads(await store.get(job_record_key("img_1")))
        [kept] = record["state"]["result"]["images"]
        assert kept["provenance"]["upstream"]["issuer"] == ORGANISATION

    async def test_a_vendor_who_says_that_a_photograph_is_in_it_is_believed(
        self, store: ObjectStore, develop: Callable[[Marker], Developer]
    ) -> None:
        source = AI_MADE.replace("trained", "compositeWithTrained")
        original = signed_by_vendor(png(64, 48), "image/png", source=source)
        result = (await develop(Marker()).develop(await order(store, original))).result
        [image] = result.images
        assert image.digital_source_type == "compositeWithTrainedAlgorithmicMedia"
        marks = MarkReader().read(await store.get(result.key(image.variants[0])))
        assert marks.digital_source_type == "compositeWithTrainedAlgorithmicMedia"


class TestLoading:
    def test_without_a_certificate_nothing_is_signed(self) -> None:
        assert load_sealer(None, "9") is None

    def test_files_that_fit_sign(self, tmp_path: Path) -> None:
        assert load_sealer(plan(tmp_path, credentials()), "9") is not None

    def test_a_certificate_that_is_about_to_expire_is_warned_of(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        load_sealer(plan(tmp_path, credentials(ends=timedelta(days=9))), "9")
        assert "expires on" in caplog.text

    @pytest.mark.parametrize("missing", ["certificate", "private_key"])
    def test_a_wrong_path_is_named_with_its_setting(self, tmp_path: Path, missing: str) -> None:
        wrong = plan(tmp_path, credentials()).model_copy(update={missing: tmp_path / "none.pem"})
        with pytest.raises(CredentialsError) as refused:
            load_sealer(wrong, "9")
        assert f"DARKROOM_C2PA_{missing.upper()}={tmp_path}/none.pem" in str(refused.value)
        assert "No such file" in str(refused.value)

    def test_an_expired_certificate_is_named_with_its_setting(self, tmp_path: Path) -> None:
        expired = plan(tmp_path, credentials(begins=-2 * YEAR, ends=-YEAR))
        with pytest.raises(CredentialsError, match=r"DARKROOM_C2PA_CERTIFICATE=.* expired on"):
            load_sealer(expired, "9")

    def test_a_trust_list_that_is_none_is_refused(self, tmp_path: Path) -> None:
        anchors = tmp_path / "anchors.pem"
        anchors.write_text("nothing")
        with pytest.raises(CredentialsError, match="DARKROOM_C2PA_TRUST_ANCHORS"):
            load_mark_reader(anchors)
