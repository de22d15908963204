"""How a declared attribute is read from JSON without ever raising: a value of another type is null.

PostgreSQL needs version 16 or newer and a jsonb source; DuckDB a JSON (or text) source. Only typed JSON
counts: a number in quotes is a text. A number read as text has its plain notation, up to 18 digits.
Times are ISO 8601 texts of the years 1000 to 9999; without a zone they are UTC.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from clearlane.rules.sql import Dialect, number, text_literal, write
from clearlane.rules.tree import Literal, Type

_PLAIN_NUMBER = "^-?([0-9]{1,18}|[0-9]{1,9}[.][0-9]{1,6})$"
_DATE = "[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}"
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?"
_ZONE = "(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)"
_MOMENT = f"^{_DATE}([T ]{_CLOCK}{_ZONE}?)?$"
_ZONED = f"{_ZONE}$"
_BEYOND_MICROSECONDS = "([.][0-9]{6})[0-9]+"
_SURELY_IN_RANGE = 300
"""JSON numbers are written without exponent: shorter ones are no double too large or too small."""
_LAST = Literal(datetime.max.replace(tzinfo=UTC), Type.TIME)
"""Python knows no later moment, also where a zone would make it one."""


def read(name: str, type_: Type, dialect: Dialect, source: str = "attributes") -> str:
    """A SQL expression for the attribute: text, double precision, boolean or timestamptz; null if absent.

    `source` is a SQL expression for the JSON object, put in as it is, for example `p.attributes`. ValueError for
    a warehouse: what it keeps has typed columns.
    """
    if dialect not in _READERS:
        raise ValueError(f"attributes in JSON are read in {' and '.join(_READERS)}, not in {dialect}")
    return _READERS[dialect](name, source).read(type_)


class _Postgres:
    def __init__(self, name: str, source: str) -> None:
        key = _literal(name)
        self.name, self.source = name, source
        self.value, self.text = f"({source} -> {key})", f"({source} ->> {key})"

    def read(self, type_: Type) -> str:
        match type_:
            case Type.NUMBER:
                return self.number()
            case Type.TIME:
                return self.time()
            case Type.BOOLEAN:
                return f"case when {self.holds(True)} then true when {self.holds(False)} then false end"
            case Type.TEXT:
                return self.scalar()

    def holds(self, value: bool) -> str:
        """Containment finds a value's type without making the value."""
        return f"{self.source} @> {_literal(json.dumps({self.name: value}, ensure_ascii=False))}"

    def is_one(self, *types: str) -> str:
        return f"jsonb_typeof({self.value}) in ({', '.join(map(repr, types))})"

    def scalar(self) -> str:
        plain = f"cast(trim_scale(cast({self.text} as numeric)) as text)"
        return (
            f"case when {self.is_one('string', 'boolean')} then {self.text} when {self.is_one('number')} "
            f"then case when {plain} ~ {_literal(_PLAIN_NUMBER)} then {plain} end end"
        )

    def number(self) -> str:
        """JSON numbers have no range here: too large is null, too small is 0."""
        return (
            f"case when {self.is_one('number')} then "
            f"case when length({self.text}) < {_SURELY_IN_RANGE} "
            f"then cast({self.text} as double precision) "
            f"when pg_input_is_valid({self.text}, 'double precision') "
            f"then cast({self.text} as double precision) "
            f"when abs(cast({self.text} as numeric)) < 1 then {number(0.0)} end end"
        )

    def time(self) -> str:
        moment = self.in_utc()
        return (
            f"case when {self.is_one('string')} and {self.text} ~ {_literal(_MOMENT)} then "
            f"case when pg_input_is_valid({moment}, 'timestamptz') "
            f"then least(cast({moment} as timestamptz), {write(_LAST, Dialect.POSTGRES)}) end end"
        )

    def in_utc(self) -> str:
        group = _literal(r"\1")
        short = f"regexp_replace({self.text}, {_literal(_BEYOND_MICROSECONDS)}, {group})"
        zone = f"case when substr({self.text}, 11) ~ {_literal(_ZONED)} then '' else ' UTC' end"
        return f"({short} || {zone})"


class _DuckDb:
    def __init__(self, name: str, source: str) -> None:
        path = text_literal("/" + name.replace("~", "~0").replace("/", "~1"), Dialect.DUCKDB)
        valid = f"case when json_valid({source}) then {source} end"
        self.text, self.type = f"json_extract_string({valid}, {path})", f"json_type({valid}, {path})"

    def read(self, type_: Type) -> str:
        match type_:
            case Type.NUMBER:
                return self.number()
            case Type.TIME:
                return self.time()
            case Type.BOOLEAN:
                return f"case when {self.type} = 'BOOLEAN' then {self.text} = 'true' end"
            case Type.TEXT:
                return self.scalar()

    def is_number(self) -> str:
        return f"{self.type} in ('UBIGINT', 'BIGINT', 'HUGEINT', 'UHUGEINT', 'DOUBLE')"

    def scalar(self) -> str:
        plain = f"regexp_replace(regexp_replace({self.text}, '[.]0$', ''), '^-0$', '0')"
        return (
            f"case when {self.type} in ('VARCHAR', 'BOOLEAN') then {self.text} when {self.is_number()} "
            f"then case when regexp_full_match({plain}, '{_PLAIN_NUMBER}') then {plain} end end"
        )

    def number(self) -> str:
        value = f"try_cast({self.text} as double precision)"
        return f"case when {self.is_number()} then case when isfinite({value}) then {value} end end"

    def time(self) -> str:
        moment = f"try_cast({self.in_utc()} as timestamptz)"
        earlier = f"case when {moment} is not null then least({moment}, {write(_LAST, Dialect.DUCKDB)}) end"
        is_moment = f"{self.type} = 'VARCHAR' and regexp_full_match({self.text}, '{_MOMENT}')"
        return f"case when {is_moment} then {earlier} end"

    def in_utc(self) -> str:
        short = rf"regexp_replace({self.text}, '{_BEYOND_MICROSECONDS}', '\1')"
        zone = (
            f"case when length({self.text}) = 10 then ' 00:00:00+00' "
            f"when regexp_matches(substr({self.text}, 11), '{_ZONED}') then '' else '+00' end"
        )
        return f"({short} || {zone})"


_READERS: dict[Dialect, type[_Postgres] | type[_DuckDb]] = {
    Dialect.POSTGRES: _Postgres,
    Dialect.DUCKDB: _DuckDb,
}


def _literal(text: str) -> str:
    return text_literal(text, Dialect.POSTGRES)
