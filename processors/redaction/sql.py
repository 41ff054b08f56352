"""Takes the literals out of SQL and leaves its shape: `WHERE ssn = '536-90-4399' LIMIT 5` → `WHERE ssn = ? LIMIT ?`."""

import re

__all__ = ["without_literals"]

# Alternatives in order; only the named one is a literal. A quote that is never closed takes the rest.
_TOKEN = re.compile(
    rb"""
      (?P<literal>
          (?:\b[eEnNbBxX])?'(?:[^'\\]|''|\\.)*(?:'|$)
        | (?:(?<=[=<>])|(?<=[=<>][ ])|(?<=[Ll][Ii][Kk][Ee][ ]))"(?:[^"\\]|""|\\.)*(?:"(?!\.)|$)
        | \$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|$)
        | (?<![\w$.:@?])[-+]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![\w])
      )
    | "(?:[^"]|"")*"? | `[^`]*`? | \[[A-Za-z_][\w ]*\]
    | --[^\n]* | /\*.*?(?:\*/|$)
    | [\w$@:]+
    """,
    re.VERBOSE | re.DOTALL,
)


def without_literals(text: bytes) -> tuple[bytes, int]:
    """The statement with `?` for every literal, and how many there were. Comments go, too: they may hold anything."""
    count = 0

    def one(token: re.Match[bytes]) -> bytes:
        nonlocal count
        if token["literal"] is None and not token[0].startswith((b"--", b"/*")):
            return token[0]
        count += 1
        return b"?" if token["literal"] is not None else b""

    return _TOKEN.sub(one, text), count
