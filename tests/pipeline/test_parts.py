"""What makes a part what it is: the same settings are the same part, and what it names is a part of it."""

import copy
from pathlib import Path
from typing import Any

import orjson
import pytest

from config.load import Source, load
from config.model import Config
from pipeline.__main__ import catalogue
from pipeline.parts import Key, differences, fingerprints
from pipeline.reload.changes import changes
from tests.pipeline.daemon import BASE, UNREDACTED, Tree, changed

ROOT = Path(__file__).parent.parent.parent


def loaded(tree: Tree) -> Config:
    text = orjson.dumps(tree).decode().replace("FOLDER", "/tmp")
    return load([Source("test.yaml", text)], catalogue())


def changed_parts(old: Tree, new: Tree) -> dict[Key, list[str]]:
    before, after = fingerprints(loaded(old)), fingerprints(loaded(new))
    return {key: differences(before[key], after[key]) for key in before if key in after and before[key] != after[key]}


@pytest.mark.parametrize("name", ["config/default.yaml"])
def test_nothing_has_changed(name: str) -> None:
    """What is read twice is the same, whatever components there are."""
    first, second = (load([ROOT / name], catalogue()) for _ in range(2))
    assert fingerprints(first) == fingerprints(second)
    assert changes(first, second).changed == {}


def test_every_component_can_be_compared() -> None:
    """Settings that are made twice of the same values are equal: no component would start anew for nothing."""
    models = [model for kind in ("receivers", "processors", "exporters") for model in catalogue().table(kind).values()]
    for model in models:
        try:
            first, second = model(), model()
        except ValueError:
            continue
        assert first == second, model


def test_rules_are_a_part_of_their_processor(tmp_path: Path) -> None:
    """A file of rules that says something else makes another processor, although the settings say the same."""
    rules = tmp_path / "rules.yaml"
    processor = {"packs": ["hipaa"], "rule_files": [str(rules)]}
    redacting = ["redact_phi", "batch"]
    tree = changed(BASE, {"processors::redact_phi": processor, "service::pipelines::traces::processors": redacting})
    before, after = (_with_rule(tree, rules, title) for title in ("first", "second"))
    key = Key("processors", "redact_phi", "traces")
    assert before[key] != after[key]
    assert differences(before[key], after[key]) == ["the files it names"]
    assert before == _with_rule(tree, rules, "first")


def _with_rule(tree: Tree, file: Path, title: str) -> dict[Key, Any]:
    file.write_bytes(orjson.dumps({"pack": "own", "rules": [{"id": "own", "title": title, "keys": ["own.key"]}]}))
    return dict(fingerprints(loaded(tree)))


def test_an_extension_is_a_part_of_who_names_it() -> None:
    """Other tokens make another authenticator and another receiver; a receiver that names none stays. No value."""
    auth = {"auth": {"authenticator": "bearer_token_auth"}}
    tree = changed(
        BASE,
        {
            "receivers::otlp::protocols::http": {"endpoint": "127.0.0.1:0", **auth},
            "receivers::json_logs": {"endpoint": "127.0.0.1:0"},
            "extensions::bearer_token_auth": {"tokens": ["synthetic-token-1"]},
            "service::extensions": ["file_storage", "bearer_token_auth"],
            "service::pipelines::logs": {"receivers": ["json_logs"], "exporters": ["file"], **UNREDACTED},
        },
    )
    other = changed(tree, {"extensions::bearer_token_auth::tokens": ["synthetic-token-2"]})
    assert changed_parts(tree, other) == {
        Key("extensions", "bearer_token_auth"): ["tokens"],
        Key("receivers", "otlp"): ["extensions::bearer_token_auth"],
    }
    assert "synthetic" not in str(changes(loaded(tree), loaded(other)))


def test_what_an_exporter_depends_on() -> None:
    """How batches are merged before it, the rules of its egress check, its storage; and its queue only on that."""
    processors = {"redact_phi": {"packs": ["hipaa"]}, "batch": {"timeout": "0s"}}
    tree = changed(
        BASE,
        {
            "processors": processors,
            "exporters::file::egress_check": True,
            "service::pipelines::traces::processors": ["redact_phi", "batch"],
        },
    )
    sender, queue = Key("exporters", "file"), Key("queues", "file")
    assert changed_parts(tree, changed(tree, {"processors::batch::timeout": "1s"})) == {sender: ["batching"]}
    assert changed_parts(tree, changed(tree, {"processors::redact_phi::max_depth": 9})) == {
        Key("processors", "redact_phi", "traces"): ["max_depth"],
        sender: ["the rules of egress_check"],
    }
    assert changed_parts(tree, changed(tree, {"exporters::file::rotation": {"max_days": 3}})) == {
        sender: ["rotation::max_days"]
    }
    moved = changed_parts(tree, changed(tree, {"extensions::file_storage::directory": "/elsewhere"}))
    assert moved[queue] == ["storage"]
    assert moved[sender] == ["extensions::file_storage", "storage"]


def test_a_processor_in_two_pipelines() -> None:
    """Is a part in each; that one pipeline more has it changes nothing in the other."""
    tree = changed(
        BASE,
        {
            "processors::redact_phi": {"packs": ["hipaa"]},
            "service::pipelines::traces::processors": ["redact_phi", "batch"],
        },
    )
    more = copy.deepcopy(tree)
    more["exporters"]["debug"] = {}
    more["service"]["pipelines"]["logs"] = {**tree["service"]["pipelines"]["traces"], "exporters": ["debug"]}
    assert changed_parts(tree, more) == {}
    told = changes(loaded(tree), loaded(more))
    assert (told.changed, told.new) == ({}, ["exporters::debug", "service::pipelines::logs"])
