"""`clearlane quality` and `quarantine`: what the sources send, and what could not be used."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from clearlane.cli.borders import open_ledger, policy_in_force, possible, readable, this_moment
from clearlane.cli.console import err, out, print_json, say, stop
from clearlane.cli.options import DEFAULT_POLICY, Because, By, Json, PolicyDir, moment_of

commands = typer.Typer()
quarantine_app = typer.Typer(help="Records kept whole because they could not be used.", no_args_is_help=True)
quality_app = typer.Typer(help="How good is what each source sends, and what should be asked of it.")
Reason = Annotated[
    str | None,
    typer.Option(help="as the list names it, such as `email or phone any_of`; or its field or rule"),
]
SourceName = Annotated[str | None, typer.Option(help="only of this source")]
Since = Annotated[str | None, typer.Option(help="ISO 8601: there since then or later")]
_MOST = 1_000_000
commands.add_typer(quality_app, name="quality")
commands.add_typer(quarantine_app, name="quarantine")


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
    now = this_moment()
    last = moment_of(until).date() if until else now.date() - timedelta(days=1)
    first = moment_of(since).date() if since else last - timedelta(days=6)
    with open_ledger() as connection:
        policy = policy_in_force(connection, now)
        profiles.refresh(connection, policy, now)
        found = [
            one for one in scores.scores(connection, policy, first, last) if source in (None, one.source)
        ]
        days = profiles.known(connection, first, last)
    if as_json:
        print_json([scores.as_json(one) for one in found])
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

    moment = moment_of(as_of) if as_of else this_moment()
    with readable(), open_ledger() as connection:
        text, contract = policies.texts(policy).get("contract", ""), policies.load(policy).contract
        found = list(proposals.proposed(connection, contract, moment, source))
    for one, others in found:
        err.print(proposals.line(one, others), markup=False, soft_wrap=True)
    if not found:
        stop("nothing to propose: too little came, or all that it keeps to is asked already", code=1)
    change = proposals.diff(text, [one for one, _ in found], contract)
    if out_file:
        out_file.write_text(change, encoding="utf-8")
    else:
        typer.echo(change, nl=False)


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

    chosen = quarantine.Chosen(reason, source, None, moment_of(since) if since else None)
    with open_ledger() as connection:
        entries = quarantine.listed(connection, chosen, limit=_MOST if as_json else limit)
        found = reasons.reasons(connection, policy_in_force(connection, this_moment()).sources, chosen)
    if as_json:
        print_json([quarantine.as_json(entry) for entry in entries])
        return
    if not found:
        stop(
            "no open record is chosen by that" if any((reason, source, since)) else "the quarantine is empty",
            code=0,
        )
    for table in reasons.tables(found, entries):
        out.print(table, "")


@quarantine_app.command("reasons")
def quarantine_reasons(as_json: Json = False) -> None:
    """The open records by reason only: how many, since when, what was found, what mends it."""
    from clearlane.quality import reasons

    with open_ledger() as connection:
        found = reasons.reasons(connection, policy_in_force(connection, this_moment()).sources)
    if as_json:
        print_json([reasons.as_json(one) for one in found])
        return
    out.print(*reasons.tables(found))


@quarantine_app.command("show")
def quarantine_show(record: int) -> None:
    """One record, whole."""
    from clearlane.quality import quarantine

    with possible(), open_ledger() as connection:
        print_json(quarantine.as_json(quarantine.shown(connection, record)))


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
        stop("give numbers of records; or --reason, --source, --since, or --all, with --dry-run where wanted")
    now = this_moment()
    with possible(), open_ledger() as connection:
        policy = policy_in_force(connection, now)
        if records:
            count = quarantine.replay(connection, records, by=by, because=because, sources=policy.sources)
            out.print(f"{count} record{' waits' if count == 1 else 's wait'} for the next run")
            return
        chosen = quarantine.Chosen(reason, source, None, moment_of(since) if since else None)
        done = replaying.replay(
            connection.engine, policy, chosen, by=by, because=because, as_of=now, dry_run=dry_run
        )
    for line in replaying.lines(done, dry_run=dry_run):
        say(line)
    if not done.looked_at:
        raise typer.Exit(1)


@quarantine_app.command("dismiss")
def quarantine_dismiss(records: list[int], by: By, because: Because) -> None:
    """Close the records: nobody will use them. They are kept."""
    from clearlane.quality import quarantine

    with possible(), open_ledger() as connection:
        count = quarantine.dismiss(connection, records, by=by, because=because)
        out.print(f"{count} record{'' if count == 1 else 's'} dismissed")
