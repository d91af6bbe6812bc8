"""The one registry of names that Temporal knows us by: queues, search attributes, identifiers.

They are in every stored history: a name here may be added, never changed.
"""

from __future__ import annotations

from temporalio.common import SearchAttributeKey

TASK_QUEUE = "darkroom"
"""Workflows, and every activity that calls no provider."""

WEBHOOK_QUEUE = "darkroom.webhooks"
"""Deliveries: a receiver that lets us wait keeps nothing else waiting. No provider's queue."""


def provider_queue(provider: str) -> str:
    """The task queue of one provider, where its rate limit applies to the whole fleet."""
    return f"{TASK_QUEUE}-{provider}"


TENANT = SearchAttributeKey.for_keyword("DarkroomTenant")
BLOG_ID = SearchAttributeKey.for_keyword("DarkroomBlogId")
BLOG_JOB_ID = SearchAttributeKey.for_keyword("DarkroomBlogJobId")
BATCH_ID = SearchAttributeKey.for_keyword("DarkroomBatchId")
PROVIDER = SearchAttributeKey.for_keyword("DarkroomProvider")
RECIPE = SearchAttributeKey.for_keyword("DarkroomRecipe")
"""`provider/model/quality`: what durations are measured by."""
STATUS = SearchAttributeKey.for_keyword("DarkroomStatus")
REVIEW = SearchAttributeKey.for_keyword("DarkroomReview")
TAGS = SearchAttributeKey.for_keyword_list("DarkroomTags")
GENERATION_SECONDS = SearchAttributeKey.for_float("DarkroomGenerationSeconds")

SEARCH_ATTRIBUTE_TYPES: dict[str, str] = {
    **{
        key.name: "Keyword"
        for key in (TENANT, BLOG_ID, BLOG_JOB_ID, BATCH_ID, PROVIDER, RECIPE, STATUS, REVIEW)
    },
    TAGS.name: "KeywordList",
    GENERATION_SECONDS.name: "Double",
}
"""Name to type, as `temporal operator search-attribute create` spells them."""

MEMO_CARD = "card"
"""Under which a workflow's memo says what never changes about it."""

BUDGET_WORKFLOW = "BudgetWorkflow"
WEBHOOK_WORKFLOW = "WebhookWorkflow"
RETENTION_WORKFLOW = "RetentionWorkflow"
RETENTION_SCHEDULE = "darkroom-retention"
"""Also what the ids of its workflows begin with."""
RESERVE = "reserve"
SETTLE = "settle"


def budget_id(tenant: str | None, blog: str | None) -> str:
    """The id of the workflow that keeps the books of a tenant, of a blog, or of everything."""
    if tenant is not None:
        return f"budget-tenant-{tenant}"
    return f"budget-blog-{blog}" if blog is not None else "budget-all"


def webhook_id(delivery_id: str) -> str:
    """The id of the workflow that delivers; all of one job or batch begin alike."""
    return f"webhook-{delivery_id}"
