"""The command line, `telescrub run|validate|queue|deadletter|test|redact|audit|…`: the only module that sees every
component.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import orjson
import typer
import uvloop
from rich.console import Console
from structlog.typing import FilteringBoundLogger

import connectors
import exporters
import extensions
import processors
import receivers
from config.catalogue import Catalogue
from config.defaults import default_sources
from config.errors import ConfigError
from config.load import load
from config.model import Config
from config.reference import reference
from config.schema import schema as json_schema
from demo.show import Demo
from demo.show import run as run_demo
from pipeline.commands.audit import audit_commands
from pipeline.commands.components import list_components, show_settings
from pipeline.commands.queues import deadletter_commands, queue_commands
from pipeline.commands.shared import ConfigFiles, told
from pipeline.garbage import collect_rarely
from pipeline.logs import logger, speak_for_libraries
from pipeline.reload.comparing import NotComparable, compare, lines
from pipeline.reload.origin import Origin
from pipeline.reload.reloads import Reloads
from pipeline.sending.egress import checked
from pipeline.service import Service
from processors.cardinality import screen
from rehearsal import commands
from rehearsal.sample import Form
from wire.otlp import COMPILED

__all__ = ["app", "catalogue", "main"]

app = typer.Typer(
    name="telescrub",
    help="A telemetry pipeline for healthcare: OTLP and JSON logs in, PHI out, Prometheus, Jaeger and Loki fed.",
    no_args_is_help=True,
    add_completion=False,
    # Tracebacks with local variables would show data.
    pretty_exceptions_enable=False,
)


def catalogue() -> Catalogue:
    """Every component there is."""
    return Catalogue(
        receivers=receivers.RECEIVERS,
        processors=processors.PROCESSORS,
        exporters=exporters.EXPORTERS,
        connectors=connectors.CONNECTORS,
        extensions=extensions.EXTENSIONS,
        receiver_aliases=receivers.ALIASES,
        processor_aliases=processors.ALIASES,
        exporter_aliases=exporters.ALIASES,
        connector_aliases=connectors.ALIASES,
        extension_aliases=extensions.ALIASES,
    )


def _origin(files: Sequence[Path] | None) -> Origin:
    return Origin(lambda: list(files) if files else default_sources(os.environ), catalogue())


def _load(files: Sequence[Path] | None) -> Config:
    """The configuration, or exit 1 with every problem on standard error."""
    try:
        if files:
            return load(list(files), catalogue())
        # Its `file` exporter is unused where every destination is named: no news to whoever named them.
        return replace(load(default_sources(os.environ), catalogue()), warnings=())
    except ConfigError as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        count = len(error.problems)
        typer.secho(f"{count} problem{'s' if count > 1 else ''}; nothing was started", fg="red", err=True)
        raise typer.Exit(1) from None


app.add_typer(queue_commands(_load), name="queue")
app.add_typer(deadletter_commands(_load), name="deadletter")
app.add_typer(audit_commands(_load), name="audit")


@app.command()
def run(config: ConfigFiles = None) -> None:
    """Run the daemon until SIGTERM or SIGINT."""
    loaded = _load(config)
    logs = loaded.service.telemetry.logs
    log = logger(logs.level, logs.encoding)
    speak_for_libraries(log)
    for warning in loaded.warnings:
        log.warning(str(warning))
    for name, reason in loaded.service.without_redaction().items():
        log.warning("a pipeline does not redact", pipeline=name, reason=reason)
    if not COMPILED:
        log.warning("the kernels run uncompiled, some hundred times slower; install a C compiler and reinstall")
    try:
        uvloop.run(_serve(loaded, _origin(config), log))
    except OSError as error:
        typer.secho(f"cannot start: {error}", fg="red", err=True)
        raise typer.Exit(1) from None


async def _serve(config: Config, origin: Origin, log: FilteringBoundLogger) -> None:
    service = Service(config, log)
    reloads = Reloads(service, origin, log)
    # As early as this: unheard, the signal ends the process.
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloads.want)
    async with service:
        collect_rarely()
        await reloads.run()


@app.command()
def validate(
    config: ConfigFiles = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="Show what it would change: of the daemon with this admin endpoint, http://localhost:13134, or of the"
            " configuration in this file."
        ),
    ] = None,
) -> None:
    """Check a configuration: exit 0, or 1 with every problem and its place.

    With --against an endpoint, the daemon there reads it with its own environment, and takes nothing over.
    """
    if against is not None:
        _compare(_origin(config), against)
        return
    loaded = _load(config)
    for warning in loaded.warnings:
        typer.secho(f"warning: {warning}", fg="yellow", err=True)
    for name, reason in loaded.service.without_redaction().items():
        typer.secho(f"pipeline {name} does not redact: {reason}", fg="yellow", err=True)
    for name in checked(loaded):
        typer.echo(f"exporter {name} looks at every request once more before it is sent (egress_check)")
    names = ", ".join(loaded.service.pipelines)
    typer.echo(f"the configuration is valid; pipelines: {names}")


def _compare(origin: Origin, against: str) -> None:
    try:
        changes = compare(origin, against)
    except (ConfigError, NotComparable) as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        raise typer.Exit(1) from None
    for line in lines(changes):
        typer.echo(line)
    for sentence in changes["impossible"]:
        typer.secho(sentence, fg="red", err=True)
    raise typer.Exit(int(bool(changes["impossible"])))


@app.command("test")
def run_tests(
    config: ConfigFiles = None,
    junit: Annotated[Path | None, typer.Option(help="Write the results to this file as JUnit XML.")] = None,
) -> None:
    """Run the examples of every rule and the `tests` of a configuration: exit 0, or 1 if any fails.

    What failed is shown with the example or with what came out of the test.
    """
    with told():
        raise typer.Exit(commands.test(_load(config), junit, Console()))


@app.command()
def redact(
    file: Annotated[Path, typer.Argument(help="OTLP/JSON, JSON logs or text; - is standard input.")] = Path("-"),
    config: ConfigFiles = None,
    form: Annotated[Form, typer.Option("--input", help="What the sample is written in.")] = "auto",
    output: Annotated[commands.Format, typer.Option("--format", help="html: one page that can be printed.")] = "text",
    processor: Annotated[str | None, typer.Option(help="Id of the processor, where several redact.")] = None,
    diff: Annotated[
        list[Path] | None,
        typer.Option(help="Another configuration: show what it would newly expose and newly redact; repeatable."),
    ] = None,
) -> None:
    """Show what each rule does to a sample, before and after side by side.

    It shows the values of the sample on purpose, those that are redacted, too; it writes them nowhere else. With
    --diff: exit 1 if the other configuration exposes anything that this one redacts.
    """
    wanted = commands.Redact(file, form, output, processor)
    with told():
        raise typer.Exit(commands.redact(wanted, _load(config), _load(diff) if diff else None, Console()))


@app.command()
def cardinality(
    config: ConfigFiles = None,
    url: Annotated[
        str | None, typer.Option(help="The daemon's own metrics, http://127.0.0.1:8888; otherwise as configured.")
    ] = None,
    output: Annotated[
        Literal["text", "json"], typer.Option("--format", help="json: everything, for scripts.")
    ] = "text",
    top: Annotated[int, typer.Option(help="Metrics to show, those with the most series first.", min=1)] = 20,
) -> None:
    """Show which metrics of the running daemon have most series, by which labels, and what was decided about them.

    Names of metrics and labels are shown, never a value. The daemon tells only those on its own machine.
    """
    with told():
        found = screen.fetch(url or screen.url_of(_load(config).service.telemetry.metrics.listen))
    if output == "json":
        sys.stdout.buffer.write(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    else:
        screen.show(found, top, Console())


@app.command()
def components(
    name: Annotated[str | None, typer.Argument(help="Show the settings of the components of this type.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="All settings of all components, as Markdown.")] = False,
) -> None:
    """List the components there are, or the settings of one."""
    all_of_them = catalogue()
    if markdown:
        typer.echo(reference(all_of_them), nl=False)
    elif name is not None:
        show_settings(all_of_them, name)
    else:
        list_components(all_of_them)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    sys.stdout.buffer.write(
        orjson.dumps(json_schema(catalogue()), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    )


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(help="How long to send.", min=0.1)] = 10.0,
    rate: Annotated[float, typer.Option(help="Rounds per second, of about 100 items each.", min=0.1)] = 4.0,
    seed: Annotated[int | None, typer.Option(help="The same seed makes the same people.", min=0)] = None,
    data_directory: Annotated[
        Path, typer.Option(envvar="TELESCRUB_DATA_DIR", help="Where the running daemon writes its files.")
    ] = Path("telescrub-data"),
    grpc_endpoint: Annotated[str, typer.Option(help="The daemon's OTLP/gRPC address.")] = "localhost:4317",
    json_logs_url: Annotated[str, typer.Option(help="The daemon's JSON logs address.")] = "http://localhost:4319",
    metrics_url: Annotated[str, typer.Option(help="The daemon's own metrics.")] = "http://localhost:8888/metrics",
) -> None:
    """Send healthcare telemetry with planted PHI to the running daemon and show what came out: exit 0 if none did."""
    shown = Demo(seconds, rate, seed, grpc_endpoint, json_logs_url, data_directory, metrics_url)
    raise typer.Exit(asyncio.run(run_demo(shown, Console())))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"telescrub {version('telescrub')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """The `telescrub` command."""
    app()


if __name__ == "__main__":
    main()
