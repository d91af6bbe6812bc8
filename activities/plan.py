"""`plan_final` and `plan_revision` ask the catalogue at decision time."""

from __future__ import annotations

from temporalio import activity

from activities.failures import translated
from domain.jobs import JobRequest
from domain.renders import SuccessorOrder
from domain.reviews import FinalChoices, Revision
from pipeline.planning import Planner


class PlanActivities:
    """Pure look-ups; a refusal is not retried."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    @activity.defn
    async def plan_final(self, draft: SuccessorOrder, choices: FinalChoices) -> JobRequest:
        """The request of the final bound to a draft."""
        with translated():
            return self._planner.final(draft, choices)

    @activity.defn
    async def plan_revision(self, draft: SuccessorOrder, revise: Revision) -> JobRequest:
        """The request of a draft's next round."""
        with translated():
            return self._planner.revision(draft, revise)
