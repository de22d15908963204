"""The command line: try a policy on files, ask the ledger why, work the quarantine, check the promises.

Exit codes: 0 yes, 1 the answer is no (errors found, an invariant broken), 2 the input cannot be read.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)
policy_app = typer.Typer(help="Check, publish and compare the policy files.", no_args_is_help=True)
review_app = typer.Typer(
    help="The quarterly review of the points: what it found, what was decided.", no_args_is_help=True
)
quarantine_app = typer.Typer(help="Records kept whole because they could not be used.", no_args_is_help=True)
quality_app = typer.Typer(help="How good is what each source sends, and what should be asked of it.")
matches_app = typer.Typer(
    help="Companies that may be an account: a person says which, and can take it back.", no_args_is_help=True
)
people_app = typer.Typer(
    help="Records that are one person or two: a person says which, and can take it back.",
    no_args_is_help=True,
)
exceptions_app = typer.Typer(help="Leads that nobody could take, and whose they are.", no_args_is_help=True)
connector_app = typer.Typer(help="The systems that leads come from and go back to.", no_args_is_help=True)
pool_app = typer.Typer(help="Shared queues from which reps pull leads.", no_args_is_help=True)
sla_app = typer.Typer(
    help="Promises to leads: the mails about them, pauses, and who was silent too often.",
    no_args_is_help=True,
)
push_app = typer.Typer(
    help="What is owed to the source systems, and what became of it.", no_args_is_help=True
)
dead_app = typer.Typer(help="Writes that a source refused or that failed too often.", no_args_is_help=True)
push_app.add_typer(dead_app, name="dead")
suppress_app = typer.Typer(help="Addresses and domains that nobody may contact.", no_args_is_help=True)
app.add_typer(suppress_app, name="suppress")
app.add_typer(push_app, name="push")
app.add_typer(policy_app, name="policy")
app.add_typer(review_app, name="review")
app.add_typer(quality_app, name="quality")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(matches_app, name="matches")
app.add_typer(people_app, name="people")
app.add_typer(exceptions_app, name="exceptions")
app.add_typer(pool_app, name="pool")
app.add_typer(sla_app, name="sla")
app.add_typer(connector_app, name="connector")
enrichment_app = typer.Typer(help="What others know of leads, and what nobody does.", no_args_is_help=True)
app.add_typer(enrichment_app, name="enrichment")

# A line such as `teams.yaml:100: ...` is no emoji.
out = Console(emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)
DEFAULT_POLICY = Path(__file__).resolve().parents[1] / "policy"

PolicyDir = Annotated[Path, typer.Option("--policy", help="folder with the policy files")]
Leads = Annotated[Path, typer.Option(help="CSV or Parquet: lead_id and attributes")]
Activities = Annotated[Path | None, typer.Option(help="CSV or Parquet: lead_id, type, occurred_at")]
Accounts = Annotated[Path | None, typer.Option(help="CSV or Parquet: account_id and attributes")]
AsOf = Annotated[str, typer.Option("--as-of", help="ISO 8601 moment; UTC unless it carries a zone")]
Out = Annotated[Path, typer.Option(help="file to write, CSV or Parquet by its ending")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
By = Annotated[str, typer.Option(help="who does this")]
Because = Annotated[str, typer.Option(help="why")]
Lead = Annotated[str, typer.Argument(help="lead id, SOURCE:ID, or e-mail")]
ReviewId = Annotated[
    str | None, typer.Argument(help="beginning of a review's id, from `review list`; default: the newest")
]
AccountName = Annotated[str, typer.Argument(help="account id, or SOURCE:ID")]
Reason = Annotated[
    str | None,
    typer.Option(help="as the list names it, such as `email or phone any_of`; or its field or rule"),
]
SourceName = Annotated[str | None, typer.Option(help="only of this source")]
Since = Annotated[str | None, typer.Option(help="ISO 8601: there since then or later")]
_MOST = 1_000_000
RepId = Annotated[str, typer.Option("--rep", help="id of a rep of teams.yaml")]


# --- files in, files out ----------------------------------------------------------------------


@app.command()
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
        _stop(f"--engine: found {engine!r}, allowed: duckdb")
    if activities and signals:
        _stop("--activities and --signals: give one of them; signals are activities added up")
    with _readable():
        count = score_files(policy, leads, activities, accounts, _moment(as_of), out, signals=signals)
    _written(count, out)


@app.command()
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
        _stop(f"--dialect: found {dialect!r}, allowed: {', '.join(Dialect)}")
    with _readable():
        scoring = policies.load(policy).scoring
    moment, kind = _moment(as_of), Dialect(dialect)
    typer.echo(signals_query(scoring, kind, activities=activities, as_of=moment, leads=leads))


@app.command()
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

    with _readable():
        count = route_files(policy, leads, activities, accounts, _moment(as_of), out)
    _written(count, out)


@app.command()
def match(
    leads: Annotated[Path, typer.Option(help="CSV or Parquet: lead_id, company, what is known of it")],
    accounts: Annotated[Path, typer.Option(help="CSV or Parquet: account_id, name, what is known of it")],
    out: Out,
    processes: Annotated[int, typer.Option(help="that match a large file; 0: one for each core", min=0)] = 0,
) -> None:
    """Match the leads of a file with accounts by name, place and domain: match, ask or none, and why."""
    from clearlane.identity.matching import match_files

    with _readable():
        count = match_files(leads, accounts, out, processes=processes or os.cpu_count() or 1)
    _written(count, out)


@app.command()
def dedupe(leads: Leads, out: Out) -> None:
    """Find who is twice in a file of leads, however misspelt: a cluster for each person."""
    from clearlane.identity.duplicates import files

    with _readable():
        done = files.dedupe_files(leads, out)
    for line in files.lines(done, out):
        err.print(line, markup=False, soft_wrap=True)


def _written(count: int, out: Path) -> None:
    err.print(f"{count:,} leads, written: {out}", markup=False, soft_wrap=True)


# --- policy -----------------------------------------------------------------------------------


@policy_app.command("check")
def policy_check(folder: Annotated[Path, typer.Argument(help="policy folder")] = DEFAULT_POLICY) -> None:
    """Name every error of a policy folder at once: file, line, what was found, what is allowed."""
    from clearlane.policy import check

    report = check(folder)
    for warning in report.warnings:
        err.print(f"warning: {warning}", markup=False, soft_wrap=True)
    for error in report.errors:
        err.print(str(error), markup=False, soft_wrap=True)
    if report.errors:
        raise typer.Exit(1)


@policy_app.command("publish")
def policy_publish(
    by: By,
    because: Because,
    folder: Annotated[Path, typer.Argument(help="policy folder")] = DEFAULT_POLICY,
    in_force_from: Annotated[str | None, typer.Option("--from", help="ISO 8601 moment; default: now")] = None,
) -> None:
    """Put the policy files in force; DAGs use the published version, and who is concerned is owed a mail."""
    from clearlane import policy
    from clearlane.sla import publishing

    now = _now()
    moment = _moment(in_force_from) if in_force_from else now
    with _readable(), _ledger() as connection:
        before = policy.in_force(connection, moment)
        published = policy.publish(connection, folder, by=by, because=because, in_force_from=moment)
        told = publishing.tell(connection, before, publishing.Published(published, by, because, moment, now))
    for name, digest in published.items():
        out.print(f"{name} {digest[:12]} in force", highlight=False)
    if not published:
        out.print("nothing changed: these versions are in force already")
    if told:
        out.print(f"mails owed to {told} people whom it changes something for", highlight=False)


@policy_app.command("rollback")
def policy_rollback(
    by: By,
    because: Because,
    to: Annotated[str | None, typer.Option(help="hash of a version; default: the one before")] = None,
    in_force_from: Annotated[str | None, typer.Option("--from", help="ISO 8601 moment; default: now")] = None,
) -> None:
    """Put the version of scoring.yaml before the newest in force again; who is concerned is owed a mail."""
    from clearlane.review import register

    now = _now()
    moment = _moment(in_force_from) if in_force_from else now
    with _readable(), _possible(), _ledger() as connection:
        undone, told = register.take_back(
            connection, to, by=by, because=because, in_force_from=moment, at=now
        )
    since = _minute(undone.in_force_from)
    out.print(f"scoring {undone.version[:12]} in force again from {since}", highlight=False)
    out.print("taken back: " + ", ".join(one[:12] for one in undone.versions), highlight=False)
    if told:
        out.print(f"mails owed to {told} people whom it changes something for", highlight=False)


@policy_app.command("diff")
def policy_diff(
    against: Annotated[Path, typer.Argument(help="policy folder as it was")],
    folder: Annotated[Path, typer.Argument(help="policy folder as it would be")] = DEFAULT_POLICY,
    names: Annotated[tuple[str, str], typer.Option(help="what to call the two")] = ("before", "after"),
    days: Annotated[float, typer.Option(help="of the ledger: days before its newest run")] = 30.0,
) -> None:
    """What one folder does otherwise than another, as Markdown: on the ledger, else on the generated company."""
    from clearlane import policy, review

    with _readable(), _comparable():
        contents = policy.texts(against)
        policies = (policy.parse(contents), policy.load(folder))
        if policies[0].hashes == policies[1].hashes:
            typer.echo(review.NOTHING)
            return
        with _history(contents, days) as (connection, since, until, company):
            told = review.whatif(
                connection, policies[1], since=since, until=until, name=names[1],
                against=policies[0], against_name=names[0],
            )  # fmt: skip
        typer.echo(review.comment(told, company), nl=False)


@contextmanager
def _history(texts: Any, days: float) -> Iterator[Any]:
    """A ledger with the span to play and whose it is: the one that is named, else the generated company's."""
    from clearlane import rehearsal, review

    if os.environ.get("CLEARLANE_LEDGER_URL"):
        with _ledger() as connection:
            until = review.known_until(connection) or _now()
            yield connection, until - timedelta(days=days), until, "the ledger"
        return
    today = _now().replace(hour=0, minute=0, second=0, microsecond=0)
    end = today - timedelta(days=today.weekday())
    days, leads = rehearsal.DAYS, rehearsal.LEADS
    with rehearsal.lived(texts, end, days=days, leads=leads) as engine, engine.begin() as connection:
        yield connection, end - timedelta(days=days), end, "the generated company"


