"""`clearlane connector`: the systems that leads come from and go back to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from clearlane.cli.borders import connection_of, readable, this_moment
from clearlane.cli.console import out, print_json, stop
from clearlane.cli.options import DEFAULT_POLICY, Json

commands = typer.Typer()
connector_app = typer.Typer(help="The systems that leads come from and go back to.", no_args_is_help=True)
commands.add_typer(connector_app, name="connector")


@connector_app.callback()
def connector() -> None:
    """The systems that leads come from and go back to."""


@connector_app.command("test")
def connector_test(
    name: Annotated[str, typer.Argument(help="a source of sources.yaml")],
    folder: Annotated[Path, typer.Option("--policy", help="policy folder")] = DEFAULT_POLICY,
    as_json: Json = False,
) -> None:
    """Try a source: login, limits, one page of each object and what the mapping makes of it. Writes nothing.

    Shows no value of any record. Exit 1 where something does not work.
    """
    from clearlane.connectors import trial

    source, connector, teams = _connected(name, folder)
    tried = list(trial.tried(connector, source, this_moment(), teams))
    if as_json:
        print_json([asdict(one) for one in tried])
    else:
        _print_tried(tried)
    if any(one.good is False for one in tried):
        raise typer.Exit(1)


@connector_app.command("prepare")
def connector_prepare(
    name: Annotated[str, typer.Argument(help="a source of sources.yaml")],
    folder: Annotated[Path, typer.Option("--policy", help="policy folder")] = DEFAULT_POLICY,
) -> None:
    """Make the fields in a source to which owner, score and the rest are written, or say how they are made by hand."""
    from clearlane import connectors

    _, connector, _ = _connected(name, folder)
    try:
        if isinstance(connector, connectors.Preparable):
            made = connector.prepare()
            typer.echo(f"made: {', '.join(made)}" if made else "all fields are there")
        elif isinstance(connector, connectors.Instructs):
            _instruct(connector.instructions())
        else:
            stop(f"{name}: its connector has nothing to prepare", code=1)
    except connectors.SourceFailed as problem:
        stop(str(problem), code=1)


def _instruct(steps: Sequence[str]) -> None:
    typer.echo("\n".join(steps) if steps else "all fields are there")
    if steps:
        raise typer.Exit(1)


def _connected(name: str, folder: Path) -> tuple[Any, Any, Any]:
    """The source of that name, its connector, and the teams of the policy."""
    from clearlane import connectors
    from clearlane import policy as policies

    with readable():
        loaded = policies.load(folder, names=["sources", "teams"])
    sources = loaded.sources.sources
    if name not in sources:
        stop(f"unknown source {name}: sources.yaml names {', '.join(sources)}")
    try:
        return sources[name], connectors.connected(sources[name], connection_of), loaded.teams
    except (connectors.SourceFailed, LookupError) as problem:
        stop(str(problem), code=1)


def _print_tried(tried: Any) -> None:
    marks = {True: "[green]good[/green]", False: "[red]wrong[/red]", None: "[yellow]note[/yellow]"}
    table = Table(box=None, show_header=False)
    names = list(dict.fromkeys(one.what for one in tried))
    for one in sorted(tried, key=lambda one: names.index(one.what)):
        table.add_row(marks[one.good], Text(one.what), Text(one.said))
    out.print(table)
    wrong, notes = (sum(one.good is good for one in tried) for good in (False, None))
    verdict = "in order" if not wrong else f"{wrong} wrong: read or written, this fails or is left out"
    out.print(f"\n{verdict}; {notes} to know")
