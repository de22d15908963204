"""`clearlane route`, pools, exceptions, declines, covers and shares: whose a lead is."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from clearlane.cli.borders import by_hand, open_ledger, policy_in_force, readable, this_moment
from clearlane.cli.console import err, length, minute, out, print_json, say_written, table_of
from clearlane.cli.options import (
    Accounts,
    Activities,
    AsOf,
    Because,
    By,
    Json,
    Lead,
    Leads,
    Out,
    PolicyDir,
    moment_of,
)

commands = typer.Typer()
exceptions_app = typer.Typer(help="Leads that nobody could take, and whose they are.", no_args_is_help=True)
pool_app = typer.Typer(help="Shared queues from which reps pull leads.", no_args_is_help=True)
RepId = Annotated[str, typer.Option("--rep", help="id of a rep of teams.yaml")]
commands.add_typer(exceptions_app, name="exceptions")
commands.add_typer(pool_app, name="pool")


@commands.command()
def route(
    policy: PolicyDir,
    leads: Leads,
    as_of: AsOf,
    out: Out,
    activities: Activities = None,
    accounts: Accounts = None,
) -> None:
    """Route leads from a file with a policy folder: who would get them, and why."""
    from clearlane.route import route_files

    with readable():
        count = route_files(policy, leads, activities, accounts, moment_of(as_of), out)
    say_written(count, out)


@commands.command()
def fairness(
    team: Annotated[str | None, typer.Option(help="only this rotation")] = None,
    since: Annotated[str | None, typer.Option("--from", help="ISO 8601 moment; default: 30 days ago")] = None,
    until: Annotated[str | None, typer.Option("--to", help="ISO 8601 moment; default: now")] = None,
    html: Annotated[Path | None, typer.Option(help="write a page with charts")] = None,
    as_json: Json = False,
) -> None:
    """Planned against actual turns by rotation, band and rep, with the reasons for the difference."""
    from clearlane.review import fairness as pictures
    from clearlane.route import shares

    end = moment_of(until) if until else this_moment()
    start = moment_of(since) if since else end - timedelta(days=30)
    with open_ledger() as connection:
        found = shares.shares(connection, start, end, team)
    if html:
        html.write_text(pictures.page(found, start, end), encoding="utf-8")
        err.print(f"written: {html}")
    if as_json:
        print_json([shares.as_json(one) for one in found])
        return
    for table in pictures.tables(found):
        out.print(table, "")


@exceptions_app.command("list")
def exceptions_list(as_json: Json = False) -> None:
    """The leads that nobody could take: who has to place them, why nobody could, and what would free them."""
    from clearlane.route import exceptions

    now = this_moment()
    with open_ledger() as connection:
        entries = exceptions.listed(connection, policy_in_force(connection, now), now)
    if as_json:
        print_json([exceptions.as_json(one) for one in entries])
        return
    table = Table("lead", "owner", "age", "due", "why", "first freed by", box=None)
    for one in entries:
        why = "; ".join(f"{rep}: {said}" for rep, said in sorted(one.refused.items())) or one.because
        cells = (one.lead, one.owner or "nobody", length(one.age), minute(one.due), why, one.frees)
        table.add_row(*map(Text, cells))
    out.print(table)


@exceptions_app.command("assign")
def exceptions_assign(lead: Lead, rep: RepId, by: By, because: Because) -> None:
    """Give a lead of the queue to a rep; caps and absences are told, and a person may overrule them."""
    from clearlane.route import exceptions

    now = this_moment()
    with by_hand() as (connection, published, find, owe):
        made, against = exceptions.assign(
            connection, published, find(lead), rep, by=by, because=because, at=now
        )
        owe(made)
    if against:
        err.print(f"warning: {rep}: {against}", markup=False, soft_wrap=True)
    out.print(f"{lead} is {rep}'s: decision {made.decision_seq}", highlight=False, markup=False)


@exceptions_app.command("retry")
def exceptions_retry(
    by: By, leads: Annotated[list[str] | None, typer.Argument(help="leads; none: all of the queue")] = None
) -> None:
    """Have the next live run route leads of the queue anew."""
    from clearlane.route import exceptions

    with by_hand() as (connection, _, find, _owe):
        count = exceptions.retry(connection, [find(lead) for lead in leads or []], by=by, at=this_moment())
    out.print(f"{count} leads wait for the next run", highlight=False)


@pool_app.command("list")
def pool_list(
    team: Annotated[str | None, typer.Argument(help="id of a team; default: all pools")] = None,
    as_json: Json = False,
) -> None:
    """The leads that wait to be claimed, hottest first."""
    from clearlane.route import pools

    now = this_moment()
    with by_hand() as (connection, published, _, _owe):
        entries = pools.listed(connection, published, now, team)
    if as_json:
        print_json([pools.as_json(one) for one in entries])
        return
    table = Table("pool", "lead", "score", "band", "age", "due", "until", "why", box=None)
    for one in entries:
        score = "" if one.score is None else str(one.score)
        cells = (one.team or "", one.lead, score, one.band or "", length(one.age), minute(one.due))
        table.add_row(*map(Text, (*cells, minute(one.until), one.because)))
    out.print(table)


@pool_app.command("claim")
def pool_claim(lead: Lead, rep: RepId) -> None:
    """Take a lead from the pool of a team one is in, below one's caps; one winner a claim."""
    from clearlane.route import pools

    with by_hand() as (connection, published, find, owe):
        made = pools.claim(connection, published, find(lead), rep, this_moment())
        owe(made)
    out.print(f"{lead} is {rep}'s: decision {made.decision_seq}", highlight=False, markup=False)


@pool_app.command("release")
def pool_release(lead: Lead, rep: RepId, because: Because) -> None:
    """Give a claimed lead back to its pool."""
    from clearlane.route import pools

    with by_hand() as (connection, published, find, owe):
        made = pools.release(connection, published, find(lead), rep, because=because, at=this_moment())
        owe(made)
    out.print(f"{lead} waits in the pool again: decision {made.decision_seq}", highlight=False, markup=False)


@commands.command()
def decline(
    lead: Lead,
    by: Annotated[str, typer.Option(help="the rep who has it and does not take it")],
    reason: Annotated[str, typer.Option(help="one of rerouting.declines in routing.yaml")],
) -> None:
    """Say that a rep does not take a lead: the next live run gives it to another, never to that rep again."""
    from clearlane.route import declines

    with by_hand() as (connection, published, find, _owe):
        declines.decline(connection, published, find(lead), by, reason, this_moment())
    out.print(f"{lead} is declined by {by}: the next run gives it to another", highlight=False, markup=False)


@commands.command()
def covers(as_json: Json = False) -> None:
    """Who covers for whom: leads in working contact whose owner is away, until when."""
    from clearlane.route import covers as covering

    with open_ledger() as connection:
        found = covering.listed(connection)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], default=datetime.isoformat, indent=1))
        return
    rows = (
        (one.rep, one.cover, str(one.leads), minute(one.since), minute(one.until), one.because)
        for one in found
    )
    out.print(table_of(("away", "cover", "leads", "since", "until", "why"), rows))
