"""A model of probability as one set-based select: each part a look-up, the explanation made of its spans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clearlane.policy.model import Scoring
from clearlane.rules import Dialect
from clearlane.rules.columns import read
from clearlane.rules.sql import quoted, text_literal
from clearlane.score.additive import NOTABLE, ODDS, TOLD, Additive, Names, Numbers, Part
from clearlane.score.units import number


def relation(
    model: Additive, scoring: Scoring, scored: str, profiles: str, dialect: Dialect = Dialect.DUCKDB
) -> str:
    """A select with lead_id, probability and probability_because, for a model that fits the policy.

    `scored`: a relation with lead_id and contributions, JSON (PostgreSQL: jsonb); `profiles`: one with lead_id and, in
    DuckDB, a typed column for each attribute, in PostgreSQL the JSON object `attributes`.
    """
    return _ENGINES[dialect](model, scoring).relation(scored, profiles)


@dataclass(frozen=True)
class _DuckDb:
    """The select in the words of one engine."""

    model: Additive
    scoring: Scoring
    fence = ""

    def relation(self, scored: str, profiles: str) -> str:
        parts = list(enumerate(self.model.parts))
        values = [f"{self.value(part)} as v{n}" for n, part in parts]
        spans = [f"{self.span(part, f'v{n}')} as s{n}" for n, part in parts]
        worth = [
            f"{self.picked([number(added) for _, added in part.spans], f's{n}')} as w{n}" for n, part in parts
        ]
        both = f"{scored} s join {profiles} p on p.lead_id = s.lead_id"
        step = f"select s.lead_id, {_all(values)} from {both}{self.fence}"
        for columns in (spans, worth):
            step = f"select *, {_all(columns)} from ({step}) as step{self.fence}"
        odds = " + ".join([number(self.model.base), *(f"w{n}" for n, _ in parts)])
        bounded = f"greatest({number(-ODDS)}, least({number(ODDS)}, {odds}))"
        return (
            f"select lead_id, 1 / (1 + exp(-({bounded}))) as probability, {self.because()} as probability_because"
            f" from ({step}) as step"
        )

    def value(self, part: Part) -> str:
        if part.of == "attribute":
            own = self.attribute(part.name)
            return own if isinstance(part.table, Numbers) else f"cast({own} as varchar)"
        points = next(rule.points for rule in self.scoring.rules if rule.id == part.name)
        return f"coalesce({self.contribution(part.name)}, {number(0)}) / {number(points or 1.0)}"

    def span(self, part: Part, value: str) -> str:
        """The place of the lead's span, from 1; the last is `not known`."""
        table, last = part.table, len(part.spans)
        if isinstance(table, Names):
            found = (f"when {value} = {self.text(name)} then {n}" for n, name in enumerate(table.worth, 1))
            return f"case when {value} is null then {last} {' '.join(found)} else {last - 1} end"
        found = (f"when {value} < {number(edge)} then {n}" for n, edge in enumerate(table.edges, 1))
        unknown = f"when {value} is null or not {self.finite(value)} then {last}"
        return f"case {unknown} {' '.join(found)} else {last - 1} end"

    def attribute(self, name: str) -> str:
        return f"p.{quoted(name, Dialect.DUCKDB)}"

    def contribution(self, rule: str) -> str:
        pointer = self.text("/" + rule.replace("~", "~0").replace("/", "~1"))
        return f"cast(json_extract_string(s.contributions, {pointer}) as double)"

    def finite(self, value: str) -> str:
        return f"isfinite({value})"

    def picked(self, values: Sequence[str], place: str) -> str:
        return f"[{', '.join(values)}][{place}]"

    def text(self, text: str) -> str:
        return text_literal(text, Dialect.DUCKDB)

    def said(self) -> Iterator[tuple[str, str, str]]:
        """Of each part: how much it adds, its place, and what is said of the lead's span."""
        for n, part in enumerate(self.model.parts):
            yield f"abs(w{n})", str(-n), self.picked([self.text(one) for one in part.sentences], f"s{n}")

    def because(self) -> str:
        """The largest parts in words; empty where none is notable."""
        entries = [
            f"{{'size': {size}, 'place': {place}, 'said': {said}}}" for size, place, said in self.said()
        ]
        if not entries:
            return "''"
        notable = f"list_filter([{', '.join(entries)}], lambda x: x.size >= {number(NOTABLE)})"
        largest = f"list_reverse_sort({notable})[1:{TOLD}]"
        return f"array_to_string(list_transform({largest}, lambda x: x.said), '; ')"


class _Postgres(_DuckDb):
    fence = " offset 0"
    """without it subqueries are pulled up, and an expression computed once per use"""

    def attribute(self, name: str) -> str:
        return read(name, self.scoring.attributes[name], Dialect.POSTGRES, "p.attributes")

    def contribution(self, rule: str) -> str:
        return f"cast(s.contributions ->> {self.text(rule)} as double precision)"

    def finite(self, value: str) -> str:
        return f"({value} > '-Infinity' and {value} < 'Infinity')"

    def picked(self, values: Sequence[str], place: str) -> str:
        return f"(array[{', '.join(values)}])[{place}]"

    def text(self, text: str) -> str:
        return text_literal(text, Dialect.POSTGRES)

    def because(self) -> str:
        entries = [f"({size}, {place}, {said})" for size, place, said in self.said()]
        if not entries:
            return "''"
        largest = (
            f"select size, place, said from (values {', '.join(entries)}) as part (size, place, said)"
            f" where size >= {number(NOTABLE)} order by size desc, place desc limit {TOLD}"
        )
        said = f"select string_agg(said, '; ' order by size desc, place desc) from ({largest}) as largest"
        return f"coalesce(({said}), '')"


_ENGINES: dict[Dialect, type[_DuckDb]] = {Dialect.DUCKDB: _DuckDb, Dialect.POSTGRES: _Postgres}


def _all(columns: list[str]) -> str:
    return ", ".join(columns) or "1 as nothing"
