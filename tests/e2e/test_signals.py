"""Decisions signalled to the workflows directly, as an editorial tool may: early, twice, broken."""

from __future__ import annotations

from domain.batches import BatchApproval
from domain.reviews import Approval, Rejection
from tests.e2e.engine import assert_ran_once, executions, signal, signal_by_command
from tests.e2e.jobs import (
    Watch,
    approve,
    assert_completed,
    poll,
    poll_batch,
    submit,
    submit_batch,
    until_batch,
)
from tests.e2e.stack import Json, Stack
from tests.e2e.waiting import eventually

DRAFT = {"quality": "draft", "aspect_ratio": "16:9"}


def awaiting_draft(stack: Stack, watch: Watch) -> str:
    job_id = submit(stack, "a harbour in the morning", **DRAFT)
    watch.until(job_id, awaits_review, "the draft awaits review")
    return job_id


def awaits_review(answer: Json) -> bool:
    return bool(answer.get("review", {}).get("state") == "awaiting")


def is_decided(answer: Json) -> bool:
    return answer.get("review", {}).get("state") in ("approved", "rejected", "expired")


def finished_final(watch: Watch, draft_id: str) -> Json:
    decided = watch.until(draft_id, is_decided, "the decision arrives")
    assert decided["review"]["state"] == "approved"
    assert decided["final_job_id"] == f"{draft_id}-final"
    return watch.until_ended([decided["final_job_id"]])[0]


def test_an_approval_signal_of_our_own_model_starts_the_final(stack: Stack, watch: Watch) -> None:
    draft_id = awaiting_draft(stack, watch)
    signal(stack, draft_id, "approve", Approval(reviewer="ann", comment="lovely"))
    assert_completed(stack, [finished_final(watch, draft_id)])
    review = poll(stack, draft_id)["review"]
    assert (review["reviewer"], review["comment"]) == ("ann", "lovely")


def test_an_approval_in_plain_json_from_the_command_line_starts_the_final(
    stack: Stack, watch: Watch
) -> None:
    draft_id = awaiting_draft(stack, watch)
    signal_by_command(stack, draft_id, "approve", '{"reviewer": "ann"}')
    assert_completed(stack, [finished_final(watch, draft_id)])


def test_an_approval_signal_without_any_input_starts_the_final(stack: Stack, watch: Watch) -> None:
    draft_id = awaiting_draft(stack, watch)
    signal_by_command(stack, draft_id, "approve")
    assert_completed(stack, [finished_final(watch, draft_id)])


def test_an_approval_before_the_draft_is_made_is_honoured(stack: Stack, watch: Watch) -> None:
    with stack.held("worker"):
        draft_id = submit(stack, "a harbour at noon", **DRAFT)
        signal(stack, draft_id, "approve", Approval(reviewer="ann"))
        assert poll(stack, draft_id)["status"] == "queued"
    assert_completed(stack, [finished_final(watch, draft_id)])
    assert_completed(stack, watch.until_ended([draft_id]))


def test_approvals_by_every_way_at_once_start_one_final(stack: Stack, watch: Watch) -> None:
    draft_id = awaiting_draft(stack, watch)
    with stack.held("worker"):
        signal(stack, draft_id, "approve", Approval(reviewer="ann"))
        signal_by_command(stack, draft_id, "approve", '{"reviewer": "bob"}')
        final_id = approve(stack, draft_id, reviewer="cleo")
    assert_completed(stack, [finished_final(watch, draft_id)])
    assert approve(stack, draft_id, reviewer="dora") == final_id
    assert_ran_once(stack, [draft_id, final_id])
    assert poll(stack, draft_id)["review"]["reviewer"] == "ann"


def test_a_rejection_after_the_approval_changes_nothing(stack: Stack, watch: Watch) -> None:
    draft_id = awaiting_draft(stack, watch)
    with stack.held("worker"):
        signal(stack, draft_id, "approve", Approval(reviewer="ann"))
        signal(stack, draft_id, "reject", Rejection(reviewer="bob"))
    assert_completed(stack, [finished_final(watch, draft_id)])


def test_a_rejection_signal_ends_the_review_without_a_final(stack: Stack, watch: Watch) -> None:
    draft_id = awaiting_draft(stack, watch)
    signal_by_command(stack, draft_id, "reject", '{"reviewer": "bob", "comment": "too dark"}')
    decided = watch.until(draft_id, is_decided, "the decision arrives")
    assert decided["review"]["state"] == "rejected"
    assert "final_job_id" not in decided
    assert f"{draft_id}-final" not in executions(stack)


GARBAGE = [
    '"approve"',
    "17",
    "[]",
    '[{"reviewer": "ann"}]',
    '{"reviewer": 5}',
    '{"reviewer": ["ann"]}',
    '{"comment": {"text": "yes"}}',
    '{"final": "high"}',
    '{"final": {"quality": "best"}}',
    '{"final": {"width": "wide"}}',
    '{"revise": []}',
    '{"revise": {"seed": -1}}',
]


def test_garbage_in_decisions_is_dropped_and_the_review_goes_on(stack: Stack, watch: Watch) -> None:
    draft_id = awaiting_draft(stack, watch)
    with stack.held("worker"):
        for garbage in GARBAGE:
            name = "reject" if "revise" in garbage else "approve"
            signal_by_command(stack, draft_id, name, garbage)
        signal_by_command(stack, draft_id, "no-such-signal", "{}")
    watch.until(draft_id, awaits_review, "the draft still awaits review")
    assert f"{draft_id}-final" not in executions(stack)
    signal(stack, draft_id, "approve", Approval(reviewer="ann"))
    assert_completed(stack, [finished_final(watch, draft_id)])


def test_one_approval_of_a_batch_starts_all_of_its_finals(stack: Stack, watch: Watch) -> None:
    batch = submit_batch(stack, ["a red door", "a blue door", "a green door"], **DRAFT)
    until_batch(stack, batch["batch_id"], {"awaiting": 3})
    signal(stack, batch["batch_id"], "approve", BatchApproval(reviewer="ann"))
    assert_completed(stack, [finished_final(watch, job_id) for job_id in batch["job_ids"]])


def test_garbage_in_a_batch_s_signals_is_dropped(stack: Stack, watch: Watch) -> None:
    batch = submit_batch(stack, ["a red door"], **DRAFT)
    batch_id, [job_id] = batch["batch_id"], batch["job_ids"]
    until_batch(stack, batch_id, {"awaiting": 1})
    with stack.held("worker"):
        for name in ("approve", "reject", "milestone", "withdraw"):
            for garbage in ('"all"', "[1]", '{"job_ids": "all"}', '{"job_ids": [1]}'):
                signal_by_command(stack, batch_id, name, garbage)
        signal_by_command(stack, batch_id, "milestone", '{"job_id": "bat_0-7", "status": "done"}')
    chosen = BatchApproval(reviewer="ann", job_ids=[job_id, "no-such-job", f"{batch_id}-99"])
    signal(stack, batch_id, "approve", chosen)
    assert_completed(stack, [finished_final(watch, job_id)])
    assert poll(stack, job_id)["review"]["reviewer"] == "ann"
    eventually(
        lambda: poll_batch(stack, batch_id)["jobs"][0].get("final_status") == "completed",
        "the batch hears of its final",
    )
