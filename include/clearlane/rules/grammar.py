"""From words to a checked tree: SQLGlot parses, this module keeps what belongs to the language.

Every node that it does not know is refused, so a new kind of node in a newer parser is refused too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from clearlane.rules.functions import BY_NAME, TIME, FunctionDoc
from clearlane.rules.letters import lower
from clearlane.rules.refused import Refused, shown, unknown
from clearlane.rules.span import COLUMN_EXPONENT, span
from clearlane.rules.tree import Call, Column, Columns, Lists, Literal, Node, Type
from clearlane.rules.words import FUNCTION_PREFIX, Word

ESCAPE = "!"
"""The escape of every compiled like; the author's own is a backslash or the one he names."""

_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
_ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)


def read(words: Sequence[Word], columns: Columns, lists: Lists, max_depth: int) -> Node:
    """The checked tree of a condition, of type boolean, or Refused."""
    tree = _Reader(words, columns, lists, max_depth).condition()
    if tree.type is not Type.BOOLEAN:
        raise Refused(f"a condition is true or false, but this is a {tree.type}", words[0].start)
    return tree


@lru_cache(maxsize=4096)
def _parsed(sql: str) -> exp.Condition:
    """The parser's tree, which is read and never changed."""
    return sqlglot.parse_one(sql, into=exp.Condition, error_level=ErrorLevel.IMMEDIATE)


