"""What a total means: the score shown, its band, its grade and its stage, as SQL expressions.

A band is entered at its threshold, by anyone at once; downwards it is left below its exit threshold once it has
lasted for its dwell, to the next band whose exit threshold still holds. What a person set stands in place of the
computed score or band, at once both ways. Disqualified leads score the bottom of the range, are in the last
band, and their stage is `disqualified`, whatever a person set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clearlane.policy.model import FIRST_STAGE, LATER_STAGES, Scoring
from clearlane.rules import Dialect
from clearlane.rules.sql import text_literal
from clearlane.score.units import MILLION, clamped, first_true, number

DISQUALIFIED = "disqualified"
Text = Callable[[str], str]


def score(scoring: Scoring, total_millionths: str) -> str:
    """floor(total + 0.5), or what a person set, within the range; at least 1 for a lead not disqualified."""
    low, high = scoring.range
    shown = f"floor(({total_millionths} + {number(MILLION / 2)}) / {number(MILLION)})"
    bounded = clamped(f"coalesce(override_score, {shown})", min(max(low, 1), high), high)
    return f"cast(case when disqualified is null then {bounded} else {number(low)} end as integer)"


def band(scoring: Scoring, text: Text, elapsed: str) -> str:
    """The band's name; `elapsed` is the SQL of the seconds since band_before was entered."""
    names = [text(band.name) for band in scoring.bands]
    entry = _hottest([band.entry for band in scoring.bands])
    held = _hottest([band.exit for band in scoring.bands])
    before = first_true([(f"band_before = {name}", str(i)) for i, name in enumerate(names)], "null")
    dwells = [(f"({before}) = {i}", number(b.dwell.total_seconds())) for i, b in enumerate(scoring.bands)]
    rank = first_true(
        [
            ("disqualified is not null", str(len(names) - 1)),
            *((f"override_band = {name}", str(i)) for i, name in enumerate(names)),
            (f"override_score is not null or ({before}) is null or ({entry}) <= ({before})", entry),
            (f"{elapsed} < {first_true(dwells, number(0))}", before),
        ],
        f"least({entry}, greatest({held}, {before}))",
    )
    return f"case {rank} {' '.join(f'when {i} then {name}' for i, name in enumerate(names))} end"


def _hottest(thresholds: Sequence[float]) -> str:
    """The rank of the first threshold that the score reaches; below all of them the last."""
    pairs = [(f"score >= {number(threshold)}", str(i)) for i, threshold in enumerate(thresholds)]
    return first_true(pairs[:-1], str(len(thresholds) - 1))


def grade(scoring: Scoring) -> str:
    """A to D by fit, 1 to 4 by engagement."""
    letters = _grade("fit", scoring.grades.fit, "ABCD")
    return f"{letters} || {_grade('engagement', scoring.grades.engagement, '1234')}"


def _grade(group: str, thresholds: Sequence[float], signs: str) -> str:
    pairs = [(f"{group} >= {number(t)}", f"'{sign}'") for t, sign in zip(thresholds, signs, strict=False)]
    return first_true(pairs, f"'{signs[-1]}'")


def reached(scoring: Scoring, dialect: Dialect, alias: str) -> str:
    """The first stage whose rule holds now, without memory; none by points while a recycled lead rests."""
    rules = [(rule.when.sql(dialect, alias), text_literal(rule.name, dialect)) for rule in scoring.stages]
    rests = [(_RESTS, f"'{FIRST_STAGE}'")] if scoring.recycling.outcomes else []
    return first_true([("disqualified is not null", f"'{DISQUALIFIED}'"), *rests, *rules], f"'{FIRST_STAGE}'")


_RESTS = "cycle_since is not null and (not active or as_of < quiet_until and not hand_raise)"
"""Until it does something again, and until its cooldown is over unless it asks for sales."""


def entered_at(scoring: Scoring, dialect: Dialect, alias: str) -> str:
    """When `reached` came about: at the hand-raise that its rule asks for, else at as_of."""
    moments = [
        (
            rule.when.sql(dialect, alias),
            "coalesce(raised_at, as_of)" if "hand_raise" in rule.when.columns else "as_of",
        )
        for rule in scoring.stages
    ]
    rests = [(_RESTS, "as_of")] if scoring.recycling.outcomes else []
    return first_true([("disqualified is not null", "as_of"), *rests, *moments], "as_of")


def stage(scoring: Scoring, text: Text) -> str:
    """`reached`, unless the lead has been on that rung or further before."""
    behind = f"({rung(scoring, text, 'stage_before')}) >= ({rung(scoring, text, 'reached')})"
    return first_true([(f"reached = '{DISQUALIFIED}'", "reached"), (behind, "stage_before")], "reached")


def rungs(scoring: Scoring) -> dict[str, int]:
    """Stage -> rung of the ladder; the stages of the policy share one, the one reached first stays."""
    named = {rule.name: 1 for model in scoring.models for rule in model.stages}
    return {FIRST_STAGE: 0, **named, **{name: 2 + i for i, name in enumerate(LATER_STAGES)}}


def rung(scoring: Scoring, text: Text, column: str) -> str:
    """How far up the ladder a stage is; -1 where it is none."""
    return first_true([(f"{column} = {text(name)}", str(n)) for name, n in rungs(scoring).items()], "-1")
