"""What an operator may set, typed and validated; read once by each composition root.

The composition roots are `worker.main`, the API's lifespan and the command line. The connection
to the engine is not here: `temporalio.envconfig` reads `TEMPORAL_*`, see `temporal_client_config`.
"""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from dotenv import load_dotenv
from pydantic import (
    AnyHttpUrl,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from temporalio.envconfig import ClientConfig, ClientConnectConfig

from domain.keys import ApiKey
from domain.provenance import SigningAlgorithm, SigningPlan
from domain.retention import Days, Keeping
from domain.webhooks import signing_secrets

Port = Annotated[int, Field(ge=1, le=65535)]

ENV_FILE = ".env"
_CIPHER_KEY_BYTES = 32
_ORIGIN = re.compile(r"https?://[^/\s?#*]+")


class SettingsError(Exception):
    """A setting is wrong; the message names it and what it takes, never its value if secret."""


class Settings(BaseSettings):
    """Every setting of Darkroom; the variable is the upper-case name after `DARKROOM_`."""

    model_config = SettingsConfigDict(
        env_prefix="DARKROOM_",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    host: str = "127.0.0.1"
    port: Port = 8000
    home: Path = Path(".darkroom")
    temporal_port: Port = 7233
    temporal_ui_port: Port = 8233
    s3_port: Port = 9000

    s3_endpoint: AnyHttpUrl | None = None
    s3_bucket: str = Field(default="darkroom", min_length=3, max_length=63)

    public_url: AnyHttpUrl | None = None
    """Where browsers reach the API; else the address each request came to."""
    asset_base_url: AnyHttpUrl | None = None
    """A CDN or public bucket that serves the stored images; else the API serves them."""
    temporal_ui_url: AnyHttpUrl | None = None

    api_keys: Annotated[tuple[ApiKey, ...], NoDecode] = ()
    """As in `[[keys]]`, in the environment as a JSON list: for containers."""
    keys_file: Path | None = None
    """Where `darkroom keys` keeps its keys; `keys.toml` in the home where it is not said."""
    insecure: bool = False
    """Serve whoever reaches the API, though there are no keys."""
    cors_origins: str = ""
    """Origins, comma separated, whose pages may call the API from a browser; `*` for any."""

    config: Path = Path("darkroom.toml")
    stand_in: bool = False
    """Render for a vendor that is not configured with `studio`; `darkroom up` turns it on."""

    review_days: float = Field(default=7.0, gt=0, le=365)
    batch_concurrency: int = Field(default=20, ge=1, le=500)
    max_body_bytes: int = Field(default=24 * 1024 * 1024, ge=1024)
    poll_interval_seconds: float = Field(default=0.5, gt=0, le=10)
    patience_seconds: float = Field(default=2.0, gt=0, le=60)
    """How long the API waits for the engine to accept a job; a part of it for all else."""
    keep_alive_seconds: float = Field(default=15.0, gt=0, le=300)
    """Between the comments that keep a silent stream of events open through proxies."""

    webhook_secret: SecretStr | None = None
    """Standard Webhooks secret (`whsec_` and base64) that signs what `webhook_url` receives.

    Several, with spaces or commas between, while it is rotated: each signs.
    """
    webhook_allow_hosts: str = ""
    """Host names, comma separated, that webhooks may reach at private addresses."""
    reference_allow_hosts: str = ""
    """As these, but where references, sources and masks may come from."""
    on_unknown_outcome: Literal["retry", "fail"] = "retry"
    """What follows a paid call whose answer was never seen: one more try, or the job's end."""

    c2pa_certificate: Path | None = None
    """PEM: the certificate that finals are signed with, then what it was issued by."""
    c2pa_private_key: Path | None = None
    """PEM: its key."""
    c2pa_algorithm: SigningAlgorithm | None = None
    """The one that suits the key, unless it is said."""
    c2pa_timestamp_url: AnyHttpUrl | None = None
    """A timestamp authority (RFC 3161) that each signature asks."""
    c2pa_comment: bool = False
    """Put the editor's comment into the file too."""
    c2pa_trust_anchors: Path | None = None
    """PEM: the certificates that count as trusted where marks are read back."""

    encryption_key: SecretStr | None = None
    """256 bits in base64, with which the engine's payloads are encrypted; in the clear without.

    Several, with spaces or commas between, while it is rotated: the first encrypts, each decrypts.
    """
    keep_rejected_days: Days = 90
    keep_expired_days: Days = None
    keep_unreviewed_days: Days = None
    keep_failed_days: Days = 30
    """For how many days images are kept, by class; `forever` for None."""

    studio_concurrency: int = Field(default_factory=lambda: os.cpu_count() or 2, ge=1)
    worker_providers: str = ""
    """Names, comma separated: a worker serves only these providers' queues, and no workflows."""
    heartbeat_seconds: float = Field(default=0.8, ge=0.1, le=3.0)
    """How often a render tells the engine its progress and hears of a cancel."""
    drain_seconds: float = Field(default=30.0, ge=0)
    """How long a worker that was asked to stop lets running activities finish."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    worker_metrics_host: str = "127.0.0.1"
    worker_metrics_port: Port | None = None
    """Where a worker serves its metrics; nowhere unless set, which `darkroom up` does."""

    @field_validator("webhook_secret")
    @classmethod
    def _is_a_standard_webhooks_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            signing_secrets(secret.get_secret_value())
        return secret

    @field_validator("encryption_key")
    @classmethod
    def _is_of_256_bits(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            _cipher_keys(key.get_secret_value())
        return key

    @field_validator("api_keys", mode="before")
    @classmethod
    def _is_a_json_list(cls, keys: Any) -> Any:
        if not isinstance(keys, str):
            return keys
        try:
            listed = json.loads(keys or "[]")
        except ValueError:
            listed = None
        if not isinstance(listed, list):
            raise ValueError("must be a JSON list of objects with name, tenant, scopes and sha256")
        return listed

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: str) -> str:
        for origin in _listed(origins) - {"*"}:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"'{origin}' is no origin: https://pictures.example, without a /")
        return origins

    @model_validator(mode="after")
    def _certificate_and_key(self) -> Self:
        if (self.c2pa_certificate is None) != (self.c2pa_private_key is None):
            raise ValueError("DARKROOM_C2PA_CERTIFICATE and DARKROOM_C2PA_PRIVATE_KEY go together")
        return self

    @property
    def signing(self) -> SigningPlan | None:
        """How finals are to be signed; None where there is no certificate."""
        if self.c2pa_certificate is None or self.c2pa_private_key is None:
            return None
        return SigningPlan(
            certificate=self.c2pa_certificate.expanduser(),
            private_key=self.c2pa_private_key.expanduser(),
            algorithm=self.c2pa_algorithm,
            timestamp_url=str(self.c2pa_timestamp_url) if self.c2pa_timestamp_url else None,
            tells_comment=self.c2pa_comment,
        )

    @property
    def keys_path(self) -> Path:
        """The file that `darkroom keys` writes."""
        return (self.keys_file or self.home / "keys.toml").expanduser()

    @property
    def origins(self) -> frozenset[str]:
        """The origins in `cors_origins`."""
        return _listed(self.cors_origins)

    @property
    def image_origins(self) -> list[str]:
        """Whence images are loaded that this API does not serve under the address it came by."""
        urls = (self.public_url, self.asset_base_url)
        return sorted({_origin(url) for url in urls if url is not None})

    @property
    def keeping(self) -> Keeping:
        """How long images are kept where their tenant has no other wish."""
        return Keeping(
            rejected=self.keep_rejected_days,
            expired=self.keep_expired_days,
            unreviewed=self.keep_unreviewed_days,
            failed=self.keep_failed_days,
        )

    @property
    def review_seconds(self) -> float:
        """How long a draft awaits review."""
        return self.review_days * 86400.0

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """The secrets in `webhook_secret`; empty where there is none."""
        secret = self.webhook_secret
        return signing_secrets(secret.get_secret_value()) if secret is not None else ()

    @property
    def encryption_keys(self) -> tuple[bytes, ...]:
        """The keys in `encryption_key`, the one that encrypts first; empty where there is none."""
        key = self.encryption_key
        return _cipher_keys(key.get_secret_value()) if key is not None else ()

    @property
    def webhook_hosts(self) -> frozenset[str]:
        """The names in `webhook_allow_hosts`."""
        return _listed(self.webhook_allow_hosts.lower())

    @property
    def reference_hosts(self) -> frozenset[str]:
        """The names in `reference_allow_hosts`."""
        return _listed(self.reference_allow_hosts.lower())

    @property
    def worker_only(self) -> frozenset[str]:
        """The names in `worker_providers`."""
        return _listed(self.worker_providers)

    @property
    def s3_url(self) -> str | None:
        """The store's address without a trailing slash; None for AWS itself."""
        return str(self.s3_endpoint).rstrip("/") if self.s3_endpoint else None

    @property
    def expects_embedded_engine(self) -> bool:
        """Whether `darkroom up` brings its own Temporal server."""
        return not any(os.environ.get(name) for name in _OUTSIDE_ENGINE)

    @property
    def expects_embedded_store(self) -> bool:
        """Whether `darkroom up` brings its own S3 server."""
        return self.s3_endpoint is None and "s3_bucket" not in self.model_fields_set


_OUTSIDE_ENGINE = ("TEMPORAL_ADDRESS", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE")


def _origin(url: AnyHttpUrl) -> str:
    port = f":{url.port}" if url.port != {"http": 80, "https": 443}[url.scheme] else ""
    return f"{url.scheme}://{url.host}{port}"


def _cipher_keys(text: str) -> tuple[bytes, ...]:
    """Keys of 32 bytes, in base64; raises `ValueError`."""
    try:
        keys = tuple(base64.b64decode(key, validate=True) for key in text.replace(",", " ").split())
    except ValueError:
        keys = ()
    if not keys or {len(key) for key in keys} != {_CIPHER_KEY_BYTES}:
        raise ValueError("must be 32 bytes in base64, as `openssl rand -base64 32` gives")
    return keys


def _listed(names: str) -> frozenset[str]:
    return frozenset(name.strip() for name in names.split(",") if name.strip())


def load_settings() -> Settings:
    """Read the environment and `.env`; raises `SettingsError` naming each variable that is wrong.

    `.env` goes into the process's environment, where it never overrides, so that `TEMPORAL_*` and
    `AWS_*` may stand in it too.
    """
    load_dotenv(ENV_FILE, override=False)
    try:
        return Settings()
    except ValidationError as error:
        problems = [f"{_variable(item['loc'])}: {item['msg']}" for item in error.errors()]
        raise SettingsError("; ".join(problems)) from None


def _variable(location: tuple[int | str, ...]) -> str:
    name = str(location[0]) if location else "settings"
    return name.upper() if name.upper().startswith("DARKROOM_") else f"DARKROOM_{name.upper()}"


def temporal_client_config() -> ClientConnectConfig:
    """Address, namespace, TLS and key of the engine, from `TEMPORAL_*` variables or a profile.

    Source: Temporal's environment configuration, `temporalio.envconfig`.
    """
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "127.0.0.1:7233")
    config.setdefault("namespace", "default")
    return config
