"""The functions of the rule language: what each takes, returns and means."""

from __future__ import annotations

from dataclasses import dataclass

from clearlane.rules.tree import Type

ANY = frozenset(Type)
TEXT = frozenset({Type.TEXT})
NUMBER = frozenset({Type.NUMBER})
TIME = frozenset({Type.TIME})
ORDERED = NUMBER | TIME


@dataclass(frozen=True)
class FunctionDoc:
    """One function. `more`: the last argument may repeat, all of one type; `result` None: that type."""

    name: str
    form: str
    takes: tuple[frozenset[Type], ...]
    result: Type | None
    says: str
    example: str
    more: bool = False


FUNCTIONS: tuple[FunctionDoc, ...] = (
    FunctionDoc(
        "in_list", "in_list(text, list)", (TEXT,), Type.BOOLEAN,
        "true when the text is exactly one of the named list", "in_list(email_domain, competitors)",
    ),
    FunctionDoc(
        "contains", "contains(text, part)", (TEXT, TEXT), Type.BOOLEAN,
        "true when the part occurs anywhere in the text; capitals matter",
        "contains(lower(title), 'revenue')",
    ),
    FunctionDoc(
        "starts_with", "starts_with(text, part)", (TEXT, TEXT), Type.BOOLEAN,
        "true when the text begins with the part; capitals matter", "starts_with(phone, '+49')",
    ),
    FunctionDoc(
        "ends_with", "ends_with(text, part)", (TEXT, TEXT), Type.BOOLEAN,
        "true when the text ends with the part; capitals matter", "ends_with(email_domain, '.edu')",
    ),
    FunctionDoc(
        "lower", "lower(text)", (TEXT,), Type.TEXT,
        "the text in small letters (Latin, Greek and Cyrillic)", "lower(city) = 'münchen'",
    ),
    FunctionDoc(
        "upper", "upper(text)", (TEXT,), Type.TEXT,
        "the text in capital letters (Latin, Greek and Cyrillic)", "upper(country) in ('DE', 'AT')",
    ),
    FunctionDoc(
        "trim", "trim(text)", (TEXT,), Type.TEXT,
        "the text without spaces before and after it", "trim(company) = ''",
    ),
    FunctionDoc(
        "length", "length(text)", (TEXT,), Type.NUMBER,
        "how many characters the text has", "length(company) < 3",
    ),
    FunctionDoc(
        "coalesce", "coalesce(a, b, …)", (ANY, ANY), None,
        "the first of its values that is not empty; all of one type", "coalesce(employees, 0) < 10",
        more=True,
    ),
    FunctionDoc(
        "least", "least(a, b, …)", (ORDERED, ORDERED), None,
        "the smallest of numbers or times; empty values are left out", "least(seats, employees) > 50",
        more=True,
    ),
    FunctionDoc(
        "greatest", "greatest(a, b, …)", (ORDERED, ORDERED), None,
        "the largest of numbers or times; empty values are left out", "greatest(seats, employees) > 50",
        more=True,
    ),
    FunctionDoc(
        "abs", "abs(number)", (NUMBER,), Type.NUMBER,
        "the number without its sign", "abs(growth) > 0.2",
    ),
    FunctionDoc(
        "round", "round(number)", (NUMBER,), Type.NUMBER,
        "the nearest whole number; halves go away from zero", "round(2.5) = 3",
    ),
    FunctionDoc(
        "floor", "floor(number)", (NUMBER,), Type.NUMBER,
        "the next whole number at or below", "floor(2.5) = 2",
    ),
    FunctionDoc(
        "ceil", "ceil(number)", (NUMBER,), Type.NUMBER,
        "the next whole number at or above", "ceil(2.5) = 3",
    ),
    FunctionDoc(
        "days_between", "days_between(from, to)", (TIME, TIME), Type.NUMBER,
        "days from the first moment to the second, with a fraction; negative when the second is earlier",
        "days_between(created_at, as_of) <= 30",
    ),
)  # fmt: skip

BY_NAME = {function.name: function for function in FUNCTIONS}


def function_table() -> str:
    """The functions as a Markdown table, for docs/rules.md."""
    rows = [f"| `{f.form}` | {f.says} | `{f.example}` |" for f in FUNCTIONS]
    return "\n".join(["| function | gives | example |", "|---|---|---|", *rows])
