"""What would lift a lead into a hotter band: the smallest set of changes, found by scoring them all.

Changes are of attributes that the policy marks `changeable`, to values that its own conditions name; what the lead
did stays as it is. Beside that: more of one kind of activity. Reads score's profile and activities, writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations, pairwise, product
from math import prod
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy.columns import ROLLUP
from clearlane.policy.model import ActivityTerm, Scoring
from clearlane.rules import Dialect, Predicate, Type
from clearlane.rules.columns import read
from clearlane.rules.sql import text_literal
from clearlane.rules.tree import Call, Column, Literal, Node
from clearlane.score import behaviour
from clearlane.score.changes import STORED, Change, Value, atoms, changes, predicates, values_of
from clearlane.score.evidence import given, parameters
from clearlane.score.statement import GROUPS, MEMORY, attributes_used, events, statement
from clearlane.score.units import first_true, identifier

LARGEST = 3
MOST = 5_000
"""So many sets of one size are tried at most."""
TIMES = 5
_NUMBER, _PLACE, _SET = "number of change", "place of attribute", "set of changes"
"""Columns beside attributes, which may have any name."""
SHOWN = 3
_COMBINATIONS = 64  # of an activity's attributes, to find one that a rule counts


@dataclass(frozen=True)
class Lift:
    """Changes that together put the lead into `band`, with the score it would then show."""

    changes: tuple[Change, ...]
    score: int
    band: str


@dataclass(frozen=True)
class More:
    """So many more activities of one of the types, all at once, that put the lead into `band`."""

    types: tuple[str, ...]
    times: int
    attributes: Mapping[str, Value]
    score: int
    band: str


@dataclass(frozen=True)
class Lifts:
    """`above`: the next band, None in the hottest. `by_knowing` and `by_doing` are the best few, best first.

    `size` is the number of changes that the smallest sets need, None where none of at most LARGEST does;
    `complete` false: there were more than MOST sets of some size, and not all of them were tried.
    """

    above: str | None
    by_knowing: tuple[Lift, ...] = ()
    by_doing: tuple[More, ...] = ()
    complete: bool = True

    @property
    def size(self) -> int | None:
        return len(self.by_knowing[0].changes) if self.by_knowing else None


@dataclass(frozen=True)
class _Tried:
    """A set of changes by their numbers, and what the lead would score with them."""

    numbers: tuple[int, ...]
    values: Mapping[str, Any]


def lifts(connection: Connection, scoring: Scoring, score: Any, band: str, at: datetime) -> Lifts:
    """What would put a person out of `band` into a hotter one at the moment `at`.

    `score` is its stored score (explain.Score), `scoring` the whole policy it was made with. An override is left
    aside: the lifts are those of the model.
    """
    names = [known.name for known in scoring.bands]
    hotter = names[: names.index(band)]
    if not hotter:
        return Lifts(None)
    asked = _Asked(connection, _told(scoring, score.account or {}), score, band, at, hotter)
    found, complete = asked.by_knowing()
    return Lifts(hotter[-1], found, asked.by_doing(), complete)


@dataclass(frozen=True)
class _Asked:
    connection: Connection
    scoring: Scoring
    score: Any
    band: str
    at: datetime
    hotter: Sequence[str]

    # --- what could be known ---

    def by_knowing(self) -> tuple[tuple[Lift, ...], bool]:
        """The smallest sets that lift, best first, and whether all sets up to that size were tried."""
        possible = list(changes(self.connection, self.scoring, self.known()))
        complete = True
        tried = self.tried(possible, 1) if possible else []
        for size in range(2, LARGEST + 2):
            found = [one for one in tried if one.numbers and one.values["band"] in self.hotter]
            if found or size > LARGEST:
                break
            if size == 2:
                possible = list(_promising(self.scoring, possible, tried))
            complete = complete and _count(possible, size) <= MOST
            tried = self.tried(possible, size) if len({c.attribute for c in possible}) >= size else []
        return tuple(self.lift(possible, one) for one in _best(possible, found)), complete

    def known(self) -> Mapping[str, Any]:
        reads = [
            f"{read(name, self.scoring.attributes[name], Dialect.POSTGRES)} as {identifier(name)}"
            for name in _readable(self.scoring)
        ]
        query = f"select {', '.join(['profile_id', *reads])} from lead_profile where profile_id = :profile_id"
        return dict(self.connection.execute(sa.text(query), self.parameters()).mappings().one())

    def lift(self, possible: Sequence[Change], one: _Tried) -> Lift:
        changed = tuple(possible[number] for number in one.numbers)
        return Lift(changed, one.values["score"], one.values["band"])

    def tried(self, possible: Sequence[Change], size: int) -> list[_Tried]:
        """The lead as it is and with each set of that size, scored in one statement."""
        places = {name: i for i, name in enumerate(sorted({change.attribute for change in possible}))}
        asked = [
            {_NUMBER: n, _PLACE: places[c.attribute], c.attribute: c.value} for n, c in enumerate(possible)
        ]
        query = self.scoring_sets(sorted(places), size)
        bound = {
            **self.parameters(),
            "changes": json.dumps(asked, default=str),
            "band": self.band,
            "most": MOST if size > 1 else len(possible),
        }
        rows = self.connection.execute(sa.text(query), bound).mappings()
        return [_Tried(tuple(map(int, filter(None, row["lead_id"].split(",")))), dict(row)) for row in rows]

    def parameters(self) -> dict[str, Any]:
        return {**parameters(self.score), "as_of": self.at}

    def scoring_sets(self, attributes: Sequence[str], size: int) -> str:
        model = self.scoring
        scored = statement(model, Dialect.POSTGRES, typed=True, behaviour=_spread(model))
        sets = [_unchanged(model, attributes), _sets(attributes, size)]
        typed = ", ".join(f"{identifier(name)} {STORED[model.attributes[name]]}" for name in attributes)
        return f"""
         with own as materialized ({_own_behaviour(model)}), base as materialized ({_base(model)}),
         change as materialized (
           select * from jsonb_to_recordset(cast(:changes as jsonb)) as c("{_NUMBER}" int, "{_PLACE}" int, {typed})
         ),
         sets as materialized ({" union all ".join(sets)}),
         profiles as materialized ({_profiles(model, attributes)})
         select lead_id, score, total, band, disqualified, model, contributions from ({scored}) as scored
        """

    # --- what could be done ---

    def by_doing(self) -> tuple[More, ...]:
        """For each type of activity the fewest that lift."""
        types = list(_possible_activities(self.connection, self.scoring, self.at))
        if not types:
            return ()
        asked = [
            {"n": n, "type": kind, "attributes": dict(attributes)}
            for n, (kind, attributes) in enumerate(types)
        ]
        bound = {
            **self.parameters(), "asked": json.dumps(asked, default=str), "band": self.band, "times": TIMES,
            "hotter": list(self.hotter),
        }  # fmt: skip
        rows = self.connection.execute(sa.text(_doing(self.scoring)), bound).mappings()
        fewest: dict[str, tuple[Any, ...]] = {}
        for row in rows:
            n, times = map(int, row["lead_id"].split(","))
            kind, attributes = types[n]
            fewest.setdefault(
                kind, (times, -row["score"], row["band"], json.dumps(attributes, default=str), attributes)
            )
        return tuple(_more(fewest))[:SHOWN]


def _more(fewest: Mapping[str, tuple[Any, ...]]) -> Iterator[More]:
    """Types that come to the same are one line; the fewest first, then the highest score."""
    for key in sorted({reached[:4] for reached in fewest.values()}):
        alike = [kind for kind, reached in sorted(fewest.items()) if reached[:4] == key]
        times, below, band, _, attributes = fewest[alike[0]]
        yield More(tuple(alike), times, attributes, -below, band)


# --- sets of changes ------------------------------------------------------------------------------


def _count(possible: Sequence[Change], size: int) -> int:
    """How many sets of that size there are, one value per attribute."""
    sizes = [sum(c.attribute == name for c in possible) for name in {c.attribute for c in possible}]
    return sum(prod(picked) for picked in combinations(sizes, size))


def _best(possible: Sequence[Change], found: Iterable[_Tried]) -> list[_Tried]:
    def order(one: _Tried) -> tuple[Any, ...]:
        names = tuple((possible[n].attribute, possible[n].said) for n in one.numbers)
        return (len(one.numbers), -one.values["score"], -one.values["total"], names)

    return sorted(found, key=order)[:SHOWN]


def _promising(scoring: Scoring, possible: Sequence[Change], tried: Sequence[_Tried]) -> Iterator[Change]:
    """The changes that a larger set may need.

    A change of an attribute whose conditions read no other changeable attribute, and decide over points alone, adds
    the same to every set: of such an attribute only the best values are needed, and none that does not add.
    """
    alone = _alone(scoring)
    gains = {one.numbers: _points(scoring, one) for one in tried}
    nothing = gains.get((), ())
    for n, change in enumerate(possible):
        mine = gains[(n,)]
        rivals = [
            gains[(m,)] for m, other in enumerate(possible) if other.attribute == change.attribute and m != n
        ]
        earlier = [gains[(m,)] for m in range(n) if possible[m].attribute == change.attribute]
        beaten = any(_covers(other, mine) and other != mine for other in rivals) or mine in earlier
        if change.attribute not in alone or not (_covers(nothing, mine) or beaten):
            yield change


def _points(scoring: Scoring, one: _Tried) -> tuple[float, ...]:
    """Points by group, before the group's bounds."""
    points = json.loads(one.values["contributions"])
    group = {rule.id: rule.group for model in scoring.models for rule in model.rules}
    return tuple(sum(worth for id, worth in points.items() if group[id] == name) for name in GROUPS)


