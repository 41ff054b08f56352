"""What the package does before anything else is imported."""

import subprocess
import sys

_SCRIPT = """
import pipeline.__main__
import asyncio, grpc
from receivers.grpc_methods import server

def frame(kind, content):
    return len(content).to_bytes(3, "big") + bytes((kind, 0)) + bytes(4) + content

async def main():
    running = server({}, [])
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    goaway = frame(7, bytes(7) + b"\\x02" + b"patient 536-90-4399")
    writer.write(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + frame(4, b"") + goaway + frame(6, b"01234567"))
    await reader.readuntil(b"01234567")
    writer.close()
    await running.stop(0)

asyncio.run(main())
print("done")
"""


def test_grpc_says_nothing_of_clients() -> None:
    """The core of gRPC wrote the text of a client's GOAWAY on standard error, past all loggers."""
    ended = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout, ended.stderr) == ("done\n", "")
