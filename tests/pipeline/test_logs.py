"""The daemon's own log, and what it says for libraries."""

import subprocess
import sys

import orjson
import pytest

from pipeline.logs import logger, where

SECRET = "536-90-4399"

PROGRAM = """
import logging, sys, threading
from pipeline.logs import logger, speak_for_libraries
speak_for_libraries(logger("info", "json"))
logging.getLogger("aiohttp.server").error("bad request: %s", "536-90-4399", exc_info=ValueError("536-90-4399"))
logging.getLogger("asyncio").warning("536-90-4399")
class Lost:
    def __del__(self):
        raise KeyError("536-90-4399")
del (lost := [Lost()])[0]
thread = threading.Thread(target=lambda: int("536-90-4399")); thread.start(); thread.join()
raise ExceptionGroup("536-90-4399", [ValueError("536-90-4399"), KeyError("536-90-4399")])
"""


def test_libraries_quote_nothing() -> None:
    """Log records, lost exceptions, threads and the end of the process: who and where, never what."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert SECRET not in done.stderr + done.stdout
    lines = [orjson.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == [
        "a library reports a problem",
        "a library reports a problem",
        "an exception was lost",
        "an exception was lost",
        "a bug ended the process",
    ]
    assert lines[0]["cause"] == "ValueError"
    assert lines[-1]["cause"] == "ValueError, KeyError"


def test_place_of_an_exception() -> None:
    """Class, file and line; nothing of the message."""
    with pytest.raises(ValueError, match=SECRET) as caught:
        int(SECRET)
    assert where(caught.value).startswith("ValueError at ")
    assert SECRET not in where(caught.value)


def test_levels(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines below the level are not written; JSON is one object a line."""
    log = logger("warn", "json")
    log.info("no")
    log.warning("yes", items=3)
    written = orjson.loads(capsys.readouterr().err)
    assert (written["event"], written["level"], written["items"]) == ("yes", "warning", 3)
