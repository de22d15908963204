"""`clearlane sample` and `docs`: the generated company and the generated pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clearlane.cli.console import out
from clearlane.cli.options import DEFAULT_POLICY, moment_of

commands = typer.Typer()


@commands.command()
def sample(
    folder: Annotated[Path, typer.Option("--out", help="folder to write the exports to")],
    end: Annotated[str, typer.Option(help="the moment up to which the company has lived")],
    seed: Annotated[int, typer.Option(help="the same seed and end give the same files")] = 7,
    days: int = 7,
    leads: int = 3000,
) -> None:
    """Write the generated exports of the default company."""
    from clearlane.sample import write

    write(folder, end=moment_of(end), seed=seed, days=days, leads=leads)


@commands.command()
def docs(
    check: Annotated[
        bool, typer.Option("--check", help="write nothing; exit 1 when a page is stale")
    ] = False,
    root: Annotated[Path, typer.Option(help="the checkout")] = DEFAULT_POLICY.parents[1],
) -> None:
    """Write the generated pages of docs/."""
    from clearlane import pages

    old = pages.stale(root) if check else pages.write(root)
    for path in old:
        out.print(f"{'stale' if check else 'written'}: {path}", highlight=False)
    if check and old:
        raise typer.Exit(1)
