"""`clearlane review`, `whatif` and `forecast`: what the points did, would do, and what is to come."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from clearlane.cli.borders import comparable, open_ledger, policy_in_force, possible, readable, this_moment
from clearlane.cli.console import err, minute, out, print_json, say, stop, table_of
from clearlane.cli.options import DEFAULT_POLICY, Json, PolicyDir, moment_of

commands = typer.Typer()
review_app = typer.Typer(
    help="The quarterly review of the points: what it found, what was decided.", no_args_is_help=True
)
ReviewId = Annotated[
    str | None, typer.Argument(help="beginning of a review's id, from `review list`; default: the newest")
]
commands.add_typer(review_app, name="review")


@review_app.callback(invoke_without_command=True)
def review(
    context: typer.Context,
    data: Annotated[Path | None, typer.Option(help="CSV or Parquet: one row per lead")] = None,
    target: Annotated[str | None, typer.Option(help="column with the outcome, of two values")] = None,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="folder for scoring.yaml, report.html, metrics.json")
    ] = None,
    time: Annotated[str | None, typer.Option(help="column of time: judged on the newest 30 %")] = None,
    id_: Annotated[str | None, typer.Option("--id", help="column that names the lead")] = None,
    drop: Annotated[str, typer.Option(help="columns not to learn from, with commas between")] = "",
    split: Annotated[str | None, typer.Option(help="column that says train or test")] = None,
) -> None:
    """Learn points from any export (--data, --target, --out), or look at the reviews of the ledger."""
    from time import perf_counter

    from clearlane import policy as policies
    from clearlane.review import from_file

    if context.invoked_subcommand:
        return
    if not (data and target and out_dir):
        stop("give --data, --target and --out, or one of the commands weights, list, show and diff")
    with readable():
        protected = policies.load(DEFAULT_POLICY).scoring.protected
        asked = from_file.Asked(data, target, time, id_, tuple(filter(None, drop.split(","))), split)
        metrics = from_file.review(asked, out_dir, protected=protected, clock=perf_counter)
    print_json(metrics)


@review_app.command("weights")
def review_weights(
    out_dir: Annotated[
        Path, typer.Option("--out", help="folder for report.html, metrics.json and a new scoring.yaml")
    ],
    since: Annotated[str | None, typer.Option("--from", help="ISO 8601; default: a year before --to")] = None,
    until: Annotated[str | None, typer.Option("--to", help="ISO 8601; default: the newest run")] = None,
    horizon: Annotated[float, typer.Option(help="days within which outcomes count")] = 90.0,
    holdout: Annotated[float, typer.Option(help="share of the leads, the newest, to judge on")] = 0.3,
    seed: int = 7,
) -> None:
    """Review the points in force by the leads first decided in a span; write it down and decide nothing."""
    from clearlane import review as reviews
    from clearlane.review import artefacts, weights
    from clearlane.review.report import quarter

    with readable(), comparable(), open_ledger() as connection:
        known = reviews.known_until(connection) or this_moment()
        to = moment_of(until) if until else known
        found = weights.review(
            connection,
            policy_in_force(connection, known),
            since=moment_of(since) if since else to - timedelta(days=365),
            until=to,
            as_of=known,
            horizon=timedelta(days=horizon),
            holdout=holdout,
            seed=seed,
        )
    for sentence in quarter.verdict(found):
        out.print(sentence, markup=False, highlight=False)
    for path in artefacts.written(out_dir, quarter.files(found)):
        err.print(f"written: {path}", markup=False)


@review_app.command("list")
def review_list(as_json: Json = False) -> None:
    """The reviews of the points, the newest first, and what was decided about each."""
    from clearlane.review import recorded, register

    with open_ledger() as connection:
        found = register.listed(connection)
    if as_json:
        print_json([recorded.as_json(one) for one in found])
        return
    heads = ("review", "as of", "mode", "changes", "status", "by", "in force from")
    rows = (
        (
            str(one.review_id)[:8], minute(one.as_of), one.mode, str(len(one.changes)), recorded.status(one),
            one.decided_by or "", minute(one.in_force_from),
        )
        for one in found
    )  # fmt: skip
    out.print(table_of(heads, rows))


@review_app.command("show")
def review_show(
    review: ReviewId = None,
    as_json: Json = False,
    page: Annotated[Path | None, typer.Option(help="write the report, an HTML page, there")] = None,
) -> None:
    """What a review found, what it proposes, what was decided and why."""
    from clearlane.review import recorded, register

    with possible(), open_ledger() as connection:
        found = register.named(connection, review)
    if page:
        page.write_text(found.report, encoding="utf-8")
        err.print(f"written: {page}", markup=False)
    if as_json:
        print_json(recorded.as_json(found))
        return
    for line in recorded.lines(found):
        say(line)


@review_app.command("diff")
def review_diff(review: ReviewId = None) -> None:
    """What a review changes in scoring.yaml, as `git apply` reads it: as approved, else as proposed."""
    from clearlane.review import recorded, register

    with possible(), open_ledger() as connection:
        found = register.named(connection, review)
        changed = recorded.diff(connection, found)
    typer.echo(changed, nl=False)
    if not changed:
        stop("this review changes nothing", code=1)


@commands.command()
def forecast(
    weeks: Annotated[int, typer.Option(min=1, max=26, help="how many weeks ahead")] = 4,
    as_of: Annotated[str | None, typer.Option("--as-of", help="ISO 8601 moment; default: now")] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="a folder instead of the policy in force")
    ] = None,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="folder for forecast.json and forecast.html")
    ] = None,
    seed: Annotated[int, typer.Option(help="the same seed gives the same figures")] = 7,
    as_json: Json = False,
) -> None:
    """Who runs short: the leads each team can expect in the next weeks against what it can take."""
    from clearlane import policy as policies
    from clearlane.review import artefacts, outlook
    from clearlane.review import forecast as forecasting

    moment = moment_of(as_of) if as_of else this_moment()
    with readable(), open_ledger() as connection:
        used = policies.load(policy) if policy else policy_in_force(connection, moment)
        try:
            found = forecasting.forecast(connection, used, moment, weeks=weeks, seed=seed)
        except forecasting.TooLittleHistory as little:
            stop(str(little), code=1)
    if out_dir:
        for path in artefacts.write_forecast(found, out_dir):
            err.print(f"written: {path}")
    if as_json:
        print_json(forecasting.as_json(found))
        return
    for table in outlook.tables(found):
        out.print(table, "")


@commands.command()
def whatif(
    policy: PolicyDir,
    since: Annotated[str, typer.Option("--from", help="ISO 8601 moment: runs that ended after it")],
    until: Annotated[str, typer.Option("--to", help="ISO 8601 moment: runs that ended by it")],
    against: Annotated[Path | None, typer.Option(help="a folder instead of the policy in force then")] = None,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="folder for whatif.json and whatif.html")
    ] = None,
    horizon: Annotated[float, typer.Option(help="days within which outcomes count")] = 90.0,
    top: Annotated[int, typer.Option(help="leads named")] = 25,
    as_json: Json = False,
) -> None:
    """Play history through another policy, in shadow: who moves, what became of them, who gets the work."""
    from clearlane import policy as policies
    from clearlane import review

    with readable(), comparable(), open_ledger() as connection:
        told = review.whatif(
            connection, policies.load(policy), since=moment_of(since), until=moment_of(until), name=str(policy),
            against=policies.load(against) if against else None, against_name=str(against),
            horizon_days=horizon, top=top,
        )  # fmt: skip
    if out_dir:
        for path in review.write(told, out_dir):
            err.print(f"written: {path}")
    if as_json:
        print_json(review.as_json(told))
        return
    for table in review.tables(told):
        out.print(table, "")
