"""The kind of an inquiry: the first rule of scoring.yaml whose condition holds, else sales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from clearlane.policy.model import KindRule
from clearlane.rules import Dialect, Type
from clearlane.rules.columns import read

DEFAULT: Final = "sales"


def chosen(kinds: Sequence[KindRule], relation: str) -> str:
    """A select of `relation.*`, kind and kind_rule; the relation has the columns attributes (jsonb) and source."""
    if not kinds:
        return f"select p.*, '{DEFAULT}' as kind, cast(null as text) as kind_rule from {relation} p"
    return f"""
select p.*, {_case(kinds, [rule.kind for rule in kinds], DEFAULT)} as kind,
       {_case(kinds, [rule.id for rule in kinds], None)} as kind_rule
from {relation} p cross join lateral (select {_columns(kinds)}) c"""


def _columns(kinds: Sequence[KindRule]) -> str:
    types: Mapping[str, Type] = {name: type_ for rule in kinds for name, type_ in rule.when.types.items()}
    read_columns = [f"{_column(name, type_)} as {_identifier(name)}" for name, type_ in sorted(types.items())]
    return ", ".join(read_columns) or "null as nothing"


def _column(name: str, type_: Type) -> str:
    return "p.source" if name == "source" else read(name, type_, Dialect.POSTGRES, "p.attributes")


def _case(kinds: Sequence[KindRule], values: Sequence[str], otherwise: str | None) -> str:
    whens = " ".join(
        f"when {rule.when.sql(Dialect.POSTGRES, 'c')} then {_text(value)}"
        for rule, value in zip(kinds, values, strict=True)
    )
    return f"case {whens} else {_text(otherwise)} end"


def _text(value: str | None) -> str:
    return "cast(null as text)" if value is None else "'" + value.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
