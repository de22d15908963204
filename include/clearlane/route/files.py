"""Routing without a ledger: files in, file out; or frames. Nobody holds anything yet.

What a column `owner` of the leads says is not looked at: every lead is routed as if it came in at `as_of`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import pandas as pd

from clearlane import policy as policies
from clearlane import sheets
from clearlane.identity import mail_domains, normalise
from clearlane.policy.model import Policy, Routing
from clearlane.route import matching
from clearlane.route.decide import decide
from clearlane.route.decisions import Decision, Facts, calling_zone
from clearlane.route.floor import open_floor
from clearlane.route.owners import ANY_SOURCE, owner_names
from clearlane.rules import Dialect, Type
from clearlane.score import desk
from clearlane.score.units import identifier

COLUMNS: Final = ("lead_id", "place", "rep", "team", "rule", "sla_due", "because")

_OWNERS: Final = ("account_owner", "parent_account_owner", "opportunity_owner", "contact_owner")
_COMPANY: Final = ("company", "country", "email", "domain", "website")
_READ: Final = (
    *_OWNERS,
    *_COMPANY,
    "language",
    "zone",
    "account_id",
    "account_parent",
    "suppressed",
    "do_not_contact",
)
"""Attributes that routing reads itself, as text where scoring.yaml does not declare them."""
_SAME: Final = (
    "lead_id", "band", "matched", "kind", "source", "stage", "hand_raise", "stopped", "disqualified",
    "language", "territory", *_OWNERS
)  # fmt: skip
_WANTED: Final = sorted({*_SAME, *_COMPANY, "account_id", "zone"} - {"matched", "territory", *_OWNERS})
_NO_PARENTS: Final = "select cast(null as varchar) as account_id, cast(null as varchar) as rep_id where false"
_PARENTS: Final = """
with recursive line as (
    select "own account_id" as account_id, account_parent as above, 1 as distance,
           ["own account_id", account_parent] as seen
    from accounts where account_parent <> "own account_id"
    union all
    select line.account_id, a.account_parent, distance + 1, list_append(seen, a.account_parent)
    from line join accounts a on a."own account_id" = above
    where a.account_parent is not null and not list_contains(seen, a.account_parent)
)
select line.account_id, arg_min(n.rep_id, distance) as rep_id
from line join accounts a on a."own account_id" = above join owner_name n on n.name = lower(trim(a.account_owner))
group by 1
"""
"""Account -> who owns the nearest of those above it that has an owner; accounts.parent is an account_id."""
_TRUE: Final = "('true', 't', 'yes', 'y', '1')"

Given = Path | pd.DataFrame


def route_files(
    policy_dir: Path,
    leads: Path,
    activities: Path | None,
    accounts: Path | None,
    as_of: datetime,
    out: Path,
) -> int:
    """Route the leads of a file into `out` and return their number, in the order given.

    CSV or Parquet by extension, columns as in COLUMNS, times in UTC. Raises score.Unreadable (file, line,
    column) and policy.PolicyErrors; `out` is written whole or not at all.
    """
    frame = _frame(_routed(policies.load(policy_dir), leads, activities, accounts, as_of))
    sheets.write(frame, out)
    return len(frame)


def route_frame(
    policy: Policy,
    leads: pd.DataFrame,
    activities: pd.DataFrame | None,
    accounts: pd.DataFrame | None,
    as_of: datetime,
) -> pd.DataFrame:
    """Route the leads of a frame: one row each, in the order given, with COLUMNS. Raises score.Unreadable."""
    return _frame(_routed(policy, leads, activities, accounts, as_of))


def _frame(decisions: Sequence[Decision]) -> pd.DataFrame:
    rows = [(d.lead_id, d.place, d.rep, d.team, d.rule, _written(d.due), d.because) for d in decisions]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype="object")


def _written(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def _routed(
    policy: Policy, leads: Given, activities: Given | None, accounts: Given | None, as_of: datetime
) -> list[Decision]:
    """Decisions in the order in which the leads were given, made hottest first."""
    moment = as_of.replace(tzinfo=UTC) if as_of.tzinfo is None else as_of.astimezone(UTC)
    scoring = replace(
        policy.scoring, attributes={**dict.fromkeys(_READ, Type.TEXT), **policy.scoring.attributes}
    )
    with desk.scored(scoring, leads, activities, accounts, moment) as connection:
        rows = _candidates(connection, policy, moment, _NO_PARENTS if accounts is None else _PARENTS)
    floor = open_floor(policy, moment)
    companies = _companies(rows)
    decided: list[tuple[int, Decision]] = []
    for row in rows:
        facts = _facts(policy.routing, row, companies)
        decision = decide(policy, floor, facts)
        floor.take(facts, decision)
        decided.append((row["row"], decision))
    return [decision for _, decision in sorted(decided, key=lambda one: one[0])]


def _candidates(
    connection: duckdb.DuckDBPyConnection, policy: Policy, at: datetime, parents: str
) -> list[dict[str, Any]]:
    _name_owners(connection, policy, at)
    connection.execute(f"create table candidate as {_candidate(policy, parents)}")
    matched = matching.statement(policy.routing, Dialect.DUCKDB, typed=True)
    owners = (f"c.{name}_rep as {name}" for name in _OWNERS)
    read = ", ".join(
        ["c.row", "m.matched", "m.territory", "m.terms", *(f"c.{name}" for name in _WANTED), *owners]
    )
    found = connection.execute(
        f"select {read} from candidate c join ({matched}) m using (lead_id)"
        " order by c.hand_raise desc, c.score desc, c.row"
    )
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _name_owners(connection: duckdb.DuckDBPyConnection, policy: Policy, at: datetime) -> None:
    names = owner_names(policy.teams, (), policy.sources.sources or ("file",), at)
    known = [(name, rep) for (source, name), rep in names.items() if source == ANY_SOURCE and rep]
    frame = pd.DataFrame(known, columns=["name", "rep_id"], dtype="object").astype("str")
    connection.register("owner_name", frame)


def _candidate(policy: Policy, parents: str) -> str:
    """One row per scored lead with the columns of matching.COLUMNS and what decisions read."""
    scored = (
        "score",
        "fit",
        "engagement",
        "negative",
        "band",
        "grade",
        "stage",
        "disqualified",
        "hand_raise",
        "kind",
    )
    taken = {"lead_id", "row", *scored, *matching.COLUMNS, "territory"}
    used = sorted({*_READ, *(name for name, _ in matching.attributes(policy.routing))} - taken)
    columns = [
        *("s.lead_id", "s.row", *(f"s.{name}" for name in scored), "p.as_of", "p.source"),
        "p.account_id is not null as has_account",
        *(f"p.{identifier(name)}" for name in used),
        *(f"{rep} as {name}_rep, {rep} is not null as {name}_sells" for name, rep in _reps()),
        f"case when {_is_true('suppressed')} then 'suppressed'"
        f" when {_is_true('do_not_contact')} then 'do_not_contact' end as stopped",
    ]
    joins = " ".join(
        f"left join owner_name o{i} on o{i}.name = lower(trim(p.{name}))" for i, name in enumerate(_OWNERS)
    )
    above = f"left join ({parents}) above on above.account_id = p.account_id"
    return (
        f"select {', '.join(columns)} from scored s join profiles p on p.lead_id = s.lead_id {joins} {above}"
    )


def _reps() -> Iterator[tuple[str, str]]:
    """Each kind of owner with the SQL of who that is; a parent's that is not named is looked for above."""
    for i, name in enumerate(_OWNERS):
        named = f"o{i}.rep_id"
        yield name, f"coalesce({named}, above.rep_id)" if name == "parent_account_owner" else named