# --- the weight review ------------------------------------------------------------------------


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
        _stop("give --data, --target and --out, or one of the commands weights, list, show and diff")
    with _readable():
        protected = policies.load(DEFAULT_POLICY).scoring.protected
        asked = from_file.Asked(data, target, time, id_, tuple(filter(None, drop.split(","))), split)
        metrics = from_file.review(asked, out_dir, protected=protected, clock=perf_counter)
    _echo(metrics)


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

    with _readable(), _comparable(), _ledger() as connection:
        known = reviews.known_until(connection) or _now()
        to = _moment(until) if until else known
        found = weights.review(
            connection, _in_force(connection, known), since=_moment(since) if since else to - timedelta(days=365),
            until=to, as_of=known, horizon=timedelta(days=horizon), holdout=holdout, seed=seed,
        )  # fmt: skip
    for sentence in quarter.verdict(found):
        out.print(sentence, markup=False, highlight=False)
    for path in artefacts.written(out_dir, quarter.files(found)):
        err.print(f"written: {path}", markup=False)


@review_app.command("list")
def review_list(as_json: Json = False) -> None:
    """The reviews of the points, the newest first, and what was decided about each."""
    from clearlane.review import recorded, register

    with _ledger() as connection:
        found = register.listed(connection)
    if as_json:
        _echo([recorded.as_json(one) for one in found])
        return
    table = Table("review", "as of", "mode", "changes", "status", "by", "in force from", box=None)
    for one in found:
        cells = (
            str(one.review_id)[:8],
            _minute(one.as_of),
            one.mode,
            str(len(one.changes)),
            recorded.status(one),
        )
        table.add_row(*map(Text, (*cells, one.decided_by or "", _minute(one.in_force_from))))
    out.print(table)


@review_app.command("show")
def review_show(
    review: ReviewId = None,
    as_json: Json = False,
    page: Annotated[Path | None, typer.Option(help="write the report, an HTML page, there")] = None,
) -> None:
    """What a review found, what it proposes, what was decided and why."""
    from clearlane.review import recorded, register

    with _possible(), _ledger() as connection:
        found = register.named(connection, review)
    if page:
        page.write_text(found.report, encoding="utf-8")
        err.print(f"written: {page}", markup=False)
    if as_json:
        _echo(recorded.as_json(found))
        return
    for line in recorded.lines(found):
        out.print(line, markup=False, highlight=False, soft_wrap=True)


@review_app.command("diff")
def review_diff(review: ReviewId = None) -> None:
    """What a review changes in scoring.yaml, as `git apply` reads it: as approved, else as proposed."""
    from clearlane.review import recorded, register

    with _possible(), _ledger() as connection:
        found = register.named(connection, review)
        changed = recorded.diff(connection, found)
    typer.echo(changed, nl=False)
    if not changed:
        _stop("this review changes nothing", code=1)


# --- the ledger -------------------------------------------------------------------------------


@app.command()
def migrate() -> None:
    """Create the ledger's tables, or bring them up to date."""
    from clearlane.ledger import migrate as migrated

    migrated(_ledger_url())


@app.command()
def explain(
    lead: Annotated[str, typer.Argument(help="lead id, SOURCE:ID, or e-mail")], as_json: Json = False
) -> None:
    """The whole story of a lead on one screen."""
    from clearlane import explain as stories

    with _ledger() as connection:
        try:
            told = stories.story(connection, lead)
        except stories.Unknown as unknown:
            _stop(str(unknown), code=1)
    if as_json:
        _echo(stories.as_json(told))
        return
    out.print(Text(f"{lead}  {told.lead_id}", style="bold"), told.headline, sep="\n", markup=False)
    for section in told.sections:
        table = Table(title=section.title, title_justify="left", show_header=False, box=None, pad_edge=False)
        table.add_column(no_wrap=True, style="cyan")
        table.add_column(overflow="fold")
        for line in section.lines:
            table.add_row(Text(line.label), Text(line.text))
        out.print(table)


