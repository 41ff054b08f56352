"""`telescrub audit`: what compliance people do with the ledger."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from audit.anchors import anchors_in
from audit.chain import Anchor
from audit.report import report
from audit.summary import moment
from audit.verify import Verdict, verify
from config.model import Config
from pipeline.commands.shared import ConfigFiles, Load, told

__all__ = ["audit_commands"]

LedgerPaths = Annotated[
    list[Path] | None, typer.Argument(help="The ledger's folder, or its files in order. Default: the configured one.")
]
Anchors = Annotated[
    list[str] | None, typer.Option("--anchor", help="sequence:mac of a row, as kept elsewhere; repeatable.")
]
AnchorFiles = Annotated[
    list[Path] | None,
    typer.Option("--anchors", help="A file of anchors, as Loki or another destination gave them back; repeatable."),
]
ReportFormat = Annotated[Literal["html", "csv", "json"], typer.Option("--format", help="html can be printed.")]
SmallestCount = Annotated[
    int, typer.Option("--smallest-count", min=1, help="Give counts below this one as this one; 11 is customary.")
]


def audit_commands(load: Load) -> typer.Typer:
    """`telescrub audit`."""
    app = typer.Typer(help="Check the audit ledger, or report from it.", no_args_is_help=True)

    @app.command("verify")
    def check(
        paths: LedgerPaths = None, config: ConfigFiles = None, anchor: Anchors = None, anchors: AnchorFiles = None
    ) -> None:
        """Find every row that was changed, removed, reordered, added or cut off: exit 0 if there is none, else 1."""
        with told():
            known = [Anchor.parse(each) for each in anchor or ()]
            known += [each for file in anchors or () for each in anchors_in(file.read_text(encoding="utf-8"))]
            verdict = verify(*_ledger(paths, load(config)), known)
        _show(verdict)
        raise typer.Exit(int(bool(verdict.problems)))

    @app.command("report")
    def write_report(
        paths: LedgerPaths = None,
        config: ConfigFiles = None,
        start: Annotated[str | None, typer.Option("--from", help="ISO time; UTC unless it says otherwise.")] = None,
        end: Annotated[str | None, typer.Option("--to", help="ISO time, not included.")] = None,
        output: ReportFormat = "html",
        anchor: Anchors = None,
        smallest: SmallestCount = 1,
    ) -> None:
        """What was redacted, by which rule, where and when, as a page to print, a table, or JSON on standard output."""
        with told():
            ledger, key = _ledger(paths, load(config))
            begin, until = (None if each is None else moment(each) for each in (start, end))
            anchors = [Anchor.parse(each) for each in anchor or ()]
            sys.stdout.write(report(ledger, begin, until, output, key, anchors, smallest))

    return app


def _show(verdict: Verdict) -> None:
    for problem in verdict.problems:
        typer.secho(str(problem), fg="red", err=True)
    for gap in verdict.gaps:
        typer.secho(f"gap: {gap}", fg="yellow", err=True)
    for limit in verdict.limits:
        typer.secho(f"not proven: {limit}", fg="yellow", err=True)
    typer.echo(f"{verdict.rows} rows, {len(verdict.problems)} problems, {len(verdict.gaps)} gaps; end {verdict.end}")


def _ledger(paths: list[Path] | None, config: Config) -> tuple[list[Path], bytes | None]:
    """Where the ledger is, and the key of its chain, which only a configuration has."""
    settings = config.service.audit
    key = settings.key if settings is not None else None
    if not paths and settings is None:
        raise ValueError("the configuration has no service::audit; name the ledger's folder")
    where = paths or ([settings.path] if settings is not None else [])
    return where, None if key is None else key.get_secret_value().encode()
