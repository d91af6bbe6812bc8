"""Builds the providers that can be used here, and says what the others lack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec

from providers.base import Provider
from providers.catalogue import Catalogue, ProviderEntry
from providers.studio.provider import Studio


@dataclass(frozen=True)
class Connection:
    """What an adapter is built from."""

    name: str
    entry: ProviderEntry
    base_url: str | None
    """Without a trailing slash; None for the vendor's own."""
    api_key: str | None
    uses_own_auth: bool = False
    """The SDK finds its credentials by itself, by settings of its own in the environment."""


@dataclass(frozen=True)
class Kind:
    """An adapter: where its class is, and what it needs.

    `adapter` is `module:Class`, imported only where the provider is used: a vendor's SDK is heavy.
    """

    adapter: str
    key_env: str | None = None
    base_url_env: str | None = None
    packages: tuple[str, ...] = ()
    extra: str | None = None
    needs_base_url: bool = False
    own_auth_env: tuple[str, ...] = ()
    """Switches of the SDK's own that make our key needless; the first that is set decides."""

    def build(self, connection: Connection) -> Provider:
        """The adapter for a configured provider."""
        module, _, name = self.adapter.partition(":")
        made: Provider = getattr(import_module(module), name)(connection)
        return made


KINDS = {
    "openai": Kind(
        "providers.openai:OpenAI", "OPENAI_API_KEY", "OPENAI_BASE_URL", ("openai",), "openai"
    ),
    "gemini": Kind(
        "providers.gemini:Gemini",
        "GEMINI_API_KEY",
        "GEMINI_BASE_URL",
        ("google.genai",),
        "gemini",
        own_auth_env=("GOOGLE_GENAI_USE_ENTERPRISE", "GOOGLE_GENAI_USE_VERTEXAI"),
    ),
    "stability_ai": Kind(
        "providers.stability_ai:Stability", "STABILITY_API_KEY", "STABILITY_BASE_URL"
    ),
    "replicate": Kind(
        "providers.replicate:Replicate",
        "REPLICATE_API_TOKEN",
        "REPLICATE_BASE_URL",
        ("replicate",),
        "replicate",
    ),
    "fal": Kind("providers.fal:Fal", "FAL_KEY", "FAL_BASE_URL"),
    "bfl": Kind("providers.bfl:BlackForestLabs", "BFL_API_KEY", "BFL_BASE_URL"),
    "huggingface": Kind(
        "providers.huggingface:HuggingFace",
        "HF_TOKEN",
        "HF_BASE_URL",
        ("huggingface_hub",),
        "huggingface",
    ),
    "comfyui": Kind(
        "providers.comfyui:ComfyUI",
        base_url_env="COMFYUI_BASE_URL",
        packages=("websockets",),
        extra="comfyui",
        needs_base_url=True,
    ),
    "diffusers": Kind(
        "providers.diffusers:Diffusers",
        packages=("diffusers", "torch", "transformers"),
        extra="diffusers",
    ),
}


@dataclass(frozen=True)
class Roster:
    """Every provider of the catalogue: built, or with the one line that fixes it."""

    providers: dict[str, Provider]
    """Those that can be used in this process, by name."""
    problems: dict[str, str] = field(default_factory=dict)
    """What each of the others lacks and what to do about it."""
    elsewhere: frozenset[str] = frozenset()
    """Those that are offered although only another worker can serve them."""

    @property
    def offered(self) -> frozenset[str]:
        """The providers that a request may name."""
        return frozenset(self.providers) | self.elsewhere

    async def close(self) -> None:
        """Let go of connections."""
        for provider in self.providers.values():
            await provider.close()


def build_roster(
    catalogue: Catalogue, environment: Mapping[str, str], studio_concurrency: int
) -> Roster:
    """Build what is configured; makes no call, and imports no SDK that is not used."""
    providers: dict[str, Provider] = {Studio.NAME: Studio(studio_concurrency)}
    problems = what_lacks(catalogue, environment)
    elsewhere = {name for name in problems if catalogue.providers[name].enabled}
    for name, entry in catalogue.providers.items():
        if name not in providers and name not in problems:
            providers[name] = KINDS[entry.kind or name].build(_connect(name, entry, environment))
    lacking = {name: problem for name, problem in problems.items() if name not in elsewhere}
    return Roster(providers, lacking, frozenset(elsewhere))


def what_lacks(catalogue: Catalogue, environment: Mapping[str, str]) -> dict[str, str]:
    """The providers that cannot be used in this process, each with the line that fixes it."""
    problems = {
        name: _problem(name, entry, environment)
        for name, entry in catalogue.providers.items()
        if name != Studio.NAME
    }
    return {name: problem for name, problem in problems.items() if problem is not None}


def _problem(name: str, entry: ProviderEntry, environment: Mapping[str, str]) -> str | None:
    """What is missing and the line that fixes it; None where nothing is."""
    kind = KINDS.get(entry.kind or name)
    if kind is None:
        known = ", ".join(sorted(KINDS))
        return f"set kind in [providers.{name}] of darkroom.toml to one of: {known}"
    if entry.enabled is False:
        return f"set enabled = true in [providers.{name}] of darkroom.toml"
    if not all(_is_installed(package) for package in kind.packages):
        return f"pip install 'darkroom[{kind.extra}]'"
    key_env = _key_env(entry, kind, environment)
    if key_env and not _key(key_env, environment):
        return f"set {key_env}"
    if kind.needs_base_url and _base_url(entry, kind, environment) is None:
        return f"set {kind.base_url_env}"
    return None


def _connect(name: str, entry: ProviderEntry, environment: Mapping[str, str]) -> Connection:
    kind = KINDS[entry.kind or name]
    key_env = _key_env(entry, kind, environment)
    return Connection(
        name=name,
        entry=entry,
        base_url=_base_url(entry, kind, environment),
        api_key=_key(key_env, environment) if key_env else None,
        uses_own_auth=_uses_own_auth(entry, kind, environment),
    )


def _key_env(entry: ProviderEntry, kind: Kind, environment: Mapping[str, str]) -> str | None:
    """The variable with the key; None where none is needed.

    A server of one's own is shown only the key that is meant for it.
    """
    needs_none = _is_own_server(entry) or _uses_own_auth(entry, kind, environment)
    return entry.api_key_env or (None if needs_none else kind.key_env)


def _key(key_env: str, environment: Mapping[str, str]) -> str | None:
    """Without the line break that a key from a file ends with: no header can hold one."""
    return environment.get(key_env, "").strip() or None


def _is_own_server(entry: ProviderEntry) -> bool:
    return entry.kind is not None and entry.base_url is not None


def _uses_own_auth(entry: ProviderEntry, kind: Kind, environment: Mapping[str, str]) -> bool:
    if entry.api_key_env or _is_own_server(entry):
        return False
    said = next((environment[name] for name in kind.own_auth_env if name in environment), "")
    return said.lower() in ("true", "1")


def _base_url(entry: ProviderEntry, kind: Kind, environment: Mapping[str, str]) -> str | None:
    """The provider's own address in `darkroom.toml`, else the kind's variable."""
    found = str(entry.base_url) if entry.base_url else environment.get(kind.base_url_env or "")
    return found.rstrip("/") if found else None


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False
