"""What a stored score saw: the lead's values term by term, and the activities that each rule counted.

The profile is the one that the score names; the activities are those of its records that were known to it and
came before its moment. Nothing of what became known later is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy.columns import ROLLUP
from clearlane.policy.model import ActivityTerm, Rule, Scoring
from clearlane.rules import Dialect, Predicate
from clearlane.score import behaviour
from clearlane.score.statement import MEMORY, activity_attributes_used, events, facts
from clearlane.score.units import identifier

Values = Mapping[str, Any]
_LATEST = 200
"""So many of a lead's latest activities are looked through for one that nearly counted."""


@dataclass(frozen=True)
class TermSeen:
    """One term of a condition, whether it held, and the values that it read, None where empty."""

    text: str
    held: bool
    values: Values


@dataclass(frozen=True)
class Did:
    """What a rule found among the lead's activities.

    `met` of them fit the rule, `counted` of those count (once, once a day, so many a week), and what they are
    worth by now adds up to `weight`. Where none fit, `missed` are the terms that failed on the one that came
    `nearest`; without terms, none of these types was there.
    """

    types: tuple[str, ...]
    met: int
    counted: float
    weight: float
    first_at: datetime | None
    last_at: datetime | None
    half_life_days: float | None
    nearest: datetime | None = None
    missed: tuple[TermSeen, ...] = ()

    @property
    def faded(self) -> float:
        """The share, 0 to 1, that age has taken."""
        return 1 - self.weight / self.counted if self.counted else 0.0


@dataclass(frozen=True)
class Evidence:
    """`terms` by rule id, and by `variant ID` and `disqualifier ID`; `did` by the ids of activity rules."""

    values: Values
    terms: Mapping[str, tuple[TermSeen, ...]]
    did: Mapping[str, Did]


def gathered(connection: Connection, scoring: Scoring, model: Scoring, score: Any) -> Evidence:
    """What the rules of `model`, the one of `scoring` that is in force, saw of a stored score (explain.Score)."""
    connection.execute(sa.text("set local jit = off"))
    conditions = dict(_conditions(scoring, model, score))
    values, terms = _terms(connection, scoring, conditions, score)
    return Evidence(values, terms, _did(connection, scoring, model, score))


# --- the lead -------------------------------------------------------------------------------------


def given() -> str:
    """The relations `profiles` and `activities` of one stored score, as common table expressions."""
    memory = {**dict.fromkeys(MEMORY, "null"), "cycle_since": ":cycle_since", "own": "true"}
    past = ", ".join(f"cast({memory[name]} as {kind}) as {name}" for name, kind in MEMORY.items())
    return f"""
     profiles as materialized (
       select cast(:lead_id as uuid) as lead_id, cast(:as_of as timestamptz) as as_of, p.kind,
         cast(:source as text) as source, cast(null as text) as account_id, {past}, p.attributes
       from lead_profile p where p.profile_id = :profile_id
     ),
     activities as (
       select cast(:lead_id as uuid) as lead_id, a.type, a.occurred_at, a.attributes from activity a
       where a.lead_id = any(cast(:records as uuid[])) and a.known_seq <= :known_seq and a.occurred_at < :as_of
     )
    """


def parameters(score: Any) -> dict[str, Any]:
    names = ("lead_id", "as_of", "source", "profile_id", "known_seq", "cycle_since")
    return {**{name: score.values[name] for name in names}, "records": score.records}


def _conditions(scoring: Scoring, model: Scoring, score: Any) -> Iterator[tuple[str, Predicate]]:
    yield from ((rule.id, rule.when) for rule in model.rules if rule.when is not None)
    yield from ((f"variant {v.id}", v.when) for v in scoring.variants if v.id == score.model)
    yield from ((f"disqualifier {d.id}", d.when) for d in model.disqualifiers if d.id == score.disqualified)


def _terms(
    connection: Connection, scoring: Scoring, conditions: Mapping[str, Predicate], score: Any
) -> tuple[Values, Mapping[str, tuple[TermSeen, ...]]]:
    terms = [(owner, term) for owner, when in conditions.items() for term in when.terms]
    held = ", ".join(term.sql(Dialect.POSTGRES, "person") for _, term in terms)
    account = ", ".join(f"cast(:{name} as double precision) as {name}" for name in ROLLUP)
    query = f"""
     with {given()}, person as (select seen.*, {account} from ({facts(scoring, Dialect.POSTGRES)}) as seen)
     select person.*, cast(array[{held}] as boolean[]) as held from person
    """
    others = {name: (score.account or {}).get(name, 0.0) for name in ROLLUP}
    row = dict(connection.execute(sa.text(query), {**parameters(score), **others}).mappings().one())
    found: dict[str, tuple[TermSeen, ...]] = {}
    for (owner, term), matched in zip(terms, row["held"], strict=True):
        seen = TermSeen(term.text, matched, {name: row[name] for name in sorted(term.columns)})
        found[owner] = (*found.get(owner, ()), seen)
    return row, found


# --- what it did ----------------------------------------------------------------------------------


def _did(connection: Connection, scoring: Scoring, model: Scoring, score: Any) -> Mapping[str, Did]:
    rules = [rule for rule in model.rules if rule.activity is not None]
    if not rules:
        return {}
    row = dict(connection.execute(sa.text(_counting(scoring, rules)), parameters(score)).mappings().one())
    found = {rule.id: _found(rule.activity, row, i) for i, rule in enumerate(rules) if rule.activity}
    return {**found, **_near(connection, scoring, [r for r in rules if not found[r.id].met], found, score)}


