"""One side of a comparison: history scored and routed in shadow by the policy of each moment, in DuckDB.

Every policy gets the same inputs: what was known of a lead at its moment, and what had been stored of it before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Final

import duckdb
import pandas as pd
import pyarrow as pa

from clearlane.policy.model import Policy, Recycling
from clearlane.review.eras import Era, by_roster
from clearlane.review.history import OWNERS
from clearlane.review.ladders import ladder_teams
from clearlane.review.responses import business_hours
from clearlane.route import matching
from clearlane.route.decisions import Decision, Facts, calling_zone
from clearlane.route.eligibility import is_cap
from clearlane.route.exploring import is_fresh
from clearlane.route.owners import ANY_SOURCE, User, owner_names
from clearlane.route.shadow import MovingFloor
from clearlane.rules import Dialect
from clearlane.score.persons import recycles
from clearlane.score.statement import statement
from clearlane.score.units import first_true, quoted

CHUNK: Final = 10_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DECIDED: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("lead_id", "place", "rep", "team", "rule", "tier")),
        ("due", pa.timestamp("us", tz="UTC")),
        ("asked", pa.string()),
        ("business", pa.float64()),
        *((name, pa.list_(pa.string())) for name in ("capped", "capped_in", "caps")),
    ]
)
"""`asked`: the team that has it, else the first that its rule asks, else that of a rep who could not take it.
`business`: hours at work until it is due. `capped`: reps passed over because of a cap, with the team in which they
were asked and the cap (hour, day, week, open).
"""
_FACTS: Final = (
    "lead_id", "band", "matched", "kind", "source", "stage", "hand_raise", "stopped", "disqualified", "language",
    "territory", *(f"{noun}_owner" for noun in (*OWNERS, "parent_account")),
)  # fmt: skip
_PROFILES: Final = """
select k.lead_id, k.as_of, cast(null as varchar) as kind, k.source,
       k.account_id || '@' || epoch_us(k.as_of) as account_id, l.band_before, l.band_since, l.stage_before,
       again.since as cycle_since, again.since + {rest} as quiet_until, l.override_score, l.override_band, k.own,
       k.attributes
from known k left join lead l using (lead_id)
left join (
  select lead_id, max(occurred_at) as since, arg_max(reason, occurred_at) as reason
  from outcome where before and {recycles} group by lead_id
) again using (lead_id)
where {where}
"""
"""What `statement` reads: the people of an account at one moment add up."""


def play(
    desk: duckdb.DuckDBPyConnection, side: str, eras: Sequence[Era], until: datetime, users: Sequence[User]
) -> None:
    """Make `<side>_scored` (statement.RESULT) and `<side>_decided` of the leads on the desk."""
    _decide(desk, side, match(desk, side, eras, until, users))


def match(
    desk: duckdb.DuckDBPyConnection, side: str, eras: Sequence[Era], until: datetime, users: Sequence[User]
) -> Sequence[Policy]:
    """Make `<side>_scored` and `<side>_matched` (the rules that hold, the territory); the policy of each part."""
    parts = list(_parts(by_roster(eras, until)))
    for number, (policy, since, where) in enumerate(parts):
        score(desk, side, policy, number=number, where=where)
        _match(desk, side, number, policy, since, where, users)
    return [policy for policy, _, _ in parts]


def _parts(eras: Sequence[Era]) -> Iterator[tuple[Policy, datetime, str]]:
    """Each era's policy, its beginning, and the condition on a lead's moment; the first reaches back, the last on."""
    for i, era in enumerate(eras):
        begins = _moment(era.since) if i else "'-infinity'"
        ends = _moment(eras[i + 1].since) if i + 1 < len(eras) else "'infinity'"
        yield era.policy, era.since, f"k.as_of >= {begins} and k.as_of < {ends}"


def _moment(at: datetime) -> str:
    return f"cast('{at.isoformat()}' as timestamptz)"


def score(
    desk: duckdb.DuckDBPyConnection, side: str, policy: Policy, *, number: int = 0, where: str = "true"
) -> None:
    """Make `<side>_scored`, or go on with it from the second part on, of the leads for which `where` holds."""
    recycling = policy.scoring.recycling
    profiles = _PROFILES.format(rest=_rest(recycling), recycles=recycles(recycling, "outcome"), where=where)
    desk.execute(f"create or replace view profiles as {profiles}")
    into = f"insert into {side}_scored" if number else f"create table {side}_scored as"
    desk.execute(f"{into} {statement(policy.scoring, Dialect.DUCKDB)}")


def _rest(recycling: Recycling) -> str:
    """How long after a cycle's end a lead rests, by the reason; null: not at all."""
    spans = {reason: f"to_seconds({span.total_seconds()})" for reason, span in recycling.cooldown.items()}
    other = spans.pop("*", "cast(null as interval)")
    pairs = [(f"again.reason = {quoted(reason.lower())}", span) for reason, span in spans.items()]
    return first_true(pairs, other)