@app.command()
def replay(
    decision: Annotated[
        int | None, typer.Argument(help="number of the decision, as explain shows it")
    ] = None,
    lead: Annotated[
        str | None, typer.Option(help="all live decisions for this lead: id, SOURCE:ID, or e-mail")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a decision again from what it was made of; exit 1 with exactly what differs."""
    from clearlane import explain as stories
    from clearlane import replay as replaying

    if (decision is None) == (lead is None):
        _stop("give the number of a decision, or --lead")
    with _ledger() as connection:
        try:
            made = (
                replaying.of_lead(connection, stories.find(connection, lead))
                if lead
                else (replaying.replay(connection, decision or 0),)
            )
        except (stories.Unknown, replaying.Unknown) as unknown:
            _stop(str(unknown), code=1)
    if as_json:
        _echo([replaying.as_json(one) for one in made])
    else:
        for line in (line for one in made for line in replaying.lines(one)):
            out.print(line, markup=False, highlight=False, soft_wrap=True)
    if not all(one.identical for one in made):
        raise typer.Exit(1)


@app.command()
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

    now = _now()
    if end and (score is not None or band or until):
        _stop("--end takes back what is in force: give no --score, --band or --until with it")
    with _ledger() as connection:
        try:
            lead_id = stories.find(connection, lead)
            published = policy.stored(connection, policy.in_force(connection, now))
            if end:
                overrides.end_override(connection, lead_id, by=by, because=because, at=now)
            else:
                overrides.set_override(
                    connection, published.scoring, lead_id, score=score, band=band, by=by, because=because,
                    since=now, until=_moment(until) if until else None,
                )  # fmt: skip
        except (stories.Unknown, overrides.NotAllowed) as problem:
            _stop(str(problem), code=1)
        refresh.rescore_now(connection, published, [lead_id], now)
        shown = stories.shown_score(connection, lead_id)
    out.print(f"{lead} is {shown}", highlight=False, markup=False)


@app.command()
def doctor(
    as_json: Json = False,
    folder: Annotated[Path, typer.Option("--policy", help="policy folder to compare")] = DEFAULT_POLICY,
) -> None:
    """Check the promises on the ledger; exit 1 with the offenders when one is broken."""
    from clearlane import policy
    from clearlane import replay as replaying
    from clearlane.ledger import doctor as examination
    from clearlane.push import status
    from clearlane.route import caps, covers, declines, queues
    from clearlane.score import signals
    from clearlane.sla import story as promises
    from clearlane.sla.mails import status as mail_status

    now = _now()
    with _ledger() as connection:
        published = _in_force(connection, now)
        findings = (
            *examination.examine(connection), caps.finding(connection), covers.finding(connection, published),
            signals.finding(connection), replaying.finding(connection),
        )  # fmt: skip
        unpublished = policy.unpublished(connection, folder, now) if folder.is_dir() else ()
        overdue = queues.overdue(connection, published, now)
        unlisted = declines.unlisted(connection, published, now)
        pushing = tuple(status.notes(status.statuses(connection, published, now)))
        promised = tuple(promises.notes(connection, published, now))
        mailing = tuple(mail_status.notes(connection, now))
    if as_json:
        told = {"checks": examination.as_json(findings), "unpublished": list(unpublished)}
        told |= {"overdue": list(overdue), "declines": list(unlisted), "push": list(pushing)}
        told |= {"promises": list(promised), "mails": list(mailing)}
        typer.echo(json.dumps(told, indent=1))
    else:
        _print_findings(findings)
        for name in unpublished:
            out.print(
                f"[yellow]edited, not in force[/yellow] {name}.yaml: `clearlane policy publish` puts it in force"
            )
        for line in (*overdue, *unlisted, *pushing, *promised, *mailing):
            out.print(f"note: {line}", highlight=False, markup=False)
    if any(finding.count for finding in findings):
        raise typer.Exit(1)


def _print_findings(findings: Any) -> None:
    table = Table(box=None, show_header=False)
    for finding in findings:
        mark = f"[red]{finding.count} broken[/red]" if finding.count else "[green]kept[/green]"
        table.add_row(mark, Text(finding.check.promise), Text(", ".join(finding.offenders)))
    out.print(table)


@app.command()
def alive(
    within: Annotated[
        str | None,
        typer.Option(help="how long lead_flow and sla_watch may be silent, as in 15m; else as sla.yaml says"),
    ] = None,
    mail_to: Annotated[
        str | None,
        typer.Option(help="also mail what is wrong there, each incident once, through CLEARLANE_SMTP_URL"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Whether the pipeline keeps its own promises; exit 1 with a line for each that it does not.

    For cron or a monitor: it asks the ledger alone, and so works where Airflow is what died.
    """
    from clearlane.sla import pipeline

    server = _mail_server() if mail_to else None
    found = _wrong(_length_of(within) if within else None)
    if as_json:
        _echo([pipeline.as_json(one) for one in found])
    else:
        for line in map(pipeline.told, found):
            _line(line)
    if mail_to and server:
        _mail_incidents(found, mail_to, server)
    if found:
        raise typer.Exit(1)
    if not as_json:
        _line("the pipeline keeps its promises")


def _mail_incidents(found: Any, to: str, server: Any) -> None:
    """Note what was found, and mail the incidents that this address was not told of."""
    from clearlane.ledger import connect
    from clearlane.sla import incidents, mails
    from clearlane.sla.mails import smtp

    now, engine = _now(), connect(_ledger_url())
    try:
        with engine.begin() as connection:
            policy = _in_force(connection, now)
            incidents.note(connection, policy, found, now)
            incidents.tell_monitor(connection, policy, to, now)
        sent = mails.send_due(engine, policy, now, mails.Post(smtp.sender(server)), person=incidents.MONITOR)
    finally:
        engine.dispose()
    if sent.failed or sent.refused:
        err.print("a mail did not leave: it stays owed, and the next call tries again", soft_wrap=True)


def _mail_server() -> Any:
    from clearlane.sla.mails.smtp import mail_server

    url = os.environ.get("CLEARLANE_SMTP_URL")
    try:
        return mail_server(url or "")
    except ValueError as problem:
        _stop(
            f"CLEARLANE_SMTP_URL: {problem}" if url else "--mail-to needs CLEARLANE_SMTP_URL, the mail server"
        )


@app.command()
def status() -> None:
    """What of the pipeline is not as it should be, since when, and what to do; and the incidents that are open."""
    from clearlane.sla import incidents, pipeline

    found = _wrong(None)
    for one in found:
        lasting = f"; for {_length(_now() - one.since)}" if one.since else ""
        _line(f"{pipeline.told(one)}{lasting}")
        if one.explained_by is None:
            _line(f"  {pipeline.KINDS[one.kind].do}; docs/runbook.md#{one.kind}")
    with _ledger() as connection:
        still = [
            one for one in incidents.open_ones(connection) if one.key not in {each.key for each in found}
        ]
    for incident in still:
        name, seen = incident.key.replace(".", " ", 1), _minute(incident.seen_at)
        _line(f"{name}: {incident.because}; last seen {seen}, open since {_minute(incident.opened_at)}")
    if not found and not still:
        _line("the pipeline keeps its promises")


@app.command()
def erase(
    name: Annotated[str, typer.Argument(metavar="EMAIL | LEAD", help="e-mail address, lead id or SOURCE:ID")],
    by: Annotated[str | None, typer.Option(help="who does this")] = None,
    because: Annotated[str | None, typer.Option(help="why; without the person's name")] = None,
    folder: Annotated[
        list[Path] | None, typer.Option(help="also in the files of this folder; may be given several times")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="say what would go, and change nothing")] = False,
    verify: Annotated[
        bool, typer.Option(help="only search for an e-mail, phone or name; exit 1 where it is found")
    ] = False,
) -> None:
    """Remove a person everywhere, Data Docs and reports included, keep them away, and prove it by a search."""
    from clearlane.privacy import erasing, showing

    folders = [*(folder or ()), *_data_docs()]
    with _possible(), _ledger() as connection:
        if verify:
            searched = erasing.verify(connection, name, folders)
            _lines(showing.search(searched))
            raise typer.Exit(1 if searched.left else 0)
        if not by or not because:
            _stop("--by and --because: say who asks for this and why")
        key = _privacy_key(connection)
        try:
            done = erasing.erase(
                connection, name, by=by, because=because, at=_now(), key=key, secrets=_connection,
                places=() if dry_run else folders,
            )  # fmt: skip
        except erasing.Incomplete as incomplete:
            _stop(f"nothing was erased: {incomplete}", code=1)
        if dry_run:
            connection.rollback()
    _lines(showing.erased(done, key, dry_run=dry_run))
    if done.searched.left:
        raise typer.Exit(1)


@app.command()
def retention(
    dry_run: Annotated[bool, typer.Option(help="count what is too old, and change nothing")] = False,
) -> None:
    """Prune what is older than `retention:` of contract.yaml keeps it, as the DAG does every week."""
    from clearlane import steps
    from clearlane.ledger import connect
    from clearlane.privacy import showing

    engine = connect(_ledger_url())
    docs_dir = next(iter(_data_docs()), None)
    counts = steps.retention(
        engine, _now(), key=_privacy_key, secrets=_connection, docs_dir=docs_dir, dry_run=dry_run
    )
    engine.dispose()
    _lines(showing.pruned(counts, dry_run=dry_run))


@suppress_app.command("import")
def suppress_import(
    file: Annotated[
        Path, typer.Argument(help="CSV or Parquet: email or domain; scope: contact or marketing")
    ],
    because: Because,
) -> None:
    """Put addresses and domains on the list of those whom nobody may contact; the next run follows it."""
    from clearlane.privacy import suppressing, tombstones

    with _readable(), _possible(), _ledger() as connection:
        keys = tombstones.keys_in_use(connection, _connection)
        done = suppressing.load(connection, file, because=because, at=_now(), keys=keys)
    _line(f"{done.read} read, {done.changed} new or stricter, {done.erased} erased before and not kept")


def _lines(lines: Iterable[str]) -> None:
    for line in lines:
        _line(line)


def _data_docs() -> list[Path]:
    """The folder of Data Docs, as Airflow has it."""
    named = os.environ.get("CLEARLANE_DATA_DOCS")
    home = os.environ.get("AIRFLOW_HOME")
    folder = Path(named) if named else Path(home) / "data_docs" if home else None
    return [folder] if folder and folder.is_dir() else []


def _privacy_key(connection: Any) -> Any:
    """What new tombstones are hashed with: the connection's password, else a secret that the ledger keeps."""
    from secrets import token_hex

    from clearlane.privacy import tombstones

    try:
        address = _connection(tombstones.CONNECTION)
    except LookupError:
        return tombstones.key_for(connection, None, token_hex(32))
    return tombstones.key_for(connection, tombstones.secret_of(address), token_hex(32))


def _line(text: str) -> None:
    out.print(text, highlight=False, markup=False, soft_wrap=True)


def _wrong(within: timedelta | None) -> Any:
    """What is wrong with the pipeline now; a ledger that does not answer is a sentence and exit code 1."""
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    from clearlane.sla import pipeline

    now = _now()
    try:
        with _ledger() as connection:
            connection.execute(text("set local statement_timeout = '60s'"))
            policy = _in_force(connection, now)
            allowed = policy.sla.pipeline.within(within) if within else None
            return pipeline.findings(connection, policy, now, allowed)
    except DBAPIError as failure:
        _stop(f"ledger: it does not answer ({type(failure.orig).__name__})", code=1)


@app.command()
def report(as_json: Json = False, top: Annotated[int, typer.Option(help="hottest leads shown")] = 10) -> None:
    """Where the leads are, by band and team; the hottest ones; what is in quarantine and why."""
    from clearlane import report as reports

    with _ledger() as connection:
        figures = reports.figures(connection, top)
    if as_json:
        typer.echo(json.dumps(reports.as_json(figures), ensure_ascii=False, indent=1, default=str))
        return
    for table in reports.tables(figures):
        out.print(table)


@app.command()
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

    end = _moment(until) if until else _now()
    start = _moment(since) if since else end - timedelta(days=30)
    with _ledger() as connection:
        found = shares.shares(connection, start, end, team)
    if html:
        html.write_text(pictures.page(found, start, end), encoding="utf-8")
        err.print(f"written: {html}")
    if as_json:
        _echo([shares.as_json(one) for one in found])
        return
    for table in pictures.tables(found):
        out.print(table, "")


@app.command()
def digest(
    week: Annotated[
        str | None, typer.Option(help="such as 2026-W10; default: the last that has ended")
    ] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="ISO 8601 moment; default: now")] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="folder for the mail, as HTML and text, and digest.json")
    ] = None,
    as_json: Json = False,
) -> None:
    """The figures of a week: how soon leads were touched, what was not kept, what became of them."""
    from clearlane.sla import digest as digests

    moment = _moment(as_of) if as_of else _now()
    with _readable(), _ledger() as connection:
        try:
            monday = digests.monday_of(week) if week else digests.last_monday(moment)
        except ValueError as problem:
            _stop(f"--week: {problem}")
        published = _in_force(connection, moment)
        told = digests.digest(connection, published, monday, moment)
    if folder:
        _write_digest(folder, published, told)
    if as_json:
        _echo(digests.as_json(told))
        return
    for table in digests.tables(told):
        out.print(table, "")


