from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import InvalidRequest
from domain.jobs import JobRequest
from domain.webhooks import WebhookEvent
from pipeline.subscribing import Subscriptions, load_subscriptions
from providers.catalogue import CatalogueError
from tests.receivers import SECRET, secret

OURS, THEIRS, NEWER = secret(b"the secret of ours"), secret(b"of theirs"), secret(b"the newer one")
ENVIRON = {"OURS": OURS, "THEIRS": f"{NEWER}, {THEIRS}", "EMPTY": " ", "PLAIN": "hush-hush!"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "darkroom.toml"


def load(config: Path, written: str, secrets: tuple[str, ...] = ()) -> Subscriptions:
    config.write_text(written)
    return load_subscriptions(config, ENVIRON, secrets, frozenset({"desk.local", "127.0.0.1"}))


TWO = """
[[webhooks]]
url = "https://cms.example/hook"
secret_env = "OURS"

[[webhooks]]
tenant = "magazine"
url = "https://desk.example/hook"
events = ["job.started", "draft.awaiting_review"]
secret_env = "THEIRS"

[[webhooks]]
tenant = "magazine"
secret_env = "OURS"
"""


class TestLoad:
    def test_without_a_file_nobody_is_told(self, tmp_path: Path) -> None:
        none = load_subscriptions(tmp_path / "none.toml", {}, (), frozenset())
        assert none.of("default") == []
        assert none.secrets("default", "https://example.com/") == ()

    def test_each_tenant_has_its_own(self, config: Path) -> None:
        found = load(config, TWO)
        [ours], [theirs] = found.of("default"), found.of("magazine")
        assert (ours.url, ours.events) == ("https://cms.example/hook", None)
        assert theirs.wants(WebhookEvent.JOB_STARTED)
        assert not theirs.wants(WebhookEvent.JOB_COMPLETED)
        assert found.of("nobody") == []

    def test_the_secret_is_the_receivers_then_the_tenants_then_the_common_one(
        self, config: Path
    ) -> None:
        found = load(config, TWO, (SECRET,))
        assert found.secrets("magazine", "https://desk.example/hook") == (NEWER, THEIRS)
        assert found.secrets("magazine", "https://other.example/") == (OURS,)
        assert found.secrets("default", "https://cms.example/hook") == (OURS,)
        assert found.secrets("default", "https://other.example/") == (SECRET,)
        assert found.secrets("nobody", "https://desk.example/hook") == (SECRET,)

    @pytest.mark.parametrize(
        ("written", "problem"),
        [
            ("webhooks = 1", "are written [[webhooks]]"),
            ("[[webhooks]]\nurl = 'https://a.example'", "webhooks.1.secret_env"),
            ("[[webhooks]]\nsecret_env = 'MISSING'", "MISSING is empty"),
            ("[[webhooks]]\nsecret_env = 'EMPTY'", "EMPTY is empty"),
            ("[[webhooks]]\nsecret_env = 'PLAIN'", "PLAIN must be 'whsec_'"),
            ("[[webhooks]]\nsecret_env = 'OURS'\nurl = 'ftp://a.example'", "webhooks.1.url"),
            ("[[webhooks]]\nsecret_env = 'OURS'\nurl = 'http://10.0.0.1'", "private"),
            ("[[webhooks]]\nsecret_env = 'OURS'\nevents = []", "webhooks.1.events"),
            ("[[webhooks]]\nsecret_env = 'OURS'\nevents = ['job.vanished']", "webhooks.1.events"),
            ("[[webhooks]]\nsecret_env = 'OURS'\ntenant = 'a b'", "webhooks.1.tenant"),
            ("[[webhooks]]\nsecret_env = 'OURS'\nname = 'x'", "webhooks.1.name"),
            ("[[webhooks]]\nsecret_env = 'OURS'\n" * 2, "webhooks.2: the tenant has this url"),
        ],
    )
    def test_what_is_wrong_is_named_without_its_secret(
        self, config: Path, written: str, problem: str
    ) -> None:
        with pytest.raises(CatalogueError) as wrong:
            load(config, written)
        assert problem in str(wrong.value)
        assert "hush" not in str(wrong.value)

    def test_a_private_address_is_taken_where_it_is_allowed_by_name(self, config: Path) -> None:
        url = "http://desk.local/hook"
        found = load(config, f"[[webhooks]]\nsecret_env = 'OURS'\nurl = '{url}'")
        assert found.of("default")[0].url == url


class TestCheck:
    def test_an_address_that_nothing_signs_for_is_refused(self) -> None:
        with pytest.raises(InvalidRequest, match="DARKROOM_WEBHOOK_SECRET") as refused:
            Subscriptions([]).check("default", "https://example.com/", "webhook_url")
        assert refused.value.errors[0][0] == "webhook_url"

    def test_an_address_that_can_never_be_reached_is_refused(self) -> None:
        with pytest.raises(InvalidRequest, match="private"):
            Subscriptions([], (SECRET,)).check("default", "http://127.0.0.1/", "webhook_url")

    def test_any_other_is_not(self) -> None:
        Subscriptions([], (SECRET,)).check("default", "https://example.com/", "webhook_url")


class TestAttached:
    def test_a_request_that_nobody_hears_of_stays_as_it_was(
        self, draft_request: JobRequest
    ) -> None:
        assert Subscriptions([]).attached(draft_request, "https://here") is draft_request

    def test_a_tenants_receivers_come_after_the_requests_own_and_none_twice(
        self, config: Path, draft_request: JobRequest
    ) -> None:
        found = load(config, TWO)
        own = {"webhook_url": "https://own.example/", "tenant": "magazine"}
        request = found.attached(draft_request.model_copy(update=own), "https://here")
        assert request.base_url == "https://here"
        told = request.receivers(WebhookEvent.DRAFT_AWAITING_REVIEW)
        assert [(receiver.place, receiver.url) for receiver in told] == [
            (0, "https://own.example/"),
            (1, "https://desk.example/hook"),
        ]
        assert [r.place for r in request.receivers(WebhookEvent.JOB_STARTED)] == [1]
        assert [r.place for r in request.receivers(WebhookEvent.JOB_FAILED)] == [0]
        same = request.model_copy(update={"webhook_url": "https://desk.example/hook"})
        assert len(same.receivers(WebhookEvent.DRAFT_AWAITING_REVIEW)) == 1
