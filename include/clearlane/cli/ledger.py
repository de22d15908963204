"""`clearlane migrate`, `explain`, `replay`, `doctor` and `report`: what the ledger knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from clearlane.cli.borders import ledger_url, open_ledger, policy_in_force, this_moment
from clearlane.cli.console import out, print_json, say, stop
from clearlane.cli.options import DEFAULT_POLICY, Json

commands = typer.Typer()


@commands.command()
def migrate() -> None:
    """Create the ledger's tables, or bring them up to date."""
    from clearlane.ledger import migrate as migrated

    migrated(ledger_url())


@commands.command()
def explain(
    lead: Annotated[str, typer.Argument(help="lead id, SOURCE:ID, or e-mail")], as_json: Json = False
) -> None:
    """The whole story of a lead on one screen."""
    from clearlane import explain as stories

    with open_ledger() as connection:
        try:
            told = stories.story(connection, lead)
        except stories.Unknown as unknown:
            stop(str(unknown), code=1)
    if as_json:
        print_json(stories.as_json(told))
        return
    out.print(Text(f"{lead}  {told.lead_id}", style="bold"), told.headline, sep="\n", markup=False)
    for section in told.sections:
        table = Table(title=section.title, title_justify="left", show_header=False, box=None, pad_edge=False)
        table.add_column(no_wrap=True, style="cyan")
        table.add_column(overflow="fold")
        for line in section.lines:
            table.add_row(Text(line.label), Text(line.text))
        out.print(table)


@commands.command()
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
        stop("give the number of a decision, or --lead")
    with open_ledger() as connection:
        try:
            made = (
                replaying.of_lead(connection, stories.find(connection, lead))
                if lead
                else (replaying.replay(connection, decision or 0),)
            )
        except (stories.Unknown, replaying.Unknown) as unknown:
            stop(str(unknown), code=1)
    if as_json:
        print_json([replaying.as_json(one) for one in made])
    else:
        for line in (line for one in made for line in replaying.lines(one)):
            say(line)
    if not all(one.identical for one in made):
        raise typer.Exit(1)


@commands.command()
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

    now = this_moment()
    with open_ledger() as connection:
        published = policy_in_force(connection, now)
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


@commands.command()
def report(as_json: Json = False, top: Annotated[int, typer.Option(help="hottest leads shown")] = 10) -> None:
    """Where the leads are, by band and team; the hottest ones; what is in quarantine and why."""
    from clearlane import report as reports

    with open_ledger() as connection:
        figures = reports.figures(connection, top)
    if as_json:
        typer.echo(json.dumps(reports.as_json(figures), ensure_ascii=False, indent=1, default=str))
        return
    for table in reports.tables(figures):
        out.print(table)
