"""Behaviour kept in a warehouse: added up where it lives; one row per lead and rule comes back.

`signals_query` is one statement for PostgreSQL, DuckDB, Spark, Snowflake, BigQuery or Trino. `relations` reads
its rows as what the scoring statement joins, so that scoring from signals equals scoring from activities.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from clearlane.policy.model import Measure, Scoring
from clearlane.rules import Dialect, Predicate, Type
from clearlane.rules.sql import (
    as_double,
    epoch_seconds,
    number,
    quoted,
    text_literal,
    time_literal,
)
from clearlane.score import behaviour
from clearlane.score.behaviour import DAY, Counting

SIGNALS: Mapping[str, Type] = {
    **dict.fromkeys(("lead_id", "name", "fingerprint"), Type.TEXT),
    "as_of": Type.TIME, **dict.fromkeys(("weight", "n"), Type.NUMBER), "first_at": Type.TIME, "last_at": Type.TIME,
}  # fmt: skip
"""The columns of a row, in order."""
HAND_RAISE = "hand_raise"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS_SINCE = "days since"


@dataclass(frozen=True)
class Signal:
    """What one row says: which activities it counts, and what each of them weighs."""

    name: str
    """the first rule that counts so, the measure, or `hand_raise`; no two are alike"""
    kind: str
    types: tuple[str, ...]
    when: Predicate | None
    half_life_days: float | None = None
    per_day: bool = False
    at_most: int | None = None
    window_days: int | None = None
    within_days: float | None = None
    """how old an activity may be: of a measure in whole UTC days, of a hand-raise by the clock"""
    before: float = 1.0
    """the share that an activity from before the lead's cycle weighs"""

    @property
    def is_bounded(self) -> bool:
        return self.per_day or self.at_most is not None


def signals(scoring: Scoring) -> tuple[Signal, ...]:
    """What the model, its variants included, asks of behaviour."""
    found = (
        *([_of_hand_raise(scoring)] if scoring.hand_raise_types else []),
        *(_of_counting(scoring, counting) for counting in behaviour.countings(scoring)),
        *(_of_measure(scoring, measure) for measure in scoring.measures),
    )
    names = [signal.name for signal in found]
    times = [names[:k].count(name) for k, name in enumerate(names)]
    return tuple(
        replace(signal, name=f"{signal.name} ({n + 1})") if n else signal
        for signal, n in zip(found, times, strict=True)
    )


def fingerprint(scoring: Scoring) -> str:
    """Hash of all that the model asks of behaviour: rows of another policy are not mistaken for this one's."""
    asked = [(replace(s, when=None), s.when and s.when.fingerprint) for s in signals(scoring)]
    return hashlib.sha256(repr(asked).encode()).hexdigest()[:16]


def signals_query(
    scoring: Scoring,
    dialect: Dialect,
    *,
    activities: str,
    as_of: datetime,
    leads: str | None = None,
) -> str:
    """One statement that gives the columns of SIGNALS, a row per lead and signal that it meets before `as_of`.

    `activities` is put in as it is: a table, view or select in brackets with lead_id, type, occurred_at (an
    instant) and a column of the declared type for each activity attribute that conditions name. `leads`, if
    given, has lead_id and cycle_since, an instant or null in the first cycle: only these leads come back.

    `n` and `last_at` are those of all activities that meet types and condition. `weight` adds up what counts
    of them at `as_of`, decayed, as the rule says: the first only, of each day the first, so many a window; for
    a measure it is the measure. `first_at` is the earliest that counts. Points and caps are not applied.
    """
    steps = _Steps(signals(scoring), scoring, dialect, as_of.astimezone(UTC), leads)
    named = ",\n".join(f"{name} as ({body})" for name, body in steps.named(activities))
    return f"with {named}\n{steps.rows()}"


def relations(scoring: Scoring, dialect: Dialect, table: str = "signals") -> dict[str, str]:
    """The relations of `behaviour.shape` over a table of SIGNALS, for `statement(behaviour=...)`.

    Rows of another policy (see `fingerprint`), or of another moment than the as_of in `profiles`, are left out.
    """
    made = (signal for signal in signals(scoring) if signal.kind != HAND_RAISE)
    countings = {behaviour.weight_column(k): next(made) for k, _ in enumerate(behaviour.countings(scoring))}
    measures = {behaviour.measure_column(j): next(made) for j, _ in enumerate(scoring.measures)}
    known = {**countings, **measures}
    return {
        name: _pivot(scoring, dialect, table, known, columns)
        if name == "behaviour"
        else _picked(scoring, dialect, table, columns[1], known[columns[1]])
        for name, columns in behaviour.shape(scoring).items()
    }


def _of_counting(scoring: Scoring, counting: Counting) -> Signal:
    term, first = counting.term, counting.term.counting == "first"
    return Signal(
        next(_asking(scoring, counting)), "rule", term.types, term.when, term.half_life_days,
        per_day=term.counting == "per_day",
        at_most=1 if first else term.at_most,
        window_days=None if first else term.window_days,
        before=1.0 if counting.lasting else scoring.recycling.engagement,
    )  # fmt: skip