def _is_true(name: str) -> str:
    return f"coalesce(lower(trim(cast(p.{name} as varchar))) in {_TRUE}, false)"


def _facts(routing: Routing, row: Mapping[str, Any], companies: Mapping[int, str]) -> Facts:
    return Facts(
        **{name: row[name] for name in _SAME},
        terms=matching.terms_of(routing, row["terms"]),
        company=companies.get(row["row"]),
        account=row["account_id"],
        fresh=True,
        zone=calling_zone(row["zone"], hand_raise=row["hand_raise"]),
    )


def _companies(rows: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Row -> company key: normalised name and country, else a domain that is the company's own."""
    names = normalise.companies(row["company"] for row in rows if row["company"])
    countries = normalise.countries(row["country"] for row in rows if row["country"])
    domains = normalise.domains(
        row[name] for row in rows for name in ("email", "domain", "website") if row[name]
    )
    keys: dict[int, str] = {}
    for row in rows:
        name, country = names.get(row["company"]), countries.get(row["country"], "")
        known = (domains.get(row[column]) for column in ("email", "domain", "website"))
        domain = next((domain for domain in known if domain and not mail_domains.is_free(domain)), None)
        key = f"{name}|{country}" if name else domain
        if key:
            keys[row["row"]] = key
    return keys