class _Reader:
    def __init__(self, words: Sequence[Word], columns: Columns, lists: Lists, max_depth: int) -> None:
        self.words, self.columns, self.lists, self.max_depth = words, columns, lists, max_depth

    def condition(self) -> Node:
        sql = " ".join(word.sql for word in self.words)
        try:
            parsed = _parsed(sql)
        except (SqlglotError, RecursionError) as error:
            raise self.unreadable(error) from None
        return self.read(parsed, 0)

    def unreadable(self, error: Exception) -> Refused:
        details = getattr(error, "errors", None) or [{}]
        word = self.word_at(max((details[0].get("col") or 0) - 1, 0))
        return Refused(
            f"it cannot be read near {shown(word.sql.removeprefix(FUNCTION_PREFIX))}: "
            "is a value, an and, an or or a bracket missing?",
            word.start,
        )

    def word_at(self, offset: int) -> Word:
        """The word at an offset of the text that the parser read."""
        end = 0
        for word in self.words:
            end += len(word.sql) + 1
            if offset < end:
                return word
        return self.words[-1]

    def refused(self, reason: str, node: exp.Expr) -> Refused:
        starts = [child.meta["start"] for child in node.walk() if "start" in child.meta]
        word = self.word_at(min(starts)) if starts else self.words[0]
        return Refused(reason, word.start)

    def read(self, node: exp.Expr, depth: int) -> Node:
        while isinstance(node, exp.Paren):
            node = node.this
        if depth > self.max_depth:
            raise self.refused(f"more than {self.max_depth} operations are nested in each other", node)
        reader = _READERS.get(type(node))
        if reader is None:
            raise self.refused(f"{shown(self.source(node))} is not in the language", node)
        found = reader(self, node, depth + 1)
        return _not(found) if node.args.get("negate") else found

    def source(self, node: exp.Expr) -> str:
        return node.sql().replace(FUNCTION_PREFIX.upper(), "")

    def typed(self, node: exp.Expr, depth: int, wanted: Type, by: str) -> Node:
        found = self.read(node, depth)
        if found.type is not wanted:
            raise self.mistyped(by, wanted, node, found)
        return found

    def mistyped(self, by: str, wanted: str, node: exp.Expr, found: Node) -> Refused:
        return self.refused(f"{by} takes a {wanted}, but {shown(self.source(node))} is a {found.type}", node)

    # --- leaves ---

    def column(self, node: exp.Expr, depth: int) -> Node:
        name = node.name
        if isinstance(node.this, exp.Star) or node.args.get("table") or name not in self.columns:
            raise unknown("column", name, self.columns, self.words[0].start)
        return Column(name, self.columns[name])

    def literal(self, node: exp.Expr, depth: int) -> Node:
        if node.is_string:
            return Literal(str(node.this), Type.TEXT)
        value = float(node.this)
        if math.isinf(value):
            raise self.refused(f"{shown(str(node.this))} is too large for a number", node)
        return Literal(value, Type.NUMBER)

    def boolean(self, node: exp.Expr, depth: int) -> Node:
        return Literal(bool(node.this), Type.BOOLEAN)

    def moment(self, node: exp.Expr, depth: int) -> Node:
        if not _is_text(node.this):
            raise self.refused("a cast is not allowed: columns have the types that the policy declares", node)
        return self.time_of(str(node.this.this), node)

    def time_of(self, text: str, node: exp.Expr) -> Literal:
        try:
            return Literal(_moment(text), Type.TIME)
        except (ValueError, OverflowError):
            raise self.refused(
                f"'{shown(text)}' is not a time: write 2026-01-31 or 2026-01-31T09:30:00+01:00", node
            ) from None

    def null(self, node: exp.Expr, depth: int) -> Node:
        raise self.refused("null equals nothing: write is null or is not null", node)

    # --- logic ---

    def junction(self, node: exp.Expr, depth: int) -> Node:
        kind = type(node)
        name = "and" if kind is exp.And else "or"
        parts = [self.typed(part, depth, Type.BOOLEAN, name) for part in _chain(node, kind)]
        return Call(name, tuple(parts), Type.BOOLEAN)

    def negation(self, node: exp.Expr, depth: int) -> Node:
        return _not(self.typed(node.this, depth, Type.BOOLEAN, "not"))

    def is_(self, node: exp.Expr, depth: int) -> Node:
        if isinstance(node.expression, exp.Null):
            return Call("is_null", (self.read(node.this, depth),), Type.BOOLEAN)
        if not isinstance(node.expression, exp.Boolean):
            raise self.refused("is goes with null, true or false only", node)
        wanted = bool(node.expression.this)
        asked = self.typed(node.this, depth, Type.BOOLEAN, "is true or is false")
        return Call("is_true", (asked if wanted else _not(asked),), Type.BOOLEAN)

    # --- comparison ---

    def comparison(self, node: exp.Expr, depth: int) -> Node:
        name = _COMPARISONS[type(node)]
        left, right = self.alike([node.this, node.expression], depth, "compared with")
        if name not in ("=", "<>") and left.type is Type.BOOLEAN:
            raise self.refused(f"true and false have no order: {name} does not apply", node)
        return Call(name, (left, right), Type.BOOLEAN)

    def between(self, node: exp.Expr, depth: int) -> Node:
        if node.args.get("symmetric"):
            raise self.refused("between symmetric is not in the language", node)
        parts = self.alike([node.this, node.args["low"], node.args["high"]], depth, "compared with")
        if parts[0].type is Type.BOOLEAN:
            raise self.refused("true and false have no order: between does not apply", node)
        return Call("between", tuple(parts), Type.BOOLEAN)

    def in_(self, node: exp.Expr, depth: int) -> Node:
        members = node.expressions
        if not members or {key for key, value in node.args.items() if value} - {
            "this",
            "expressions",
            "negate",
        }:
            raise self.refused("in takes its values in brackets: in ('a', 'b')", node)
        return Call("in", tuple(self.alike([node.this, *members], depth, "compared with")), Type.BOOLEAN)

    def alike(self, nodes: Sequence[exp.Expr], depth: int, verb: str) -> list[Node]:
        """The nodes as trees of one type; quoted texts beside a time are read as times."""
        parts = [self.read(node, depth) for node in nodes]
        if any(part.type is Type.TIME for part in parts):
            parts = [self.as_time(p, node) for p, node in zip(parts, nodes, strict=True)]
        for part, node in zip(parts, nodes, strict=True):
            if part.type is not parts[0].type:
                raise self.refused(
                    f"{shown(self.source(nodes[0]))} is a {parts[0].type} and cannot be {verb} "
                    f"{shown(self.source(node))}, a {part.type}",
                    node,
                )
        return parts

    def as_time(self, part: Node, node: exp.Expr) -> Node:
        if isinstance(part, Literal) and isinstance(part.value, str):
            return self.time_of(part.value, node)
        return part

    # --- patterns ---

    def like(self, node: exp.Expr, depth: int) -> Node:
        return self.pattern(node, "\\", depth)

    def escaped(self, node: exp.Expr, depth: int) -> Node:
        inner, escape = node.this, node.expression
        if not isinstance(inner, exp.Like | exp.ILike) or not _is_text(escape) or len(escape.this) != 1:
            raise self.refused("escape takes one character and belongs to like: like 'a!%' escape '!'", node)
        found = self.pattern(inner, escape.this, depth)
        return _not(found) if inner.args.get("negate") else found

    def pattern(self, node: exp.Expr, escape: str, depth: int) -> Node:
        text = self.typed(node.this, depth, Type.TEXT, "like")
        pattern = node.expression
        if not _is_text(pattern):
            raise self.refused("like takes a quoted pattern: like 'Acme%'", node)
        found = "".join(self.pattern_parts(pattern, escape))
        if isinstance(node, exp.ILike):
            text, found = Call("lower", (text,), Type.TEXT), lower(found)
        return Call("like", (text, Literal(found, Type.TEXT)), Type.BOOLEAN)

    def pattern_parts(self, pattern: exp.Expr, escape: str) -> Iterator[str]:
        """The pattern with our own escape before each sign that stands for itself."""
        signs = iter(str(pattern.this))
        for sign in signs:
            if sign == escape:
                sign = next(signs, "")
                if not sign:
                    raise self.refused(f"the pattern ends with its escape {escape}: write it twice", pattern)
                yield ESCAPE + sign if sign in ("%", "_", ESCAPE) else sign
            else:
                yield ESCAPE * 2 if sign == ESCAPE else sign

    # --- numbers ---

    def minus(self, node: exp.Expr, depth: int) -> Node:
        part = self.typed(node.this, depth, Type.NUMBER, "-")
        if isinstance(part, Literal) and isinstance(part.value, float):
            return Literal(-part.value, Type.NUMBER)
        return Call("negative", (part,), Type.NUMBER)

    def arithmetic(self, node: exp.Expr, depth: int) -> Node:
        name = _ARITHMETIC[type(node)]
        sides = [self.typed(side, depth, Type.NUMBER, name) for side in (node.this, node.expression)]
        found = Call(name, tuple(sides), Type.NUMBER)
        if not span(found).safe:
            raise self.refused(
                "this calculation can leave the range of numbers: multiply and divide fewer values "
                f"(each column may hold up to 10^{COLUMN_EXPONENT})",
                node,
            )
        return found

    # --- functions ---

    def function(self, node: exp.Expr, depth: int) -> Node:
        name = str(node.this).removeprefix(FUNCTION_PREFIX) if isinstance(node.this, str) else ""
        documented = BY_NAME.get(name)
        if documented is None:
            raise unknown("function", node.name, BY_NAME, self.words[0].start)
        if name == "in_list":
            return self.in_list(node, depth)
        self.check_count(documented, node)
        return self.applied(documented, self.arguments(documented, node, depth), node)

    def arguments(self, documented: FunctionDoc, node: exp.Expr, depth: int) -> list[Node]:
        if documented.more:
            return self.alike(node.expressions, depth, "taken together with")
        parts = [self.read(argument, depth) for argument in node.expressions]
        if documented.takes[0] == TIME:
            return [self.as_time(p, argument) for p, argument in zip(parts, node.expressions, strict=True)]
        return parts

    def check_count(self, documented: FunctionDoc, node: exp.Expr) -> None:
        given, wanted = len(node.expressions), len(documented.takes)
        if given < wanted or (given > wanted and not documented.more):
            raise self.refused(f"{documented.name} is written {documented.form}", node)

    def applied(self, documented: FunctionDoc, parts: Sequence[Node], node: exp.Expr) -> Node:
        takes = [*documented.takes, *[documented.takes[-1]] * (len(parts) - len(documented.takes))]
        for part, allowed, argument in zip(parts, takes, node.expressions, strict=True):
            if part.type not in allowed:
                raise self.mistyped(documented.name, " or ".join(sorted(allowed)), argument, part)
        return Call(documented.name, tuple(parts), documented.result or parts[0].type)

    def in_list(self, node: exp.Expr, depth: int) -> Node:
        if len(node.expressions) != 2 or not isinstance(node.expressions[1], exp.Column):
            raise self.refused(f"in_list is written {BY_NAME['in_list'].form}", node)
        text = self.typed(node.expressions[0], depth, Type.TEXT, "in_list")
        name = node.expressions[1].name
        if name not in self.lists:
            raise unknown("list", name, self.lists, self.words[0].start)
        members = tuple(Literal(member, Type.TEXT) for member in sorted(set(self.lists[name])))
        if any("\0" in member for member in self.lists[name]):
            raise self.refused(f"the list {name} holds a NUL byte", node)
        return Call("in", (text, *members), Type.BOOLEAN)


