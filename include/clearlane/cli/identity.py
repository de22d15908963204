"""`clearlane match`, `dedupe`, `matches` and `people`: who is who, in files and in the ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from clearlane.cli.borders import ledger_engine, open_ledger, policy_in_force, readable, this_moment
from clearlane.cli.console import err, out, print_json, say, say_notes, say_written, stop, table_of
from clearlane.cli.options import Because, By, Json, Lead, Leads, Out

commands = typer.Typer()
matches_app = typer.Typer(
    help="Companies that may be an account: a person says which, and can take it back.", no_args_is_help=True
)
people_app = typer.Typer(
    help="Records that are one person or two: a person says which, and can take it back.",
    no_args_is_help=True,
)
AccountName = Annotated[str, typer.Argument(help="account id, or SOURCE:ID")]
commands.add_typer(matches_app, name="matches")
commands.add_typer(people_app, name="people")


@commands.command()
def match(
    leads: Annotated[Path, typer.Option(help="CSV or Parquet: lead_id, company, what is known of it")],
    accounts: Annotated[Path, typer.Option(help="CSV or Parquet: account_id, name, what is known of it")],
    out: Out,
    processes: Annotated[int, typer.Option(help="that match a large file; 0: one for each core", min=0)] = 0,
) -> None:
    """Match the leads of a file with accounts by name, place and domain: match, ask or none, and why."""
    from clearlane.identity.matching import match_files

    with readable():
        count = match_files(leads, accounts, out, processes=processes or os.cpu_count() or 1)
    say_written(count, out)


@commands.command()
def dedupe(leads: Leads, out: Out) -> None:
    """Find who is twice in a file of leads, however misspelt: a cluster for each person."""
    from clearlane.identity.duplicates import files

    with readable():
        done = files.dedupe_files(leads, out)
    for line in files.lines(done, out):
        err.print(line, markup=False, soft_wrap=True)


@matches_app.command("list")
def matches_list(as_json: Json = False) -> None:
    """Companies without an account that one may be, with the likeliest account of each, the surest first."""
    from clearlane.identity import matches

    with open_ledger() as connection:
        questions = matches.asked(connection, policy_in_force(connection, this_moment()).sources.matching)
    if as_json:
        print_json([asdict(one) for one in questions])
        return
    if not questions:
        stop("nobody is asked about a company", code=0)
    out.print(table_of(matches.HEADS, map(matches.cells, questions)))
    say(
        "`clearlane matches show LEAD` says what speaks for and against; `accept` or `refuse LEAD ACCOUNT` answers"
    )


@matches_app.command("show")
def matches_show(lead: Lead, as_json: Json = False) -> None:
    """The accounts that a lead's company may be, and what speaks for and against each."""
    from clearlane.identity import matches

    with _matches() as (connection, find):
        question = matches.of_lead(
            connection, find(lead), policy_in_force(connection, this_moment()).sources.matching
        )
    if as_json:
        print_json(asdict(question) if question else None)
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
        company = matches.say(
            connection, find(lead), account, verdict, by=by, because=because, at=this_moment()
        )
    out.print(f"{verdict}: {company}, {account}; the next run follows it", highlight=False, markup=False)


@contextmanager
def _matches() -> Iterator[Any]:
    """The ledger and the lead of a name; what is not there ends with its own sentence."""
    from clearlane import explain as stories
    from clearlane.identity.matches import NotPossible

    try:
        with open_ledger() as connection:
            yield connection, lambda lead: stories.find(connection, lead)
    except (stories.Unknown, NotPossible) as problem:
        stop(str(problem), code=1)


@people_app.command("list")
def people_list(as_json: Json = False) -> None:
    """Records that may be one person, the surest first; answer with `people merge` or `people apart`."""
    from clearlane.identity import doubles

    with open_ledger() as connection:
        found = doubles.asked(connection, policy_in_force(connection, this_moment()).sources.people)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        stop("nobody is asked about two records", code=0)
    out.print(table_of(doubles.HEADS, map(doubles.cells, found)))
    say(
        "`clearlane people show LEAD` tells more; `people merge` or `people apart LEAD LEAD --by --because` answers"
    )


@people_app.command("twice")
def people_twice(as_json: Json = False) -> None:
    """People whom a source that is written to still has twice: what is to be merged there, by whom, and why."""
    from clearlane.push import merges

    with open_ledger() as connection:
        found = merges.twice(connection, policy_in_force(connection, this_moment()))
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = ((one.record, one.into, "owed" if one.by_us else "by hand", one.because) for one in found)
    out.print(table_of(("record", "into", "merged", "because"), rows))


@people_app.command("show")
def people_show(lead: Lead, as_json: Json = False) -> None:
    """The records of which a person is made, why each is one of them, who is kept apart, and who may be the same."""
    from clearlane.identity import doubles, membership
    from clearlane.push import merges

    with _people() as (connection, find):
        record, published = find(lead), policy_in_force(connection, this_moment())
        person = membership.person(connection, record)
        alike = doubles.of_lead(connection, record, published.sources.people)
        told = list(merges.sentences(connection, published, [record]))
    if as_json:
        print_json({**asdict(person), "alike": [asdict(one) for one in alike], "notes": told})
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
    say_notes(told)


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

    with ledger_engine() as engine:
        counts = steps.weigh_people(engine, this_moment())
    out.print(
        f"pairs that are alike: {counts['alike']}; records that wait for the next runs: {counts['due']}"
    )


def _say_of_people(act: str, leads: Sequence[str], by: str, because: str) -> None:
    from clearlane.push import merges, persons

    with _people() as (connection, find):
        now = this_moment()
        word, published = persons.Word(by, because, now), policy_in_force(connection, now)
        said = persons.say(connection, published, act, word, *map(find, leads))
        told = list(merges.sentences(connection, published, said.records))
    for names in said.persons:
        out.print(" = ".join(names), highlight=False, markup=False)
    if not said.news:
        out.print("nothing new: that was said before")
    say_notes(told)


@contextmanager
def _people() -> Iterator[Any]:
    """The ledger and the very record of a name; what is not there or not possible ends with its own sentence."""
    from clearlane import explain as stories
    from clearlane.route.persons import NotPossible

    try:
        with open_ledger() as connection:
            yield connection, lambda lead: stories.record(connection, lead)
    except (stories.Unknown, NotPossible) as problem:
        stop(str(problem), code=1)