def _write_digest(folder: Path, published: Any, told: Any) -> None:
    from clearlane.sla import digest as digests
    from clearlane.sla import weekly
    from clearlane.sla.mails import preview

    written = preview.files([weekly.content(published, told)])
    data = json.dumps(digests.as_json(told), ensure_ascii=False, indent=1)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {**written, "digest.json": data}.items():
        (folder / name).write_text(text, encoding="utf-8")
    err.print(f"written: {folder}")


@app.command()
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

    moment = _moment(as_of) if as_of else _now()
    with _readable(), _ledger() as connection:
        used = policies.load(policy) if policy else _in_force(connection, moment)
        try:
            found = forecasting.forecast(connection, used, moment, weeks=weeks, seed=seed)
        except forecasting.TooLittleHistory as little:
            _stop(str(little), code=1)
    if out_dir:
        for path in artefacts.write_forecast(found, out_dir):
            err.print(f"written: {path}")
    if as_json:
        _echo(forecasting.as_json(found))
        return
    for table in outlook.tables(found):
        out.print(table, "")


@app.command()
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

    with _readable(), _comparable(), _ledger() as connection:
        told = review.whatif(
            connection, policies.load(policy), since=_moment(since), until=_moment(until), name=str(policy),
            against=policies.load(against) if against else None, against_name=str(against),
            horizon_days=horizon, top=top,
        )  # fmt: skip
    if out_dir:
        for path in review.write(told, out_dir):
            err.print(f"written: {path}")
    if as_json:
        _echo(review.as_json(told))
        return
    for table in review.tables(told):
        out.print(table, "")


@app.command()
def sample(
    folder: Annotated[Path, typer.Option("--out", help="folder to write the exports to")],
    end: Annotated[str, typer.Option(help="the moment up to which the company has lived")],
    seed: Annotated[int, typer.Option(help="the same seed and end give the same files")] = 7,
    days: int = 7,
    leads: int = 3000,
) -> None:
    """Write the generated exports of the default company."""
    from clearlane.sample import write

    write(folder, end=_moment(end), seed=seed, days=days, leads=leads)


@app.command()
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


# --- connectors -------------------------------------------------------------------------------


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
    tried = list(trial.tried(connector, source, _now(), teams))
    if as_json:
        _echo([asdict(one) for one in tried])
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
            _stop(f"{name}: its connector has nothing to prepare", code=1)
    except connectors.SourceFailed as problem:
        _stop(str(problem), code=1)


def _instruct(steps: Sequence[str]) -> None:
    typer.echo("\n".join(steps) if steps else "all fields are there")
    if steps:
        raise typer.Exit(1)


def _connected(name: str, folder: Path) -> tuple[Any, Any, Any]:
    """The source of that name, its connector, and the teams of the policy."""
    from clearlane import connectors
    from clearlane import policy as policies

    with _readable():
        loaded = policies.load(folder, names=["sources", "teams"])
    sources = loaded.sources.sources
    if name not in sources:
        _stop(f"unknown source {name}: sources.yaml names {', '.join(sources)}")
    try:
        return sources[name], connectors.connected(sources[name], _connection), loaded.teams
    except (connectors.SourceFailed, LookupError) as problem:
        _stop(str(problem), code=1)


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


# --- quality ----------------------------------------------------------------------------------


