"""What commands have in common."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from config.model import Config

__all__ = ["ConfigFiles", "Load", "told"]

ConfigFiles = Annotated[
    list[Path] | None,
    typer.Option("--config", "-c", help="Configuration file; repeatable, later files win. Default: the built-in one."),
]

Load = Callable[[list[Path] | None], Config]
"""Reads configuration files, or exits with what is wrong with them."""


@contextmanager
def told() -> Iterator[None]:
    """Say why a command cannot be done, and exit 1."""
    try:
        yield
    except (OSError, ValueError) as wrong:
        typer.secho(str(wrong), fg="red", err=True)
        raise typer.Exit(1) from None
