from __future__ import annotations

import itertools

import pytest

from domain.batches import BatchItem, BatchState, Milestone
from domain.jobs import JobStatus
from domain.reviews import ReviewState

JOB = "bat_1-0"
SECOND = "bat_1-0-r2"
FINAL = "bat_1-0-final"

QUEUED = JobStatus.QUEUED
COMPLETED = JobStatus.COMPLETED
FAILED = JobStatus.FAILED

AWAITING = Milestone(
    job_id=JOB, status=COMPLETED, review=ReviewState.AWAITING, image_key="draft.png", cost_usd=0.01
)
APPROVED = AWAITING.model_copy(update={"review": ReviewState.APPROVED, "final_job_id": FINAL})
REJECTED = AWAITING.model_copy(update={"review": ReviewState.REJECTED})
REVISED = REJECTED.model_copy(update={"revision_job_id": SECOND})
FINISHED = Milestone(job_id=FINAL, status=COMPLETED, image_key="final.png", cost_usd=0.2)
NEXT = Milestone(
    job_id=SECOND,
    status=COMPLETED,
    review=ReviewState.AWAITING,
    image_key="next.png",
    cost_usd=0.01,
)


def learned(*news: Milestone) -> BatchItem:
    item = BatchItem(status=QUEUED)
    for each in news:
        item.learn(each)
    return item


class TestLearn:
    @pytest.mark.parametrize(
        "story",
        [
            (AWAITING,),
            (AWAITING, APPROVED, FINISHED),
            (AWAITING, REVISED, NEXT),
            (Milestone(job_id=JOB, status=FAILED, error_code="content_rejected"),),
        ],
        ids=["draft", "final", "round", "failure"],
    )
    def test_news_that_come_twice_change_nothing(self, story: tuple[Milestone, ...]) -> None:
        assert learned(*(each for news in story for each in (news, news))) == learned(*story)

    def test_a_finals_news_may_overtake_the_approvals(self) -> None:
        told = learned(AWAITING, APPROVED, FINISHED)
        for order in itertools.permutations((APPROVED, FINISHED)):
            assert learned(AWAITING, *order) == told
        assert told.review is ReviewState.APPROVED
        assert (told.final_job_id, told.final_status) == (FINAL, COMPLETED)
        assert (told.image_key, told.final_image_key) == ("draft.png", "final.png")
        assert told.is_settled

    def test_late_news_of_an_earlier_round_do_not_undo_the_next(self) -> None:
        told = learned(AWAITING, REVISED, NEXT)
        assert learned(AWAITING, REVISED, NEXT, AWAITING) == told
        assert learned(AWAITING, REVISED, NEXT, REJECTED) == told
        assert told.job_id == SECOND
        assert told.image_key == "next.png"

    def test_late_news_do_not_take_a_decision_back(self) -> None:
        assert learned(APPROVED, AWAITING).review is ReviewState.APPROVED
        assert learned(REJECTED, AWAITING).review is ReviewState.REJECTED

    def test_every_job_of_an_image_costs_once(self) -> None:
        told = learned(AWAITING, AWAITING, APPROVED, FINISHED, FINISHED)
        assert told.costs_usd == {JOB: 0.01, FINAL: 0.2}

    def test_a_round_that_starts_again_is_made_but_not_settled(self) -> None:
        told = learned(AWAITING, REVISED)
        assert told.is_made
        assert not told.is_settled
        assert told.review is None

    @pytest.mark.parametrize(
        ("news", "settled"),
        [
            ((), False),
            ((AWAITING,), False),
            ((AWAITING, REJECTED), True),
            ((AWAITING, APPROVED), False),
            ((AWAITING, APPROVED, Milestone(job_id=FINAL, status=FAILED)), True),
            ((Milestone(job_id=JOB, status=FAILED),), True),
            ((Milestone(job_id=JOB, status=COMPLETED),), True),
        ],
    )
    def test_an_image_is_settled_when_nothing_can_change(
        self, news: tuple[Milestone, ...], settled: bool
    ) -> None:
        assert learned(*news).is_settled is settled


def batch(*statuses: JobStatus) -> BatchState:
    return BatchState(items=[BatchItem(status=status) for status in statuses])


PENDING = JobStatus.PENDING


class TestBatchState:
    @pytest.mark.parametrize(
        ("state", "status"),
        [
            (batch(PENDING, PENDING), JobStatus.QUEUED),
            (batch(QUEUED, PENDING), JobStatus.PROCESSING),
            (batch(COMPLETED, PENDING), JobStatus.PROCESSING),
            (batch(COMPLETED, FAILED), JobStatus.COMPLETED),
            (batch(FAILED, FAILED), JobStatus.FAILED),
            (batch(COMPLETED, COMPLETED), JobStatus.COMPLETED),
        ],
    )
    def test_its_status_is_its_images(self, state: BatchState, status: JobStatus) -> None:
        assert state.status is status

    @pytest.mark.parametrize(
        "state",
        [
            batch(*[COMPLETED] * made, *[QUEUED] * started, *[PENDING] * left)
            for made, started, left in itertools.product(range(4), repeat=3)
            if made + started + left
        ],
        ids=lambda state: "".join(item.status[0] for item in state.items),
    )
    def test_progress_is_100_only_when_all_are_made(self, state: BatchState) -> None:
        assert 0 <= state.progress_percentage <= 100
        is_made = all(item.is_made for item in state.items)
        assert (state.progress_percentage == 100) == is_made

    def test_progress_never_goes_down_as_images_start_and_end(self) -> None:
        state = batch(*[PENDING] * 7)
        shown = [state.progress_percentage]
        for item in state.items:
            for status in (QUEUED, COMPLETED):
                item.status = status
                shown.append(state.progress_percentage)
        assert shown == sorted(shown)
        assert shown[-1] == 100

    def test_a_revision_does_not_undo_what_was_made(self) -> None:
        state = BatchState(items=[learned(AWAITING, REVISED)])
        assert state.status is COMPLETED
        assert state.progress_percentage == 100
        assert not state.is_settled
