"""What leads did before `as_of`, as SQL: weighed by age, counted as the rules and measures say.

An activity weighs 0.5 ^ (age / half-life), 1 without half-life. Days and windows are those of UTC: window n of
k days holds the days n*k to n*k + k - 1 since 1970-01-01. Of a day the earliest activity counts, of a window
the earliest `at_most`; without `window_days` the window is all time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from clearlane.policy import columns
from clearlane.policy.model import ActivityTerm, Measure, Scoring
from clearlane.rules import Dialect, Predicate
from clearlane.rules.sql import text_literal
from clearlane.score.units import NO_MOMENT, first_true, number

DAY = 86_400
NOTHING_LEFT = 64.0  # half-lives; PostgreSQL refuses a power that underflows


@dataclass(frozen=True)
class Counting:
    """A way of counting that some rule asks for; what is not `lasting` starts anew with the lead's cycle."""

    term: ActivityTerm
    lasting: bool = True

    @property
    def is_bounded(self) -> bool:
        """Whether what counts depends on the day or on how many came before."""
        return self.term.counting != "first" and (
            self.term.counting == "per_day" or self.term.at_most is not None
        )


def countings(scoring: Scoring) -> tuple[Counting, ...]:
    """Every way of counting of every model, once; a column or relation k below is the k-th of them."""
    found = [
        counting_of(scoring, rule.activity, rule.group)
        for model in scoring.models
        for rule in model.rules
        if rule.activity is not None
    ]
    return tuple(dict.fromkeys(found))


def counting_of(scoring: Scoring, term: ActivityTerm, group: str) -> Counting:
    """How a rule of that group counts: engagement is forgotten when a cycle begins, what speaks against stays."""
    return Counting(term, lasting=group != "engagement" or not scoring.recycling.outcomes)


def activity_types(scoring: Scoring) -> tuple[str, ...]:
    """Every activity type that matters to the model, sorted."""
    return tuple(sorted({kind for types, _ in _asked(scoring) for kind in types}))


def types_reading(scoring: Scoring, attribute: str) -> tuple[str, ...]:
    """The activity types of which some condition reads this attribute, sorted."""
    read = (types for types, when in _asked(scoring) if when is not None and attribute in when.columns)
    return tuple(sorted({kind for types in read for kind in types}))


def activity_predicates(scoring: Scoring) -> Iterator[Predicate]:
    """Every condition on an activity."""
    return (when for _, when in _asked(scoring) if when is not None)


def weight_column(k: int) -> str:
    return f"weight_{k}"


def measure_column(j: int) -> str:
    return f"measure_{j}"


def is_one_of(types: tuple[str, ...], dialect: Dialect) -> str:
    return f"type in ({', '.join(text_literal(kind, dialect) for kind in types)})"


def reads_account(scoring: Scoring) -> bool:
    """Whether any rule, disqualifier or stage asks about the other people of the account."""
    asked = (name for model in scoring.models for when in _conditions(model) for name in when.columns)
    return not columns.ROLLUP.keys().isdisjoint(asked)


def _conditions(model: Scoring) -> Iterator[Predicate]:
    """The conditions on a lead that stand after its account is known."""
    yield from (rule.when for rule in model.rules if rule.when is not None)
    yield from (rule.when for rule in model.disqualifiers)
    yield from (stage.when for stage in model.stages)


def shape(scoring: Scoring) -> Mapping[str, tuple[str, ...]]:
    """The relations that `statement` joins, one row per lead (or none), and their columns in order.

    - behaviour: lead_id; raised_at (timestamptz), the earliest hand-raise within hand_raise_days of as_of and
      within the cycle; counted (bigint), activities before as_of, one counted once for each counting (of
      `countings`), measure and the hand-raises whose types and condition it meets, windows left aside;
      active (boolean, only with recycling), whether any of them fell into the present cycle, in the first
      always true where counted > 0; counted_at (timestamptz, only where roll-ups are asked for), the last of them;
      weight_k (double, null is 0) for each counting k that is not bounded; measure_j (double) for each measure
      that counts events (null is 0) or days since.
    - bounded_k: lead_id, weight_k, for each bounded counting.
    - measured_j: lead_id, measure_j (double), for each measure that counts days.
    Empty where no activity matters to the model.
    """
    if not activity_types(scoring):
        return {}
    kinds = list(enumerate(countings(scoring)))
    measures = list(enumerate(scoring.measures))
    return {
        "behaviour": (
            "lead_id", "raised_at", "counted",
            *(["active"] if scoring.recycling.outcomes else []),
            *(["counted_at"] if reads_account(scoring) else []),
            *(weight_column(k) for k, counting in kinds if not counting.is_bounded),
            *(measure_column(j) for j, measure in measures if measure.count != "days"),
        ),
        **{f"bounded_{k}": ("lead_id", weight_column(k)) for k, counting in kinds if counting.is_bounded},
        **{f"measured_{j}": ("lead_id", measure_column(j)) for j, m in measures if m.count == "days"},
    }  # fmt: skip


