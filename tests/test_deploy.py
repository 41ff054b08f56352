import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DATA_SOURCES = ROOT / "deploy/grafana/provisioning/datasources/datasources.yaml"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, continuation lines joined."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.partition(" ")[0], " ".join(line.partition(" ")[2].split())) for line in lines]


def of(name: str) -> list[str]:
    return [arguments for instruction, arguments in instructions() if instruction == name]


def test_compose_has_the_whole_stack() -> None:
    """Telescrub, its three destinations and a place to look at them."""
    assert set(SERVICES) == {"telescrub", "prometheus", "jaeger", "loki", "grafana"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_are_pinned(name: str) -> None:
    """A whole version, never latest."""
    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", SERVICES[name]["image"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_ports_are_published_on_this_machine_only(name: str) -> None:
    """None of the services has authentication here."""
    assert SERVICES[name]["ports"]
    for port in SERVICES[name]["ports"]:
        assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port)


def test_no_port_is_published_twice() -> None:
    """Compose would fail at start."""
    ports = [port for service in SERVICES.values() for port in service["ports"]]
    assert len(ports) == len(set(ports))


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_volumes_exist(name: str) -> None:
    """A mounted path is in the repository and read-only; a named volume is declared."""
    for volume in SERVICES[name].get("volumes", ()):
        source, _, target = volume.partition(":")
        if source.startswith("."):
            assert (ROOT / source).exists()
            assert target.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]


def test_every_service_has_a_health_check() -> None:
    """Telescrub's own is in its Dockerfile."""
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == {"telescrub"}
    assert len(of("HEALTHCHECK")) == 1


def test_telescrub_is_pointed_at_its_neighbours() -> None:
    """The built-in configuration takes its destinations from these variables."""
    assert SERVICES["telescrub"]["environment"] == {
        "TELESCRUB_PROMETHEUS_URL": "http://prometheus:9090/api/v1/write",
        "TELESCRUB_JAEGER_ENDPOINT": "jaeger:4317",
        "TELESCRUB_LOKI_URL": "http://loki:3100",
    }


def test_prometheus_takes_remote_write_and_exemplars() -> None:
    """Both are off by default."""
    flags = SERVICES["prometheus"]["command"]
    assert "--web.enable-remote-write-receiver" in flags
    assert "--enable-feature=exemplar-storage" in flags
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    assert [each["static_configs"] for each in scraped] == [[{"targets": ["telescrub:8888"]}]]


def test_grafanas_data_sources_lead_to_each_other() -> None:
    """Three sources at their service's address; log lines and exemplars link to the traces."""
    sources = {each["uid"]: each for each in yaml.safe_load(DATA_SOURCES.read_text())["datasources"]}
    assert {uid: each["url"] for uid, each in sources.items()} == {
        "prometheus": "http://prometheus:9090",
        "loki": "http://loki:3100",
        "jaeger": "http://jaeger:16686",
    }
    (derived,) = sources["loki"]["jsonData"]["derivedFields"]
    assert (derived["matcherRegex"], derived["datasourceUid"]) == ("trace_id", "jaeger")
    (exemplars,) = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert (exemplars["name"], exemplars["datasourceUid"]) == ("trace_id", "jaeger")


def test_the_image_is_built_in_two_stages() -> None:
    """The compiler stays in the first; both have the same pinned base."""
    assert of("FROM") == ["python:3.13-slim AS build", "python:3.13-slim"]
    last = [instruction for instruction, _ in instructions()][::-1].index("FROM")
    final = instructions()[-last:]
    assert not any("gcc" in arguments for _, arguments in final)


def test_the_container_runs_telescrub_as_nobody_special() -> None:
    """A user without a password or a shell, who owns the volume; reachable from outside the container."""
    assert of("USER") == ["telescrub"]
    assert of("VOLUME") == ["/var/lib/telescrub"]
    assert of("ENTRYPOINT") == ['["telescrub"]']
    assert of("CMD") == ['["run"]']
    assert of("EXPOSE") == ["4317 4318 4319 8888 13133"]
    environment = dict(item.split("=") for item in of("ENV")[0].split())
    assert environment["TELESCRUB_HOST"] == "0.0.0.0"
    assert environment["TELESCRUB_DATA_DIR"] == "/var/lib/telescrub"


def test_the_image_gets_what_the_wheel_is_built_from() -> None:
    """Every package and build file passes .dockerignore, and nothing that passes is missing."""
    lines = (ROOT / ".dockerignore").read_text().split("\n")
    let_in = {line[1:] for line in lines if line.startswith("!")}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "bench"}
    locks = {"requirements.lock", "requirements-build.lock"}
    assert let_in == packages | locks | {"pyproject.toml", "setup.py", "README.md"}
