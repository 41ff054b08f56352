"""No secret in any output: every setting that holds one is filled in, and everything that is written is searched."""

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import aiohttp
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import BaseModel
from typer.testing import CliRunner

from config.catalogue import KINDS
from config.errors import ConfigError
from config.load import Source, load
from config.model import Config
from config.model import Service as ServiceSettings
from config.settings import Secret
from pipeline.__main__ import app, catalogue
from pipeline.logs import logger
from pipeline.service import Service
from tests.payloads import traces

CATALOGUE = catalogue()
SPANS = traces([Span(name="GET /things")])


def secret(name: str) -> str:
    """A secret that can be found again, long enough for a key."""
    return f"synthetic-{hashlib.sha256(name.encode()).hexdigest()}"


def key(name: str) -> str:
    """32 bytes in hexadecimal."""
    return hashlib.sha256(name.encode()).hexdigest()


HASHED = "{SHA}" + base64.b64encode(hashlib.sha1(secret("htpasswd").encode()).digest()).decode()
HEADERS = {"headers": {"X-Api-Key": secret("header")}}
FAILING = {**HEADERS, "retry_on_failure": {"max_elapsed_time": "1s", "initial_interval": "100ms"}}
NOWHERE = "http://127.0.0.1:9"
ALL = {"receivers": ["otlp"], "processors": ["redaction", "redact_phi"]}

CONFIG: Mapping[str, Any] = {
    "receivers": {
        "otlp": {"protocols": {"http": {"endpoint": "127.0.0.1:0", "auth": {"authenticator": "bearer_token_auth"}}}}
    },
    "processors": {
        "redaction": {"allow_all_keys": True, "hash_function": "hmac-sha256", "hmac_key": secret("hmac")},
        "redact_phi": {"pseudonym_keys": [{"epoch": 1, "key": secret("pseudonym")}]},
    },
    "exporters": {
        "otlp_http": {"endpoint": NOWHERE, **FAILING, "auth": {"authenticator": "oauth2_client"}},
        "otlp_http/basic": {"endpoint": NOWHERE, **FAILING, "auth": {"authenticator": "basic_auth/client"}},
        "otlp_http/headers": {"endpoint": NOWHERE, **FAILING, "auth": {"authenticator": "headers_setter"}},
        "otlp_grpc": {"endpoint": "127.0.0.1:9", "tls": {"insecure": True}, **FAILING},
        "jaeger": {"endpoint": "127.0.0.1:9", **FAILING},
        "loki": {"endpoint": NOWHERE, **FAILING},
        "prometheus_remote_write": {
            "endpoint": NOWHERE,
            "headers": {"X-Api-Key": secret("header")},
            "basic_auth": {"username": "me", "password": secret("remote-write password")},
        },
        "prometheus_remote_write/token": {
            "endpoint": NOWHERE,
            "authorization": {"credentials": secret("remote-write token")},
        },
    },
    "extensions": {
        "basic_auth": {"htpasswd": {"inline": f"me:{HASHED}"}},
        "basic_auth/client": {"client_auth": {"username": "me", "password": secret("basic")}},
        "bearer_token_auth": {"token": secret("token")},
        "bearer_token_auth/several": {"tokens": [secret("token 1"), secret("token 2")]},
        "headers_setter": {"headers": [{"key": "X-Key", "value": secret("value")}]},
        "oauth2_client": {
            "client_id": "me",
            "client_secret": secret("oauth2"),
            "token_url": f"{NOWHERE}/token",
            "endpoint_params": {"assertion": secret("assertion"), "more": [secret("another assertion")]},
        },
        "file_storage": {"directory": "@FOLDER@/queue", "encryption_key": key("new"), "previous_keys": [key("old")]},
        "health_check": {"endpoint": "127.0.0.1:0"},
    },
    "service": {
        "extensions": [
            "basic_auth",
            "basic_auth/client",
            "bearer_token_auth",
            "bearer_token_auth/several",
            "headers_setter",
            "oauth2_client",
            "file_storage",
            "health_check",
        ],
        "telemetry": {
            "metrics": {"address": "127.0.0.1:0", "auth": {"authenticator": "bearer_token_auth"}},
            "logs": {"level": "debug"},
        },
        "audit": {"path": "@FOLDER@/audit", "key": secret("audit")},
        "admin": {"endpoint": "127.0.0.1:0"},
        "shutdown_timeout": "2s",
        "pipelines": {
            "traces": {
                **ALL,
                "exporters": ["otlp_http", "otlp_http/basic", "otlp_http/headers", "otlp_grpc", "jaeger"],
            },
            "logs": {**ALL, "exporters": ["loki"]},
            "metrics": {**ALL, "exporters": ["prometheus_remote_write", "prometheus_remote_write/token"]},
        },
    },
}