_READERS: dict[type[exp.Expr], Callable[[_Reader, exp.Expr, int], Node]] = {
    exp.Column: _Reader.column,
    exp.Literal: _Reader.literal,
    exp.Boolean: _Reader.boolean,
    exp.Cast: _Reader.moment,
    exp.Null: _Reader.null,
    exp.And: _Reader.junction,
    exp.Or: _Reader.junction,
    exp.Not: _Reader.negation,
    exp.Is: _Reader.is_,
    exp.Between: _Reader.between,
    exp.In: _Reader.in_,
    exp.Like: _Reader.like,
    exp.ILike: _Reader.like,
    exp.Escape: _Reader.escaped,
    exp.Neg: _Reader.minus,
    exp.Anonymous: _Reader.function,
    **dict.fromkeys(_COMPARISONS, _Reader.comparison),
    **dict.fromkeys(_ARITHMETIC, _Reader.arithmetic),
}


def _is_text(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and bool(node.is_string)


def _not(node: Node) -> Node:
    return Call("not", (node,), Type.BOOLEAN)


def _chain(node: exp.Expr, kind: type[exp.Expr]) -> list[exp.Expr]:
    """The members of a chain of one connective, from left to right, without recursion."""
    parts: list[exp.Expr] = []
    waiting = [node]
    while waiting:
        found = waiting.pop()
        while isinstance(found, exp.Paren):
            found = found.this
        if type(found) is kind:
            waiting += [found.expression, found.this]
        else:
            parts.append(found)
    return parts


def _moment(text: str) -> datetime:
    """An ISO 8601 date or time in UTC; without a zone it is UTC. ValueError or OverflowError otherwise."""
    if not _TIME.fullmatch(text):
        raise ValueError(text)
    moment = datetime.fromisoformat(text.upper())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
