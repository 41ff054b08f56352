"""`telescrub components`: what there is to configure."""

import typer
from rich.console import Console
from rich.table import Table

from config.catalogue import KINDS, Catalogue
from config.reference import rows, summary

__all__ = ["list_components", "show_settings"]


def list_components(catalogue: Catalogue) -> None:
    for kind in KINDS:
        typer.secho(f"{kind}:", bold=True)
        for name, settings in sorted(catalogue.table(kind).items()):
            other = [alias for alias, target in catalogue.aliases(kind).items() if target == name]
            note = f"  (also {', '.join(sorted(other))})" if other else ""
            typer.echo(f"  {name:<26}{summary(settings)}{note}")


def show_settings(catalogue: Catalogue, name: str) -> None:
    """Of the components of this type, or exit 1."""
    found = [(kind, model) for kind in KINDS if (model := catalogue.settings(kind, name)) is not None]
    if not found:
        typer.secho(f"there is no component {name}; `telescrub components` lists those there are", fg="red", err=True)
        raise typer.Exit(1)
    for kind, model in found:
        table = Table(
            "key", "default", "meaning", title=f"{kind}: {name}", caption=summary(model), title_justify="left"
        )
        for row in rows(model):
            table.add_row(row.path, row.default.replace("`", ""), row.meaning)
        Console().print(table)