def _asking(scoring: Scoring, counting: Counting) -> Iterator[str]:
    """The rules that count so."""
    for model in scoring.models:
        for rule in model.rules:
            if rule.activity and behaviour.counting_of(scoring, rule.activity, rule.group) == counting:
                yield rule.id


def _of_measure(scoring: Scoring, measure: Measure) -> Signal:
    return Signal(
        measure.name, _DAYS_SINCE if measure.count == "days_since" else "measure", measure.types, measure.when,
        per_day=measure.count == "days", within_days=measure.within_days, before=_before(scoring),
    )  # fmt: skip


def _of_hand_raise(scoring: Scoring) -> Signal:
    return Signal(
        HAND_RAISE, HAND_RAISE, scoring.hand_raise_types, None,
        within_days=scoring.hand_raise_days, before=_before(scoring),
    )  # fmt: skip


def _before(scoring: Scoring) -> float:
    return 0.0 if scoring.recycling.outcomes else 1.0


class _Steps:
    """Each step of the query as a select over the steps before it; k is the place of a signal."""

    def __init__(
        self, made: Sequence[Signal], scoring: Scoring, dialect: Dialect, as_of: datetime, leads: str | None
    ) -> None:
        self.signals, self.scoring, self.dialect, self.as_of, self.leads = (
            made,
            scoring,
            dialect,
            as_of,
            leads,
        )
        self.now = (as_of - _EPOCH) / timedelta(seconds=1)
        self.bounded = [k for k, signal in enumerate(made) if signal.is_bounded]

    def named(self, activities: str) -> Iterator[tuple[str, str]]:
        yield "event", self.event(activities)
        yield "asked", "\nunion all ".join(self.asked())
        yield "hit", self.hit()
        yield "summed", self.summed()
        if self.bounded:
            yield "of_day", self.of_day()
            yield "of_window", self.of_window()
            yield "bounded", self.bounded_sums()

    # --- SQL of one value ---

    def number(self, value: float | None) -> str:
        return as_double("null", self.dialect) if value is None else number(value, self.dialect)

    def text(self, text: str) -> str:
        return text_literal(text, self.dialect)

    def whole(self, sql: str) -> str:
        return f"cast(floor({sql}) as bigint)"

    # --- steps ---

    def event(self, activities: str) -> str:
        happened = epoch_seconds("activities.occurred_at", self.dialect)
        types = ", ".join(map(self.text, behaviour.activity_types(self.scoring))) or "null"
        names = (quoted(name, self.dialect) for name in _attributes(self.signals))
        columns = [
            "activities.lead_id", "activities.type", "activities.occurred_at", f"{happened} as happened",
            f"{self.number(self.now)} - {happened} as age", *(f"activities.{name}" for name in names),
            *([f"{_FRESH} as fresh"] if self.leads else []),
        ]  # fmt: skip
        only = f" join {self.leads} leads on leads.lead_id = activities.lead_id" if self.leads else ""
        before = time_literal(self.as_of, self.dialect)
        return (
            f"select {', '.join(columns)} from {activities} activities{only}"
            f" where activities.occurred_at < {before} and activities.type in ({types})"
        )

    def asked(self) -> Iterator[str]:
        """Which signal asks for which type, and what it says of an activity."""
        for k, signal in enumerate(self.signals):
            half_life, window = (_seconds(d) for d in (signal.half_life_days, signal.window_days))
            values = {
                "k": str(k), "half_life": self.number(half_life), "a_window": self.number(window),
                "at_most": self.number(signal.at_most), "oldest": self.number(self.oldest(signal)),
                "before_cycle": self.number(signal.before), "per_day": "true" if signal.per_day else "false",
            }  # fmt: skip
            for kind in sorted(set(signal.types)):
                row = {"type": self.text(kind), **values}
                yield "select " + ", ".join(f"{value} as {name}" for name, value in row.items())

    def oldest(self, signal: Signal) -> float | None:
        """The greatest age that counts, in seconds."""
        if signal.within_days is None:
            return None
        tonight = self.now if signal.kind == HAND_RAISE else math.ceil(self.now / DAY) * DAY
        return self.now - (tonight - signal.within_days * DAY)

    def hit(self) -> str:
        """Each activity once for each signal that it meets; whether it counts, and what it then weighs."""
        counts = "(asked.oldest is null or event.age <= asked.oldest)"
        fresh = " and (event.fresh or asked.before_cycle > 0)" if self.leads else ""
        return (
            "select event.lead_id, asked.k, event.occurred_at, event.happened, event.age, asked.per_day,"
            f" asked.at_most, asked.a_window, {self.weight()} as weight, {counts}{fresh} as counts"
            f" from event join asked on asked.type = event.type where {self.holds()}"
        )

    def holds(self) -> str:
        conditions = [
            f"when {k} then {signal.when.sql(self.dialect, 'event')}"
            for k, signal in enumerate(self.signals)
            if signal.when is not None
        ]
        return f"case asked.k {' '.join(conditions)} else true end" if conditions else "true"

    def weight(self) -> str:
        half_lives = f"least(event.age / asked.half_life, {self.number(behaviour.NOTHING_LEFT)})"
        left = f"power({self.number(0.5)}, {half_lives})"
        decayed = f"case when asked.half_life is null then {self.number(1.0)} else {left} end"
        if not self.leads:
            return decayed
        return f"({decayed}) * case when event.fresh then {self.number(1.0)} else asked.before_cycle end"

    def summed(self) -> str:
        values = [
            "count(*) as n", "min(case when counts then occurred_at end) as first_at",
            "max(occurred_at) as last_at", "sum(case when counts then weight end) as weight",
            "min(case when counts then age end) as newest",
        ]  # fmt: skip
        return f"select lead_id, k, {', '.join(values)} from hit group by lead_id, k"

    def of_day(self) -> str:
        day = self.whole(f"happened / {self.number(DAY)}")
        nth = f"row_number() over (partition by lead_id, k, {day} order by happened) as nth_of_day"
        ours = ", ".join(map(str, self.bounded))
        columns = "lead_id, k, happened, per_day, at_most, a_window, weight"
        return f"select {columns}, {nth} from hit where counts and k in ({ours})"

    def of_window(self) -> str:
        window = f"coalesce({self.whole('happened / a_window')}, 0)"
        nth = f"row_number() over (partition by lead_id, k, {window} order by happened) as nth"
        return f"select lead_id, k, at_most, weight, {nth} from of_day where nth_of_day = 1 or not per_day"

    def bounded_sums(self) -> str:
        kept = "at_most is null or nth <= at_most"
        return f"select lead_id, k, sum(weight) as weight from of_window where {kept} group by lead_id, k"

    def rows(self) -> str:
        values = {
            "lead_id": "summed.lead_id",
            "name": self.of_each(signal.name for signal in self.signals),
            "fingerprint": self.text(fingerprint(self.scoring)),
            "as_of": time_literal(self.as_of, self.dialect),
            "weight": self.shown(),
            **{name: f"summed.{name}" for name in ("n", "first_at", "last_at")},
        }
        joined = " left join bounded on bounded.lead_id = summed.lead_id and bounded.k = summed.k"
        columns = ", ".join(f"{values[name]} as {name}" for name in SIGNALS)
        return f"select {columns} from summed{joined if self.bounded else ''}"

    def of_each(self, texts: Iterable[str]) -> str:
        whens = " ".join(f"when {k} then {self.text(text)}" for k, text in enumerate(texts))
        return f"case summed.k {whens} end"

    def shown(self) -> str:
        since = [k for k, signal in enumerate(self.signals) if signal.kind == _DAYS_SINCE]
        whens = [f"when {k} then bounded.weight" for k in self.bounded]
        whens += [f"when {k} then summed.newest / {self.number(DAY)}" for k in since]
        return f"case summed.k {' '.join(whens)} else summed.weight end" if whens else "summed.weight"