def _covers(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a >= b for a, b in zip(one, other, strict=True))


def _alone(scoring: Scoring) -> set[str]:
    """Changeable attributes that only conditions of points read, each without another changeable attribute."""
    points = [rule.when for model in scoring.models for rule in model.rules if rule.when is not None]
    others = {when.fingerprint for when in predicates(scoring)} - {when.fingerprint for when in points}
    deciding = [when for when in predicates(scoring) if when.fingerprint in others]
    entangled = {name for when in deciding for name in when.columns}
    for when in points:
        together = when.columns & scoring.changeable
        entangled |= together if len(together) > 1 else set()
    return set(scoring.changeable) - entangled


# --- SQL ------------------------------------------------------------------------------------------


def _own_behaviour(scoring: Scoring) -> str:
    """One row: what the lead did, as `behaviour.shape` says; null where nothing."""
    relations = behaviour.relations(scoring, Dialect.POSTGRES)
    if not relations:
        return "select 1 as nothing"
    steps = {"event": events(scoring, Dialect.POSTGRES), **relations}
    named = ", ".join(f"{name} as ({body})" for name, body in steps.items())
    columns = [f"{name}.{column}" for name, own in behaviour.shape(scoring).items() for column in own[1:]]
    joins = "".join(f" left join {name} on true" for name in relations)
    return f"with {given()}, {named} select {', '.join(columns)} from (select 1) as one{joins}"