def _match(
    desk: duckdb.DuckDBPyConnection,
    side: str,
    number: int,
    policy: Policy,
    since: datetime,
    where: str,
    users: Sequence[User],
) -> None:
    """Which routing rules hold for each lead that was routed, and the reps who own what belongs to it."""
    name_owners(desk, policy, since, users)
    desk.execute(f"create or replace temporary table candidate as {_candidates(side, where)}")
    matched = matching.statement(policy.routing, Dialect.DUCKDB)
    into = f"insert into {side}_matched" if number else f"create table {side}_matched as"
    desk.execute(
        f"{into} select c.* exclude (attributes), m.territory, m.matched, m.terms, {number} as part"
        f" from candidate c join ({matched}) m using (lead_id)"
    )


def name_owners(
    desk: duckdb.DuckDBPyConnection, policy: Policy, since: datetime, users: Sequence[User]
) -> None:
    """Make `owner_name`: which rep a name means in a source; null: one who does not sell."""
    names = owner_names(policy.teams, users, policy.sources.sources, since)
    rows = [(source, name, rep) for (source, name), rep in names.items()]
    frame = pd.DataFrame(rows, columns=["source", "name", "rep_id"], dtype="str")
    desk.register("owner_name", frame)


def _candidates(side: str, where: str) -> str:
    columns = [name for name in matching.COLUMNS if name not in _COMPUTED]
    reps = {**{noun: _rep(noun) for noun in OWNERS}, "parent_account": "above.rep_id"}
    own = [f"{rep} as {noun}_owner, {rep} is not null as {noun}_owner_sells" for noun, rep in reps.items()]
    truth = "lower(json_extract_string(k.attributes, '$.{}')) = 'true'"
    stopped = " ".join(
        f"when {truth.format(name)} then '{name}'" for name in ("suppressed", "do_not_contact")
    )
    return f"""
select s.lead_id, {", ".join(f"s.{name}" for name in columns)}, l.as_of, k.source,
       k.account_id is not null as has_account,
       {", ".join(own)}, json_extract_string(k.attributes, '$.language') as language,
       json_extract_string(k.attributes, '$.zone') as zone,
       case {stopped} end as stopped, l.company_key, k.account_id, l.created_at, l.undecided,
       least(l.ended_at, closed.at) as closed_at, k.attributes
from {side}_scored s join lead l using (lead_id) join known k using (lead_id)
left join (
  select lead_id, min(occurred_at) as at from outcome
  where kind in ('rejected', 'won', 'lost') and not before group by lead_id
) closed using (lead_id) {" ".join(map(_owner_join, OWNERS))} left join ({_ABOVE}) above using (lead_id)
where l.routed and {where}"""


_COMPUTED: Final = {
    "as_of", "source", "has_account", "parent_account_owner_sells", *(f"{noun}_owner_sells" for noun in OWNERS)
}  # fmt: skip
_ABOVE: Final = f"""
select said.lead_id,
       arg_min(case when own.name is not null then own.rep_id else anywhere.rep_id end, said.distance) as rep_id
from (
  select lead_id, source, unnest(owners) as name, generate_subscripts(owners, 1) as distance from (
    select lead_id, coalesce(json_extract_string(attributes, '$.account_source'), source) as source,
           case when json_array_length(attributes, '$.parent_account_owners') > 0
                then json_extract_string(attributes, '$.parent_account_owners[*]')
                else [json_extract_string(attributes, '$.parent_account_owner')] end as owners
    from known
  )
) said
left join owner_name own on own.name = lower(trim(said.name)) and own.source = said.source
left join owner_name anywhere on anywhere.name = lower(trim(said.name)) and anywhere.source = {quoted(ANY_SOURCE)}
group by said.lead_id"""
"""The nearest of the accounts above whose owner sells, as in routing on the ledger."""