_FRESH = "(leads.cycle_since is null or activities.occurred_at >= leads.cycle_since)"


def _attributes(made: Iterable[Signal]) -> list[str]:
    """The activity attributes that conditions name, sorted."""
    used = {name for signal in made if signal.when for name in signal.when.columns}
    return sorted(used - {"type", "occurred_at"})


def _seconds(days: float | None) -> float | None:
    return None if days is None else days * DAY


# --- reading ---


def _pivot(
    scoring: Scoring, dialect: Dialect, table: str, known: Mapping[str, Signal], columns: Sequence[str]
) -> str:
    raised = f"s.name = {text_literal(HAND_RAISE, dialect)}" if scoring.hand_raise_types else "false"
    values = {
        "raised_at": f"max(case when {raised} then s.first_at end)",
        "counted": "cast(sum(s.n) as bigint)",
        "active": "coalesce(bool_or(profiles.cycle_since is null or s.last_at >= profiles.cycle_since), false)",
        "counted_at": "max(s.last_at)",
        **{
            name: f"max(case when {_is(signal, dialect)} then s.weight end)" for name, signal in known.items()
        },
    }
    picked = ", ".join(f"{values[name]} as {name}" for name in columns[1:])
    return f"select s.lead_id, {picked} from {_of_profiles(scoring, dialect, table)} group by s.lead_id"


def _picked(scoring: Scoring, dialect: Dialect, table: str, column: str, signal: Signal) -> str:
    rows = _of_profiles(scoring, dialect, table)
    return f"select s.lead_id, s.weight as {column} from {rows} and {_is(signal, dialect)}"


def _of_profiles(scoring: Scoring, dialect: Dialect, table: str) -> str:
    """The rows that this policy made for the moments of the profiles."""
    ours = text_literal(fingerprint(scoring), dialect)
    same = "profiles.lead_id = s.lead_id and profiles.as_of = s.as_of"
    return f"{table} s join profiles on {same} where s.fingerprint = {ours}"


def _is(signal: Signal, dialect: Dialect) -> str:
    return f"s.name = {text_literal(signal.name, dialect)}"