@quality_app.callback(invoke_without_command=True)
def quality(
    context: typer.Context,
    source: SourceName = None,
    since: Annotated[str | None, typer.Option("--from", help="first day; default: a week")] = None,
    until: Annotated[str | None, typer.Option("--to", help="last day; default: yesterday")] = None,
    as_json: Json = False,
) -> None:
    """What the sources sent, by day of the source (UTC): a score, what costs points, and what is not as usual."""
    from clearlane.quality import profiles, scores

    if context.invoked_subcommand:
        return
    now = _now()
    last = _moment(until).date() if until else now.date() - timedelta(days=1)
    first = _moment(since).date() if since else last - timedelta(days=6)
    with _ledger() as connection:
        policy = _in_force(connection, now)
        profiles.refresh(connection, policy, now)
        found = [
            one for one in scores.scores(connection, policy, first, last) if source in (None, one.source)
        ]
        days = profiles.known(connection, first, last)
    if as_json:
        _echo([scores.as_json(one) for one in found])
        return
    for table in scores.tables(found, days):
        out.print(table, "")


@quality_app.command("propose")
def quality_propose(
    source: SourceName = None,
    policy: PolicyDir = DEFAULT_POLICY,
    as_of: Annotated[str | None, typer.Option("--as-of", help="ISO 8601 moment; default: now")] = None,
    out_file: Annotated[Path | None, typer.Option("--out", help="write the diff there")] = None,
) -> None:
    """What contract.yaml could ask, learnt from the last 180 days: a diff to edit, apply and publish."""
    from clearlane import policy as policies
    from clearlane.quality import proposals

    moment = _moment(as_of) if as_of else _now()
    with _readable(), _ledger() as connection:
        text, contract = policies.texts(policy).get("contract", ""), policies.load(policy).contract
        found = list(proposals.proposed(connection, contract, moment, source))
    for one, others in found:
        err.print(proposals.line(one, others), markup=False, soft_wrap=True)
    if not found:
        _stop("nothing to propose: too little came, or all that it keeps to is asked already", code=1)
    change = proposals.diff(text, [one for one, _ in found], contract)
    if out_file:
        out_file.write_text(change, encoding="utf-8")
    else:
        typer.echo(change, nl=False)


# --- quarantine -------------------------------------------------------------------------------


@quarantine_app.command("list")
def quarantine_list(
    reason: Reason = None,
    source: SourceName = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(help="records shown", min=0)] = 20,
    as_json: Json = False,
) -> None:
    """The open records by reason, with what mends each; then the records, requests for sales first."""
    from clearlane.quality import quarantine, reasons

    chosen = quarantine.Chosen(reason, source, None, _moment(since) if since else None)
    with _ledger() as connection:
        entries = quarantine.listed(connection, chosen, limit=_MOST if as_json else limit)
        found = reasons.reasons(connection, _in_force(connection, _now()).sources, chosen)
    if as_json:
        _echo([quarantine.as_json(entry) for entry in entries])
        return
    if not found:
        _stop(
            "no open record is chosen by that" if any((reason, source, since)) else "the quarantine is empty",
            code=0,
        )
    for table in reasons.tables(found, entries):
        out.print(table, "")


@quarantine_app.command("reasons")
def quarantine_reasons(as_json: Json = False) -> None:
    """The open records by reason only: how many, since when, what was found, what mends it."""
    from clearlane.quality import reasons

    with _ledger() as connection:
        found = reasons.reasons(connection, _in_force(connection, _now()).sources)
    if as_json:
        _echo([reasons.as_json(one) for one in found])
        return
    out.print(*reasons.tables(found))


@quarantine_app.command("show")
def quarantine_show(record: int) -> None:
    """One record, whole."""
    from clearlane.quality import quarantine

    with _possible(), _ledger() as connection:
        _echo(quarantine.as_json(quarantine.shown(connection, record)))


@quarantine_app.command("replay")
def quarantine_replay(
    by: By,
    because: Because,
    records: Annotated[list[int] | None, typer.Argument(help="numbers of records; else choose them")] = None,
    reason: Reason = None,
    source: SourceName = None,
    since: Since = None,
    everything: Annotated[bool, typer.Option("--all", help="all that are open")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="tell what would become of them")] = False,
) -> None:
    """Map records again by the published policy: what is good now goes to the next run, the rest stays."""
    from clearlane.quality import quarantine, replaying

    asked = (reason, source, since)
    if bool(records) + any(asked) + everything != 1 or (records and dry_run):
        _stop(
            "give numbers of records; or --reason, --source, --since, or --all, with --dry-run where wanted"
        )
    now = _now()
    with _possible(), _ledger() as connection:
        policy = _in_force(connection, now)
        if records:
            count = quarantine.replay(connection, records, by=by, because=because, sources=policy.sources)
            out.print(f"{count} records wait for the next run")
            return
        chosen = quarantine.Chosen(reason, source, None, _moment(since) if since else None)
        done = replaying.replay(
            connection.engine, policy, chosen, by=by, because=because, as_of=now, dry_run=dry_run
        )
    for line in replaying.lines(done, dry_run=dry_run):
        out.print(line, highlight=False, markup=False, soft_wrap=True)
    if not done.looked_at:
        raise typer.Exit(1)


@quarantine_app.command("dismiss")
def quarantine_dismiss(records: list[int], by: By, because: Because) -> None:
    """Close the records: nobody will use them. They are kept."""
    from clearlane.quality import quarantine

    with _possible(), _ledger() as connection:
        out.print(f"{quarantine.dismiss(connection, records, by=by, because=because)} records dismissed")


# --- enrichment -------------------------------------------------------------------------------


@enrichment_app.command("status")
def enrichment_status(as_json: Json = False) -> None:
    """Each paid provider: the day's budget, its breaker, how old its answers are, what is still to be asked."""
    from clearlane.enrich import status

    now = _now()
    with _ledger() as connection:
        found = status.statuses(connection, _in_force(connection, now), now)
    if as_json:
        _echo([status.as_json(one) for one in found])
        return
    if found:
        out.print(_table(status.HEADS, map(status.cells, found)))
    _notes(status.notes(found))


@enrichment_app.command("gaps")
def enrichment_gaps(
    as_json: Json = False,
    page: Annotated[Path | None, typer.Option(help="write it as an HTML page there")] = None,
) -> None:
    """Which attributes that rules use are missing, for how many leads of which source, worth how many points."""
    from clearlane.enrich import status
    from clearlane.review import lacking
    from clearlane.score import gaps

    now = _now()
    with _ledger() as connection:
        policy = _in_force(connection, now)
        found, providers = (
            gaps.gaps(connection, policy.scoring, now),
            status.statuses(connection, policy, now),
        )
    if page:
        page.write_text(lacking.page(found, providers, now), encoding="utf-8")
    if as_json:
        _echo([gaps.as_json(one) for one in found])
        return
    out.print(_table(gaps.HEADS, map(gaps.cells, found)))
    for line in lacking.verdict(found):
        out.print(line, highlight=False, markup=False, soft_wrap=True)


