from __future__ import annotations

import pytest

from domain import errors
from domain.errors import DarkroomError, JobFailure, Refusal

Kind = type[DarkroomError]

STATUS_BY_CODE = {
    "job_not_found": 404,
    "batch_not_found": 404,
    "file_not_found": 404,
    "not_reviewable": 409,
    "already_terminal": 409,
    "not_retryable": 409,
    "idempotency_in_flight": 409,
    "idempotency_key_reused": 422,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "invalid_request": 422,
    "capability_missing": 422,
    "model_shut_down": 422,
    "provider_not_configured": 422,
    "queue_unavailable": 500,
}
FAILURES = {
    "content_rejected",
    "provider_unavailable",
    "provider_rate_limited",
    "provider_auth",
    "provider_quota",
    "model_shut_down",
    "invalid_output",
    "deadline_exceeded",
    "cancelled",
    "outcome_unknown",
    "signing_failed",
    "storage_unavailable",
    "internal",
}


def tree(root: Kind) -> list[Kind]:
    return [root] + [kind for child in root.__subclasses__() for kind in tree(child)]


RAISED = [kind for kind in tree(DarkroomError) if kind not in (DarkroomError, Refusal, JobFailure)]


@pytest.mark.parametrize("kind", RAISED)
def test_every_error_knows_its_consequences(kind: Kind) -> None:
    assert kind.code.replace("_", "").isalpha()
    assert kind.code.islower()
    assert kind.title
    assert 400 <= kind.http_status < 600
    assert issubclass(kind, Refusal) != issubclass(kind, JobFailure)


@pytest.mark.parametrize("kind", RAISED)
def test_every_error_is_drawn_in_the_modules_tree(kind: Kind) -> None:
    assert errors.__doc__
    assert kind.__name__ in errors.__doc__.replace(",", " ").split()


def test_the_tree_draws_no_error_that_does_not_exist() -> None:
    assert errors.__doc__
    words = errors.__doc__.replace(",", " ").split()
    drawn = {word for word in words if word[0].isupper() and word[1:] != word[1:].lower()}
    assert drawn <= {kind.__name__ for kind in tree(DarkroomError)}


def test_every_code_of_the_contract_has_its_status() -> None:
    refusals = {kind.code: kind.http_status for kind in RAISED if issubclass(kind, Refusal)}
    assert STATUS_BY_CODE.items() <= refusals.items()


def test_no_two_refusals_share_a_code() -> None:
    codes = [kind.code for kind in RAISED if issubclass(kind, Refusal)]
    assert len(codes) == len(set(codes))


def test_every_failure_of_the_contract_is_there() -> None:
    codes = [kind.code for kind in JobFailure.__subclasses__()]
    assert set(codes) >= FAILURES
    assert len(codes) == len(set(codes))


def test_what_may_be_tried_again_is_never_a_verdict() -> None:
    retryable = {kind.code for kind in JobFailure.__subclasses__() if kind.retryable}
    assert retryable == {"provider_unavailable", "provider_rate_limited", "storage_unavailable"}


def test_nobody_else_could_do_better_with_a_job_that_was_cancelled_or_may_be_paid() -> None:
    fallback = {kind.code for kind in JobFailure.__subclasses__() if kind.fallback}
    assert not fallback & {"cancelled", "outcome_unknown", "storage_unavailable", "internal"}


def test_a_message_left_out_is_the_title() -> None:
    assert errors.JobNotFound().message == "Job not found"
    assert errors.JobNotFound("There is no job.").message == "There is no job."
