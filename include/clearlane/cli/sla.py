"""`clearlane sla`, `alive`, `status` and `digest`: the promises to leads, and the pipeline's own."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from clearlane.cli.borders import by_hand, ledger_engine, open_ledger, policy_in_force, readable, this_moment
from clearlane.cli.console import err, length, minute, out, print_json, say, stop, table_of
from clearlane.cli.options import Because, By, Json, Lead, length_of, moment_of

commands = typer.Typer()
sla_app = typer.Typer(
    help="Promises to leads: the mails about them, pauses, and who was silent too often.",
    no_args_is_help=True,
)
commands.add_typer(sla_app, name="sla")


@commands.command()
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
    found = _wrong(length_of(within) if within else None)
    if as_json:
        print_json([pipeline.as_json(one) for one in found])
    else:
        for line in map(pipeline.told, found):
            say(line)
    if mail_to and server:
        _mail_incidents(found, mail_to, server)
    if found:
        raise typer.Exit(1)
    if not as_json:
        say("the pipeline keeps its promises")


def _mail_incidents(found: Any, to: str, server: Any) -> None:
    """Note what was found, and mail the incidents that this address was not told of."""
    from clearlane.sla import incidents, mails
    from clearlane.sla.mails import smtp

    now = this_moment()
    with ledger_engine() as engine:
        with engine.begin() as connection:
            policy = policy_in_force(connection, now)
            incidents.note(connection, policy, found, now)
            incidents.tell_monitor(connection, policy, to, now)
        sent = mails.send_due(engine, policy, now, mails.Post(smtp.sender(server)), person=incidents.MONITOR)
    if sent.failed or sent.refused:
        err.print("a mail did not leave: it stays owed, and the next call tries again", soft_wrap=True)


def _mail_server() -> Any:
    from clearlane.sla.mails.smtp import mail_server

    url = os.environ.get("CLEARLANE_SMTP_URL")
    try:
        return mail_server(url or "")
    except ValueError as problem:
        stop(
            f"CLEARLANE_SMTP_URL: {problem}" if url else "--mail-to needs CLEARLANE_SMTP_URL, the mail server"
        )


@commands.command()
def status() -> None:
    """What of the pipeline is not as it should be, since when, and what to do; and the incidents that are open."""
    from clearlane.sla import incidents, pipeline

    found = _wrong(None)
    for one in found:
        lasting = f"; for {length(this_moment() - one.since)}" if one.since else ""
        say(f"{pipeline.told(one)}{lasting}")
        if one.explained_by is None:
            say(f"  {pipeline.KINDS[one.kind].do}; docs/runbook.md#{one.kind}")
    with open_ledger() as connection:
        still = [
            one for one in incidents.open_ones(connection) if one.key not in {each.key for each in found}
        ]
    for incident in still:
        name, seen = incident.key.replace(".", " ", 1), minute(incident.seen_at)
        say(f"{name}: {incident.because}; last seen {seen}, open since {minute(incident.opened_at)}")
    if not found and not still:
        say("the pipeline keeps its promises")


def _wrong(within: timedelta | None) -> Any:
    """What is wrong with the pipeline now; a ledger that does not answer is a sentence and exit code 1."""
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    from clearlane.sla import pipeline

    now = this_moment()
    try:
        with open_ledger() as connection:
            connection.execute(text("set local statement_timeout = '60s'"))
            policy = policy_in_force(connection, now)
            allowed = policy.sla.pipeline.within(within) if within else None
            return pipeline.findings(connection, policy, now, allowed)
    except DBAPIError as failure:
        stop(f"ledger: it does not answer ({type(failure.orig).__name__})", code=1)


@commands.command()
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

    moment = moment_of(as_of) if as_of else this_moment()
    with readable(), open_ledger() as connection:
        try:
            monday = digests.monday_of(week) if week else digests.last_monday(moment)
        except ValueError as problem:
            stop(f"--week: {problem}")
        published = policy_in_force(connection, moment)
        told = digests.digest(connection, published, monday, moment)
    if folder:
        _write_digest(folder, published, told)
    if as_json:
        print_json(digests.as_json(told))
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
        stop(f"no kind of mail is called {kind!r}: there are {', '.join(KINDS)}")
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

    now = this_moment()
    try:
        with open_ledger() as connection:
            published, found = policy_in_force(connection, now), stories.find(connection, lead)
            web = Web(os.environ.get("CLEARLANE_URL"))
            told = [
                preview.of_lead(connection, published, web, found, one, now)
                for one in ([kind] if kind else ABOUT_A_LEAD)
            ]
    except stories.Unknown as problem:
        stop(str(problem), code=1)
    shown = [one for one in told if isinstance(one, Content)]
    return shown or stop(f"no such mail is sent now: {told[0].because}", code=1)


@sla_app.command("mails")
def sla_mails(as_json: Json = False) -> None:
    """The mails that were not sent, or not yet, and why; and the addresses that mails come back from."""
    from clearlane.sla.mails import status

    now = this_moment()
    with open_ledger() as connection:
        counts, found = status.listed(connection)
        bouncing = status.bounces(connection)
        notes = tuple(status.notes(connection, now))
    if as_json:
        told = {"counts": counts, "mails": [status.as_json(one) for one in found]}
        print_json(told | {"bounces": [status.as_json(one) for one in bouncing]})
        return
    table = Table("mail", "kind", "to", "state", "lead", "since", "tries", "why", box=None)
    for one in found:
        cells = (str(one.mail_id), one.kind, one.person, one.state, one.lead or "", minute(one.since))
        table.add_row(*map(Text, (*cells, str(one.attempts), one.because or "")))
    out.print(table)
    out.print(", ".join(f"{count} {state}" for state, count in counts.items()) or "no mails", highlight=False)
    for bounce in bouncing:
        said = f"{bounce.address} ({bounce.person}) since {minute(bounce.since)}: {bounce.because}"
        say(f"comes back: {said}")
    for line in notes:
        say(f"note: {line}")


@sla_app.command("retry")
def sla_retry(mails: Annotated[list[int], typer.Argument(help="numbers from `clearlane sla mails`")]) -> None:
    """Owe refused, dead or expired mails anew; one that may have been sent is sent again."""
    from clearlane.sla.mails import status

    with open_ledger() as connection:
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
        stop(f"{address!r} is no e-mail address")
    with open_ledger() as connection:
        if mended and not status.end_bounce(connection, address, this_moment()):
            stop("no mails to that address came back", code=1)
        if not mended:
            status.note_bounce(connection, address, because, this_moment())
    out.print("it is written to again" if mended else "its manager is written to instead", highlight=False)


@sla_app.command("pause")
def sla_pause(
    lead: Lead,
    until: Annotated[str, typer.Option(help="until when the lead wants to be left alone, ISO 8601")],
    by: By,
    because: Because,
) -> None:
    """Let all promises to a lead stand still, because it asked for a later date."""
    from clearlane.sla import pauses

    end = moment_of(until)
    with by_hand() as (connection, published, find, _owe):
        count = pauses.pause(
            connection, published, find(lead), until=end, by=by, because=because, at=this_moment()
        )
    out.print(f"{count} clocks of {lead} stand still until {minute(end)}", highlight=False, markup=False)


@sla_app.command("resume")
def sla_resume(lead: Lead) -> None:
    """End the pause of a lead before its time."""
    from clearlane.sla import pauses

    with by_hand() as (connection, published, find, _owe):
        count = pauses.resume(connection, published, find(lead), at=this_moment())
    out.print(f"{count} clocks of {lead} run again", highlight=False, markup=False)


@sla_app.command("out")
def sla_out(as_json: Json = False) -> None:
    """Who takes no turns for having been silent too often, and until when."""
    from clearlane.sla import suspensions

    with open_ledger() as connection:
        found = suspensions.listed(connection, this_moment())
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], default=datetime.isoformat, indent=1))
        return
    rows = ((one.rep, minute(one.began_at), minute(one.until), one.because) for one in found)
    out.print(table_of(("rep", "since", "until", "why"), rows))


@sla_app.command("restore")
def sla_restore(
    rep: Annotated[str, typer.Argument(help="id in teams.yaml")], by: By, because: Because
) -> None:
    """Let a rep take turns again before the end of the day."""
    from clearlane.sla import suspensions

    with by_hand() as (connection, _published, _find, _owe):
        suspensions.restore(connection, rep, by=by, because=because, at=this_moment())
    out.print(f"{rep} takes turns again", highlight=False, markup=False)
