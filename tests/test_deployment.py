"""Dockerfile, compose files, Kubernetes manifest and .env.example: consistent with each other and with the options."""

from __future__ import annotations

import configparser
import json
import plistlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from asrcli.cli.commands.serve import ServeArguments
from asrcli.cli.commands.watch import WatchArguments
from asrcli.errors import ExitCode
from asrcli.options.declarations import declarations
from asrcli.server.http.auth import OPEN_PATHS
from asrcli.server.settings import ServerSettings

ROOT = Path(__file__).parents[1]
OPTIONS = {**declarations(ServeArguments), **declarations(ServerSettings)}
OTHERS = {name for declared in OPTIONS.values() for name in declared.option.variables}


def instructions(kind: str) -> list[str]:
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    pairs = [line.split(maxsplit=1) for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [rest for name, rest in pairs if name == kind]


def load(name: str) -> list[Any]:
    return list(yaml.safe_load_all((ROOT / name).read_text(encoding="utf-8")))


def is_setting(name: str) -> bool:
    option = name.removeprefix("ASRCLI_SERVE_").lower()
    return name in OTHERS or (name.startswith("ASRCLI_SERVE_") and option in {*OPTIONS, "log_json"})


@pytest.fixture
def service() -> dict[str, Any]:
    found: dict[str, Any] = load("compose.yaml")[0]["services"]["asrcli"]
    return found


def test_the_image_gets_every_file_that_the_package_is_built_from() -> None:
    allowed = set((ROOT / ".dockerignore").read_text(encoding="utf-8").split())
    for line in instructions("COPY"):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists()
            assert f"!{source}" in allowed, f".dockerignore excludes {source}"


def test_the_images_variables_are_settings() -> None:
    names = [pair.partition("=")[0] for line in instructions("ENV") for pair in shlex.split(line)]
    assert all(is_setting(name) for name in names if not name.startswith(("XDG_", "TMPDIR")))
    assert instructions("USER") == ["asrcli"]
    assert json.loads(instructions("CMD")[0]) == ["serve"]


def test_compose(service: dict[str, Any]) -> None:
    assert all(map(is_setting, service["environment"]))
    uid = re.search(r"--uid (\d+)", "".join(instructions("RUN")))
    assert uid is not None
    assert service["user"] == f"{uid[1]}:{uid[1]}"
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert any(mount.startswith("/tmp:") for mount in service["tmpfs"])
    targets = {volume.split(":")[1] for volume in service["volumes"] if not volume.startswith("$")}
    created = "".join(instructions("RUN"))
    assert all(target in created for target in targets), "a volume gets the owner of the image's folder"
    assert {volume.split(":")[0] for volume in service["volumes"][:2]} == set(load("compose.yaml")[0]["volumes"])
    ports = {port.rpartition(":")[2] for port in service["ports"]}
    assert ports == set(instructions("EXPOSE")[0].split())


def test_the_gpu_file_changes_the_same_service(service: dict[str, Any]) -> None:
    changed = load("compose.gpu.yaml")[0]["services"]["asrcli"]
    arguments = {line.partition("=")[0] for line in instructions("ARG")}
    assert set(changed["build"]["args"]) == arguments
    assert set(changed["environment"]) <= set(service["environment"])
    assert changed["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]


def test_env_example_sets_what_compose_reads() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    read = set(re.findall(r"\$\{(\w+)", text))
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^(\w+)=", example, re.MULTILINE)) == read


def test_kubernetes() -> None:
    claim, deployment, service = load("deploy/kubernetes.yaml")
    assert [each["kind"] for each in (claim, deployment, service)] == ["PersistentVolumeClaim", "Deployment", "Service"]
    assert [each["apiVersion"] for each in (claim, deployment, service)] == ["v1", "apps/v1", "v1"]
    pod = deployment["spec"]["template"]
    assert deployment["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"] == service["spec"]["selector"]
    container = pod["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} == set(ports)
    assert {str(port) for port in ports.values()} == set(instructions("EXPOSE")[0].split())
    for name, path in (("startup", "live"), ("liveness", "live"), ("readiness", "ready")):
        probe = container[f"{name}Probe"]["httpGet"]
        assert probe == {"path": f"/health/{path}", "port": "http"}
        assert probe["path"] in OPEN_PATHS, "probes send no key"
    flags = [word for word in container["args"] if word.startswith("--")]
    assert all(flag.lstrip("-").replace("-", "_") in OPTIONS for flag in flags)
    security = pod["spec"]["securityContext"] | container["securityContext"]
    assert security["runAsNonRoot"]
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    drain = declarations(ServerSettings)["drain_timeout"].default
    assert pod["spec"]["terminationGracePeriodSeconds"] > drain


def _code(page: str, language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_services_of_the_watch_run_a_valid_command() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(_code("docs/watching.md", "ini"))
    agent = plistlib.loads(_code("docs/watching.md", "xml").encode())
    known = declarations(WatchArguments)
    for command in (shlex.split(unit["Service"]["ExecStart"]), agent["ProgramArguments"]):
        assert command[1] == "watch"
        assert Path(command[2]).is_absolute()
        assert {word[2:].replace("-", "_") for word in command if word.startswith("--")} <= set(known)
    codes = {int(code) for code in unit["Service"]["SuccessExitStatus"].split()}
    assert codes == {ExitCode.INTERRUPTED, ExitCode.TERMINATED}