def _table(heads: Iterable[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*heads, box=None)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


# --- push -------------------------------------------------------------------------------------


@push_app.command("status")
def push_status(as_json: Json = False) -> None:
    """What is owed to each source, and why nothing is sent where that is so."""
    from clearlane.push import status

    now = _now()
    with _ledger() as connection:
        found = status.statuses(connection, _in_force(connection, now), now)
    if as_json:
        _echo([status.as_json(one) for one in found])
        return
    heads = ("source", "owed", "merges", "due now", "in flight", "dead", "oldest", "last sent", "held")
    out.print(_table(heads, map(_standing, found)))
    for line in status.notes(found):
        out.print(f"note: {line}", highlight=False, markup=False, soft_wrap=True)


def _standing(one: Any) -> Sequence[str]:
    counts = map(str, (one.owed, one.merges, one.due, one.in_flight, one.dead))
    held = f"until {_minute(one.held_until)}: {one.because}" if one.held_until else ""
    return (one.source, *counts, _minute(one.oldest), _minute(one.sent_at), held)


@dead_app.command("list")
def dead_list(as_json: Json = False) -> None:
    """The dead writes, with what the source said."""
    from clearlane.push import dead

    with _ledger() as connection:
        found = dead.listed(connection)
    if as_json:
        _echo([dead.as_json(one) for one in found])
        return
    rows = (
        (
            str(one.number),
            one.record,
            _minute(one.owed_at),
            str(one.attempts),
            ", ".join(one.sets),
            one.error or "",
        )
        for one in found
    )
    out.print(_table(("write", "record", "owed", "tries", "sets", "the source said"), rows))


@dead_app.command("retry")
def dead_retry(
    by: By,
    because: Because,
    writes: Annotated[list[int] | None, typer.Argument(help="numbers of dead writes; none: all")] = None,
) -> None:
    """Owe dead writes again, with the newest score of their records."""
    from clearlane.push import dead

    with _revivable(), _ledger() as connection:
        done = dead.retry(connection, writes or [], by=by, because=because)
    out.print(f"{done.owed} writes are owed again, {done.superseded} were superseded by newer ones")


@dead_app.command("drop")
def dead_drop(writes: list[int], by: By, because: Because) -> None:
    """Let dead writes go; they are kept, with the reason."""
    from clearlane.push import dead

    with _revivable(), _ledger() as connection:
        out.print(f"{dead.drop(connection, writes, by=by, because=because)} writes dropped")


# --- exceptions, pools and declines -----------------------------------------------------------


# --- mails ------------------------------------------------------------------------------------


@sla_app.command("preview")
def sla_preview(
    kind: Annotated[str | None, typer.Argument(help="kind of mail; default: all")] = None,
    lead: Annotated[
        str | None, typer.Option(help="lead id, SOURCE:ID, or e-mail; default: an invented one")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="folder for HTML and text; default: print")
    ] = None,
) -> None:
    """Show the mails as they would be sent; sends and keeps nothing."""
    from clearlane.sla.mails import KINDS, preview

    if kind and kind not in KINDS:
        _stop(f"no kind of mail is called {kind!r}: there are {', '.join(KINDS)}")
    shown = _about(lead, kind) if lead else [preview.sample(one) for one in ([kind] if kind else KINDS)]
    if folder is None:
        for one in shown:
            typer.echo(preview.plain(one) + "\n" + "=" * 72)
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in preview.files(shown).items():
        (folder / name).write_text(text, encoding="utf-8")
    out.print(f"{len(shown)} mails: {folder / 'index.html'}", highlight=False, markup=False)


def _about(lead: str, kind: str | None) -> Any:
    """The mails about a lead of the ledger, of one kind or of all that are about leads."""
    from clearlane import explain as stories
    from clearlane.sla.mails import Content, Web, preview
    from clearlane.sla.mails.owing import ABOUT_A_LEAD

    now = _now()
    try:
        with _ledger() as connection:
            published, found = _in_force(connection, now), stories.find(connection, lead)
            web = Web(os.environ.get("CLEARLANE_URL"))
            told = [
                preview.of_lead(connection, published, web, found, one, now)
                for one in ([kind] if kind else ABOUT_A_LEAD)
            ]
    except stories.Unknown as problem:
        _stop(str(problem), code=1)
    shown = [one for one in told if isinstance(one, Content)]
    return shown or _stop(f"no such mail is sent now: {told[0].because}", code=1)


@sla_app.command("mails")
def sla_mails(as_json: Json = False) -> None:
    """The mails that were not sent, or not yet, and why; and the addresses that mails come back from."""
    from clearlane.sla.mails import status

    now = _now()
    with _ledger() as connection:
        counts, found = status.listed(connection)
        bouncing = status.bounces(connection)
        notes = tuple(status.notes(connection, now))
    if as_json:
        told = {"counts": counts, "mails": [status.as_json(one) for one in found]}
        _echo(told | {"bounces": [status.as_json(one) for one in bouncing]})
        return
    table = Table("mail", "kind", "to", "state", "lead", "since", "tries", "why", box=None)
    for one in found:
        cells = (str(one.mail_id), one.kind, one.person, one.state, one.lead or "", _minute(one.since))
        table.add_row(*map(Text, (*cells, str(one.attempts), one.because or "")))
    out.print(table)
    out.print(", ".join(f"{count} {state}" for state, count in counts.items()) or "no mails", highlight=False)
    for bounce in bouncing:
        said = f"{bounce.address} ({bounce.person}) since {_minute(bounce.since)}: {bounce.because}"
        out.print(f"comes back: {said}", highlight=False, markup=False, soft_wrap=True)
    for line in notes:
        out.print(f"note: {line}", highlight=False, markup=False, soft_wrap=True)


@sla_app.command("retry")
def sla_retry(mails: Annotated[list[int], typer.Argument(help="numbers from `clearlane sla mails`")]) -> None:
    """Owe refused, dead or expired mails anew; one that may have been sent is sent again."""
    from clearlane.sla.mails import status

    with _ledger() as connection:
        count = status.retry(connection, mails)
    out.print(f"{count} mails are owed again", highlight=False)


@sla_app.command("bounced")
def sla_bounced(
    address: Annotated[str, typer.Argument(help="e-mail address")],
    because: Annotated[str, typer.Option(help="what the returned mail says")] = "a mail came back",
    mended: Annotated[bool, typer.Option("--mended", help="it works again")] = False,
) -> None:
    """Say that mails to an address come back: its manager is written to instead, until it is `--mended`."""
    from clearlane.sla.mails import status

    if "@" not in address:
        _stop(f"{address!r} is no e-mail address")
    with _ledger() as connection:
        if mended and not status.end_bounce(connection, address, _now()):
            _stop("no mails to that address came back", code=1)
        if not mended:
            status.note_bounce(connection, address, because, _now())
    out.print("it is written to again" if mended else "its manager is written to instead", highlight=False)


@matches_app.command("list")
def matches_list(as_json: Json = False) -> None:
    """Companies without an account that one may be, with the likeliest account of each, the surest first."""
    from clearlane.identity import matches

    with _ledger() as connection:
        questions = matches.asked(connection, _in_force(connection, _now()).sources.matching)
    if as_json:
        _echo([asdict(one) for one in questions])
        return
    if not questions:
        _stop("nobody is asked about a company", code=0)
    out.print(_table(matches.HEADS, map(matches.cells, questions)))
    _line(
        "`clearlane matches show LEAD` says what speaks for and against; `accept` or `refuse LEAD ACCOUNT` answers"
    )


@matches_app.command("show")
def matches_show(lead: Lead, as_json: Json = False) -> None:
    """The accounts that a lead's company may be, and what speaks for and against each."""
    from clearlane.identity import matches

    with _matches() as (connection, find):
        question = matches.of_lead(connection, find(lead), _in_force(connection, _now()).sources.matching)
    if as_json:
        _echo(asdict(question) if question else None)
        return
    for one in question.candidates if question else ():
        out.print(
            f"{one.probability:4.0%}  {one.account}  {one.name}: {one.because}", markup=False, highlight=False
        )
    if question is None:
        out.print("no account has a name that is alike")


@matches_app.command("accept")
def matches_accept(lead: Lead, account: AccountName, by: By, because: Because) -> None:
    """The company of this lead, for all leads that have it, is this account."""
    _say_of_match(lead, account, "accept", by, because)


@matches_app.command("refuse")
def matches_refuse(lead: Lead, account: AccountName, by: By, because: Because) -> None:
    """The company of this lead is not this account, however alike."""
    _say_of_match(lead, account, "refuse", by, because)


@matches_app.command("withdraw")
def matches_withdraw(lead: Lead, account: AccountName, by: By, because: Because) -> None:
    """Take back what was said of this lead's company and this account."""
    _say_of_match(lead, account, "withdraw", by, because)


