"""A model of probability as one set-based select of DuckDB: each part a look-up, the explanation made of its spans."""

from __future__ import annotations

from collections.abc import Mapping

from clearlane.policy.model import Scoring
from clearlane.rules import Dialect
from clearlane.rules.sql import quoted, text_literal
from clearlane.score.additive import NOTABLE, ODDS, TOLD, Additive, Names, Numbers, Part
from clearlane.score.units import number


def relation(model: Additive, scoring: Scoring, scored: str, profiles: str) -> str:
    """A select with lead_id, probability and probability_because, for a model that fits the policy.

    `scored`: a relation with lead_id and contributions (JSON text); `profiles`: one with lead_id and a typed column
    for each attribute.
    """
    points = {rule.id: rule.points for rule in scoring.rules}
    numbered = list(enumerate(model.parts))
    values = [f"{_value(part, points)} as v{n}" for n, part in numbered]
    spans = [f"{_span(part, f'v{n}')} as s{n}" for n, part in numbered]
    worth = [f"[{', '.join(number(w) for _, w in part.spans)}][s{n}] as w{n}" for n, part in numbered]
    step = f"select s.lead_id, {_all(values)} from {scored} s join {profiles} p on p.lead_id = s.lead_id"
    for columns in (spans, worth):
        step = f"select *, {_all(columns)} from ({step}) as step"
    odds = " + ".join([number(model.base), *(f"w{n}" for n, _ in numbered)])
    bounded = f"greatest({number(-ODDS)}, least({number(ODDS)}, {odds}))"
    return (
        f"select lead_id, 1 / (1 + exp(-({bounded}))) as probability, {_because(model)} as probability_because"
        f" from ({step}) as step"
    )


def _all(columns: list[str]) -> str:
    return ", ".join(columns) or "1 as nothing"


def _value(part: Part, points: Mapping[str, float]) -> str:
    if part.of == "attribute":
        own = f"p.{quoted(part.name, Dialect.DUCKDB)}"
        return own if isinstance(part.table, Numbers) else f"cast({own} as varchar)"
    pointer = text_literal("/" + part.name.replace("~", "~0").replace("/", "~1"), Dialect.DUCKDB)
    contribution = f"coalesce(cast(json_extract_string(s.contributions, {pointer}) as double), 0)"
    return f"{contribution} / {number(points[part.name] or 1.0)}"


def _span(part: Part, value: str) -> str:
    """The place of the lead's span, from 1; the last is `not known`."""
    table, last = part.table, len(part.spans)
    if isinstance(table, Names):
        found = (f"when {value} = {_text(name)} then {n}" for n, name in enumerate(table.worth, start=1))
        return f"case when {value} is null then {last} {' '.join(found)} else {last - 1} end"
    found = (f"when {value} < {number(edge)} then {n}" for n, edge in enumerate(table.edges, start=1))
    unknown = f"when {value} is null or not isfinite({value}) then {last}"
    return f"case {unknown} {' '.join(found)} else {last - 1} end"


def _because(model: Additive) -> str:
    """The largest parts in words; empty where none is notable."""
    entries = [
        f"{{'size': abs(w{n}), 'place': {-n}, 'said': [{', '.join(map(_text, part.sentences))}][s{n}]}}"
        for n, part in enumerate(model.parts)
    ]
    if not entries:
        return "''"
    notable = f"list_filter([{', '.join(entries)}], lambda x: x.size >= {number(NOTABLE)})"
    largest = f"list_reverse_sort({notable})[1:{TOLD}]"
    return f"array_to_string(list_transform({largest}, lambda x: x.said), '; ')"


def _text(text: str) -> str:
    return text_literal(text, Dialect.DUCKDB)
