from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from domain.retention import Keeping
from pipeline.keeping import load_policy
from providers.catalogue import CatalogueError
from settings import ENV_FILE, Settings, SettingsError, load_settings, temporal_client_config


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of the test's own, and an environment in which nothing of ours is set."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(("DARKROOM_", "TEMPORAL_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    yield
    for name in set(os.environ) - set(before):
        monkeypatch.delenv(name)


class TestLoadSettings:
    def test_nothing_has_to_be_set(self) -> None:
        settings = load_settings()
        assert settings.host == "127.0.0.1"
        assert settings.stand_in is False
        assert settings.webhook_secret is None
        assert settings.review_seconds == 7 * 86400

    def test_a_variable_sets_its_field(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DARKROOM_PORT", "8080")
        monkeypatch.setenv("DARKROOM_REVIEW_DAYS", "0.5")
        monkeypatch.setenv("DARKROOM_S3_ENDPOINT", "http://store.example:9000/")
        settings = load_settings()
        assert settings.port == 8080
        assert settings.review_seconds == 43200
        assert settings.s3_url == "http://store.example:9000"

    def test_a_file_sets_it_too_and_the_environment_wins(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / ENV_FILE).write_text("DARKROOM_PORT=8080\nDARKROOM_LOG_LEVEL=debug\n")
        monkeypatch.setenv("DARKROOM_PORT", "9090")
        settings = load_settings()
        assert (settings.port, settings.log_level) == (9090, "debug")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("DARKROOM_PORT", "70000"),
            ("DARKROOM_PORT", "http"),
            ("DARKROOM_S3_ENDPOINT", "store:9000"),
            ("DARKROOM_S3_BUCKET", "x"),
            ("DARKROOM_PUBLIC_URL", "example.com"),
            ("DARKROOM_REVIEW_DAYS", "0"),
            ("DARKROOM_REVIEW_DAYS", "nan"),
            ("DARKROOM_BATCH_CONCURRENCY", "0"),
            ("DARKROOM_STAND_IN", "perhaps"),
            ("DARKROOM_LOG_LEVEL", "loud"),
            ("DARKROOM_LOG_FORMAT", "xml"),
            ("DARKROOM_WORKER_METRICS_PORT", "0"),
            ("DARKROOM_DRAIN_SECONDS", "-1"),
            ("DARKROOM_STUDIO_CONCURRENCY", "0"),
            ("DARKROOM_WEBHOOK_SECRET", "whsec_not base64!"),
            ("DARKROOM_API_KEYS", "dk_not-json"),
            ("DARKROOM_API_KEYS", '{"name": "one"}'),
            ("DARKROOM_API_KEYS", '[{"name": "no-hash", "scopes": ["read"]}]'),
            ("DARKROOM_CORS_ORIGINS", "desk.example"),
            ("DARKROOM_CORS_ORIGINS", "https://desk.example/"),
            ("DARKROOM_CORS_ORIGINS", "https://*.example"),
        ],
    )
    def test_a_wrong_value_is_named_by_its_variable(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        monkeypatch.setenv(name, value)
        with pytest.raises(SettingsError, match=name):
            load_settings()

    def test_all_that_is_wrong_is_named_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DARKROOM_PORT", "0")
        monkeypatch.setenv("DARKROOM_LOG_LEVEL", "loud")
        with pytest.raises(SettingsError) as wrong:
            load_settings()
        assert "DARKROOM_PORT" in str(wrong.value)
        assert "DARKROOM_LOG_LEVEL" in str(wrong.value)


class TestSecrets:
    def test_a_secret_is_never_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DARKROOM_WEBHOOK_SECRET", "whsec_c2VjcmV0c2VjcmV0c2VjcmV0")
        settings = load_settings()
        assert isinstance(settings.webhook_secret, SecretStr)
        assert settings.webhook_secret.get_secret_value() == "whsec_c2VjcmV0c2VjcmV0c2VjcmV0"
        for shown in (repr(settings), str(settings), settings.model_dump_json()):
            assert "c2VjcmV0" not in shown

    def test_a_secret_that_is_wrong_is_not_shown_either(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DARKROOM_PORT", "0")
        monkeypatch.setenv("DARKROOM_WEBHOOK_SECRET", "whsec_hush-hush!")
        with pytest.raises(SettingsError) as wrong:
            load_settings()
        assert "hush" not in str(wrong.value)

    def test_several_stand_there_while_they_are_rotated(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert load_settings().webhook_secrets == ()
        monkeypatch.setenv("DARKROOM_WEBHOOK_SECRET", "whsec_bmV3ZXI= whsec_b2xkZXI=")
        assert load_settings().webhook_secrets == ("whsec_bmV3ZXI=", "whsec_b2xkZXI=")


class TestSettings:
    @pytest.mark.parametrize(
        ("text", "hosts"),
        [
            ("", set()),
            ("localhost", {"localhost"}),
            (" a.example , b.example,", {"a.example", "b.example"}),
            (" , ", set()),
        ],
    )
    def test_hosts_are_separated_by_commas(self, text: str, hosts: set[str]) -> None:
        assert Settings(webhook_allow_hosts=text).webhook_hosts == hosts

    def test_keys_come_as_a_json_list(self, monkeypatch: pytest.MonkeyPatch) -> None:
        table = {"name": "bot", "scopes": ["read"], "sha256": "0" * 64}
        monkeypatch.setenv("DARKROOM_API_KEYS", json.dumps([table]))
        [key] = load_settings().api_keys
        assert (key.name, key.tenant) == ("bot", "default")
        monkeypatch.setenv("DARKROOM_API_KEYS", "")
        assert load_settings().api_keys == ()

    def test_the_keys_file_is_in_the_home_unless_said_otherwise(self) -> None:
        assert Settings(home=Path("house")).keys_path == Path("house/keys.toml")
        assert Settings(keys_file=Path("~/mine.toml")).keys_path == Path.home() / "mine.toml"

    def test_origins_are_separated_by_commas(self) -> None:
        origins = "https://desk.example, http://localhost:5173"
        assert Settings(cors_origins=origins).origins == set(origins.split(", "))
        assert Settings(cors_origins="*").origins == {"*"}

    def test_they_cannot_be_changed_behind_anyones_back(self) -> None:
        with pytest.raises(ValueError, match="frozen"):
            Settings().port = 1  # type: ignore[misc]

    @pytest.mark.parametrize("name", ["TEMPORAL_ADDRESS", "TEMPORAL_PROFILE"])
    def test_an_engine_elsewhere_is_noticed(
        self, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        assert Settings().expects_embedded_engine
        monkeypatch.setenv(name, "somewhere")
        assert not Settings().expects_embedded_engine

    def test_a_store_elsewhere_is_noticed(self) -> None:
        assert Settings().expects_embedded_store
        assert not Settings(s3_bucket="my-bucket").expects_embedded_store
        assert not Settings(s3_endpoint="http://store.example").expects_embedded_store


class TestTemporalClientConfig:
    def test_it_is_the_local_engine_unless_said_otherwise(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)
        config = temporal_client_config()
        assert (config["target_host"], config["namespace"]) == ("127.0.0.1:7233", "default")
        monkeypatch.setenv("TEMPORAL_ADDRESS", "engine.example:7233")
        monkeypatch.setenv("TEMPORAL_NAMESPACE", "pictures")
        config = temporal_client_config()
        assert (config["target_host"], config["namespace"]) == ("engine.example:7233", "pictures")


class TestSigning:
    def test_nothing_is_signed_unless_it_is_set_up(self) -> None:
        assert load_settings().signing is None

    def test_a_certificate_and_its_key_are_a_plan(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DARKROOM_C2PA_CERTIFICATE", "chain.pem")
        monkeypatch.setenv("DARKROOM_C2PA_PRIVATE_KEY", "key.pem")
        plan = load_settings().signing
        assert plan
        assert (plan.certificate, plan.private_key) == (Path("chain.pem"), Path("key.pem"))
        assert (plan.algorithm, plan.timestamp_url, plan.tells_comment) == (None, None, False)

    @pytest.mark.parametrize("alone", ["CERTIFICATE", "PRIVATE_KEY"])
    def test_one_without_the_other_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, alone: str
    ) -> None:
        monkeypatch.setenv(f"DARKROOM_C2PA_{alone}", "file.pem")
        with pytest.raises(SettingsError, match="go together"):
            load_settings()

    def test_an_algorithm_that_c2pa_lacks_is_refused_with_those_it_has(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DARKROOM_C2PA_ALGORITHM", "rs256")
        with pytest.raises(SettingsError, match=r"DARKROOM_C2PA_ALGORITHM: .*es256.*ed25519"):
            load_settings()


class TestKeeping:
    def test_what_an_editor_rejected_and_what_nobody_saw_goes_by_default(self) -> None:
        assert Settings().keeping == Keeping(rejected=90, failed=30)

    def test_days_and_forever_are_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DARKROOM_KEEP_REJECTED_DAYS", "forever")
        monkeypatch.setenv("DARKROOM_KEEP_EXPIRED_DAYS", "0")
        monkeypatch.setenv("DARKROOM_KEEP_UNREVIEWED_DAYS", "1.5")
        assert load_settings().keeping == Keeping(expired=0, unreviewed=1.5, failed=30)

    @pytest.mark.parametrize("days", ["", "-1", "soon", "nan", "36501"])
    def test_anything_else_is_refused_by_name(
        self, monkeypatch: pytest.MonkeyPatch, days: str
    ) -> None:
        monkeypatch.setenv("DARKROOM_KEEP_EXPIRED_DAYS", days)
        with pytest.raises(SettingsError, match="DARKROOM_KEEP_EXPIRED_DAYS"):
            load_settings()

    @pytest.mark.parametrize(
        ("written", "problem"),
        [
            ("[retention]", "written [[retention]]"),
            ("[[retention]]", "retention.1.tenant: Field required"),
            ('[[retention]]\ntenant = "a"\nrejected = 1', "retention.1.rejected: Extra"),
            ('[[retention]]\ntenant = "a"\nrejected_days = -1', "retention.1.rejected_days"),
            ('[[retention]]\ntenant = "a"\n[[retention]]\ntenant = "a"', "has a table already"),
        ],
    )
    def test_a_wrong_table_is_told(self, tmp_path: Path, written: str, problem: str) -> None:
        config = tmp_path / "darkroom.toml"
        config.write_text(written)
        with pytest.raises(CatalogueError, match=re.escape(problem)):
            load_policy(Keeping(), config)