def _say_of_match(lead: str, account: str, verdict: Any, by: str, because: str) -> None:
    from clearlane.identity import matches

    with _matches() as (connection, find):
        company = matches.say(connection, find(lead), account, verdict, by=by, because=because, at=_now())
    out.print(f"{verdict}: {company}, {account}; the next run follows it", highlight=False, markup=False)


@contextmanager
def _matches() -> Iterator[Any]:
    """The ledger and the lead of a name; what is not there ends with its own sentence."""
    from clearlane import explain as stories
    from clearlane.identity.matches import NotPossible

    try:
        with _ledger() as connection:
            yield connection, lambda lead: stories.find(connection, lead)
    except (stories.Unknown, NotPossible) as problem:
        _stop(str(problem), code=1)


@people_app.command("list")
def people_list(as_json: Json = False) -> None:
    """Records that may be one person, the surest first; answer with `people merge` or `people apart`."""
    from clearlane.identity import doubles

    with _ledger() as connection:
        found = doubles.asked(connection, _in_force(connection, _now()).sources.people)
    if as_json:
        _echo([asdict(one) for one in found])
        return
    if not found:
        _stop("nobody is asked about two records", code=0)
    out.print(_table(doubles.HEADS, map(doubles.cells, found)))
    _line(
        "`clearlane people show LEAD` tells more; `people merge` or `people apart LEAD LEAD --by --because` answers"
    )


@people_app.command("twice")
def people_twice(as_json: Json = False) -> None:
    """People whom a source that is written to still has twice: what is to be merged there, by whom, and why."""
    from clearlane.push import merges

    with _ledger() as connection:
        found = merges.twice(connection, _in_force(connection, _now()))
    if as_json:
        _echo([asdict(one) for one in found])
        return
    rows = ((one.record, one.into, "owed" if one.by_us else "by hand", one.because) for one in found)
    out.print(_table(("record", "into", "merged", "because"), rows))


@people_app.command("show")
def people_show(lead: Lead, as_json: Json = False) -> None:
    """The records of which a person is made, why each is one of them, who is kept apart, and who may be the same."""
    from clearlane.identity import doubles, membership
    from clearlane.push import merges

    with _people() as (connection, find):
        record, published = find(lead), _in_force(connection, _now())
        person = membership.person(connection, record)
        alike = doubles.of_lead(connection, record, published.sources.people)
        told = list(merges.sentences(connection, published, [record]))
    if as_json:
        _echo({**asdict(person), "alike": [asdict(one) for one in alike], "notes": told})
        return
    for label, records in {
        "person": (person.survivor,),
        "merged": person.merged,
        "apart": person.apart,
    }.items():
        for one in records:
            out.print(f"{label:6}  {one.record}: {one.because}", markup=False, highlight=False)
    for two in alike:
        said = f"{two.probability:6.1%}  {two.one.record} and {two.other.record}: {two.because}"
        out.print(said, markup=False, highlight=False)
    _notes(told)


@people_app.command("merge")
def people_merge(lead: Lead, other: Lead, by: By, because: Because) -> None:
    """The two records are one person: owners, promises and writes go along at once, the score with the next run."""
    _say_of_people("merge", [lead, other], by, because)


@people_app.command("apart")
def people_apart(lead: Lead, other: Lead, by: By, because: Because) -> None:
    """The two records are two people, however alike."""
    _say_of_people("part", [lead, other], by, because)


@people_app.command("unmerge")
def people_unmerge(lead: Lead, by: By, because: Because) -> None:
    """Part a record from those that a person merged it with; where nobody did, from all others of its person."""
    _say_of_people("unmerge", [lead], by, because)


@people_app.command("withdraw")
def people_withdraw(lead: Lead, other: Lead, by: By, because: Because) -> None:
    """Take back what was said of two records: their keys say again whether they are one person."""
    _say_of_people("withdraw", [lead, other], by, because)


@people_app.command("weigh")
def people_weigh() -> None:
    """Weigh all records anew, after `people` in sources.yaml has changed: the next runs merge and part what follows."""
    from clearlane import steps
    from clearlane.ledger import connect

    engine = connect(_ledger_url())
    counts = steps.weigh_people(engine, _now())
    engine.dispose()
    out.print(
        f"pairs that are alike: {counts['alike']}; records that wait for the next runs: {counts['due']}"
    )


def _say_of_people(act: str, leads: Sequence[str], by: str, because: str) -> None:
    from clearlane.push import merges, persons

    with _people() as (connection, find):
        now = _now()
        word, published = persons.Word(by, because, now), _in_force(connection, now)
        said = persons.say(connection, published, act, word, *map(find, leads))
        told = list(merges.sentences(connection, published, said.records))
    for names in said.persons:
        out.print(" = ".join(names), highlight=False, markup=False)
    if not said.news:
        out.print("nothing new: that was said before")
    _notes(told)


def _notes(told: Iterable[str]) -> None:
    for line in told:
        out.print(f"note: {line}", highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _people() -> Iterator[Any]:
    """The ledger and the very record of a name; what is not there or not possible ends with its own sentence."""
    from clearlane import explain as stories
    from clearlane.route.persons import NotPossible

    try:
        with _ledger() as connection:
            yield connection, lambda lead: stories.record(connection, lead)
    except (stories.Unknown, NotPossible) as problem:
        _stop(str(problem), code=1)


@exceptions_app.command("list")
def exceptions_list(as_json: Json = False) -> None:
    """The leads that nobody could take: who has to place them, why nobody could, and what would free them."""
    from clearlane.route import exceptions

    now = _now()
    with _ledger() as connection:
        entries = exceptions.listed(connection, _in_force(connection, now), now)
    if as_json:
        _echo([exceptions.as_json(one) for one in entries])
        return
    table = Table("lead", "owner", "age", "due", "why", "first freed by", box=None)
    for one in entries:
        why = "; ".join(f"{rep}: {said}" for rep, said in sorted(one.refused.items())) or one.because
        cells = (one.lead, one.owner or "nobody", _length(one.age), _minute(one.due), why, one.frees)
        table.add_row(*map(Text, cells))
    out.print(table)


@exceptions_app.command("assign")
def exceptions_assign(lead: Lead, rep: RepId, by: By, because: Because) -> None:
    """Give a lead of the queue to a rep; caps and absences are told, and a person may overrule them."""
    from clearlane.route import exceptions

    now = _now()
    with _by_hand() as (connection, published, find, owe):
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

    with _by_hand() as (connection, _, find, _owe):
        count = exceptions.retry(connection, [find(lead) for lead in leads or []], by=by, at=_now())
    out.print(f"{count} leads wait for the next run", highlight=False)


@pool_app.command("list")
def pool_list(
    team: Annotated[str | None, typer.Argument(help="id of a team; default: all pools")] = None,
    as_json: Json = False,
) -> None:
    """The leads that wait to be claimed, hottest first."""
    from clearlane.route import pools

    now = _now()
    with _by_hand() as (connection, published, _, _owe):
        entries = pools.listed(connection, published, now, team)
    if as_json:
        _echo([pools.as_json(one) for one in entries])
        return
    table = Table("pool", "lead", "score", "band", "age", "due", "until", "why", box=None)
    for one in entries:
        score = "" if one.score is None else str(one.score)
        cells = (one.team or "", one.lead, score, one.band or "", _length(one.age), _minute(one.due))
        table.add_row(*map(Text, (*cells, _minute(one.until), one.because)))
    out.print(table)


@pool_app.command("claim")
def pool_claim(lead: Lead, rep: RepId) -> None:
    """Take a lead from the pool of a team one is in, below one's caps; one winner a claim."""
    from clearlane.route import pools

    with _by_hand() as (connection, published, find, owe):
        made = pools.claim(connection, published, find(lead), rep, _now())
        owe(made)
    out.print(f"{lead} is {rep}'s: decision {made.decision_seq}", highlight=False, markup=False)


@pool_app.command("release")
def pool_release(lead: Lead, rep: RepId, because: Because) -> None:
    """Give a claimed lead back to its pool."""
    from clearlane.route import pools

    with _by_hand() as (connection, published, find, owe):
        made = pools.release(connection, published, find(lead), rep, because=because, at=_now())
        owe(made)
    out.print(f"{lead} waits in the pool again: decision {made.decision_seq}", highlight=False, markup=False)


@sla_app.command("pause")
def sla_pause(
    lead: Lead,
    until: Annotated[str, typer.Option(help="until when the lead wants to be left alone, ISO 8601")],
    by: By,
    because: Because,
) -> None:
    """Let all promises to a lead stand still, because it asked for a later date."""
    from clearlane.sla import pauses

    end = _moment(until)
    with _by_hand() as (connection, published, find, _owe):
        count = pauses.pause(connection, published, find(lead), until=end, by=by, because=because, at=_now())
    out.print(f"{count} clocks of {lead} stand still until {_minute(end)}", highlight=False, markup=False)


@sla_app.command("resume")
def sla_resume(lead: Lead) -> None:
    """End the pause of a lead before its time."""
    from clearlane.sla import pauses

    with _by_hand() as (connection, published, find, _owe):
        count = pauses.resume(connection, published, find(lead), at=_now())
    out.print(f"{count} clocks of {lead} run again", highlight=False, markup=False)


@app.command()
def decline(
    lead: Lead,
    by: Annotated[str, typer.Option(help="the rep who has it and does not take it")],
    reason: Annotated[str, typer.Option(help="one of rerouting.declines in routing.yaml")],
) -> None:
    """Say that a rep does not take a lead: the next live run gives it to another, never to that rep again."""
    from clearlane.route import declines

    with _by_hand() as (connection, published, find, _owe):
        declines.decline(connection, published, find(lead), by, reason, _now())
    out.print(f"{lead} is declined by {by}: the next run gives it to another", highlight=False, markup=False)


@app.command()
def covers(as_json: Json = False) -> None:
    """Who covers for whom: leads in working contact whose owner is away, until when."""
    from clearlane.route import covers as covering

    with _ledger() as connection:
        found = covering.listed(connection)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], default=datetime.isoformat, indent=1))
        return
    table = Table("away", "cover", "leads", "since", "until", "why", box=None)
    for one in found:
        cells = (one.rep, one.cover, str(one.leads), _minute(one.since), _minute(one.until), one.because)
        table.add_row(*map(Text, cells))
    out.print(table)