def texts(value: Any) -> Iterator[str]:
    """All texts in plain values."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


FILLED = [each for each in texts(CONFIG) if re.search(r"[0-9a-f]{64}", each)]
SECRETS = [
    *FILLED,
    HASHED,
    secret("htpasswd"),
    *(base64.b64encode(f"me:{each}".encode()).decode() for each in FILLED),
]


def found_in(text: str) -> list[str]:
    """Which secrets stand in a text."""
    return [each for each in SECRETS if each in text]


def yaml(config: Any, folder: Path) -> str:
    """JSON is YAML."""
    return json.dumps(config, indent=1).replace("@FOLDER@", str(folder))


async def loaded(folder: Path) -> Config:
    return await asyncio.to_thread(load, [Source("test.yaml", yaml(CONFIG, folder))], CATALOGUE, {})


Path_ = tuple[str, ...]


def declared(annotation: Any, within: frozenset[Any] = frozenset()) -> Iterator[Path_]:
    """The keys that lead to a secret in a model."""
    if isinstance(annotation, type) and issubclass(annotation, Secret):
        yield ()
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items() if annotation not in within else ():
            for path in declared(field.annotation, within | {annotation}):
                yield (name, *path)
    else:
        for each in get_args(annotation):
            yield from declared(each, within)


def given(value: Any) -> Iterator[Path_]:
    """The keys that lead to a secret that is not empty in settings."""
    if isinstance(value, Secret) and value.get_secret_value():
        yield ()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            for path in given(getattr(value, name)):
                yield (name, *path)
    elif isinstance(value, Mapping | list | tuple):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from given(each)


async def test_every_secret_is_here(tmp_path: Path) -> None:
    """A setting that can hold a secret is filled in above: add those of a new component there."""
    config = await loaded(tmp_path)
    missing: list[tuple[str, str, tuple[str, ...]]] = []
    for kind in KINDS:
        for name, model in CATALOGUE.table(kind).items():
            settings = [each for key, each in getattr(config, kind).items() if key.partition("/")[0] == name]
            there = {path for each in settings for path in given(each)}
            missing += [(kind, name, path) for path in set(declared(model)) - there]
    missing += [("service", "", path) for path in set(declared(ServiceSettings)) - set(given(config.service))]
    assert missing == []


async def test_settings(tmp_path: Path) -> None:
    """Settings print, and are dumped, without them."""
    config = await loaded(tmp_path)
    components = [each for kind in KINDS for each in getattr(config, kind).values()]
    for each in (*components, config.service):
        assert found_in(f"{each!r} {each} {each.model_dump_json()} {each.model_dump()}") == []
    assert found_in(repr(config)) == []


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in the configuration the secrets stand."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from places(each, (*path, name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from places(each, (*path, index))
    elif isinstance(value, str) and found_in(value):
        yield path


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, Mapping) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new) if len(path) > 1 else new
    return copy


def told(text: str, secret: str) -> str:
    """What is wrong with a configuration; empty if nothing is."""
    try:
        load([Source("test.yaml", text)], CATALOGUE, {"SECRET": secret})
    except ConfigError as error:
        return f"{error} {error!r}"
    return ""


@pytest.mark.parametrize("place", list(places(CONFIG)), ids=lambda place: "::".join(map(str, place)))
def test_errors(place: tuple[Any, ...], tmp_path: Path) -> None:
    """What is wrong with a secret, or beside one, is told without it, also where it came from the environment."""
    value: Any = CONFIG
    for step in place:
        value = value[step]
    wrong = [[value], {"a": value}, f"{value}\u0001\n\n: x", f"{value[:3]}"]
    for each in (*wrong, "${env:SECRET}"):
        assert found_in(told(yaml(replaced(CONFIG, place, each), tmp_path), f"{value}\u0001")) == []
    beside = replaced(CONFIG, (*place[:2], "unheard_of"), 1) if place[0] != "service" else CONFIG
    errors = told(yaml({**beside, "unheard_of": 1}, tmp_path), "")
    assert ("unheard_of" in errors, found_in(errors)) == (True, [])


def test_commands(tmp_path: Path) -> None:
    """What the command line shows of components and of a configuration."""
    path = tmp_path / "test.yaml"
    path.write_text(yaml(CONFIG, tmp_path))
    broken = tmp_path / "broken.yaml"
    broken.write_text(yaml({**CONFIG, "unheard_of": 1}, tmp_path))
    commands = [
        ["validate", "--config", str(path)],
        ["validate", "--config", str(broken)],
        ["components"],
        ["components", "oauth2_client"],
        ["schema"],
    ]
    for command in commands:
        result = CliRunner().invoke(app, command)
        assert (result.exit_code, found_in(result.output)) == (1 if str(broken) in command else 0, [])


async def test_running(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The log, the pages and the answers of a daemon whose destinations all fail, at the most talkative level."""
    config = await loaded(tmp_path)
    seen = []
    for encoding in ("json", "console"):
        async with Service(config, logger("debug", encoding)) as service, aiohttp.ClientSession() as session:
            receiver: Any = service.graph.receivers["otlp"]
            page, admin = service.self_metrics_port, service.admin_port
            kind = {"Content-Type": "application/x-protobuf"}
            url = f"http://127.0.0.1:{receiver.http.port}/v1/traces"
            for token in (secret("token"), secret("token") + "x"):
                headers = {**kind, "Authorization": f"Bearer {token}"}
                async with session.post(url, data=SPANS.payload, headers=headers) as answer:
                    seen.append(f"{answer.status} {answer.headers} {await answer.text()}")
            pages = [
                f"http://127.0.0.1:{page}/{path}" for path in ("metrics", "metrics/summary", "reports/cardinality")
            ]
            for each in [*pages, *(f"http://127.0.0.1:{admin}{path}" for path in service.commands.looks)]:
                for headers in ({}, {"Authorization": f"Bearer {secret('token')}"}):
                    async with session.get(each, headers=headers) as answer:
                        seen.append(f"{answer.status} {answer.headers} {await answer.text()}")
            seen.append(repr([vars(service), service.graph]))
        seen += capsys.readouterr()
    # A wrong token at the receiver, and none at three pages of metrics, both times.
    assert [each[:4] for each in seen if "WWW-Authenticate" in each] == ["401 "] * 8
    assert "".join(seen).count("the token endpoint did not answer: ClientConnectorError") >= 2
    assert found_in("".join(seen)) == []


def test_they_would_be_found() -> None:
    """The search finds what it is for."""
    assert len(FILLED) == len(set(FILLED)) + 6
    assert found_in(f"x{secret('token')}y") == [secret("token")]
