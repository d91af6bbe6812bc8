from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from domain.reviews import (
    Approval,
    FinalChoices,
    Rejection,
    Review,
    ReviewState,
    Revision,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)


class TestReview:
    def test_a_decision_is_noted_with_who_and_when(self) -> None:
        review = Review(expires_at=NOW + timedelta(days=7), problem="the model was shut down")
        decided = review.decide(
            ReviewState.APPROVED, NOW, Approval(reviewer="Ada", comment="Lovely")
        )
        assert decided.state is ReviewState.APPROVED
        assert (decided.reviewer, decided.comment, decided.decided_at) == ("Ada", "Lovely", NOW)
        assert decided.problem is None
        assert decided.expires_at == review.expires_at
        assert review.state is ReviewState.AWAITING

    @pytest.mark.parametrize(("sent", "noted"), [(None, 0), (0, 0), (2, 2)])
    def test_an_approval_notes_which_image_it_means(self, sent: int | None, noted: int) -> None:
        approved = Review().decide(ReviewState.APPROVED, NOW, Approval(image_index=sent))
        assert approved.image_index == noted
        assert Review().decide(ReviewState.REJECTED, NOW, Rejection()).image_index is None

    def test_an_expiry_is_nobodys_decision(self) -> None:
        expired = Review().decide(ReviewState.EXPIRED, NOW)
        assert (expired.reviewer, expired.comment) == (None, None)

    def test_only_awaiting_is_undecided(self) -> None:
        assert [state for state in ReviewState if not state.is_decided] == [ReviewState.AWAITING]


class TestDecisions:
    @pytest.mark.parametrize("body", [{}, {"reviewer": None}, {"unknown": 1}])
    def test_everything_may_be_left_out(self, body: dict[str, Any]) -> None:
        assert Approval.model_validate(body) == Approval()
        assert Rejection.model_validate(body) == Rejection()

    @pytest.mark.parametrize(
        "revise",
        [
            {"prompt": " x "},
            {"seed": 2**32},
            {"width": 64},
            {"style": ""},
            {"aspect_ratio": "2:1"},
            {"num_images": 5},
            {"reference_image_url": "mood.png"},
        ],
    )
    def test_a_revision_takes_only_what_a_request_would(self, revise: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            Revision.model_validate(revise)

    @pytest.mark.parametrize("final", [{"height": 64}, {"quality": "best"}, {"width": 10_000}])
    def test_a_final_takes_only_what_a_request_would(self, final: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            FinalChoices.model_validate(final)

    def test_styles_are_the_same_with_either_dash(self) -> None:
        assert Revision(style="oil_painting").style == "oil-painting"
