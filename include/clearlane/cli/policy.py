"""`clearlane policy`: check, publish, roll back and compare the policy files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from clearlane.cli.borders import comparable, open_ledger, possible, readable, this_moment
from clearlane.cli.console import err, minute, out
from clearlane.cli.options import DEFAULT_POLICY, Because, By, moment_of

commands = typer.Typer()
policy_app = typer.Typer(help="Check, publish and compare the policy files.", no_args_is_help=True)
commands.add_typer(policy_app, name="policy")


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

    now = this_moment()
    moment = moment_of(in_force_from) if in_force_from else now
    with readable(), open_ledger() as connection:
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

    now = this_moment()
    moment = moment_of(in_force_from) if in_force_from else now
    with readable(), possible(), open_ledger() as connection:
        undone, told = register.take_back(
            connection, to, by=by, because=because, in_force_from=moment, at=now
        )
    since = minute(undone.in_force_from)
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

    with readable(), comparable():
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
        with open_ledger() as connection:
            until = review.known_until(connection) or this_moment()
            yield connection, until - timedelta(days=days), until, "the ledger"
        return
    today = this_moment().replace(hour=0, minute=0, second=0, microsecond=0)
    end = today - timedelta(days=today.weekday())
    days, leads = rehearsal.DAYS, rehearsal.LEADS
    with rehearsal.lived(texts, end, days=days, leads=leads) as engine, engine.begin() as connection:
        yield connection, end - timedelta(days=days), end, "the generated company"