def relations(scoring: Scoring, dialect: Dialect) -> dict[str, str]:
    """The relations of `shape` as selects over `event`: one pass for most, one more per bounded one.

    `event` holds lead_id, type, occurred_at, happened (seconds since 1970), age (seconds), the attributes, with
    recycling fresh (of the present cycle), and with windows of measures tonight (end of as_of's UTC day, seconds).
    """
    return {name: _relation(scoring, dialect, name, values[1:]) for name, values in shape(scoring).items()}


def has_windows(scoring: Scoring) -> bool:
    return any(measure.within_days is not None for measure in scoring.measures)


def _met(scoring: Scoring, dialect: Dialect) -> str:
    """How many countings and measures an event meets, the hand-raises being one."""
    plain = _plain_times(scoring)
    numbers = [
        (is_one_of(tuple(sorted(kind for kind, n in plain.items() if n == times)), dialect), f"{times}")
        for times in sorted(set(plain.values()))
    ]
    conditional = [
        f"case when {_holds(types, when, dialect)} then 1 else 0 end"
        for types, when in _asked(scoring)
        if when is not None
    ]
    return f"({' + '.join([first_true(numbers, '0'), *conditional])})"


def _plain_times(scoring: Scoring) -> Counter[str]:
    """Activity type -> how many countings and measures it meets without a condition."""
    return Counter(kind for types, when in _asked(scoring) if when is None for kind in set(types))


def _counted(scoring: Scoring, dialect: Dialect) -> str:
    """The sum of `_met`, as counts: all events, less those of types that count but on conditions, and so on."""
    plain = _plain_times(scoring)
    terms = ["count(*)"]
    for times in sorted({plain[kind] for kind in activity_types(scoring)} - {1}):
        of_type = is_one_of(tuple(kind for kind in activity_types(scoring) if plain[kind] == times), dialect)
        terms.append(f"({times - 1}) * count(*) filter (where {of_type})")
    for types, when in _asked(scoring):
        if when is not None:
            terms.append(f"count(*) filter (where {_holds(types, when, dialect)})")
    return " + ".join(terms)


def _asked(scoring: Scoring) -> Iterator[tuple[tuple[str, ...], Predicate | None]]:
    """(types, condition) of each counting and measure, and of the hand-raises."""
    yield from ((counting.term.types, counting.term.when) for counting in countings(scoring))
    yield from ((measure.types, measure.when) for measure in scoring.measures)
    if scoring.hand_raise_types:
        yield scoring.hand_raise_types, None


def _relation(scoring: Scoring, dialect: Dialect, name: str, values: tuple[str, ...]) -> str:
    which, _, place = name.partition("_")
    if which == "bounded":
        return _bounded(scoring, int(place), dialect)
    if which == "measured":
        return _days(scoring, int(place), dialect)
    known = _values(scoring, dialect)
    picked = ", ".join(f"{known[value]} as {value}" for value in values)
    return f"select lead_id, {picked} from event group by lead_id"


def _values(scoring: Scoring, dialect: Dialect) -> dict[str, str]:
    """The columns of `behaviour` over the events of a lead."""
    met = _met(scoring, dialect)
    return {
        "raised_at": _raised_at(scoring, dialect),
        "counted": _counted(scoring, dialect),
        "active": f"bool_or(fresh and {met} > 0)",
        "counted_at": f"max(case when {met} > 0 then occurred_at end)",
        **dict(_sums(scoring, dialect)),
        **dict(_measures(scoring, dialect)),
    }


def _raised_at(scoring: Scoring, dialect: Dialect) -> str:
    """The earliest hand-raise that still stands."""
    if not scoring.hand_raise_types:
        return NO_MOMENT
    stands = f"age <= {number(scoring.hand_raise_days * DAY)}"
    fresh = " and fresh" if scoring.recycling.outcomes else ""
    raised = is_one_of(scoring.hand_raise_types, dialect)
    return f"min(occurred_at) filter (where {raised} and {stands}{fresh})"


def _sums(scoring: Scoring, dialect: Dialect) -> Iterator[tuple[str, str]]:
    for k, counting in enumerate(countings(scoring)):
        holds = _counts(scoring, counting, dialect)
        if counting.term.counting == "first":
            yield weight_column(k), _first(scoring, counting, holds)
        elif not counting.is_bounded:
            yield weight_column(k), f"sum({_weight(scoring, counting)}) filter (where {holds})"


