"""Statements of databases without the values in them. Each function gives the statement, changed or not.

What does not parse is never passed on as it is: where a statement was promised and JSON begins but does not end, all of
it goes.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from processors.redaction.sql import without_literals

__all__ = ["ENGINES", "SYSTEMS", "Sanitize", "in_body"]

Sanitize = Callable[[str], str]

SYSTEMS: Mapping[str, frozenset[str]] = {
    "sql": frozenset(
        (
            *("other_sql", "mysql", "postgresql", "mariadb", "sqlite", "mssql", "microsoft.sql_server", "oracle"),
            *("oracle.db", "db2", "ibm.db2", "cockroachdb", "clickhouse", "trino", "hive", "redshift", "aws.redshift"),
            *("spanner", "gcp.spanner", "sap.hana", "hanadb", "teradata", "h2", "h2database", "derby", "hsqldb"),
            *("firebirdsql", "informix", "ibm.informix", "netezza", "ibm.netezza", "vertica", "snowflake", "sybase"),
            *("ingres", "actian.ingres", "firebird", "maxdb", "sap.maxdb", "cassandra", "timescaledb", "interbase"),
        )
    ),
    "redis": frozenset(("redis",)),
    "valkey": frozenset(("valkey",)),
    "memcached": frozenset(("memcached",)),
    "mongo": frozenset(("mongodb",)),
    "opensearch": frozenset(("opensearch",)),
    "es": frozenset(("elasticsearch",)),
}
"""The values of `db.system.name` and `db.system` that a sanitizer is for (semantic conventions 1.24 and 1.44). The
Collector's knows five that speak SQL."""


def _sql(statement: str) -> str:
    return without_literals(statement.encode())[0].decode("utf-8", "replace")


_ARGUMENT = re.compile(r"\"(?:[^\"\\]|\\.)*(?:\"|$)|'(?:[^'\\]|\\.)*(?:'|$)|\S+", re.DOTALL)
_ALL = ("auth", "hello", "eval", "evalsha", "publish", "echo", "select")
_KEYS_ONLY = (
    *("get", "mget", "del", "unlink", "exists", "type", "ttl", "pttl", "persist", "dump", "incr", "decr", "strlen"),
    *("hgetall", "hkeys", "hvals", "hlen", "hget", "hmget", "hexists", "hdel", "llen", "lpop", "rpop", "scard"),
    *("smembers", "spop", "zcard", "watch", "unwatch", "touch", "rename", "renamenx", "sinter", "sunion", "sdiff"),
    *("ping", "quit", "multi", "exec", "discard", "dbsize", "info", "flushall", "flushdb", "subscribe", "keys", "scan"),
    *("lrange", "zrange", "zcount", "llen", "lindex", "ltrim", "expire", "pexpire", "expireat", "blpop", "brpop"),
)
_FROM_SECOND = (
    *("append", "getset", "set", "setnx", "sismember", "zrank", "zrevrank", "zscore", "lpushx", "rpushx", "lpush"),
    *("rpush", "srem", "zrem", "sadd", "geohash", "geopos", "geodist", "zadd", "geoadd", "bitfield", "xadd", "getex"),
    *("setex", "psetex", "setrange", "setbit", "lset", "lrem", "zincrby", "restore", "smove", "linsert"),
)
_EVERY_SECOND = {"hset": 2, "hmset": 2, "hsetnx": 2, "mset": 1, "msetnx": 1}
_COMMAND = re.compile(rf"(?:{'|'.join((*_ALL, *_FROM_SECOND, *_EVERY_SECOND))})\s", re.IGNORECASE)
_STORAGE = re.compile(r"(?:set|add|replace|append|prepend|cas) \S+ \d+ ")


def _redis(statement: str) -> str:
    """Commands line by line; keys stay, values go, and all arguments of a command that is not known."""
    return "\n".join(map(_redis_command, statement.split("\n")))


def _redis_command(line: str) -> str:
    name, *arguments = _ARGUMENT.findall(line) or [""]
    command = name.lower()
    if command in _KEYS_ONLY or not arguments:
        return line
    if command in _EVERY_SECOND:
        first = _EVERY_SECOND[command]
        arguments[first::2] = ["?"] * len(arguments[first::2])
        return " ".join((name, *arguments))
    if command in _FROM_SECOND:
        return " ".join((name, arguments[0], *(["?"] if arguments[1:] else [])))
    return f"{name} ?"


def _memcached(statement: str) -> str:
    """The command; its data follow on the next line."""
    return re.split(r"\r?\n", statement, maxsplit=1)[0].strip()


def _json(statement: str) -> str:
    """The keys of a query in JSON; every value becomes `"?"`."""
    try:
        query = json.loads(statement)
    except (ValueError, RecursionError):
        return "?" if statement.lstrip()[:1] in ("{", "[") else statement
    return json.dumps(_without_values(query), ensure_ascii=False, separators=(",", ":"))


def _without_values(query: Any) -> Any:
    if isinstance(query, dict):
        return {key: _without_values(value) for key, value in query.items()}
    return [_without_values(value) for value in query] if isinstance(query, list) else "?"


ENGINES: Mapping[str, Sanitize] = {
    "sql": _sql,
    "redis": _redis,
    "valkey": _redis,
    "memcached": _memcached,
    "mongo": _json,
    "opensearch": _json,
    "es": _json,
}
"""In the order in which they are tried on a text whose system is not known."""


def in_body(text: str, engines: Iterable[str]) -> str:
    """The text of a log record without what each of some sanitizers takes out of statements.

    As in the Collector, every text is SQL and, if it parses, a query in JSON; commands are known by their name.
    """
    for engine in engines:
        command = {"redis": _COMMAND, "valkey": _COMMAND, "memcached": _STORAGE}.get(engine)
        if command is None or command.match(text):
            text = ENGINES[engine](text)
    return text
