"""The guard: cuts a condition into words and refuses what is not of the language, before any parsing.

Every word of the result is a keyword, a number, a quoted text, a sign or a known name, so the parser
never sees anything else. Work grows linearly with the text, which is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from clearlane.rules.functions import BY_NAME
from clearlane.rules.refused import Refused, shown, unknown

FUNCTION_PREFIX = "fn_"
"""Put before function names, so that the parser gives none of them a meaning of its own."""

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<comment>--|/\*|\*/|\#)
      | (?P<text>'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")*")
      | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<word>[^\W\d]\w*)
      | (?P<sign><>|!=|<=|>=|[=<>+\-*/(),])""",
    re.VERBOSE,
)
_KEYWORDS = frozenset(
    ("and", "or", "not", "in", "between", "like", "ilike", "escape", "is", "null", "true", "false")
)
_TIME_WORDS = frozenset({"timestamp", "date"})
_PREFIXES = frozenset({"not", "-", "+"})
_ENDS_PREFIXES = frozenset({"and", "or", ","})

_SUBQUERY = "a subquery is not allowed: a condition looks at one lead only"
_CAST = "a cast is not allowed: columns have the types that the policy declares"
_CASE = "case is not in the language: write one rule for each case"
_NOW = "a rule does not know the present moment: compare with as_of"
_TOTAL = "totals are not allowed: a condition looks at one lead only"
_ANY = "any, all, some and exists are not in the language: use in (…) or in_list(…)"
_PATTERN = "this pattern match is not in the language: use like, ilike, contains, starts_with or ends_with"
_INTERVAL = "intervals are not in the language: use days_between(from, to)"
_WINDOW = "window functions are not allowed: a condition looks at one lead only"
_CHANGE = "a condition only asks, it never changes anything"
_REASONS = {
    **dict.fromkeys(("select", "from", "union", "with", "values", "table", "where", "lateral"), _SUBQUERY),
    **dict.fromkeys(("cast", "try_cast", "safe_cast", "convert"), _CAST),
    **dict.fromkeys(("case", "when", "then", "else", "end", "if", "iff", "decode"), _CASE),
    **dict.fromkeys(
        ("now", "current_timestamp", "current_date", "current_time", "today", "getdate", "sysdate"), _NOW
    ),
    **dict.fromkeys(("count", "sum", "avg", "min", "max", "array_agg", "string_agg"), _TOTAL),
    **dict.fromkeys(("any", "all", "some", "exists"), _ANY),
    **dict.fromkeys(("similar", "rlike", "regexp", "glob", "regexp_matches", "regexp_like"), _PATTERN),
    "interval": _INTERVAL,
    **dict.fromkeys(("over", "partition", "row_number", "rank", "lag", "lead"), _WINDOW),
    **dict.fromkeys(("insert", "update", "delete", "drop", "alter", "create", "grant", "copy"), _CHANGE),
    "distinct": "distinct is not in the language: compare with = and is null",
    "collate": "collate is not in the language: text always compares letter by letter",
    "lambda": "a lambda is not allowed",
}
_SIGNS = {
    ";": "a second statement is not allowed",
    "'": "the text that starts here is never closed: a quote ' is missing",
    '"': 'the name that starts here is never closed: a quote " is missing',
    ":": "a cast or a parameter (:) is not allowed",
    "?": "a parameter (?) is not allowed",
    "$": "a parameter or a dollar quote ($) is not allowed",
    "@": "a parameter (@) is not allowed",
    ".": "a dot is not allowed: columns are named without a table",
    "[": "lists in square brackets are not allowed: use in (…)",
    "{": "curly brackets are not allowed",
    "%": "% is only allowed inside a like pattern",
    "~": _PATTERN,
    "|": "| is not in the language: text is not joined in a condition",
    "&": "& is not in the language: write and",
    "!": "! is not in the language: write not, or <> for unequal",
    "`": 'a name with unusual signs is quoted like "this"',
    "\\": "a backslash is only allowed inside a quoted text",
    "\0": "the text holds a NUL byte",
    **dict.fromkeys("\u2018\u2019\u201a\u201b", "this quote comes from a word processor: write '"),
    **dict.fromkeys("\u201c\u201d\u201e", "this quote comes from a word processor: write '"),
    **dict.fromkeys("≤≥≠", "this sign is not in the language: write <=, >= or <>"),
}


@dataclass(frozen=True)
class Word:
    """One word: `sql` is what the parser reads, `start` and `end` its place in the author's text."""

    sql: str
    start: int
    end: int


@dataclass(frozen=True)
class _Known:
    what: str
    names: Collection[str]


def words(
    text: str, columns: Collection[str], lists: Collection[str], *, max_bytes: int, max_depth: int
) -> tuple[Word, ...]:
    """The words of a condition over columns and lists of these names, or Refused."""
    _check_size(text, max_bytes)
    cut = tuple(_cut(text))
    if not cut:
        raise Refused("the condition is empty", 0)
    lists_at = frozenset(_list_positions(cut))
    following = (*cut[1:], None)
    resolved = tuple(
        _resolved(found, after, _Known("list", lists) if index in lists_at else _Known("column", columns))
        for index, (found, after) in enumerate(zip(cut, following, strict=True))
    )
    _check_depth(resolved, max_depth)
    return resolved


