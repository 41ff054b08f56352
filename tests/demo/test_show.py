import io
import re
from pathlib import Path
from random import Random

from rich.console import Console

from demo.people import people
from demo.planted import forms
from demo.show import Demo, run
from tests.demo.daemon import listening

SEED = 11
CLEAN = 'telescrub_redactions_total{rule="email",signal="logs",action="mask"} 30\n'


def everything_planted() -> list[str]:
    """Any spelling of any value of the people of the seed, longest first."""
    persons = people(Random(SEED), 24)
    values = {str(getattr(person, field)) for person in persons for field in person.__slots__}
    values |= {person.full_name for person in persons}
    return sorted({form for value in values for form in forms(value)}, key=len, reverse=True)


PLANTED = everything_planted()


def scrub(text: str) -> str:
    for form in PLANTED:
        text = text.replace(form, "[redacted]")
    return text.replace('"intValue":"[redacted]"', '"stringValue":"[redacted]"')


async def show(
    folder: Path, scrub_with: object = scrub, *, metrics: bool = True, elsewhere: bool = False
) -> tuple[int, str]:
    """Exit code and screen of a short demo against a local daemon."""
    screen = io.StringIO()
    assert callable(scrub_with)
    async with listening(folder, scrub_with) as daemon:
        daemon.metrics = ["", CLEAN] if metrics else []
        demo = Demo(
            seconds=0.1,
            rate=10,
            seed=SEED,
            grpc_endpoint=daemon.grpc_endpoint,
            json_logs_url=daemon.url,
            data_directory=folder / "elsewhere" if elsewhere else folder,
            metrics_url=f"{daemon.url}/metrics",
            arrival_seconds=0,
        )
        code = await run(demo, Console(file=screen, width=120))
    return code, screen.getvalue()


async def test_all_is_well(tmp_path: Path) -> None:
    """Everything arrives and nothing planted is in it: exit 0, with examples, totals and rules."""
    code, screen = await show(tmp_path)
    assert code == 0, screen
    assert "0 leaks: none of" in screen
    assert "Everything that was sent came out." in screen
    assert "GET /patients/[redacted]/records" in screen
    assert re.search(r"email +mask +0 +0 +30", screen)
    assert re.search(r"spans +24 +24 +0 +0", screen)


async def test_a_leak_is_named_by_its_place(tmp_path: Path) -> None:
    """What comes through in one place only is found there: exit 1."""

    def leaky(text: str) -> str:
        kept = re.search(r'"could not book for ([^"]+)"', text)
        return scrub(text) if kept is None else scrub(text).replace("book for [redacted]", f"book for {kept[1]}", 1)

    code, screen = await show(tmp_path, leaky)
    assert code == 1
    assert re.search(r"email +traces +resourceSpans\.scopeSpans\.spans\.status\.message", screen)
    assert "planted values came through." in screen


async def test_missing_items_are_named(tmp_path: Path) -> None:
    """A daemon that loses spans: exit 1."""

    def lossy(text: str) -> str:
        return "{}" if "resourceSpans" in text else scrub(text)

    code, screen = await show(tmp_path, lossy)
    assert code == 1
    assert "Missing: 24 spans did not come out" in screen


async def test_nothing_in_the_directory(tmp_path: Path) -> None:
    """Real destinations are configured, or the files are elsewhere: says so."""
    code, screen = await show(tmp_path, elsewhere=True)
    assert code == 1
    assert "has no traces.jsonl, metrics.jsonl or logs.jsonl" in " ".join(screen.split())
    assert "--data-directory" in screen


async def test_without_self_metrics(tmp_path: Path) -> None:
    """The comparison still works, and says what is missing."""
    code, screen = await show(tmp_path, metrics=False)
    assert code == 0
    assert "redactions cannot be shown by rule" in screen


async def test_without_a_daemon(tmp_path: Path) -> None:
    """One sentence with the remedy, and exit 1."""
    screen = io.StringIO()
    demo = Demo(seconds=1, grpc_endpoint="localhost:1", data_directory=tmp_path)
    code = await run(demo, Console(file=screen, width=120))
    assert code == 1
    assert screen.getvalue() == "No daemon answers on localhost:1. Start one with make run or telescrub run.\n"