def _first(scoring: Scoring, counting: Counting, holds: str) -> str:
    """The weight of the earliest; nothing of the present cycle is older than what came before it."""
    age = f"max(age) filter (where {holds})"
    fresh = f"bool_and(fresh) filter (where {holds})"
    return f"case when {age} is not null then {_weight(scoring, counting, age, fresh)} end"


def _measures(scoring: Scoring, dialect: Dialect) -> Iterator[tuple[str, str]]:
    for j, measure in enumerate(scoring.measures):
        seen = f"filter (where {_measured(scoring, measure, dialect)})"
        if measure.count == "events":
            yield measure_column(j), f"cast(count(*) {seen} as double precision)"
        if measure.count == "days_since":
            yield measure_column(j), f"min(age) {seen} / {number(DAY)}"


def _days(scoring: Scoring, j: int, dialect: Dialect) -> str:
    days = (
        f"select lead_id, floor(happened / {number(DAY)}) as day from event"
        f" where {_measured(scoring, scoring.measures[j], dialect)} group by 1, 2"
    )
    counted = f"cast(count(*) as double precision) as {measure_column(j)}"
    return f"select lead_id, {counted} from ({days}) as seen group by lead_id"


def _measured(scoring: Scoring, measure: Measure, dialect: Dialect) -> str:
    """Whether a measure counts an event: of the present cycle, and in its window."""
    terms = [_holds(measure.types, measure.when, dialect)]
    terms += ["fresh"] if scoring.recycling.outcomes else []
    if measure.within_days is not None:
        terms.append(f"happened >= tonight - {number(measure.within_days * DAY)}")
    return " and ".join(terms)


def _counts(scoring: Scoring, counting: Counting, dialect: Dialect) -> str:
    """Whether an event counts; where a new cycle starts from nothing, what was before it does not."""
    holds = _holds(counting.term.types, counting.term.when, dialect)
    return holds if counting.lasting or scoring.recycling.engagement else f"{holds} and fresh"


def _holds(types: tuple[str, ...], when: Predicate | None, dialect: Dialect) -> str:
    of_type = is_one_of(types, dialect)
    return of_type if when is None else f"{of_type} and {when.sql(dialect, 'event')}"


def _weight(scoring: Scoring, counting: Counting, age: str = "age", fresh: str = "fresh") -> str:
    decayed = decay(age, counting.term.half_life_days)
    share = scoring.recycling.engagement
    if not _fades_with_cycle(scoring, counting):
        return decayed
    return f"{decayed} * case when {fresh} then {number(1)} else {number(share)} end"


def _fades_with_cycle(scoring: Scoring, counting: Counting) -> bool:
    """Whether what was before the present cycle weighs a share of its weight."""
    return not counting.lasting and scoring.recycling.engagement not in (0, 1)


def decay(age: str, half_life_days: float | None) -> str:
    """What is left after so many seconds: a half after each half-life, all of it without one."""
    if half_life_days is None:
        return number(1)
    half_lives = f"{age} / {number(half_life_days * DAY)}"
    return f"power({number(0.5)}, least({half_lives}, {number(NOTHING_LEFT)}))"


def _bounded(scoring: Scoring, k: int, dialect: Dialect) -> str:
    counting = countings(scoring)[k]
    weight = f"sum({_weight(scoring, counting)}) as {weight_column(k)}"
    return f"select lead_id, {weight} from ({_hits(scoring, counting, dialect)}) as hit group by lead_id"


_EARLIEST = {"happened": "min(happened)", "age": "max(age)", "fresh": "bool_and(fresh)"}


def _hits(scoring: Scoring, counting: Counting, dialect: Dialect) -> str:
    """The events that count, with what their weight is made of."""
    made_of = ["age", *(["fresh"] if _fades_with_cycle(scoring, counting) else [])]
    kept = made_of if counting.term.at_most is None else ["happened", *made_of]
    chosen, which = list(kept), f"event where {_counts(scoring, counting, dialect)}"
    if counting.term.counting == "per_day":
        chosen = [f"{_EARLIEST[name]} as {name}" for name in kept]
        which += f" group by lead_id, floor(happened / {number(DAY)})"
    hits = f"select {', '.join(['lead_id', *chosen])} from {which}"
    return hits if counting.term.at_most is None else _earliest(hits, made_of, counting.term)


def _earliest(hits: str, made_of: Sequence[str], term: ActivityTerm) -> str:
    """The first `at_most` of each window."""
    columns = ", ".join(["lead_id", *made_of])
    window = "" if term.window_days is None else f", floor(happened / {number(term.window_days * DAY)})"
    nth = f"row_number() over (partition by lead_id{window} order by happened)"
    numbered = f"select {columns}, {nth} as nth from ({hits}) as hit"
    return f"select {columns} from ({numbered}) as hit where nth <= {term.at_most:d}"