def _spread(scoring: Scoring) -> Mapping[str, str]:
    """The same behaviour for every row of profiles."""
    return {
        name: f"select {', '.join(['profiles.lead_id', *(f'own.{column}' for column in columns[1:])])}"
        " from profiles cross join own"
        for name, columns in behaviour.shape(scoring).items()
    }


def _base(scoring: Scoring) -> str:
    """The lead as it is; its kind only where something else than the model's conditions decided it."""
    reads = "".join(
        f", {read(name, scoring.attributes[name], Dialect.POSTGRES, 'p.attributes')} as {identifier(name)}"
        for name in _readable(scoring)
    )
    ruled = first_true(
        [(r.when.sql(Dialect.POSTGRES, "read"), _text(r.kind)) for r in scoring.kinds], _text("sales")
    )
    inner = (
        "select cast(:as_of as timestamptz) as as_of, cast(:source as text) as source, p.kind"
        f"{reads} from lead_profile p where p.profile_id = :profile_id offset 0"
    )
    return f"select read.*, nullif(read.kind, {ruled}) as kept_kind from ({inner}) as read"


def _unchanged(scoring: Scoring, attributes: Sequence[str]) -> str:
    nulls = (f"cast(null as {STORED[scoring.attributes[name]]}) as {identifier(name)}" for name in attributes)
    return f"select {', '.join([_text('') + f' as {identifier(_SET)}', *nulls])}"


def _sets(attributes: Sequence[str], size: int) -> str:
    aliases = [f"c{i}" for i in range(size)]
    numbers = ", ".join(f'{alias}."{_NUMBER}"' for alias in aliases)
    id = f"concat_ws(',', {numbers}) as \"{_SET}\""
    values = (
        f"coalesce({', '.join(f'{alias}.{identifier(name)}' for alias in aliases)}) as {identifier(name)}"
        for name in attributes
    )
    joins = "".join(
        f' join change {alias} on {alias}."{_PLACE}" > {before}."{_PLACE}"'
        for before, alias in pairwise(aliases)
    )
    return f"(select {', '.join([id, *values])} from change c0{joins} order by {numbers} limit :most)"


def _profiles(scoring: Scoring, attributes: Sequence[str]) -> str:
    own = [
        f"coalesce(sets.{identifier(name)}, base.{identifier(name)}) as {identifier(name)}"
        if name in attributes
        else f"base.{identifier(name)}"
        for name in _readable(scoring)
    ]
    lead = [f'sets."{_SET}" as lead_id', "base.as_of", "base.source", "base.kept_kind as kind"]
    return f"select {', '.join([*lead, _past(), *own])} from sets cross join base"


def _past() -> str:
    """The columns of a profile about the lead's past: its band and cycle, no account, no override."""
    known = {
        **dict.fromkeys(MEMORY, "null"),
        "band_before": ":band",
        "cycle_since": ":cycle_since",
        "own": "true",
    }
    past = [f"cast({known[name]} as {kind}) as {name}" for name, kind in MEMORY.items()]
    return ", ".join(["cast(null as text) as account_id", *past])


