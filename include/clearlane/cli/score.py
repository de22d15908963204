"""`clearlane score`, `signals` and `override`: what a lead is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clearlane.cli.borders import open_ledger, readable, this_moment
from clearlane.cli.console import out, say_written, stop
from clearlane.cli.options import Accounts, Activities, AsOf, Because, By, Leads, Out, PolicyDir, moment_of

commands = typer.Typer()


@commands.command()
def score(
    policy: PolicyDir,
    leads: Leads,
    as_of: AsOf,
    out: Out,
    activities: Activities = None,
    accounts: Accounts = None,
    signals: Annotated[
        Path | None, typer.Option(help="CSV or Parquet: what `clearlane signals` asked a warehouse for")
    ] = None,
    engine: Annotated[str, typer.Option(help="duckdb")] = "duckdb",
) -> None:
    """Score leads from a file with a policy folder: no server, no Airflow."""
    from clearlane.score import score_files

    if engine != "duckdb":
        stop(f"--engine: found {engine!r}, allowed: duckdb")
    if activities and signals:
        stop("--activities and --signals: give one of them; signals are activities added up")
    with readable():
        count = score_files(policy, leads, activities, accounts, moment_of(as_of), out, signals=signals)
    say_written(count, out)


@commands.command()
def signals(
    policy: PolicyDir,
    as_of: AsOf,
    dialect: Annotated[str, typer.Option(help="postgres, duckdb, spark, snowflake, bigquery or trino")],
    activities: Annotated[
        str, typer.Option(help="table, or select in brackets: lead_id, type, occurred_at, attributes")
    ],
    leads: Annotated[
        str | None, typer.Option(help="table: lead_id, cycle_since (empty in the first cycle); only these")
    ] = None,
) -> None:
    """Print the query that adds up behaviour in the warehouse that keeps it, for `score --signals`."""
    from clearlane import policy as policies
    from clearlane.rules import Dialect
    from clearlane.score.warehouse import signals_query

    if dialect not in list(Dialect):
        stop(f"--dialect: found {dialect!r}, allowed: {', '.join(Dialect)}")
    with readable():
        scoring = policies.load(policy).scoring
    moment, kind = moment_of(as_of), Dialect(dialect)
    typer.echo(signals_query(scoring, kind, activities=activities, as_of=moment, leads=leads))


@commands.command()
def override(
    lead: Annotated[str, typer.Argument(help="lead id, SOURCE:ID, or e-mail")],
    by: By,
    because: Because,
    score: Annotated[int | None, typer.Option(help="show this score")] = None,
    band: Annotated[str | None, typer.Option(help="put it into this band")] = None,
    until: Annotated[str | None, typer.Option(help="ISO 8601 moment; default: until taken back")] = None,
    end: Annotated[bool, typer.Option("--end", help="take back what is in force")] = False,
) -> None:
    """Say what a lead is worth in place of the model, or take that back; it is scored anew at once."""
    from clearlane import explain as stories
    from clearlane import policy
    from clearlane.score import overrides, refresh

    now = this_moment()
    if end and (score is not None or band or until):
        stop("--end takes back what is in force: give no --score, --band or --until with it")
    with open_ledger() as connection:
        try:
            lead_id = stories.find(connection, lead)
            published = policy.stored(connection, policy.in_force(connection, now))
            if end:
                overrides.end_override(connection, lead_id, by=by, because=because, at=now)
            else:
                overrides.set_override(
                    connection, published.scoring, lead_id, score=score, band=band, by=by, because=because,
                    since=now, until=moment_of(until) if until else None,
                )  # fmt: skip
        except (stories.Unknown, overrides.NotAllowed) as problem:
            stop(str(problem), code=1)
        refresh.rescore_now(connection, published, [lead_id], now)
        shown = stories.shown_score(connection, lead_id)
    out.print(f"{lead} is {shown}", highlight=False, markup=False)