def _rep(noun: str) -> str:
    """The rep whom the record's own source means, else whom every source means."""
    return f"case when own_{noun}.name is not null then own_{noun}.rep_id else any_{noun}.rep_id end"


def _owner_join(noun: str) -> str:
    said = f"lower(trim(json_extract_string(k.attributes, '$.{noun}_owner')))"
    known = ", ".join(f"json_extract_string(k.attributes, '$.{name}_source')" for name in (noun, "account"))
    return f"""
left join owner_name own_{noun} on own_{noun}.name = {said} and own_{noun}.source = coalesce({known}, k.source)
left join owner_name any_{noun} on any_{noun}.name = {said} and any_{noun}.source = {quoted(ANY_SOURCE)}"""


def _decide(desk: duckdb.DuckDBPyConnection, side: str, policies: Sequence[Policy]) -> None:
    """In the order in which the leads came, of one moment the hottest first."""
    moments = ["as_of", "created_at", "closed_at"]
    read = [*_FACTS, "zone", "terms", "company_key", "account_id", "part", "undecided"]
    columns = [*read, *moments]
    asked = desk.cursor().execute(
        f"select {', '.join([*read, *(f'epoch_us({name})' for name in moments)])} from {side}_matched"
        " order by as_of, hand_raise desc, score desc, created_at, lead_id"
    )
    desk.execute(f"create table {side}_decided ({', '.join(f'{f.name} {_TYPES[f.name]}' for f in _DECIDED)})")
    floor, asked_of = MovingFloor(), [ladder_teams(policy) for policy in policies]
    while rows := asked.fetchmany(CHUNK):
        known = (dict(zip(columns, row, strict=True)) for row in rows)
        decided = [_decided(floor, policies[one["part"]], asked_of[one["part"]], one) for one in known]
        made = pa.Table.from_pylist(decided, schema=_DECIDED)
        desk.register("made", made)
        desk.execute(f"insert into {side}_decided select * from made")


_TYPES: Final = {
    **dict.fromkeys(_DECIDED.names, "varchar"), "due": "timestamptz", "business": "double",
    **dict.fromkeys(("capped", "capped_in", "caps"), "varchar[]"),
}  # fmt: skip


def _decided(
    floor: MovingFloor, policy: Policy, asked_of: Mapping[str, Sequence[str]], row: Mapping[str, Any]
) -> dict[str, Any]:
    known = {name: row[name] for name in _FACTS}
    terms = matching.terms_of(policy.routing, row["terms"])
    zone = calling_zone(row["zone"], hand_raise=row["hand_raise"])
    moment, closed_at = _instant(row["as_of"]), row["closed_at"]
    came = {"undecided": row["undecided"], "created_at": _instant(row["created_at"])}
    fresh = is_fresh(policy.routing.explored, came, moment)
    facts = Facts(
        **known, zone=zone, terms=terms, company=row["company_key"], account=row["account_id"], fresh=fresh
    )
    ends = _instant(closed_at) if closed_at is not None else None
    decision = floor.decide(policy, moment, facts, ends)
    return _row(policy, moment, decision, asked_of.get(decision.rule or "", ()))


def _instant(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def _row(policy: Policy, moment: datetime, decision: Decision, ladder: Sequence[str]) -> dict[str, Any]:
    capped = sorted(rep for rep, why in decision.refused.items() if is_cap(why))
    refused_in = (_team_of(policy, (), rep) for rep in sorted(decision.refused))
    return {
        "lead_id": decision.lead_id, "place": decision.place, "rep": decision.rep, "team": decision.team,
        "rule": decision.rule, "tier": decision.tier, "due": decision.due,
        "asked": decision.team or next(chain(ladder, refused_in), None),
        "business": _business(policy, moment, decision),
        "capped": capped, "capped_in": [_team_of(policy, ladder, rep) for rep in capped],
        "caps": [decision.refused[rep].partition(" ")[0] for rep in capped],
    }  # fmt: skip


def _business(policy: Policy, moment: datetime, decision: Decision) -> float | None:
    """Hours at work until the first touch is due."""
    if decision.due is None:
        return None
    return business_hours(policy, decision.tier, decision.rep, moment, decision.due)


def _team_of(policy: Policy, ladder: Sequence[str], rep: str) -> str | None:
    """The first team of the ladder that has the rep, else of all."""
    teams = policy.teams.teams
    return next(
        (name for name in (*ladder, *teams) if any(rep == one for one, _ in teams[name].members)), None
    )
