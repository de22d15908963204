"""A condition of the policy, checked once and compiled for each engine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from clearlane.rules.grammar import read
from clearlane.rules.refused import Refused
from clearlane.rules.sql import Dialect, copies, write
from clearlane.rules.tree import Call, Columns, Lists, Node, Type, columns_of
from clearlane.rules.words import Word, terms, words

MAX_BYTES = 4096
MAX_DEPTH = 32
MAX_COPIES = 20_000
MAX_NAME_BYTES = 63
"""PostgreSQL cuts longer names silently."""

_NO_LISTS: Lists = MappingProxyType({})


@dataclass(frozen=True)
class Term:
    """One of the conditions that a predicate joins by `and`, as its author wrote it."""

    text: str
    tree: Node = field(repr=False)

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(column.name for column in columns_of(self.tree))

    def sql(self, dialect: Dialect, alias: str | None = None) -> str:
        """A boolean SQL expression that is never null."""
        return f"coalesce({write(self.tree, dialect, alias)}, false)"


@dataclass(frozen=True)
class Predicate:
    """A checked condition; `terms` are its outermost `and` parts."""

    text: str
    terms: tuple[Term, ...]

    @property
    def tree(self) -> Node:
        trees = tuple(tree for term in self.terms for tree in _joined(term.tree))
        return trees[0] if len(trees) == 1 else Call("and", trees, Type.BOOLEAN)

    @property
    def columns(self) -> frozenset[str]:
        """The names of the columns used."""
        return frozenset().union(*(term.columns for term in self.terms))

    @property
    def types(self) -> Mapping[str, Type]:
        """The columns used, with their declared types."""
        return {column.name: column.type for column in columns_of(self.tree)}

    @property
    def fingerprint(self) -> str:
        """Hash of the meaning: white space, case of keywords and notation of numbers do not count."""
        return hashlib.sha256(str(self.tree).encode()).hexdigest()

    def sql(self, dialect: Dialect, alias: str | None = None) -> str:
        """A boolean SQL expression over columns of the declared types; never null, never raising."""
        return f"coalesce({write(self.tree, dialect, alias)}, false)"


def parse(
    text: str,
    columns: Columns,
    lists: Lists = _NO_LISTS,
    *,
    max_bytes: int = MAX_BYTES,
    max_depth: int = MAX_DEPTH,
) -> Predicate:
    """The condition, checked against the declared columns and named lists.

    Raises Refused with a plain reason and the position in the text, in time linear in `max_bytes`.
    """
    cut = words(text, columns, lists, max_bytes=max_bytes, max_depth=max_depth)
    parts = tuple(_term(text, part, cut, columns, lists, max_depth) for part in terms(cut))
    predicate = Predicate(text, parts)
    _check_names(predicate)
    if copies(predicate.tree) > MAX_COPIES:
        raise Refused("the condition is too complicated: too many functions inside each other", None)
    return predicate


def _joined(tree: Node) -> tuple[Node, ...]:
    return tree.arguments if isinstance(tree, Call) and tree.name == "and" else (tree,)


def _term(
    text: str, part: Sequence[Word], cut: Sequence[Word], columns: Columns, lists: Lists, max_depth: int
) -> Term:
    if not part:
        raise Refused("a condition is missing beside an and", _gap(cut))
    return Term(text[part[0].start : part[-1].end], read(part, columns, lists, max_depth))


def _gap(cut: Sequence[Word]) -> int:
    """Where an `and` has nothing on one of its sides."""
    for before, word in zip((None, *cut), cut, strict=False):
        if word.sql == "and" and (before is None or before.sql == "and"):
            return word.start
    return cut[-1].start


def _check_names(predicate: Predicate) -> None:
    for name in sorted(predicate.columns):
        if len(name.encode()) > MAX_NAME_BYTES or "\0" in name:
            raise Refused(f"the column name {name[:40]}… is longer than {MAX_NAME_BYTES} bytes", None)