def _found(term: ActivityTerm, row: Values, i: int) -> Did:
    return Did(
        term.types, row[f"met_{i}"], row[f"counted_{i}"], row[f"weight_{i}"], row[f"first_{i}"], row[f"last_{i}"],
        term.half_life_days,
    )  # fmt: skip


def _counting(scoring: Scoring, rules: Sequence[Rule]) -> str:
    """One row: per rule its weight, the same without fading, and what its types and condition meet."""
    dialect, plain = Dialect.POSTGRES, _unfading(scoring)
    relations = behaviour.relations(scoring, dialect)
    unfading = {f"plain_{name}": body for name, body in behaviour.relations(plain, dialect).items()}
    steps = {"event": events(scoring, dialect), **relations, **unfading, "hit": _hits(rules)}
    named = ", ".join(f"{name} as ({body})" for name, body in steps.items())
    values = [
        text
        for i, rule in enumerate(rules)
        for text in (
            f"coalesce({_weight(scoring, rule)}, 0) as weight_{i}",
            f"coalesce(plain_{_weight(plain, rule, fades=False)}, 0) as counted_{i}",
        )
    ]
    joins = "".join(f" left join {name} on true" for name in (*relations, *unfading))
    return f"with {given()}, {named} select hit.*, {', '.join(values)} from hit{joins}"


def _hits(rules: Sequence[Rule]) -> str:
    columns = []
    for i, rule in enumerate(rules):
        fits = f"filter (where {_fits(rule)})"
        columns += [f"count(*) {fits} as met_{i}", f"min(occurred_at) {fits} as first_{i}"]
        columns += [f"max(occurred_at) {fits} as last_{i}"]
    return f"select {', '.join(columns)} from event"


def _fits(rule: Rule) -> str:
    assert rule.activity is not None
    of_type = behaviour.is_one_of(rule.activity.types, Dialect.POSTGRES)
    when = rule.activity.when
    return of_type if when is None else f"{of_type} and {when.sql(Dialect.POSTGRES, 'event')}"


def _unfading(scoring: Scoring) -> Scoring:
    """The same model without half-lives: its weights are numbers of activities."""
    recycling = replace(scoring.recycling, engagement=1.0 if scoring.recycling.engagement else 0.0)
    variants = tuple(replace(v, scoring=_unfading(v.scoring)) for v in scoring.variants)
    rules = tuple(replace(rule, activity=_lasting(rule.activity)) for rule in scoring.rules)
    return replace(scoring, rules=rules, variants=variants, recycling=recycling)


def _lasting(term: ActivityTerm | None) -> ActivityTerm | None:
    return term and replace(term, half_life_days=None)


def _weight(scoring: Scoring, rule: Rule, *, fades: bool = True) -> str:
    """The relation and column that hold what the rule counts."""
    term = rule.activity if fades else _lasting(rule.activity)
    assert term is not None
    counting = behaviour.counting_of(scoring, term, rule.group)
    k = behaviour.countings(scoring).index(counting)
    return f"{f'bounded_{k}' if counting.is_bounded else 'behaviour'}.{behaviour.weight_column(k)}"


# --- what nearly counted --------------------------------------------------------------------------


def _near(
    connection: Connection, scoring: Scoring, rules: Sequence[Rule], found: Mapping[str, Did], score: Any
) -> Mapping[str, Did]:
    """For rules that met nothing: the activity on which the fewest terms failed, the latest of them."""
    asked = [rule for rule in rules if rule.activity and rule.activity.when]
    none = {r.id: replace(found[r.id], missed=(_nothing(found[r.id].types),)) for r in rules}
    if not asked:
        return none
    rows = [
        dict(r) for r in connection.execute(sa.text(_latest(scoring, asked)), parameters(score)).mappings()
    ]
    near = {rule.id: _nearest(rule, i, rows, found[rule.id]) for i, rule in enumerate(asked)}
    return {**none, **{id: did for id, did in near.items() if did.nearest}}


def _nothing(types: Sequence[str]) -> TermSeen:
    return TermSeen(f"no {' or '.join(types)}", False, {})


def _latest(scoring: Scoring, rules: Sequence[Rule]) -> str:
    held = [
        f"array[{', '.join(term.sql(Dialect.POSTGRES, 'event') for term in rule.activity.when.terms)}] as held_{i}"
        for i, rule in enumerate(rules)
        if rule.activity and rule.activity.when
    ]
    names = [identifier(name) for name in activity_attributes_used(scoring)]
    columns = ", ".join(["type", "occurred_at", *names, *held])
    steps = f"{given()}, event as ({events(scoring, Dialect.POSTGRES)})"
    return f"with {steps} select {columns} from event order by occurred_at desc, type limit {_LATEST}"


def _nearest(rule: Rule, i: int, rows: Sequence[Values], did: Did) -> Did:
    assert rule.activity is not None
    assert rule.activity.when is not None
    of_types = [row for row in rows if row["type"] in rule.activity.types]
    if not of_types:
        return did
    row = max(of_types, key=lambda row: sum(row[f"held_{i}"]))  # the first of equals is the latest
    terms = zip(rule.activity.when.terms, row[f"held_{i}"], strict=True)
    missed = [
        TermSeen(t.text, False, {name: row[name] for name in sorted(t.columns)})
        for t, held in terms
        if not held
    ]
    return replace(did, nearest=row["occurred_at"], missed=tuple(missed))
