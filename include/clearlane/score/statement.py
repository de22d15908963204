"""The scoring model as one set-based SQL statement, the same for PostgreSQL and DuckDB.

It reads one row of `profiles` per lead, and what each lead did, and gives one row per lead. Points are summed in
whole millionths, so contributions add up exactly; the score is floor(total + 0.5) within the model's range.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from clearlane.policy.columns import ROLLUP
from clearlane.policy.model import ActivityTerm, Disqualifier, Group, Rule, Scoring
from clearlane.rules import Dialect, Predicate, Type
from clearlane.rules.columns import read
from clearlane.rules.sql import quoted, text_literal
from clearlane.score import behaviour as acts
from clearlane.score import standing
from clearlane.score.units import (
    FARTHEST,
    MILLION,
    NO_MOMENT,
    clamped,
    decimal_text,
    first_true,
    millionths,
    number,
    plain_decimal,
    seconds,
)

GROUPS: tuple[Group, ...] = ("fit", "engagement", "negative")
BUILT_IN = frozenset({"as_of", "kind", "source"})
"""Columns that every predicate over a lead may use beside the declared attributes."""
SCORED = frozenset({"score", *GROUPS, "band", "hand_raise"})
"""Columns that stage predicates may use as well; they hide attributes of the same name."""
MEMORY: Mapping[str, str] = {
    "band_before": "text", "band_since": "timestamptz", "stage_before": "text", "cycle_since": "timestamptz",
    "quiet_until": "timestamptz", "override_score": "double precision", "override_band": "text", "own": "boolean",
}  # fmt: skip
"""What a profile says of the lead's past and of people's will -> its type in PostgreSQL."""
RESULT = (
    "lead_id", "model", "score", "total", *GROUPS, "band", "grade", "stage", "reached", "entered_at",
    "disqualified", "hand_raise", "raised_at", "kind", "counted", "account", "contributions",
)  # fmt: skip
_ARGUMENTS = 90  # PostgreSQL's functions take at most 100
_OF_TOTAL = ("raised_at", "counted", "account", "disqualified", "contributions")


def statement(
    scoring: Scoring,
    dialect: Dialect,
    *,
    typed: bool = False,
    behaviour: Mapping[str, str] | None = None,
) -> str:
    """One statement that scores every row of `profiles`; give it to SQLAlchemy's text() or to DuckDB.

    Reads profiles(lead_id, as_of, kind, source, account_id, *MEMORY, attributes) and, unless `behaviour` is
    given, activities(lead_id, type, occurred_at, attributes). Times are instants (timestamptz).
    - a null kind is decided here; attributes are JSON, or with `typed` columns of the declared names and types;
    - band_before and band_since, the last band and the moment it was entered; stage_before, the furthest stage
      of this cycle: null where there is none;
    - account_id: whose people add up to the account_ columns; null: nobody's. `own` false: a colleague who is
      only there to be added up, and gets no row;
    - cycle_since: when the present cycle began, null in the first. Engagement from before weighs
      × recycling.engagement, measures and hand-raises from before count nothing, and no stage is reached
      until something has happened since; before quiet_until none without a hand-raise. A model that
      recycles nobody reads neither;
    - override_score and override_band stand in place of the computed ones.
    `behaviour`: the relations of `behaviour.shape(scoring)`, name -> select, in place of activities.

    Gives the columns of RESULT: points as doubles, contributions as JSON text (rule -> points, zeros left out).
    `model` is the variant in force, else the model's name. `stage` never falls behind `stage_before`; `reached`
    is what the stage rules alone say, and `entered_at` when that came about: at the hand-raise that a rule asks
    for, else at as_of. `account` is JSON text of the account_ columns, null where nothing asks for them.
    """
    steps = _Steps(scoring, dialect, typed, behaviour).named()
    named = ", ".join(f"{name} as ({body})" for name, body in steps.items())
    parts = [f"select {', '.join(RESULT)} from staged_{m} where own" for m in range(len(scoring.models))]
    return f"with {named} {' union all '.join(parts)}"


def facts(scoring: Scoring, dialect: Dialect, *, behaviour: Mapping[str, str] | None = None) -> str:
    """What rules read of each row of `profiles`: lead_id, as_of, source, kind, attributes and measures they name.

    The account_ columns are not among them; `model` is the variant in force, else the model's name.
    """
    steps = _Steps(scoring, dialect, False, behaviour)
    parts = ["known", "person", "event", *steps.events, "acted"]
    named = ", ".join(f"{name} as ({body})" for name, body in steps.named().items() if name in parts)
    names = ["lead_id", "as_of", "source", "kind", *map(steps.column, steps.readable)]
    model = first_true(
        [(f"variant = {m}", steps.text(name)) for m, name in enumerate(model_names(scoring))], "null"
    )
    return f"with {named} select {', '.join(names)}, {model} as model from acted"


def events(scoring: Scoring, dialect: Dialect) -> str:
    """The relation `event` that `behaviour.relations` reads, over profiles and activities."""
    return _Steps(scoring, dialect, False, None).event()


def model_names(scoring: Scoring) -> tuple[str, ...]:
    """What the models of a policy are called: the default first, then the variants."""
    return (scoring.model, *(variant.id for variant in scoring.variants))


def attributes_used(scoring: Scoring) -> tuple[str, ...]:
    """The declared attributes of a lead that any of the models reads, sorted."""
    used = _names(_lead_predicates(scoring)) | (_names(_stage_predicates(scoring)) - SCORED)
    measured = {measure.name for measure in scoring.measures}
    return tuple(sorted(used - BUILT_IN - measured - ROLLUP.keys()))


def activity_attributes_used(scoring: Scoring) -> tuple[str, ...]:
    """The declared attributes of an activity that any of the models reads, sorted."""
    return tuple(sorted(_names(acts.activity_predicates(scoring)) - {"type", "occurred_at"}))


def _lead_predicates(scoring: Scoring) -> Iterator[Predicate]:
    yield from (rule.when for rule in scoring.kinds)
    yield from (rule.when for rule in scoring.disqualifiers)
    yield from (variant.when for variant in scoring.variants)
    yield from (rule.when for model in scoring.models for rule in model.rules if rule.when is not None)


def _stage_predicates(scoring: Scoring) -> Iterator[Predicate]:
    return (rule.when for model in scoring.models for rule in model.stages)


def _names(predicates: Iterable[Predicate]) -> frozenset[str]:
    return frozenset(name for predicate in predicates for name in predicate.columns)


class _Steps:
    """Each step of the computation as a select, over the steps before it."""

    def __init__(
        self, scoring: Scoring, dialect: Dialect, typed: bool, behaviour: Mapping[str, str] | None
    ) -> None:
        self.scoring, self.dialect, self.typed = scoring, dialect, typed
        self.is_given = behaviour is not None
        self.shape = acts.shape(scoring)
        self.events = acts.relations(scoring, dialect) if behaviour is None else dict(behaviour)
        self.reads_account = acts.reads_account(scoring)
        self.readable = (*attributes_used(scoring), *(measure.name for measure in scoring.measures))
        # Without a fence PostgreSQL pulls subqueries up and computes an expression once per use.
        self.fence = " offset 0" if dialect is Dialect.POSTGRES else ""

    def named(self) -> Mapping[str, str]:
        event = {"event": self.event()} if self.events and not self.is_given else {}
        models = [_Model(self, model, m) for m, model in enumerate(self.scoring.models)]
        pointed = {f"pointed_{model.place}": model.pointed() for model in models}
        account = {"mate": self.mates(models), "account": self.account()} if self.reads_account else {}
        later = {name: body for model in models for name, body in model.later().items()}
        return {
            "known": self.known(), "person": self.person(),
            **event, **self.events, "acted": self.acted(), **pointed, **account, **later,
        }  # fmt: skip

    def select(self, columns: Sequence[str], source: str, *, fenced: bool = True) -> str:
        return f"select {', '.join(columns)} from {source}{self.fence if fenced else ''}"

    def text(self, text: str) -> str:
        return text_literal(text, self.dialect)

    def column(self, name: str) -> str:
        return quoted(name, self.dialect)

    # --- what is known ---

    def known(self) -> str:
        reads = [
            f"{self.read(name, self.scoring.attributes)} as {self.column(name)}"
            for name in attributes_used(self.scoring)
        ]
        return self.select(
            ["lead_id", *sorted(BUILT_IN), "account_id as company_id", *MEMORY, *reads], "profiles"
        )

    def read(self, name: str, declared: Mapping[str, Type], prefix: str = "") -> str:
        if self.typed:
            return prefix + self.column(name)
        return read(name, declared[name], self.dialect, f"{prefix}attributes")

    def read_of_types(self, name: str) -> str:
        """An attribute of an activity, where a condition reads it."""
        asked = acts.is_one_of(acts.types_reading(self.scoring, name), self.dialect)
        value = self.read(name, self.scoring.activity_attributes, "activities.")
        return f"case when activities.{asked} then {value} end as {self.column(name)}"

    def person(self) -> str:
        pairs = [(rule.when.sql(self.dialect, "known"), self.text(rule.kind)) for rule in self.scoring.kinds]
        kind = f"coalesce(known.kind, {first_true(pairs, self.text('sales'))}) as kind"
        attributes = map(self.column, attributes_used(self.scoring))
        own = ["lead_id", "as_of", "source", kind, "company_id", *MEMORY, *attributes]
        return self.select(own, "known", fenced=False)

    def event(self) -> str:
        """The activities before as_of of the types that matter, with the attributes that conditions name."""
        happened, now = (seconds(c, self.dialect) for c in ("activities.occurred_at", "profiles.as_of"))
        reads = [self.read_of_types(name) for name in activity_attributes_used(self.scoring)]
        types = acts.is_one_of(acts.activity_types(self.scoring), self.dialect)
        fresh = "profiles.cycle_since is null or activities.occurred_at >= profiles.cycle_since"
        day = number(acts.DAY)
        return self.select(
            [
                "activities.lead_id", "activities.type", "activities.occurred_at",
                f"{happened} as happened", f"{now} - {happened} as age",
                *([f"{fresh} as fresh"] if self.scoring.recycling.outcomes else []),
                *([f"ceil({now} / {day}) * {day} as tonight"] if acts.has_windows(self.scoring) else []), *reads,
            ],
            "activities join profiles on profiles.lead_id = activities.lead_id"
            f" where activities.occurred_at < profiles.as_of and activities.{types}",
        )  # fmt: skip

    def acted(self) -> str:
        """The person with what it did, and which model is in force for it."""
        variants = [v.when.sql(self.dialect, "person") for v in self.scoring.variants]
        model = first_true([(when, str(m)) for m, when in enumerate(variants, start=1)], "0")
        joins = "".join(f" left join {name} on {name}.lead_id = person.lead_id" for name in self.events)
        own = ["lead_id", "as_of", "source", "kind", "company_id", *MEMORY]
        own += map(self.column, attributes_used(self.scoring))
        return self.select(
            [*(f"person.{name}" for name in own), *self.weights(), *self.measures(), f"{model} as variant"],
            f"person{joins}",
            fenced=False,
        )

    def weights(self) -> Iterator[str]:
        """What the lead did, in columns that are there whether or not anything counts."""
        yield "behaviour.raised_at" if self.events else f"{NO_MOMENT} as raised_at"
        yield f"{'coalesce(behaviour.counted, 0)' if self.events else '0'} as counted"
        if self.scoring.recycling.outcomes:
            yield f"{'coalesce(behaviour.active, false)' if self.events else 'false'} as active"
        if self.reads_account:
            yield "behaviour.counted_at" if self.events else f"{NO_MOMENT} as counted_at"
        for name, columns in self.shape.items():
            yield from (f"{name}.{column}" for column in columns if column.startswith("weight_"))

    def measures(self) -> Iterator[str]:
        """Counts are 0 where nothing happened; days since what never happened are unknown."""
        for j, measure in enumerate(self.scoring.measures):
            relation = f"measured_{j}" if measure.count == "days" else "behaviour"
            value = f"{relation}.{acts.measure_column(j)}"
            counted = value if measure.count == "days_since" else f"coalesce({value}, {number(0)})"
            yield f"{counted} as {self.column(measure.name)}"

    # --- the account ---

    def mates(self, models: Sequence[_Model]) -> str:
        """What each person of an account comes to by the rules that do not ask about the account."""
        parts = [
            f"select lead_id, company_id, as_of, counted_at, {model.worth()} as worth,"
            f" case when disqualified is null and {model.group('engagement', later=False)} >="
            f" {number(millionths(self.scoring.rollup.engaged_at))} then 1 else 0 end as engaged"
            f" from pointed_{model.place} where company_id is not null"
            for model in models
        ]
        age = f"{seconds('as_of', self.dialect)} - {seconds('counted_at', self.dialect)}"
        left = f"worth * {acts.decay(f'({age})', self.scoring.rollup.half_life_days)}"
        faded = (
            f"case when counted_at is null then {number(0)} else floor({left} + {number(0.5)}) end as faded"
        )
        return self.select(
            ["lead_id", "company_id", "worth", faded, "engaged"], f"({' union all '.join(parts)}) as each_one"
        )

    def account(self) -> str:
        """What the other people of the account come to; sums of whole millionths are exact."""
        of_all = "over (partition by company_id)"
        ranked = "over (partition by company_id order by worth desc, lead_id"
        whole = "rows between unbounded preceding and unbounded following)"
        best = (
            f"case when row_number() {ranked}) = 1 then nth_value(worth, 2) {ranked} {whole}"
            f" else first_value(worth) {ranked} {whole} end"
        )
        points = {
            "account_best": best,
            "account_sum": f"sum(worth) {of_all} - worth",
            "account_decayed": f"sum(faded) {of_all} - faded",
        }
        others = [f"({value}) / {number(MILLION)} as {name}" for name, value in points.items()]
        engaged = f"cast(sum(engaged) {of_all} - engaged as double precision) as account_engaged"
        return self.select(["lead_id", *others, engaged], "mate")


@dataclass(frozen=True)
class _Model:
    """The steps of one model, over the leads for whom it is in force."""

    steps: _Steps
    scoring: Scoring
    place: int

    @property
    def dialect(self) -> Dialect:
        return self.steps.dialect

    def later(self) -> Mapping[str, str]:
        told = {f"told_{self.place}": self.told()} if self.steps.reads_account else {}
        return {
            **told,
            f"summed_{self.place}": self.summed(), f"totalled_{self.place}": self.totalled(),
            f"banded_{self.place}": self.banded(), f"staged_{self.place}": self.staged(),
        }  # fmt: skip

    # --- points ---

    def pointed(self) -> str:
        """Each rule's contribution, in millionths; of those that ask about the account see `told`."""
        rules = [
            f"{self.contribution(rule, 'acted')} as {_points(i)}"
            for i, rule in enumerate(self.scoring.rules)
            if not _asks(rule)
        ]
        early = [rule for rule in self.steps.scoring.disqualifiers if not _asks(rule)]
        disqualified = f"{self.first_disqualifier(early, 'acted')} as disqualified"
        kept = [*self.carried(self.late_columns()), "raised_at", "counted"]
        if self.steps.reads_account:
            kept += ["counted_at", *self.late_weights()]
        only = f" where variant = {self.place}" if self.steps.scoring.variants else ""
        return self.steps.select([*kept, disqualified, *rules], f"acted{only}")

    def told(self) -> str:
        """The contributions of the rules that ask about the account, and its columns."""
        source = f"pointed_{self.place}"
        read = ", ".join(f"coalesce(account.{name}, {number(0)}) as {name}" for name in ROLLUP)
        whole = f"(select {source}.*, {read} from {source} left join account on account.lead_id = {source}.lead_id"
        rules = [
            f"{self.contribution(rule, 'asked') if _asks(rule) else _points(i)} as {_points(i)}"
            for i, rule in enumerate(self.scoring.rules)
        ]
        disqualified = f"{self.first_disqualifier(self.steps.scoring.disqualifiers, 'asked')} as disqualified"
        kept = [*self.carried(self.stage_columns()), "raised_at", "counted"]
        return self.steps.select(
            [*kept, f"{self.account_json()} as account", *ROLLUP, disqualified, *rules],
            f"{whole}{self.steps.fence}) as asked",
        )

    def account_json(self) -> str:
        pieces = [f"'\"{name}\":' || {decimal_text(name, self.dialect)}" for name in ROLLUP]
        return f"'{{' || {_joined(pieces)} || '}}'"

    def first_disqualifier(self, rules: Sequence[Disqualifier], alias: str) -> str:
        pairs = [(rule.when.sql(self.dialect, alias), self.steps.text(rule.id)) for rule in rules]
        return f"cast({first_true(pairs, 'null')} as varchar)"

    def carried(self, used: frozenset[str]) -> list[str]:
        """Columns that go from step to step: the lead, its memory, and what later conditions read."""
        readable = [name for name in self.steps.readable if name in used]
        active = ["active"] if self.steps.scoring.recycling.outcomes else []
        own = ["lead_id", "as_of", "source", "kind", "company_id", *MEMORY, *active]
        return [*own, *map(self.steps.column, readable)]

    def stage_columns(self) -> frozenset[str]:
        return _names(rule.when for rule in self.scoring.stages) - SCORED - BUILT_IN

    def late_columns(self) -> frozenset[str]:
        """What is read after `pointed`."""
        if not self.steps.reads_account:
            return self.stage_columns()
        late = (rule.when for rule in self.scoring.rules if rule.when is not None and _asks(rule))
        disqualifiers = (rule.when for rule in self.steps.scoring.disqualifiers)
        return self.stage_columns() | _names(late) | _names(disqualifiers)

    def late_weights(self) -> list[str]:
        terms = [(rule.activity, rule.group) for rule in self.scoring.rules if _asks(rule)]
        return sorted({self.weight(term, group) for term, group in terms if term is not None})

    def weight(self, term: ActivityTerm, group: Group) -> str:
        known = acts.countings(self.steps.scoring)
        return acts.weight_column(known.index(acts.counting_of(self.steps.scoring, term, group)))

    def contribution(self, rule: Rule, alias: str) -> str:
        low, high = _limits(rule)
        if rule.activity is None:
            worth = number(self.fixed(rule))
        else:
            weight = f"coalesce({self.weight(rule.activity, rule.group)}, {number(0)})"
            points = clamped(f"{number(rule.points)} * {weight}", low, high)
            worth = f"floor({points} * {number(MILLION)} + {number(0.5)})"
        if rule.when is None:
            return worth
        return f"case when {rule.when.sql(self.dialect, alias)} then {worth} else {number(0)} end"

    def fixed(self, rule: Rule) -> float:
        """What a rule without activities is worth where it fires, in millionths."""
        low, high = _limits(rule)
        return millionths(max(low, min(high, rule.points)))

    def summed(self) -> str:
        """The groups, in millionths."""
        groups = [f"{self.group(name)} as {name}_millionths" for name in GROUPS]
        account = ["account", *ROLLUP] if self.steps.reads_account else ["cast(null as varchar) as account"]
        kept = [*self.carried(self.stage_columns()), "raised_at", "counted", "disqualified", *account]
        source = "told" if self.steps.reads_account else "pointed"
        contributions = f"{self.contributions()} as contributions"
        return self.steps.select([*kept, *groups, contributions], f"{source}_{self.place}")

    def group(self, name: Group, *, later: bool = True) -> str:
        """The group's sum within its bounds; not `later`: without the rules that ask about the account."""
        rules = enumerate(self.scoring.rules)
        terms = [_points(i) for i, rule in rules if rule.group == name and (later or not _asks(rule))]
        low, high = self.scoring.group_bounds.get(name, (-FARTHEST, FARTHEST))
        return clamped(" + ".join([number(0), *terms]), millionths(low), millionths(high))

    def worth(self) -> str:
        """What the person brings to its account, in millionths within the range; disqualified people nothing."""
        low, high = (number(millionths(end)) for end in self.scoring.range)
        groups = " + ".join(self.group(name, later=False) for name in GROUPS)
        bounded = f"greatest({low}, least({high}, {groups}))"
        return f"case when disqualified is null then {bounded} else {number(0)} end"

    def contributions(self) -> str:
        rules = enumerate(self.scoring.rules)
        pieces = [
            f"case when {_points(i)} <> {number(0)} then {self.piece(i, rule)} end" for i, rule in rules
        ]
        return f"'{{' || {_joined(pieces)} || '}}'" if pieces else "'{}'"

    def piece(self, index: int, rule: Rule) -> str:
        key = json.dumps(rule.id, ensure_ascii=False) + ":"
        if rule.activity is None:
            return self.steps.text(key + plain_decimal(self.fixed(rule) / MILLION))
        points = decimal_text(f"{_points(index)} / {number(MILLION)}", self.dialect)
        return f"{self.steps.text(key)} || {points}"

    def totalled(self) -> str:
        """The groups and the total in points, and the score that is shown."""
        millionth = " + ".join(f"{name}_millionths" for name in GROUPS)
        points = [f"{name}_millionths / {number(MILLION)} as {name}" for name in GROUPS]
        total = f"({millionth}) / {number(MILLION)} as total"
        score = f"{standing.score(self.scoring, millionth)} as score"
        kept = [*self.kept(), "raised_at is not null as hand_raise"]
        return self.steps.select([*kept, *points, total, score], f"summed_{self.place}")

    def kept(self) -> list[str]:
        account = ROLLUP if self.steps.reads_account else ()
        return [*self.carried(self.stage_columns()), *_OF_TOTAL, *account]

    # --- where that puts the lead ---

    def banded(self) -> str:
        elapsed = f"{seconds('as_of', self.dialect)} - {seconds('band_since', self.dialect)}"
        band = f"{standing.band(self.scoring, self.steps.text, elapsed)} as band"
        grade = f"{standing.grade(self.scoring)} as grade"
        kept = [*self.kept(), "hand_raise", *GROUPS, "total", "score"]
        return self.steps.select([*kept, band, grade], f"totalled_{self.place}")

    def staged(self) -> str:
        source = f"banded_{self.place}"
        reached = standing.reached(self.scoring, self.dialect, source)
        entered = standing.entered_at(self.scoring, self.dialect, source)
        kept = [name for name in RESULT if name not in ("model", "stage", "reached", "entered_at")] + ["own"]
        inner = self.steps.select(
            [*kept, "stage_before", f"{reached} as reached", f"{entered} as entered_at"], source
        )
        stage = f"{standing.stage(self.steps.scoring, self.steps.text)} as stage"
        model = f"{self.steps.text(model_names(self.steps.scoring)[self.place])} as model"
        return self.steps.select([*kept, "reached", "entered_at", stage, model], f"({inner}) as step")


def _asks(rule: Rule | Disqualifier) -> bool:
    """Whether the rule asks about the other people of the account."""
    return rule.when is not None and bool(rule.when.columns & ROLLUP.keys())


def _limits(rule: Rule) -> tuple[float, float]:
    low, high = rule.limits or (-FARTHEST, FARTHEST)
    return max(low, -FARTHEST), min(high, FARTHEST)


def _points(index: int) -> str:
    return f"rule_{index}_points"


def _joined(pieces: Sequence[str]) -> str:
    """The texts with commas between them, nulls left out."""
    if len(pieces) <= _ARGUMENTS:
        return f"concat_ws(',', {', '.join(pieces)})"
    parts = [_joined(pieces[i : i + _ARGUMENTS]) for i in range(0, len(pieces), _ARGUMENTS)]
    return _joined([f"nullif({part}, '')" for part in parts])
