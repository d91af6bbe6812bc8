"""The manifests: valid, complete, and of the same names as the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from domain.names import TASK_QUEUE, provider_queue
from providers.catalogue import load_catalogue
from settings import Settings
from tests.deploy.compose import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
CUSTOM = {"kustomization.yaml", "scaling.yaml"}
"""Kinds that Kubernetes itself does not know."""
FILES = sorted(FOLDER.glob("*.yaml"))


def objects(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text()))


def pods() -> list[dict[str, Any]]:
    found = [each for file in FILES for each in objects(file)]
    return [each["spec"]["template"]["spec"] for each in found if each["kind"] == "Deployment"]


@pytest.mark.parametrize(
    "file", [file for file in FILES if file.name not in CUSTOM], ids=lambda file: file.name
)
def test_it_is_what_kubernetes_takes(file: Path) -> None:
    validate = Path(sys.executable).with_name("kubernetes-validate")
    subprocess.run([validate, "--strict", file], check=True, capture_output=True)


def test_every_file_is_named_in_the_kustomization() -> None:
    text = (FOLDER / "kustomization.yaml").read_text()
    for file in FILES:
        assert file.name == "kustomization.yaml" or f"- {file.name}\n" in text


def test_workers_are_scaled_by_queues_that_there_are() -> None:
    queues = {TASK_QUEUE, *map(provider_queue, load_catalogue(ROOT / "none.toml").providers)}
    scaled = objects(FOLDER / "scaling.yaml")
    triggers = [trigger for each in scaled for trigger in each["spec"]["triggers"]]
    assert {trigger["metadata"]["taskQueue"] for trigger in triggers} <= queues
    deployments = {
        each["metadata"]["name"]
        for file in FILES
        for each in objects(file)
        if each["kind"] == "Deployment"
    }
    assert {each["spec"]["scaleTargetRef"]["name"] for each in scaled} <= deployments


def test_every_variable_of_ours_is_a_setting() -> None:
    known = {f"DARKROOM_{field.upper()}" for field in Settings.model_fields}
    [config] = objects(FOLDER / "settings.yaml")
    given = set(config["data"])
    for pod in pods():
        given |= {variable["name"] for variable in pod["containers"][0].get("env", [])}
    assert {name for name in given if name.startswith("DARKROOM_")} <= known


def test_workers_are_left_the_time_to_drain() -> None:
    workers = [pod for pod in pods() if pod["containers"][0]["command"][-1] == "worker"]
    assert len(workers) == 2
    for pod in workers:
        env = {each["name"]: each.get("value", "") for each in pod["containers"][0]["env"]}
        assert pod["terminationGracePeriodSeconds"] > float(env["DARKROOM_DRAIN_SECONDS"])


def test_no_container_may_more_than_it_needs() -> None:
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"]
        [container] = pod["containers"]
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"]
        assert not security["allowPrivilegeEscalation"]
        assert security["capabilities"] == {"drop": ["ALL"]}