def _readable(scoring: Scoring) -> list[str]:
    return sorted({*attributes_used(scoring), *scoring.changeable})


def _doing(scoring: Scoring) -> str:
    """One lead for each activity that is asked for and each number of them up to :times; those that lift."""
    return f"""
     with asked as materialized (
       select n || ',' || times as lead_id, times, a.type, a.attributes
       from jsonb_to_recordset(cast(:asked as jsonb)) as a(n int, type text, attributes jsonb)
       cross join generate_series(1, :times) as times
     ),
     profiles as materialized (
       select asked.lead_id, cast(:as_of as timestamptz) as as_of, p.kind, cast(:source as text) as source,
         {_past()}, p.attributes
       from lead_profile p cross join asked where p.profile_id = :profile_id
     ),
     activities as (
       select asked.lead_id, a.type, a.occurred_at, a.attributes from activity a cross join asked
       where a.lead_id = any(cast(:records as uuid[])) and a.known_seq <= :known_seq and a.occurred_at < :as_of
       union all
       select asked.lead_id, asked.type, cast(:as_of as timestamptz) - nth * interval '1 microsecond', asked.attributes
       from asked cross join lateral generate_series(1, asked.times) as nth
     )
     select lead_id, score, total, band from ({statement(scoring, Dialect.POSTGRES)}) as scored
     where band = any(:hotter) order by cast(split_part(lead_id, ',', 2) as int), score desc, lead_id
    """


def _possible_activities(
    connection: Connection, scoring: Scoring, at: datetime
) -> Iterator[tuple[str, Mapping[str, Value]]]:
    """Each type that a rule counts, plain and, for each condition of a rule, with attributes that it takes."""
    terms = dict.fromkeys(rule.activity for m in scoring.models for rule in m.rules if rule.activity)
    yield from ((kind, {}) for kind in sorted({kind for term in terms for kind in term.types}))
    for term in terms:
        for kind in term.types:
            attributes = _fitting(connection, scoring, term, kind, at)
            if attributes:
                yield kind, attributes


def _fitting(
    connection: Connection, scoring: Scoring, term: ActivityTerm, kind: str, at: datetime
) -> Mapping[str, Value]:
    """The fewest attributes with which an activity fits the rule; empty where none are needed or none do."""
    if term.when is None:
        return {}
    types = {name: column for name, column in term.when.types.items() if name not in ("type", "occurred_at")}
    parts = list(atoms([term.when]))
    values = [[None, *values_of(name, column, parts)] for name, column in types.items()]
    combos = [
        {name: value for name, value in zip(types, combo, strict=True) if value is not None}
        for combo, _ in zip(product(*values), range(_COMBINATIONS), strict=False)
    ]
    reads = [
        f"{read(name, column, Dialect.POSTGRES, 'combo')} as {identifier(name)}"
        for name, column in types.items()
    ]
    built_in = ["cast(:kind as text) as type", "cast(:at as timestamptz) as occurred_at"]
    query = f"""
     select nth - 1 as nth from (
       select nth, {", ".join([*built_in, *reads])}
       from jsonb_array_elements(cast(:combos as jsonb)) with ordinality as c(combo, nth) offset 0
     ) as event where {term.when.sql(Dialect.POSTGRES, "event")}
    """
    bound = {"kind": kind, "at": at, "combos": json.dumps(combos, default=str)}
    fit = [combos[nth] for nth in connection.execute(sa.text(query), bound).scalars()]
    return min(fit, key=len, default={})


# --- the account ----------------------------------------------------------------------------------


def _told(scoring: Scoring, account: Mapping[str, float]) -> Scoring:
    """The model with what the account came to written into its conditions: the lead's own changes do not move it."""
    return replace(
        scoring,
        rules=tuple(replace(rule, when=rule.when and _written(rule.when, account)) for rule in scoring.rules),
        disqualifiers=tuple(
            replace(rule, when=_written(rule.when, account)) for rule in scoring.disqualifiers
        ),
        stages=tuple(replace(rule, when=_written(rule.when, account)) for rule in scoring.stages),
        variants=tuple(replace(v, scoring=_told(v.scoring, account)) for v in scoring.variants),
    )


def _written(when: Predicate, account: Mapping[str, float]) -> Predicate:
    if not when.columns & ROLLUP.keys():
        return when
    return replace(when, terms=tuple(replace(term, tree=_filled(term.tree, account)) for term in when.terms))


def _filled(node: Node, account: Mapping[str, float]) -> Node:
    if isinstance(node, Column) and node.name in ROLLUP:
        return Literal(float(account.get(node.name, 0.0)), Type.NUMBER)
    if isinstance(node, Call):
        return replace(node, arguments=tuple(_filled(argument, account) for argument in node.arguments))
    return node


def _text(text: str) -> str:
    return text_literal(text, Dialect.POSTGRES)
