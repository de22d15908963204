"""Which routing rules hold for each lead: one set-based statement, the same on PostgreSQL and DuckDB.

It reads the relation `candidate` (lead_id, the columns of COLUMNS, attributes as JSON) and gives lead_id,
territory, `matched` (a 1 or a 0 for each rule, in policy order) and `terms` (the values that reps are matched by).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from clearlane.policy.model import Routing
from clearlane.rules import Dialect, Predicate, Type
from clearlane.rules.columns import read
from clearlane.score.units import first_true, identifier, quoted

COLUMNS: Final[dict[str, Type]] = {
    "as_of": Type.TIME,
    "kind": Type.TEXT,
    "source": Type.TEXT,
    "score": Type.NUMBER,
    "fit": Type.NUMBER,
    "engagement": Type.NUMBER,
    "negative": Type.NUMBER,
    "band": Type.TEXT,
    "grade": Type.TEXT,
    "stage": Type.TEXT,
    "disqualified": Type.TEXT,
    "hand_raise": Type.BOOLEAN,
    "has_account": Type.BOOLEAN,
    "account_owner_sells": Type.BOOLEAN,
    "parent_account_owner_sells": Type.BOOLEAN,
    "opportunity_owner_sells": Type.BOOLEAN,
    "contact_owner_sells": Type.BOOLEAN,
}
"""What a routing condition may name beside the declared attributes, `territory` and `territory_path`."""
_DERIVED = frozenset({*COLUMNS, "territory", "territory_path"})


def statement(routing: Routing, dialect: Dialect, *, typed: bool = False) -> str:
    """Select lead_id, territory (text, null: none), matched ('0110…') and terms for each row of `candidate`.

    `terms` is an array of texts in the order of `routing.terms`. With `typed` the attributes are columns of their
    names and types instead of JSON.
    """
    # Without a fence PostgreSQL computes each attribute once per use.
    fence = " offset 0" if dialect is Dialect.POSTGRES else ""
    reads = [
        identifier(name) if typed else f"{read(name, type_, dialect)} as {identifier(name)}"
        for name, type_ in attributes(routing)
    ]
    known = ", ".join(["lead_id", *COLUMNS, *reads])
    return (
        f"with known as (select {known} from candidate{fence}),"
        f" placed as (select known.*, {_territory(routing, dialect, _deepest)} as territory,"
        f" {_territory(routing, dialect, '/'.join)} as territory_path from known{fence})"
        f" select lead_id, territory, {_matched(routing, dialect)} as matched,"
        f" {_terms(routing, dialect)} as terms from placed"
    )


def _terms(routing: Routing, dialect: Dialect) -> str:
    values = ", ".join(f"cast(placed.{identifier(name)} as varchar)" for name in routing.terms)
    return f"cast({'array' if dialect is Dialect.POSTGRES else ''}[{values}] as varchar[])"


def terms_of(routing: Routing, values: Sequence[str | None]) -> Mapping[str, str | None]:
    """The column `terms` of a row by name."""
    return dict(zip(routing.terms, values, strict=True))


def attributes(routing: Routing) -> list[tuple[str, Type]]:
    """The attributes that territories, rules and matches name."""
    matched = {(name, Type.TEXT) for name in routing.terms}
    used = matched | {pair for predicate in _predicates(routing) for pair in predicate.types.items()}
    return sorted((name, type_) for name, type_ in used if name not in _DERIVED)


def _predicates(routing: Routing) -> Iterator[Predicate]:
    yield from (territory.when for territory in routing.territories)
    yield from (rule.when for rule in routing.rules)


Path = tuple[str, ...]


def _territory(routing: Routing, dialect: Dialect, named: Callable[[Path], str]) -> str:
    """What `named` makes of the way to the deepest territory that holds; null where none does."""

    def below(path: Path) -> str:
        parts = [t for t in routing.territories if t.within == (path[-1] if path else None)]
        pairs = [(t.when.sql(dialect, "known"), below((*path, t.name))) for t in parts]
        here = quoted(named(path)) if path else "null"
        return first_true(pairs, here) if pairs else here

    return f"cast({below(())} as varchar)"


def _deepest(path: Path) -> str:
    return path[-1]


def _matched(routing: Routing, dialect: Dialect) -> str:
    bits = [f"case when {rule.when.sql(dialect, 'placed')} then '1' else '0' end" for rule in routing.rules]
    return " || ".join(bits) or "''"


@lru_cache(maxsize=4096)
def packed(matched: str) -> bytes:
    """The bits as bytes, the first rule in the highest bit of the first byte."""
    padded = matched.ljust(-(-len(matched) // 8) * 8, "0")
    return int(padded or "0", 2).to_bytes(len(padded) // 8, "big")


def unpacked(terms: bytes, rules: int) -> str:
    return "".join(f"{byte:08b}" for byte in terms)[:rules]
