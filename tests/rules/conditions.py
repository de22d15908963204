"""Random conditions, each with an independent meaning in Python, and random rows to try them on."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from clearlane.rules import Type
from clearlane.rules.letters import lower

Row = dict[str, Any]

COLUMNS = {
    "n": Type.NUMBER,
    "Number Two": Type.NUMBER,
    "t": Type.TEXT,
    "type": Type.TEXT,
    "yes": Type.BOOLEAN,
    "no": Type.BOOLEAN,
    "at": Type.TIME,
    "as_of": Type.TIME,
}
LISTS = {"some_list": ("a", "o'brien", "É", "50%", ""), "none": ()}
STORED = {"number": "float8", "text": "text", "boolean": "boolean", "time": "timestamptz"}


@dataclass(frozen=True)
class Piece:
    """A piece of a condition: what its author writes, and what it gives on a row (None: null).

    The second argument says whether the piece is part of a calculation, where numbers are bounded.
    """

    text: str
    value: Callable[[Row, bool], Any]

    def __repr__(self) -> str:
        return self.text


# --- rows ---

NUMBERS = st.sampled_from(
    [0.0, -0.0, 1.0, 2.5, -2.5, 3.5, 0.5, 0.49999999999999994, 50.0, 1e60, 1.1e60, 1e-60, 9e-61, 1e-70, 1e150,
     1e308, -1e308, 1.7976931348623157e308, 5e-324, 2.0**53 + 2, 4503599627370495.5, math.nan, math.inf]
) | st.floats()  # fmt: skip
TEXTS = st.sampled_from(
    ["", "a", "A", "b", "ab", "o'brien", "50%", "a_b", "a\\b", "!", "é", "É", "e\u0301", "MÜNCHEN", "münchen",
     "ß", "ẞ", "İ", "ı", "Σ", "ς", "σ", "日本", "🤦🏼‍♂️", " a ", "\u00a0", "\n", ":a", "%s", "\ue000", "\U00010000"]
) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)  # fmt: skip
TIMES = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])).filter(
    lambda moment: 1 < moment.year < 9999
) | st.sampled_from([datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 10, 0, 0, 1, tzinfo=UTC)])
_VALUES = {Type.NUMBER: NUMBERS, Type.TEXT: TEXTS, Type.BOOLEAN: st.booleans(), Type.TIME: TIMES}
ROWS = st.fixed_dictionaries({name: st.none() | _VALUES[kind] for name, kind in COLUMNS.items()})


# --- leaves ---


def name_of(column: str) -> str:
    return column if column.isidentifier() else f'"{column}"'


def column(name: str) -> Piece:
    if COLUMNS[name] is Type.NUMBER:
        return Piece(name_of(name), lambda row, calculating: bounded(row[name], calculating))
    return Piece(name_of(name), lambda row, calculating: row[name])


def bounded(value: float | None, calculating: bool) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    if calculating and abs(value) > 1e60:
        return None
    return 0.0 if calculating and abs(value) <= 1e-60 else value


def constant(text: str, value: Any) -> Piece:
    return Piece(text, lambda row, calculating: value)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def columns(kind: Type) -> st.SearchStrategy[Piece]:
    return st.sampled_from([column(name) for name, found in COLUMNS.items() if found is kind])


LITERAL_NUMBERS = st.sampled_from(["0", "1", "2.5", ".5", "7.", "1e2", "1E-3", "1000000"]).map(
    lambda text: constant(text, float(text))
)
LITERAL_TEXTS = TEXTS.map(lambda text: constant(quoted(text), text))
LITERAL_TIMES = TIMES.map(lambda moment: constant(f"timestamp '{moment.isoformat()}'", moment))


# --- operators ---


def strict(
    text: str, parts: Sequence[Piece], compute: Callable[..., Any], calculating: bool = False
) -> Piece:
    """A piece that is null when one of its parts is."""

    def value(row: Row, within: bool) -> Any:
        found = [part.value(row, within or calculating) for part in parts]
        return None if None in found else compute(*found)

    return Piece(text, value)


def key(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: key(a) == key(b),
    "<>": lambda a, b: key(a) != key(b),
    "<": lambda a, b: key(a) < key(b),
    "<=": lambda a, b: key(a) <= key(b),
    ">": lambda a, b: key(a) > key(b),
    ">=": lambda a, b: key(a) >= key(b),
}
COMPUTE: dict[str, Callable[[float, float], float | None]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: None if b == 0 else a / b,
}


def calculated(sign: str, left: Piece, right: Piece) -> Piece:
    return strict(f"({left} {sign} {right})", [left, right], COMPUTE[sign], calculating=True)


def half_away(value: float) -> float:
    whole = math.floor(Fraction(abs(value)) + Fraction(1, 2))
    return math.copysign(float(whole), value)


def whole(function: Callable[[float], int]) -> Callable[[float], float]:
    return lambda value: float(function(value))


ONE_NUMBER: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "floor": whole(math.floor),
    "ceil": whole(math.ceil),
    "round": half_away,
}


def numeric(name: str, part: Piece) -> Piece:
    return strict(f"{name}({part})", [part], ONE_NUMBER[name])


def chosen(name: str, parts: Sequence[Piece]) -> Piece:
    """coalesce, least, greatest: nulls are left out."""
    choose = {"coalesce": lambda found: found[0], "least": min, "greatest": max}[name]

    def value(row: Row, calculating: bool) -> Any:
        found = [v for part in parts if (v := part.value(row, calculating)) is not None]
        return choose(found) if found else None

    return Piece(f"{name}({', '.join(map(str, parts))})", value)


def choices(kind: st.SearchStrategy[Piece], names: Sequence[str]) -> st.SearchStrategy[Piece]:
    return st.builds(chosen, st.sampled_from(names), st.lists(kind, min_size=2, max_size=3))


def days(start: Piece, end: Piece) -> Piece:
    def compute(a: datetime, b: datetime) -> float:
        return float((b - a) // timedelta(microseconds=1)) / 86_400_000_000.0

    return strict(f"days_between({start}, {end})", [start, end], compute)


TIME = st.deferred(
    lambda: columns(Type.TIME) | LITERAL_TIMES | choices(TIME, ["coalesce", "least", "greatest"])
)
TEXT: st.SearchStrategy[Piece] = st.recursive(
    columns(Type.TEXT) | LITERAL_TEXTS,
    lambda part: st.one_of(
        st.builds(lambda p: strict(f"lower({p})", [p], lower), part),
        st.builds(lambda p: strict(f"trim({p})", [p], lambda text: text.strip(" ")), part),
        choices(part, ["coalesce"]),
    ),
    max_leaves=3,
)
NUMBER: st.SearchStrategy[Piece] = st.recursive(
    st.one_of(
        columns(Type.NUMBER),
        LITERAL_NUMBERS,
        st.builds(lambda p: strict(f"length({p})", [p], lambda text: float(len(text))), TEXT),
        st.builds(days, TIME, TIME),
    ),
    lambda part: st.one_of(
        st.builds(calculated, st.sampled_from("+-*/"), part, part),
        st.builds(numeric, st.sampled_from(list(ONE_NUMBER)), part),
        st.builds(lambda p: strict(f"(- {p})", [p], lambda number: -number), part),
        choices(part, ["coalesce", "least", "greatest"]),
    ),
    max_leaves=5,
)


def compared(sign: str, sides: tuple[Piece, Piece]) -> Piece:
    return strict(f"{sides[0]} {sign} {sides[1]}", sides, COMPARE[sign])


def within(parts: tuple[Piece, Piece, Piece]) -> Piece:
    both = all_of([compared(">=", (parts[0], parts[1])), compared("<=", (parts[0], parts[2]))])
    return Piece(f"{parts[0]} between {parts[1]} and {parts[2]}", both.value)


def member(part: Piece, others: Sequence[Piece]) -> Piece:
    def value(row: Row, calculating: bool) -> bool | None:
        found, seen = part.value(row, calculating), [other.value(row, calculating) for other in others]
        if found is None or found in [v for v in seen if v is not None]:
            return None if found is None else True
        return None if None in seen else False

    return Piece(f"{part} in ({', '.join(map(str, others))})", value)


def listed(part: Piece, name: str) -> Piece:
    return strict(f"in_list({part}, {name})", [part], lambda text: text in LISTS[name])


def like(part: Piece, pattern: str, folded: bool) -> Piece:
    def compute(text: str) -> bool:
        wanted = lower(pattern) if folded else pattern
        return re.fullmatch(regex(wanted), lower(text) if folded else text, re.DOTALL) is not None

    return strict(f"{part} {'ilike' if folded else 'like'} {quoted(pattern)}", [part], compute)


def regex(pattern: str) -> str:
    """The regular expression of a like pattern with a backslash as escape."""
    signs, found = iter(pattern), ""
    for sign in signs:
        if sign == "\\":
            found += re.escape(next(signs))
        else:
            found += {"%": ".*", "_": "."}.get(sign, re.escape(sign))
    return found


PATTERNS = st.lists(
    st.sampled_from(
        ["%", "_", "\\%", "\\_", "\\\\", "!", "\\!", "a", "A", "b", "É", "Ü", "'", ":", "\\a", "日"]
    ),
    max_size=5,
).map("".join)
PARTS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
}


def has_part(name: str, text: Piece, part: Piece) -> Piece:
    return strict(f"{name}({text}, {part})", [text, part], PARTS[name])


def empty(part: Piece, negated: bool) -> Piece:
    def value(row: Row, calculating: bool) -> bool:
        return (part.value(row, calculating) is None) is not negated

    return Piece(f"{part} is {'not ' if negated else ''}null", value)


ORDERED = [st.tuples(kind, kind) for kind in (NUMBER, TEXT, TIME)]
TRIPLES = [st.tuples(kind, kind, kind) for kind in (NUMBER, TEXT, TIME)]
SIMPLE: st.SearchStrategy[Piece] = st.one_of(
    st.builds(compared, st.sampled_from(list(COMPARE)), st.one_of(ORDERED)),
    st.builds(
        compared, st.sampled_from(["=", "<>"]), st.tuples(columns(Type.BOOLEAN), columns(Type.BOOLEAN))
    ),
    st.builds(within, st.one_of(TRIPLES)),
    st.builds(member, TEXT, st.lists(TEXT, min_size=1, max_size=3)),
    st.builds(member, NUMBER, st.lists(NUMBER, min_size=1, max_size=3)),
    st.builds(listed, TEXT, st.sampled_from(list(LISTS))),
    st.builds(like, TEXT, PATTERNS, st.booleans()),
    st.builds(has_part, st.sampled_from(list(PARTS)), TEXT, TEXT),
    st.builds(empty, st.one_of(NUMBER, TEXT, TIME, columns(Type.BOOLEAN)), st.booleans()),
    columns(Type.BOOLEAN),
)


# --- logic of three values ---


def all_of(parts: Sequence[Piece]) -> Piece:
    def value(row: Row, calculating: bool) -> bool | None:
        found = [part.value(row, calculating) for part in parts]
        return False if False in found else None if None in found else True

    return Piece(" and ".join(f"({part})" for part in parts), value)


def any_of(parts: Sequence[Piece]) -> Piece:
    def value(row: Row, calculating: bool) -> bool | None:
        found = [part.value(row, calculating) for part in parts]
        return True if True in found else None if None in found else False

    return Piece(" or ".join(f"({part})" for part in parts), value)


def opposite(part: Piece) -> Piece:
    return strict(f"not ({part})", [part], lambda found: not found)


def is_true(part: Piece, wanted: bool) -> Piece:
    return Piece(f"({part}) is {str(wanted).lower()}", lambda row, within: part.value(row, within) is wanted)


CONDITIONS: st.SearchStrategy[Piece] = st.recursive(
    SIMPLE,
    lambda part: st.one_of(
        st.builds(all_of, st.lists(part, min_size=2, max_size=3)),
        st.builds(any_of, st.lists(part, min_size=2, max_size=3)),
        st.builds(opposite, part),
        st.builds(is_true, part, st.booleans()),
    ),
    max_leaves=4,
)
