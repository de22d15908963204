"""Activity rules as SQL: what each lead did before `as_of`, weighed by age and counted as the rule says.

An activity weighs 0.5 ^ (age / half-life), 1 without half-life. Days and windows are those of UTC: window n of
k days holds the days n*k to n*k + k - 1 since 1970-01-01. Of a day the earliest activity counts, of a window
the earliest `at_most`; without `window_days` the window is all time.
"""

from __future__ import annotations

from collections.abc import Iterator

from clearlane.policy.model import ActivityTerm, Scoring
from clearlane.rules import Dialect
from clearlane.rules.sql import text_literal
from clearlane.score.units import DECAY_UNIT, NO_MOMENT, number

DAY = 86_400
_NOTHING_LEFT = 64.0  # half-lives; PostgreSQL refuses a power that underflows


def activity_types(scoring: Scoring) -> tuple[str, ...]:
    """Every activity type that matters to the model, sorted."""
    counted = {kind for term in _terms(scoring).values() for kind in term.types}
    return tuple(sorted(counted | set(scoring.hand_raise_types)))


def weight_column(index: int) -> str:
    """The column with the decayed count of rule `index`, in units of 2^-40."""
    return f"rule_{index}_weight"


def is_one_of(types: tuple[str, ...], dialect: Dialect) -> str:
    return f"type in ({', '.join(text_literal(kind, dialect) for kind in types)})"


def relations(scoring: Scoring, dialect: Dialect) -> dict[str, str]:
    """Name -> select over `event`, one row per lead: one pass for most rules, one more per bounded rule.

    `event` holds lead_id, type, occurred_at, happened (seconds since 1970), age (seconds) and the attributes.
    """
    if not activity_types(scoring):
        return {}
    bounded = {i: term for i, term in _terms(scoring).items() if _is_bounded(term)}
    return {
        "behaviour": _one_pass(scoring, dialect),
        **{f"bounded_{i}": _bounded(i, term, dialect) for i, term in bounded.items()},
    }


def counts(scoring: Scoring, dialect: Dialect) -> Iterator[str]:
    """How many activities each rule has met, and the last of them."""
    for index, term in _terms(scoring).items():
        holds = _holds(term, dialect)
        yield f"count(*) filter (where {holds}) as rule_{index}_count"
        yield f"max(occurred_at) filter (where {holds}) as rule_{index}_last"


def _terms(scoring: Scoring) -> dict[int, ActivityTerm]:
    return {i: rule.activity for i, rule in enumerate(scoring.rules) if rule.activity is not None}


def _is_bounded(term: ActivityTerm) -> bool:
    return term.counting != "first" and (term.counting == "per_day" or term.at_most is not None)


def _one_pass(scoring: Scoring, dialect: Dialect) -> str:
    columns = ["lead_id", f"{_raised_at(scoring, dialect)} as raised_at", *_sums(scoring, dialect)]
    return f"select {', '.join(columns)} from event group by lead_id"


def _raised_at(scoring: Scoring, dialect: Dialect) -> str:
    """The earliest hand-raise that still stands."""
    if not scoring.hand_raise_types:
        return NO_MOMENT
    stands = f"age <= {number(scoring.hand_raise_days * DAY)}"
    return f"min(occurred_at) filter (where {is_one_of(scoring.hand_raise_types, dialect)} and {stands})"


def _sums(scoring: Scoring, dialect: Dialect) -> Iterator[str]:
    for index, term in _terms(scoring).items():
        holds = _holds(term, dialect)
        if term.counting == "first":
            yield f"{_weight(term, f'max(case when {holds} then age end)')} as {weight_column(index)}"
        elif not _is_bounded(term):
            yield f"sum(case when {holds} then {_weight(term, 'age')} end) as {weight_column(index)}"


def _holds(term: ActivityTerm, dialect: Dialect) -> str:
    of_type = is_one_of(term.types, dialect)
    return of_type if term.when is None else f"{of_type} and {term.when.sql(dialect, 'event')}"


def _weight(term: ActivityTerm, age: str) -> str:
    """Whole units, halves upwards; null where there is no age."""
    if term.half_life_days is None:
        return f"case when {age} is not null then {number(DECAY_UNIT)} end"
    half_lives = f"{age} / {number(term.half_life_days * DAY)}"
    bounded = (
        f"case when {half_lives} < {number(_NOTHING_LEFT)} then {half_lives} else {number(_NOTHING_LEFT)} end"
    )
    decayed = f"floor(power({number(0.5)}, {bounded}) * {number(DECAY_UNIT)} + {number(0.5)})"
    return f"case when {age} is not null then {decayed} end"


def _bounded(index: int, term: ActivityTerm, dialect: Dialect) -> str:
    hits = f"select lead_id, happened, age from event where {_holds(term, dialect)}"
    if term.counting == "per_day":
        hits = _first_of_each_day(hits)
    if term.at_most is not None:
        hits = f"select lead_id, age from ({_numbered(hits, term)}) as hit where nth <= {term.at_most:d}"
    weight = f"sum({_weight(term, 'age')}) as {weight_column(index)}"
    return f"select lead_id, {weight} from ({hits}) as hit group by lead_id"


def _first_of_each_day(hits: str) -> str:
    earliest = "min(happened) as happened, max(age) as age"
    return (
        f"select lead_id, {earliest} from ({hits}) as hit group by lead_id, floor(happened / {number(DAY)})"
    )


def _numbered(hits: str, term: ActivityTerm) -> str:
    window = "" if term.window_days is None else f", floor(happened / {number(term.window_days * DAY)})"
    nth = f"row_number() over (partition by lead_id{window} order by happened)"
    return f"select lead_id, age, {nth} as nth from ({hits}) as hit"
