"""The scoring model as one set-based SQL statement, the same for PostgreSQL and DuckDB.

It reads two relations, one row of `profiles` per lead, and gives one row per lead. Points are summed in whole
millionths, so contributions add up exactly; the score is floor(total + 0.5) within the model's range.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from clearlane.policy.model import Group, Rule, Scoring
from clearlane.rules import Dialect, Predicate, Type
from clearlane.rules.columns import read
from clearlane.rules.sql import quoted, text_literal
from clearlane.score import behaviour, standing
from clearlane.score.units import (
    DECAY_UNIT,
    FARTHEST,
    MILLION,
    NO_MOMENT,
    clamped,
    decimal_text,
    first_true,
    millionths,
    number,
    seconds,
)

GROUPS: tuple[Group, ...] = ("fit", "engagement", "negative")
BUILT_IN = frozenset({"as_of", "kind", "source"})
"""Columns that every predicate over a lead may use beside the declared attributes."""
SCORED = frozenset({"score", *GROUPS, "band", "hand_raise"})
"""Columns that stage predicates may use as well; they hide attributes of the same name."""
MEMORY = ("band_before", "band_since", "stage_before")
RESULT = (
    "lead_id", "score", "total", *GROUPS, "band", "grade", "stage", "reached", "entered_at",
    "disqualified", "hand_raise", "raised_at", "kind", "contributions",
)  # fmt: skip
_ARGUMENTS = 90  # PostgreSQL's functions take at most 100


def statement(scoring: Scoring, dialect: Dialect, *, typed: bool = False) -> str:
    """One statement that scores every row of `profiles`; give it to SQLAlchemy's text() or to DuckDB.

    Reads profiles(lead_id, as_of, kind, source, band_before, band_since, stage_before, attributes) and
    activities(lead_id, type, occurred_at, attributes). Times are instants (timestamptz); a null kind is
    decided here; the last score's band, the moment it was entered and the furthest stage are null where there
    is none. Attributes are JSON, or with `typed` columns of the declared names and types.

    Gives the columns of RESULT: points as doubles, contributions as JSON text (rule -> points, zeros left out).
    `stage` never falls behind `stage_before`; `reached` is what the stage rules alone say, and `entered_at`
    when that came about: at the hand-raise that a rule asks for, else at as_of.
    """
    steps = _Steps(scoring, dialect, typed).named()
    named = ", ".join(f"{name} as ({body})" for name, body in steps.items())
    return f"with {named} select {', '.join(RESULT)} from staged"


def facts(scoring: Scoring, dialect: Dialect) -> str:
    """What rules read of each row of `profiles`: lead_id, as_of, source, kind and the attributes they name."""
    steps = _Steps(scoring, dialect, typed=False)
    return f"with known as ({steps.known()}), person as ({steps.person()}) select * from person"


def evidence(scoring: Scoring, dialect: Dialect) -> str:
    """Per lead and activity rule, by its place i in the policy: rule_i_count and rule_i_last (occurred_at)."""
    steps = _Steps(scoring, dialect, typed=False)
    if not steps.events:
        return "select lead_id from profiles"
    counts = behaviour.counts(scoring, dialect)
    return f"with event as ({steps.event()}) select {', '.join(['lead_id', *counts])} from event group by lead_id"


def attributes_used(scoring: Scoring) -> tuple[str, ...]:
    """The declared attributes of a lead that the model reads, sorted."""
    used = _names(_lead_predicates(scoring)) | (_names(rule.when for rule in scoring.stages) - SCORED)
    return tuple(sorted(used - BUILT_IN))


def activity_attributes_used(scoring: Scoring) -> tuple[str, ...]:
    """The declared attributes of an activity that the model reads, sorted."""
    terms = (rule.activity for rule in scoring.rules if rule.activity is not None)
    return tuple(
        sorted(_names(term.when for term in terms if term.when is not None) - {"type", "occurred_at"})
    )


def _lead_predicates(scoring: Scoring) -> Iterator[Predicate]:
    yield from (rule.when for rule in scoring.kinds)
    yield from (rule.when for rule in scoring.disqualifiers)
    yield from (rule.when for rule in scoring.rules if rule.when is not None)


def _names(predicates: Iterator[Predicate]) -> frozenset[str]:
    return frozenset(name for predicate in predicates for name in predicate.columns)


class _Steps:
    """Each step of the computation as a select, over the steps before it."""

    def __init__(self, scoring: Scoring, dialect: Dialect, typed: bool) -> None:
        self.scoring, self.dialect, self.typed = scoring, dialect, typed
        self.events = behaviour.relations(scoring, dialect)
        # Without a fence PostgreSQL pulls subqueries up and computes an expression once per use.
        self.fence = " offset 0" if dialect is Dialect.POSTGRES else ""

    def named(self) -> Mapping[str, str]:
        event = {"event": self.event()} if self.events else {}
        return {
            "known": self.known(), "person": self.person(), **event, **self.events,
            "pointed": self.pointed(), "summed": self.summed(), "totalled": self.totalled(),
            "banded": self.banded(), "staged": self.staged(),
        }  # fmt: skip

    def select(self, columns: Sequence[str], source: str) -> str:
        return f"select {', '.join(columns)} from {source}{self.fence}"

    def text(self, text: str) -> str:
        return text_literal(text, self.dialect)

    def column(self, name: str) -> str:
        return quoted(name, self.dialect)

    # --- what is known ---

    def known(self) -> str:
        reads = [self.read(name, self.scoring.attributes, "") for name in attributes_used(self.scoring)]
        return self.select(["lead_id", *sorted(BUILT_IN), *MEMORY, *reads], "profiles")

    def read(self, name: str, declared: Mapping[str, Type], prefix: str) -> str:
        if self.typed:
            return prefix + self.column(name)
        source = f"{prefix}attributes"
        return f"{read(name, declared[name], self.dialect, source)} as {self.column(name)}"

    def person(self) -> str:
        pairs = [(rule.when.sql(self.dialect, "known"), self.text(rule.kind)) for rule in self.scoring.kinds]
        kind = f"coalesce(known.kind, {first_true(pairs, self.text('sales'))}) as kind"
        attributes = map(self.column, attributes_used(self.scoring))
        return self.select(["lead_id", "as_of", "source", kind, *MEMORY, *attributes], "known")

    def event(self) -> str:
        happened, now = (seconds(c, self.dialect) for c in ("activities.occurred_at", "profiles.as_of"))
        declared = self.scoring.activity_attributes
        reads = [self.read(name, declared, "activities.") for name in activity_attributes_used(self.scoring)]
        types = behaviour.is_one_of(behaviour.activity_types(self.scoring), self.dialect)
        return self.select(
            [
                "activities.lead_id", "activities.type", "activities.occurred_at",
                f"{happened} as happened", f"{now} - {happened} as age", *reads,
            ],
            "activities join profiles on profiles.lead_id = activities.lead_id"
            f" where activities.occurred_at < profiles.as_of and activities.{types}",
        )  # fmt: skip

    # --- points ---

    def pointed(self) -> str:
        """Each rule's contribution, in millionths."""
        rules = [f"{self.contribution(i, rule)} as {_points(i)}" for i, rule in enumerate(self.scoring.rules)]
        pairs = [(d.when.sql(self.dialect, "person"), self.text(d.id)) for d in self.scoring.disqualifiers]
        disqualified = f"cast({first_true(pairs, 'null')} as varchar) as disqualified"
        raised = "behaviour.raised_at" if self.events else f"{NO_MOMENT} as raised_at"
        joins = "".join(f" left join {name} on {name}.lead_id = person.lead_id" for name in self.events)
        return self.select([*self.carried("person."), raised, disqualified, *rules], f"person{joins}")

    def carried(self, prefix: str = "") -> list[str]:
        """Columns that go from step to step: the lead, its memory, and what stage rules read."""
        used = _names(rule.when for rule in self.scoring.stages) - SCORED - BUILT_IN
        own = ["lead_id", "as_of", "source", "kind", *MEMORY, *map(self.column, sorted(used))]
        return [prefix + name for name in own]

    def contribution(self, index: int, rule: Rule) -> str:
        cap = FARTHEST if rule.cap is None else min(rule.cap, FARTHEST)
        if rule.activity is None:
            worth = number(millionths(max(-cap, min(cap, rule.points))))
        else:
            worth = self.decayed(index, rule.points, cap)
        if rule.when is None:
            return worth
        return f"case when {rule.when.sql(self.dialect, 'person')} then {worth} else {number(0)} end"

    def decayed(self, index: int, points: float, cap: float) -> str:
        count = f"coalesce({behaviour.weight_column(index)}, {number(0)}) / {number(DECAY_UNIT)}"
        worth = clamped(f"{number(points)} * ({count})", -cap, cap)
        return f"floor({worth} * {number(MILLION)} + {number(0.5)})"

    def summed(self) -> str:
        """The groups, in millionths."""
        groups = [f"{self.group(name)} as {name}_millionths" for name in GROUPS]
        contributions = f"{self.contributions()} as contributions"
        return self.select([*self.carried(), "raised_at", "disqualified", *groups, contributions], "pointed")

    def group(self, name: Group) -> str:
        terms = [_points(i) for i, rule in enumerate(self.scoring.rules) if rule.group == name]
        low, high = self.scoring.group_bounds.get(name, (-FARTHEST, FARTHEST))
        return clamped(" + ".join([number(0), *terms]), millionths(low), millionths(high))

    def contributions(self) -> str:
        rules = enumerate(self.scoring.rules)
        pieces = [
            f"case when {_points(i)} <> {number(0)} then {self.piece(i, rule)} end" for i, rule in rules
        ]
        return f"'{{' || {_joined(pieces)} || '}}'" if pieces else "'{}'"

    def piece(self, index: int, rule: Rule) -> str:
        key = self.text(json.dumps(rule.id, ensure_ascii=False) + ":")
        return f"{key} || {decimal_text(f'{_points(index)} / {number(MILLION)}')}"

    def totalled(self) -> str:
        """The groups and the total in points, and the score that is shown."""
        millionth = " + ".join(f"{name}_millionths" for name in GROUPS)
        points = [f"{name}_millionths / {number(MILLION)} as {name}" for name in GROUPS]
        total = f"({millionth}) / {number(MILLION)} as total"
        score = f"{standing.score(self.scoring, millionth)} as score"
        kept = ["raised_at", "raised_at is not null as hand_raise", "disqualified", "contributions"]
        return self.select([*self.carried(), *kept, *points, total, score], "summed")

    # --- where that puts the lead ---

    def banded(self) -> str:
        elapsed = f"{seconds('as_of', self.dialect)} - {seconds('band_since', self.dialect)}"
        band = f"{standing.band(self.scoring, self.text, elapsed)} as band"
        grade = f"{standing.grade(self.scoring)} as grade"
        kept = ["raised_at", "hand_raise", "disqualified", "contributions", *GROUPS, "total", "score"]
        return self.select([*self.carried(), *kept, band, grade], "totalled")

    def staged(self) -> str:
        reached = standing.reached(self.scoring, self.dialect, "banded")
        entered = standing.entered_at(self.scoring, self.dialect, "banded")
        kept = [name for name in RESULT if name not in ("stage", "reached", "entered_at")]
        inner = self.select(
            [*kept, "stage_before", f"{reached} as reached", f"{entered} as entered_at"], "banded"
        )
        stage = f"{standing.stage(self.scoring, self.text)} as stage"
        return self.select([*kept, "reached", "entered_at", stage], f"({inner}) as step")


def _points(index: int) -> str:
    return f"rule_{index}_points"


def _joined(pieces: Sequence[str]) -> str:
    """The texts with commas between them, nulls left out."""
    if len(pieces) <= _ARGUMENTS:
        return f"concat_ws(',', {', '.join(pieces)})"
    parts = [_joined(pieces[i : i + _ARGUMENTS]) for i in range(0, len(pieces), _ARGUMENTS)]
    return _joined([f"nullif({part}, '')" for part in parts])
