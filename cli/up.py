"""`darkroom up`: a whole Darkroom on this machine, from the engine to the API, in one command."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from api.keyring import all_keys
from cli import embedded
from cli.errors import told_in_one_sentence
from cli.home import ChildrenLock, claimed, prepare_home, writing_to
from cli.preflight import check_exposure, check_ports
from cli.supervisor import Child, NotReadyError, ReadyCheck, Supervisor
from domain.keys import ApiKey
from pipeline.developing import load_assets
from pipeline.house import load_house
from pipeline.keeping import load_policy
from pipeline.marking import load_mark_reader, load_sealer
from pipeline.planning import STAND_IN
from pipeline.spending import load_budgets
from pipeline.subscribing import load_subscriptions
from providers.catalogue import load_catalogue
from providers.registry import what_lacks
from settings import Settings, load_settings
from version import VERSION

CODE_ROOT = Path(__file__).resolve().parent.parent

# The stop times of all children add up to less than 20 s: 3 + 11 + 2 + 2.
API_STOP_SECONDS = 3.0
WORKER_STOP_SECONDS = 11.0
WORKER_DRAIN_SECONDS = 10.0
WORKER_METRICS_PORT = 9464

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What `up` runs, in the order in which it starts."""

    home: Path
    settings: Settings
    bases: tuple[Child, ...]
    """Engine and store, unless both are outside."""
    services: tuple[Child, ...]
    """API and worker."""
    vendors: str
    """Who renders, for the banner."""
    keys: int


def up(
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Serve whoever reaches it, though there are no API keys."),
    ] = False,
) -> None:
    """Start the engine, the store, a worker and the API; Ctrl-C drains and stops them."""
    with told_in_one_sentence():
        settings = load_settings()
        settings = settings.model_copy(update={"insecure": insecure or settings.insecure})
        has_keys = bool(_keys(settings))
        check_exposure(settings.host, insecure=settings.insecure, has_keys=has_keys)
        run(settings, CODE_ROOT)


def run(settings: Settings, code_root: Path) -> None:
    """Run `code_root`'s worker and API, and what they need, until asked to stop.

    Raises `CommandError` if something is in the way or does not become ready.
    """
    console = Console(soft_wrap=True, highlight=False)

    def say(line: str) -> None:
        console.print(Text(line, style="dim"))

    home = prepare_home(settings.home)
    with claimed(home, say) as children_lock:
        check_ports(_ports(settings))
        with writing_to(home):
            plan = compose(home, settings, code_root)
        asyncio.run(_run(plan, children_lock, console, say))


async def _run(plan: Plan, children_lock: ChildrenLock, console: Console, say: Say) -> None:
    supervisor = Supervisor(logs=plan.home / "logs", children_lock=children_lock, say=say)
    with _signals(supervisor, say) as asked_to_stop:
        async with supervisor:
            begun_at = time.time()
            if await _started(supervisor, plan, say, asked_to_stop):
                console.print(banner(plan))
                tidying = asyncio.to_thread(embedded.remove_unfinished, plan.home, begun_at)
                await asyncio.gather(asked_to_stop.wait(), tidying)
    say("stopped")