@sla_app.command("out")
def sla_out(as_json: Json = False) -> None:
    """Who takes no turns for having been silent too often, and until when."""
    from clearlane.sla import suspensions

    with _ledger() as connection:
        found = suspensions.listed(connection, _now())
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], default=datetime.isoformat, indent=1))
        return
    table = Table("rep", "since", "until", "why", box=None)
    for one in found:
        table.add_row(*map(Text, (one.rep, _minute(one.began_at), _minute(one.until), one.because)))
    out.print(table)


@sla_app.command("restore")
def sla_restore(
    rep: Annotated[str, typer.Argument(help="id in teams.yaml")], by: By, because: Because
) -> None:
    """Let a rep take turns again before the end of the day."""
    from clearlane.sla import suspensions

    with _by_hand() as (connection, _published, _find, _owe):
        suspensions.restore(connection, rep, by=by, because=because, at=_now())
    out.print(f"{rep} takes turns again", highlight=False, markup=False)


def _echo(told: Any) -> None:
    """Print data as JSON."""
    typer.echo(json.dumps(told, ensure_ascii=False, indent=1))


def _in_force(connection: Any, at: datetime) -> Any:
    from clearlane import policy

    return policy.stored(connection, policy.in_force(connection, at))


@contextmanager
def _by_hand() -> Iterator[Any]:
    """Connection, policy in force, how to find a lead, and how to owe the sources what a person decided."""
    from clearlane import explain as stories
    from clearlane import push
    from clearlane.route.byhand import NotPossible
    from clearlane.sla.mails import notices

    def owe(published: Any, made: Any) -> None:
        push.owe(connection, published, made.batch)
        notices.owe(connection, published, made.batch)

    try:
        with _ledger() as connection:
            published = _in_force(connection, _now())
            yield (
                connection,
                published,
                lambda lead: stories.find(connection, lead),
                lambda made: owe(published, made),
            )
    except (stories.Unknown, NotPossible) as problem:
        _stop(str(problem), code=1)


def _length(age: timedelta) -> str:
    hours = age / timedelta(hours=1)
    return f"{hours / 24:.1f} d" if hours >= 48 else f"{hours:.1f} h"


def _length_of(text: str) -> timedelta:
    """`15m`, `2h`, `1d`, or as in policy files: `15 minutes`."""
    from clearlane.policy.shapes import duration

    units = {"m": "minutes", "h": "hours", "d": "days"}
    written = f"{text[:-1]} {units[text[-1]]}" if text[-1:] in units else text
    try:
        return duration(written)
    except ValueError as problem:
        _stop(f"not a length of time: {text!r}; give 15m, 2h, or {problem}")


def _minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z" if moment else ""


# --- borders ----------------------------------------------------------------------------------


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        _stop(f"not a moment: {text!r}; give ISO 8601, as in 2026-11-22T09:00:00Z")
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _now() -> datetime:
    return datetime.now(UTC)


def _connection(name: str) -> str:
    """The URI of an Airflow connection: of AIRFLOW_CONN_<NAME>, else what `airflow connections get` answers."""
    from clearlane.connectors.address import uri
    from clearlane.connectors.airflow_cli import connection_uri

    variable = f"AIRFLOW_CONN_{name.upper()}"
    said = os.environ.get(variable) or connection_uri(Path(sys.executable).with_name("airflow"), name)
    if not said:
        raise LookupError(
            f"no connection {name}: set {variable}, or add it to Airflow (`airflow connections add`)"
        )
    return uri(json.loads(said)) if said.lstrip().startswith("{") else said


def _ledger_url() -> str:
    url = os.environ.get("CLEARLANE_LEDGER_URL")
    if not url:
        _stop("CLEARLANE_LEDGER_URL is not set: name the ledger's database, postgresql://USER@HOST/DATABASE")
    return url


@contextmanager
def _ledger() -> Iterator[Any]:
    from clearlane.ledger import connect

    engine = connect(_ledger_url())
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _readable() -> Iterator[None]:
    """Input that cannot be read ends with its own sentence and exit code 2."""
    from clearlane.policy import PolicyErrors
    from clearlane.score import Unreadable

    try:
        yield
    except PolicyErrors as errors:
        _stop("\n".join(map(str, errors.errors)))
    except (Unreadable, FileNotFoundError) as unreadable:
        _stop(str(unreadable))


@contextmanager
def _comparable() -> Iterator[None]:
    """A comparison without leads, outcomes, policy or company ends with its own sentence and exit code 2."""
    from clearlane.rehearsal import NotTheSample
    from clearlane.review import NothingToCompare
    from clearlane.review.soundness import TooFew

    try:
        yield
    except (NothingToCompare, NotTheSample, TooFew) as nothing:
        _stop(str(nothing))


@contextmanager
def _possible() -> Iterator[None]:
    """Records that are not there, or not open any more, end with their own sentence and exit code 1."""
    from clearlane.quality.quarantine import NotPossible

    try:
        yield
    except (LookupError, NotPossible) as problem:
        _stop(str(problem), code=1)


@contextmanager
def _revivable() -> Iterator[None]:
    """Writes that are not dead end with their own sentence and exit code 1."""
    from clearlane.push.dead import NotPossible

    try:
        yield
    except NotPossible as problem:
        _stop(str(problem), code=1)


def _stop(sentence: str, code: int = 2) -> NoReturn:
    err.print(sentence, markup=False, soft_wrap=True)
    raise typer.Exit(code)
