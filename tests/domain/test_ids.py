from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from domain.ids import (
    BATCH_ID_PATTERN,
    JOB_ID_PATTERN,
    batch_item,
    final_id,
    item_id,
    keyed_answer_id,
    keyed_batch_id,
    keyed_job_id,
    mentioned,
    new_asset_token,
    new_batch_id,
    new_job_id,
    predecessor,
    retry_id,
    revision_id,
)


class TestNewIds:
    def test_they_are_unguessable_and_never_the_same(self) -> None:
        for make, bits in ((new_job_id, 96), (new_batch_id, 96), (new_asset_token, 128)):
            made = {make() for _ in range(100)}
            assert len(made) == 100
            assert all(4 * len(each.split("_")[-1]) == bits for each in made)

    def test_they_fit_their_patterns(self) -> None:
        assert re.match(JOB_ID_PATTERN, new_job_id())
        assert re.match(BATCH_ID_PATTERN, new_batch_id())
        assert not re.match(BATCH_ID_PATTERN, new_job_id())
        assert not re.match(JOB_ID_PATTERN, new_batch_id())


class TestDerivedIds:
    def test_rounds_are_counted(self) -> None:
        assert revision_id("img_1") == "img_1-r2"
        assert revision_id("img_1-r2") == "img_1-r3"
        assert revision_id("img_1-r9") == "img_1-r10"

    @pytest.mark.parametrize("first", ["img_1f", "bat_1f-0", "bat_1f-999"])
    def test_each_is_a_job_id_and_leads_back(self, first: str) -> None:
        second = revision_id(first)
        third = revision_id(second)
        for job_id, before in (
            (second, first),
            (third, second),
            (final_id(first), first),
            (final_id(third), third),
        ):
            assert re.match(JOB_ID_PATTERN, job_id)
            assert predecessor(job_id) == before
        assert predecessor(first) is None

    def test_every_job_of_an_image_knows_its_batch_and_place(self) -> None:
        first = item_id("bat_1f", 12)
        for job_id in (first, revision_id(first), final_id(first), final_id(revision_id(first))):
            assert batch_item(job_id) == ("bat_1f", 12)

    @pytest.mark.parametrize(
        "job_id", ["img_1f", "bat_1f", "bat_1f-", "bat_1f-01", "bat_1f-x", "bat_1f-1-final-final"]
    )
    def test_what_is_no_image_of_a_batch_has_no_place(self, job_id: str) -> None:
        assert batch_item(job_id) is None

    @pytest.mark.parametrize(
        "text", ["img_1\n", "IMG_1", "img_", "img_1-r", "img_1-final-r2", "../img_1", "img_1/2", ""]
    )
    def test_what_is_no_job_id_does_not_fit(self, text: str) -> None:
        assert not re.match(JOB_ID_PATTERN, text)


def test_job_ids_are_found_in_any_text() -> None:
    text = (
        '{"url": "http://h/files/img_1f-r2/0a/0.png", "key": "assets/bat_2-10-final/t/0.original",'
        ' "batch": "bat_3", "no": ["img_", "img_1F", "bat_2-x"], "again": "img_1f-r2"}'
    )
    assert mentioned(text) == {"img_1f-r2", "bat_2-10-final"}


class TestKeyedIds:
    def test_they_are_those_of_jobs_and_batches(self) -> None:
        assert re.match(JOB_ID_PATTERN, keyed_job_id("ours", "k"))
        assert re.match(BATCH_ID_PATTERN, keyed_batch_id("ours", "k"))
        assert not re.match(JOB_ID_PATTERN, keyed_answer_id("ours", "k"))

    @pytest.mark.parametrize("make", [keyed_job_id, keyed_batch_id, keyed_answer_id])
    def test_each_is_of_one_tenant_and_one_key(self, make: Callable[[str, str], str]) -> None:
        assert make("ours", "k") == make("ours", "k")
        assert len({make(*each) for each in (("a", "bc"), ("ab", "c"), ("a", "c"))}) == 3


class TestRetries:
    @pytest.mark.parametrize("failed", ["img_1f", "bat_1f-0", "img_1f-r2", "bat_1f-3-final"])
    def test_a_retry_is_a_job_of_its_own_outside_of_any_batch(self, failed: str) -> None:
        again = retry_id(failed)
        assert re.match(JOB_ID_PATTERN, again)
        assert again == retry_id(failed) != retry_id(again)
        assert predecessor(again) is None
        assert batch_item(again) is None