async def _started(
    supervisor: Supervisor, plan: Plan, say: Say, asked_to_stop: asyncio.Event
) -> bool:
    """Start everything; False if we were asked to stop before it was ready."""

    async def start() -> None:
        for children in (plan.bases, plan.services):
            if children:
                say(f"starting {' and '.join(child.name for child in children)}")
                await supervisor.start(*children)

    starting = asyncio.create_task(start())
    stopping = asyncio.create_task(asked_to_stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if starting.done():
        starting.result()
        return True
    starting.cancel()
    await asyncio.wait({starting})
    return False


@contextmanager
def _signals(supervisor: Supervisor, say: Say) -> Iterator[asyncio.Event]:
    """An event that the first Ctrl-C, SIGTERM or hang-up sets; the second kills everything."""
    asked_to_stop = asyncio.Event()

    def on_signal() -> None:
        if asked_to_stop.is_set():
            supervisor.kill()
            return
        asked_to_stop.set()
        say("stopping; once more to stop without waiting")

    loop = asyncio.get_running_loop()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        numbers.append(signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, on_signal)
    try:
        yield asked_to_stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def compose(home: Path, settings: Settings, code_root: Path) -> Plan:
    """Everything that `up` runs with these settings.

    Raises `CommandError` on a missing program, `CatalogueError` on a wrong `darkroom.toml`,
    `CredentialsError` on a certificate that cannot sign.
    """
    # What is wrong in these is said before anything starts.
    load_assets(settings.config)
    load_budgets(settings.config)
    load_mark_reader(settings.c2pa_trust_anchors)
    load_sealer(settings.signing, VERSION)
    load_house(settings.config, load_catalogue(settings.config))
    load_subscriptions(
        settings.config, os.environ, settings.webhook_secrets, settings.webhook_hosts
    )
    load_policy(settings.keeping, settings.config)
    env = {**os.environ, **_common_environment(home, code_root)}
    env["DARKROOM_INSECURE"] = str(settings.insecure).lower()
    bases: list[Child] = []
    if settings.expects_embedded_engine:
        codec_url = f"{_browse_url(settings)}/api/v1/codec" if settings.encryption_keys else None
        bases.append(
            embedded.engine(home, settings.temporal_port, settings.temporal_ui_port, codec_url)
        )
        env = {**_without(env, "TEMPORAL_"), **engine_environment(settings)}
        if codec_url:
            pages = (settings.cors_origins, _temporal_ui_url(settings))
            env["DARKROOM_CORS_ORIGINS"] = ",".join(filter(None, pages))
    if settings.expects_embedded_store:
        keys = embedded.store_keys(home)
        bases.append(embedded.store(home, settings.s3_port, settings.s3_bucket, keys))
        env = {**_without(env, "AWS_"), **_store_environment(settings, keys)}
    services = (_api(settings, env, code_root), _worker(settings, env, code_root))
    return Plan(home, settings, tuple(bases), services, _vendors(settings), len(_keys(settings)))


def banner(plan: Plan) -> Text:
    """The addresses, something to try, and where things are."""
    url = _browse_url(plan.settings)
    lines = {
        "desk": f"{url}   where drafts are reviewed",
        "API": f"{url}/docs",
        "Temporal": _temporal_ui_url(plan.settings),
        "data": str(plan.home),
        "logs": str(plan.home / "logs"),
        "vendors": plan.vendors,
        "keys": _told_of_keys(plan),
        "stop": "Ctrl-C",
        "try": _curl(url, has_keys=bool(plan.keys)),
    }
    told = [Text.assemble((f"{name:<10}", "bold"), line) for name, line in lines.items() if line]
    return Text("\n").join([Text(), *told, Text()])


def _vendors(settings: Settings) -> str:
    """The vendors that can be used; raises `CatalogueError`."""
    catalogue = load_catalogue(settings.config)
    usable = set(catalogue.providers) - set(what_lacks(catalogue, os.environ)) - {STAND_IN}
    if not usable:
        return "none has a key; the built-in `studio` stands in for whichever is named"
    return ", ".join(sorted(usable))


def _keys(settings: Settings) -> list[ApiKey]:
    """Every API key; raises `CatalogueError`."""
    return all_keys(settings.config, settings.keys_path, settings.api_keys)


def _told_of_keys(plan: Plan) -> str:
    if plan.keys:
        return f"{plan.keys}; `darkroom keys list` shows them"
    if plan.settings.insecure:
        return "none, and whoever reaches it is served"
    return "none, so only this machine is served; `darkroom keys create` changes that"


def _api(settings: Settings, env: Mapping[str, str], code_root: Path) -> Child:
    return Child(
        name="api",
        argv=[
            *(sys.executable, "-m", "uvicorn", "api.app:create_app", "--factory"),
            *("--app-dir", str(code_root), "--host", settings.host, "--port", str(settings.port)),
            *("--no-access-log", "--log-level", settings.log_level),
            *("--timeout-graceful-shutdown", f"{API_STOP_SECONDS - 1:.0f}"),
        ],
        env=env,
        ready=_answers_200(f"{_browse_url(settings)}/health/live"),
        ready_seconds=60.0,
        stop_seconds=API_STOP_SECONDS,
    )


def _worker(settings: Settings, env: Mapping[str, str], code_root: Path) -> Child:
    drain_seconds = min(settings.drain_seconds, WORKER_DRAIN_SECONDS)
    return Child(
        name="worker",
        argv=[sys.executable, str(code_root / "worker.py")],
        env={
            **env,
            "DARKROOM_DRAIN_SECONDS": str(drain_seconds),
            "DARKROOM_WORKER_METRICS_PORT": str(_metrics_port(settings)),
        },
        ready=_answers_200(f"{_browse_url(settings)}/health/ready"),
        ready_seconds=60.0,
        stop_seconds=WORKER_STOP_SECONDS,
    )


def _answers_200(url: str) -> ReadyCheck:
    async def check() -> None:
        response = await embedded.get(url)
        if response.status_code != 200:
            raise NotReadyError(f"{url} answered {response.status_code}: {response.text[:500]}")

    return check


def _common_environment(home: Path, code_root: Path) -> dict[str, str]:
    return {
        "DARKROOM_HOME": str(home),
        "DARKROOM_STAND_IN": "true",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(code_root), os.environ.get("PYTHONPATH")))),
        # The user's folder may hold an `api` or a `settings.py` of its own.
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        # Bytecode is kept even where the user's shell says not to: a restart is then a second.
        "PYTHONDONTWRITEBYTECODE": "",
        # `.env` is in our environment already; read again, it would undo what is left out here.
        "PYTHON_DOTENV_DISABLED": "1",
        "NO_PROXY": _no_proxy(),
        "no_proxy": _no_proxy(),
    }


