"""Statements without values."""

import pytest

from processors.collector.databases import ENGINES, in_body


@pytest.mark.parametrize(
    ("engine", "statement", "left"),
    [
        ("sql", "INSERT INTO users (name, age) VALUES ('Zorbla', 30)", "INSERT INTO users (name, age) VALUES (?, ?)"),
        ("redis", "SET k v EX 10", "SET k ?"),
        ("redis", "GET user:1\nSET a b", "GET user:1\nSET a ?"),
        ("redis", 'hset h f "Zorbla \\" Q" g w', "hset h f ? g ?"),
        ("redis", "MSETNX a 1 b 2", "MSETNX a ? b ?"),
        ("redis", "JSON.SET doc $ secret", "JSON.SET ?"),
        ("redis", "PING", "PING"),
        ("redis", "", ""),
        ("valkey", "AUTH secret", "AUTH ?"),
        ("memcached", "set k 0 60 5\nZorbla", "set k 0 60 5"),
        ("mongo", '{"a": [1, {"b": null}], "c": "x"}', '{"a":["?",{"b":"?"}],"c":"?"}'),
        ("mongo", '{"a": "Zorb', "?"),
        ("es", "/index/_search", "/index/_search"),
    ],
)
def test_statements(engine: str, statement: str, left: str) -> None:
    """Values go; keys, commands and shape stay; what does not parse goes as a whole."""
    assert ENGINES[engine](statement) == left


def test_in_a_body() -> None:
    """Commands are known by their names, so that prose is not taken for one."""
    assert in_body("SET user:123 Zorbla", ["redis"]) == "SET user:123 ?"
    assert in_body("started well\nsecond line", ["redis", "memcached", "mongo"]) == "started well\nsecond line"
    assert in_body("set k 0 60 5\r\nZorbla\r\n", ["memcached"]) == "set k 0 60 5"
    assert in_body("SELECT a FROM b WHERE c = 5", ["sql"]) == "SELECT a FROM b WHERE c = ?"


def test_deep_json_is_no_crash() -> None:
    """What is nested too deeply goes as a whole."""
    assert ENGINES["mongo"]("[" * 100_000 + "]" * 100_000) == "?"
