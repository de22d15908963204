"""`clearlane enrichment`: what others know of leads, and what nobody does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clearlane.cli.borders import open_ledger, policy_in_force, this_moment
from clearlane.cli.console import out, print_json, say, say_notes, table_of
from clearlane.cli.options import Json

commands = typer.Typer()
enrichment_app = typer.Typer(help="What others know of leads, and what nobody does.", no_args_is_help=True)
commands.add_typer(enrichment_app, name="enrichment")


@enrichment_app.command("status")
def enrichment_status(as_json: Json = False) -> None:
    """Each paid provider: the day's budget, its breaker, how old its answers are, what is still to be asked."""
    from clearlane.enrich import status

    now = this_moment()
    with open_ledger() as connection:
        found = status.statuses(connection, policy_in_force(connection, now), now)
    if as_json:
        print_json([status.as_json(one) for one in found])
        return
    if found:
        out.print(table_of(status.HEADS, map(status.cells, found)))
    say_notes(status.notes(found))


@enrichment_app.command("gaps")
def enrichment_gaps(
    as_json: Json = False,
    page: Annotated[Path | None, typer.Option(help="write it as an HTML page there")] = None,
) -> None:
    """Which attributes that rules use are missing, for how many leads of which source, worth how many points."""
    from clearlane.enrich import status
    from clearlane.review import lacking
    from clearlane.score import gaps

    now = this_moment()
    with open_ledger() as connection:
        policy = policy_in_force(connection, now)
        found, providers = (
            gaps.gaps(connection, policy.scoring, now),
            status.statuses(connection, policy, now),
        )
    if page:
        page.write_text(lacking.page(found, providers, now), encoding="utf-8")
    if as_json:
        print_json([gaps.as_json(one) for one in found])
        return
    out.print(table_of(gaps.HEADS, map(gaps.cells, found)))
    for line in lacking.verdict(found):
        say(line)