def terms(condition: Sequence[Word]) -> tuple[tuple[Word, ...], ...]:
    """The condition cut at its outermost `and`; one piece when an `or` stands beside them."""
    pieces: list[list[Word]] = [[]]
    depth = betweens = 0
    for word in condition:
        depth += (word.sql == "(") - (word.sql == ")")
        if depth == 0 and word.sql == "or":
            return (tuple(condition),)
        if depth == 0 and word.sql == "and" and not betweens:
            pieces.append([])
            continue
        if depth == 0 and word.sql in ("between", "and"):
            betweens += 1 if word.sql == "between" else -1
        pieces[-1].append(word)
    return tuple(map(tuple, pieces))


def _check_size(text: str, max_bytes: int) -> None:
    try:
        too_long = len(text) > max_bytes or len(text.encode()) > max_bytes
    except UnicodeEncodeError as error:
        raise Refused("the text holds a broken character", error.start) from None
    if too_long:
        raise Refused(f"the condition is longer than {max_bytes} bytes", None)
    if "\0" in text:
        raise Refused(_SIGNS["\0"], text.index("\0"))


def _cut(text: str) -> Iterator[re.Match[str]]:
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise Refused(_why_not(text, position), position)
        if found.lastgroup == "comment":
            raise Refused("a comment is not allowed in a condition: use because", position)
        _check_glued(found, text)
        if found.lastgroup != "space":
            yield found
        position = found.end()


def _why_not(text: str, position: int) -> str:
    return _SIGNS.get(text[position], f"the sign {text[position]!r} is not in the language")


def _check_glued(found: re.Match[str], text: str) -> None:
    """Refuse 12abc, 0x1F, 1_000 and E'…', x'…', U&'…': numbers and texts in another notation."""
    after = text[found.end() : found.end() + 1]
    if found.lastgroup == "number" and (after.isalnum() or after in ("_", ".")) and after:
        raise Refused(f"{shown(found[0] + after)}… is not a number", found.start())
    if found.lastgroup == "word" and after == "'" and found[0].lower() not in _TIME_WORDS:
        raise Refused(f"a text with the prefix {shown(found[0])} is not allowed", found.start())


def _list_positions(cut: Sequence[re.Match[str]]) -> Iterator[int]:
    """Where a list is named: right after the comma of an in_list(…)."""
    callers = [""]
    for index, found in enumerate(cut):
        if found[0] == "(":
            callers.append(cut[index - 1][0].lower() if index else "")
        elif found[0] == ")" and len(callers) > 1:
            callers.pop()
        elif found[0] == "," and callers[-1] == "in_list":
            yield index + 1


def _resolved(found: re.Match[str], after: re.Match[str] | None, known: _Known) -> Word:
    sql = found[0]
    if found.lastgroup == "word":
        sql = _word(found, after, known)
    elif found.lastgroup == "quoted":
        name = sql[1:-1].replace('""', '"')
        if name not in known.names:
            raise unknown(known.what, name, known.names, found.start())
    return Word(sql, found.start(), found.end())


def _word(found: re.Match[str], after: re.Match[str] | None, known: _Known) -> str:
    text, folded = found[0], found[0].lower()
    if folded in _KEYWORDS:
        return folded
    if folded in _TIME_WORDS and after is not None and after.lastgroup == "text":
        return folded
    if after is not None and after[0] == "(":
        return _function(folded, found.start())
    name = _name(text, known.names)
    if name is None and folded in _REASONS:
        raise Refused(_REASONS[folded], found.start())
    if name is None:
        raise unknown(known.what, text, known.names, found.start())
    return '"' + name.replace('"', '""') + '"'


def _function(name: str, position: int) -> str:
    if name in BY_NAME:
        return FUNCTION_PREFIX + name
    if name in _REASONS:
        raise Refused(_REASONS[name], position)
    raise unknown("function", name, BY_NAME, position)


def _name(text: str, names: Collection[str]) -> str | None:
    """The declared name meant by a bare word: as written, else the only one that differs in case."""
    if text in names:
        return text
    alike = [name for name in names if name.casefold() == text.casefold()]
    return alike[0] if len(alike) == 1 else None


def _check_depth(condition: Sequence[Word], max_depth: int) -> None:
    """Open brackets plus the prefix operators that wait inside them bound how deep a parser goes."""
    prefixes = [0]
    for word in condition:
        if word.sql == "(":
            prefixes.append(0)
        elif word.sql == ")":
            if len(prefixes) == 1:
                raise Refused("this bracket closes nothing", word.start)
            prefixes.pop()
        elif word.sql in _PREFIXES:
            prefixes[-1] += 1
        elif word.sql in _ENDS_PREFIXES:
            prefixes[-1] = 0
        if len(prefixes) - 1 + sum(prefixes) > max_depth:
            raise Refused(f"more than {max_depth} levels are nested in each other", word.start)
    if len(prefixes) > 1:
        raise Refused("a closing bracket ) is missing", condition[-1].end)