def engine_environment(settings: Settings) -> dict[str, str]:
    """How the embedded engine is reached."""
    return {
        "TEMPORAL_ADDRESS": f"{embedded.LOOPBACK}:{settings.temporal_port}",
        "TEMPORAL_NAMESPACE": embedded.NAMESPACE,
        "TEMPORAL_CONFIG_FILE": os.devnull,
        "DARKROOM_TEMPORAL_UI_URL": _temporal_ui_url(settings),
    }


def _store_environment(settings: Settings, keys: embedded.StoreKeys) -> dict[str, str]:
    return {
        "DARKROOM_S3_ENDPOINT": f"http://{embedded.LOOPBACK}:{settings.s3_port}",
        "DARKROOM_S3_BUCKET": settings.s3_bucket,
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_REGION": embedded.REGION,
        "AWS_DEFAULT_REGION": embedded.REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _ports(settings: Settings) -> dict[str, tuple[str, int]]:
    """What will be listened on, by the setting that moves it."""
    ports = {"DARKROOM_PORT": (settings.host, settings.port)}
    if settings.expects_embedded_engine:
        ports["DARKROOM_TEMPORAL_PORT"] = (embedded.LOOPBACK, settings.temporal_port)
        ports["DARKROOM_TEMPORAL_UI_PORT"] = (embedded.LOOPBACK, settings.temporal_ui_port)
    if settings.expects_embedded_store:
        ports["DARKROOM_S3_PORT"] = (embedded.LOOPBACK, settings.s3_port)
    metrics = (settings.worker_metrics_host, _metrics_port(settings))
    ports["DARKROOM_WORKER_METRICS_PORT"] = metrics
    return ports


def _metrics_port(settings: Settings) -> int:
    return settings.worker_metrics_port or WORKER_METRICS_PORT


def _temporal_ui_url(settings: Settings) -> str:
    if settings.temporal_ui_url:
        return str(settings.temporal_ui_url)
    if settings.expects_embedded_engine:
        return f"http://{embedded.LOOPBACK}:{settings.temporal_ui_port}"
    return ""


def _browse_url(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://{host}:{settings.port}"


def _curl(url: str, *, has_keys: bool) -> str:
    prompt = "a lighthouse at dusk, seen from the sea"
    body = f'{{"prompt": "{prompt}", "quality": "draft", "aspect_ratio": "16:9"}}'
    path = "/api/v1/images/generate-async"
    key = ' -H "Authorization: Bearer $DARKROOM_KEY"' if has_keys else ""
    return f"curl -s {url}{path}{key} -H 'Content-Type: application/json' -d '{body}'"


def _no_proxy() -> str:
    given = os.environ.get("NO_PROXY") or os.environ.get("no_proxy")
    return ",".join(filter(None, (given, embedded.LOOPBACK, "localhost")))


def _without(env: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name: value for name, value in env.items() if not name.startswith(prefix)}
