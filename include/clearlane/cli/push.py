"""`clearlane push`: what is owed to the source systems, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from clearlane.cli.borders import open_ledger, policy_in_force, revivable, this_moment
from clearlane.cli.console import minute, out, print_json, say, table_of
from clearlane.cli.options import Because, By, Json

commands = typer.Typer()
push_app = typer.Typer(
    help="What is owed to the source systems, and what became of it.", no_args_is_help=True
)
dead_app = typer.Typer(help="Writes that a source refused or that failed too often.", no_args_is_help=True)
push_app.add_typer(dead_app, name="dead")
commands.add_typer(push_app, name="push")


@push_app.command("status")
def push_status(as_json: Json = False) -> None:
    """What is owed to each source, and why nothing is sent where that is so."""
    from clearlane.push import status

    now = this_moment()
    with open_ledger() as connection:
        found = status.statuses(connection, policy_in_force(connection, now), now)
    if as_json:
        print_json([status.as_json(one) for one in found])
        return
    heads = ("source", "owed", "merges", "due now", "in flight", "dead", "oldest", "last sent", "held")
    out.print(table_of(heads, map(_standing, found)))
    for line in status.notes(found):
        say(f"note: {line}")


def _standing(one: Any) -> Sequence[str]:
    counts = map(str, (one.owed, one.merges, one.due, one.in_flight, one.dead))
    held = f"until {minute(one.held_until)}: {one.because}" if one.held_until else ""
    return (one.source, *counts, minute(one.oldest), minute(one.sent_at), held)


@dead_app.command("list")
def dead_list(as_json: Json = False) -> None:
    """The dead writes, with what the source said."""
    from clearlane.push import dead

    with open_ledger() as connection:
        found = dead.listed(connection)
    if as_json:
        print_json([dead.as_json(one) for one in found])
        return
    rows = (
        (
            str(one.number),
            one.record,
            minute(one.owed_at),
            str(one.attempts),
            ", ".join(one.sets),
            one.error or "",
        )
        for one in found
    )
    out.print(table_of(("write", "record", "owed", "tries", "sets", "the source said"), rows))


@dead_app.command("retry")
def dead_retry(
    by: By,
    because: Because,
    writes: Annotated[list[int] | None, typer.Argument(help="numbers of dead writes; none: all")] = None,
) -> None:
    """Owe dead writes again, with the newest score of their records."""
    from clearlane.push import dead

    with revivable(), open_ledger() as connection:
        done = dead.retry(connection, writes or [], by=by, because=because)
    out.print(f"{done.owed} writes are owed again, {done.superseded} were superseded by newer ones")


@dead_app.command("drop")
def dead_drop(writes: list[int], by: By, because: Because) -> None:
    """Let dead writes go; they are kept, with the reason."""
    from clearlane.push import dead

    with revivable(), open_ledger() as connection:
        out.print(f"{dead.drop(connection, writes, by=by, because=because)} writes dropped")
