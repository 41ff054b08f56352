r"""Log lines without anything to hide, of the shapes that systems write, made from a seed.

In a shape `<n:100>` is a number below 100, `<digits:8>` eight digits, `<hex:8>` hexadecimal ones,
`<b64:12>` so many bytes in base64.
"""

import base64
import random
import re

__all__ = ["clean_lines"]

_WORDS = ("block", "replica", "queue", "worker", "cache", "index", "shard", "lease", "token-ring", "heap", "snapshot")
_SHAPES = (
    "Receiving block blk_-7<digits:18> src: /10.250.<n:256>.<n:256>:<n:65536> dest: /10.250.<n:256>.<n:256>:50010",
    "[<word>] 17<digits:8> 17<digits:14> session 0x<hex:16> closed after <n:100000> ms",
    "Starting <word> v<n:20>.<n:30>.<n:99>-rc<n:9>+build.<n:9999>",
    "request <uuid> done in <n:100000> us on node-<n:100>.<word>.svc.cluster.local",
    "[http-nio-8080-exec-<n:200>] INFO o.e.s.StateManager - <word> ready",
    "image sha256:<hex:64> pulled, layer <hex:12>, commit <hex:40>",
    'etag "<hex:32>" md5 <b64:16>',
    "payload=<b64:12>",
    "payload=<b64:60>",
    "payload=<b64:400>",
    "key id <url64:32> loaded",
    'GET /api/v<n:4>/<word>/list?page=<n:99>&sort=name%20asc&fields=id%2Cstate HTTP/1.1" 200 <n:1000000>',
    "java.io.IOException: Connection reset by peer\n\tat sun.nio.ch.Net.read(Net.java:<n:999>)\n\t... <n:40> more",
    "AttributeError: 'NoneType' object has no attribute '<word>'",
    'java.io.FileNotFoundException: "/data/<word>/<hex:8>.dat" (No such file or directory)',
    "Error: Cannot find module '<word>/lib/index.js'",
    'ERROR: relation "shard_log" does not exist at character <n:99>',
    '<a href="/x?a=1&amp;b=<n:99>">&lt;<word>&gt;</a> &nbsp;ok',
    "C:\\Windows\\System32\\<word>.dll \\x00\\x1f loaded \u2014 took\u00a0<n:999>\u00a0ms",
    "<word> \u2192 100% of <n:100000> rows, \u0394=0.<n:100000>, caf\u00e9",
    "chunk 0x<hex:8> crc=<n:4294967296> off=<n:100000000>",
    "/usr/lib/python3.<n:14>/site-packages/<word>/<word>_<word>.py:<n:999>",
    "traceparent 00-<hex:32>-<hex:16>-01 ja3=<hex:32>",
    "fingerprint <hex:2>:<hex:2>:<hex:2>:<hex:2>:<hex:2>:<hex:2>:<hex:2>:<hex:2>:<hex:2>:<hex:2>:<hex:2>:<hex:2>",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/<n:999>.36 (KHTML, like Gecko) accept=application/problem+json;q=0.9",
    "org.apache.server.LeaseStateTransitionController$Listener.onEvent(<n:100000000>)",
    '{"level":"info","ts":17<digits:8>.<digits:6>,"msg":"<word>\\u003a ok","digest":"<b64:32>"}',
    "SELECT count(*) FROM shard_log WHERE state = 'open' AND lease > <n:1000>",
    "quoted 'pending' and \"running\" states of <word>, took <n:1000>ms (p99=<n:1000>ms)",
)


def _filled(part: re.Match[str], chance: random.Random) -> str:
    size = int(part[2] or 0)
    match part[1]:
        case "n":
            return str(chance.randrange(size))
        case "digits":
            return f"{chance.randrange(10**size):0{size}}"
        case "hex":
            return chance.randbytes(size).hex()[:size]
        case "uuid":
            return "-".join(chance.randbytes(size).hex() for size in (4, 2, 2, 2, 6))
        case "b64":
            return base64.b64encode(chance.randbytes(size)).decode()
        case "url64":
            return base64.urlsafe_b64encode(chance.randbytes(size)).decode().rstrip("=")
    return chance.choice(_WORDS)


def clean_lines(count: int, seed: int) -> list[str]:
    """As many lines, each shape as often."""
    chance = random.Random(seed)
    shape = re.compile(r"<(n|digits|hex|b64|url64|uuid|word)(?::(\d+))?>")
    return [shape.sub(lambda part: _filled(part, chance), _SHAPES[n % len(_SHAPES)]) for n in range(count)]
