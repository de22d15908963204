"""Every path, command, service and variable that the Docker files name exists."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from clearlane_airflow import settings

ROOT = Path(__file__).resolve().parents[1]
VARIABLE = re.compile(r"\$\{(\w+)")
AIRFLOW_COMMANDS = {"api-server", "scheduler", "dag-processor", "triggerer"}
PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / "docker-compose.yaml").read_text()


@pytest.fixture(scope="module")
def compose(text: str) -> dict[str, Any]:
    return dict(yaml.safe_load(text))


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(compose["services"])


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


@pytest.fixture(scope="module")
def example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def ours(services: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services.items() if "build" in service}


def test_all_parts_are_there(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {"postgres", "prepare", "mail", *PARTS}


def test_variables_and_their_examples_are_the_same(text: str, example: dict[str, str]) -> None:
    assert set(VARIABLE.findall(text)) == set(example)


def test_a_secret_has_no_default(text: str, example: dict[str, str]) -> None:
    secrets = {name for name, value in example.items() if not value}
    assert secrets
    for name in secrets:
        assert set(re.findall(rf"\$\{{{name}(.)", text)) == {":"}
        assert len(re.findall(rf"\$\{{{name}:\?", text)) == len(re.findall(rf"\$\{{{name}", text))


def test_the_settings_are_the_shared_ones(services: dict[str, dict[str, Any]]) -> None:
    for service in ours(services).values():
        assert (ROOT / service["env_file"]).samefile(settings.FOLDER / "settings.env")
        assert set(service["environment"]) & set(settings.shared()) == set()


def test_the_environment_gives_what_the_demo_gives(
    services: dict[str, dict[str, Any]], dockerfile: str, tmp_path: Path
) -> None:
    demo = settings.environment(home=tmp_path, metadata_url="m", ledger_url="l", secret="s")
    in_image = set(re.findall(r"(\w+)=", dockerfile))
    own_port = {"AIRFLOW__API__PORT"}  # inside its container the api-server keeps the default
    for name in PARTS:
        given = set(services[name]["environment"]) | set(settings.shared()) | in_image
        assert set(demo) - own_port - given == set()


@pytest.mark.airflow
def test_airflow_knows_every_setting(services: dict[str, dict[str, Any]]) -> None:
    spec = importlib.util.find_spec("airflow")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("Airflow is not installed")
    described = Path(spec.submodule_search_locations[0], "config_templates", "config.yml").read_text()
    known = {
        f"AIRFLOW__{section}__{option}".upper()
        for section, content in yaml.safe_load(described).items()
        for option in content["options"]
    }
    asked = {key for key in services["scheduler"]["environment"] if key.startswith("AIRFLOW__")}
    assert asked
    assert asked - known == set()


def test_every_command_exists(services: dict[str, dict[str, Any]]) -> None:
    for service in ours(services).values():
        for words in (service["command"], service.get("healthcheck", {}).get("test", [])[1:]):
            if words:
                assert runs(words), words


def runs(words: list[str]) -> bool:
    if words[:2] == ["python", "-m"]:
        return importlib.util.find_spec(words[2]) is not None
    return words[0] == "airflow" and words[1] in AIRFLOW_COMMANDS


@pytest.mark.airflow
def test_airflow_has_these_commands() -> None:
    config = pytest.importorskip("airflow.cli.cli_config")
    assert {command.name for command in config.core_commands} >= AIRFLOW_COMMANDS


def test_every_health_check_asks_for_its_own_part(services: dict[str, dict[str, Any]]) -> None:
    for part in PARTS:
        assert services[part]["healthcheck"]["test"][-1] == part


def test_whoever_is_waited_for_can_be_waited_for(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        for name, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "healthcheck" in services[name]
            else:
                assert wait["condition"] == "service_completed_successfully"
                assert not services[name]["restart"].startswith(("always", "unless-stopped"))


def test_no_task_runs_before_the_execution_api_is_warm(services: dict[str, dict[str, Any]]) -> None:
    for part in set(PARTS) - {"api-server"}:
        assert services[part]["depends_on"] == {"api-server": {"condition": "service_healthy"}}


def test_every_mounted_path_exists(compose: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    mounts = [mount.split(":")[0] for service in services.values() for mount in service.get("volumes", [])]
    assert mounts
    for source in mounts:
        assert (ROOT / source).is_dir() if source.startswith("./") else source in compose["volumes"]


def test_ports_are_open_to_this_machine_only(services: dict[str, dict[str, Any]]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_image_copies_what_exists_and_is_let_in(dockerfile: str) -> None:
    copied = [source for line in re.findall(r"^COPY (.+)$", dockerfile, re.M) for source in line.split()[:-1]]
    let_in = (ROOT / ".dockerignore").read_text().splitlines()
    assert copied
    for source in copied:
        assert (ROOT / source).exists()
        assert f"!{source}" in let_in


def test_nobody_is_root(dockerfile: str, services: dict[str, dict[str, Any]]) -> None:
    assert re.findall(r"^USER (\S+)$", dockerfile, re.M) == ["50000"]
    assert all(service["user"].startswith("${CLEARLANE_UID:-50000}:") for service in ours(services).values())


def test_the_image_finds_the_code_where_it_lies(dockerfile: str) -> None:
    found = re.search(r"PYTHONPATH=(\S+)", dockerfile)
    assert found
    expected = [folder.relative_to(ROOT) for folder in settings.PYTHONPATH]
    assert [Path(folder).relative_to("/opt/clearlane") for folder in found[1].split(":")] == expected
