"""What went wrong in an activity, in our terms."""

from __future__ import annotations

from temporalio.exceptions import ApplicationError

from workflows.failures import problem_of


def test_a_refusal_in_a_worker_keeps_its_code() -> None:
    problem = problem_of(ApplicationError("No key.", type="provider_not_configured"))
    assert (problem.code, problem.message) == ("provider_not_configured", "No key.")


def test_what_is_no_error_of_ours_is_a_defect_without_its_words() -> None:
    problem = problem_of(ApplicationError("[Errno 5] /srv/secret", type="OSError"))
    assert problem.code == "internal"
    assert "secret" not in problem.message
