"""A desk for scoring without a ledger: DuckDB with the leads, activities and accounts that were given.

Accounts join by the lead's `account_id`, else by `domain` where one account alone has it. What an account says
fills the gaps of the lead, and is also known as `account_<name>`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pandas as pd

from clearlane import sheets
from clearlane.policy.model import Scoring
from clearlane.rules import Dialect, Type
from clearlane.rules.sql import quoted, text_literal
from clearlane.score import warehouse
from clearlane.score.behaviour import activity_types
from clearlane.score.cells import ALLOWED, STORED, typed
from clearlane.score.statement import MEMORY, statement
from clearlane.sheets import Sheet

Given = Path | pd.DataFrame
MEMORY_LIMIT = "2GB"
"""DuckDB goes to disk beyond this."""
OF_THE_PERSON = frozenset(
    {"name", "email", "phone", "owner", "status", "created_at", "updated_at", "kind", "source"}
)
"""What a person has too: an account's own is known as account_<name> only."""
_PREFIX = "account_"
_MAY_BE_EMPTY = ("weight", "first_at")


@dataclass(frozen=True)
class _Column:
    """A column of a table on the desk, read from the first of `sources` that is not empty."""

    name: str
    type: Type
    sources: tuple[str, ...]
    needed: bool = False


@contextmanager
def scored(
    scoring: Scoring,
    leads: Given,
    activities: Given | None,
    accounts: Given | None,
    as_of: datetime,
    *,
    memory_limit: str = MEMORY_LIMIT,
    signals: Given | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that holds `profiles` (one typed column per declared attribute) and `scored`.

    `signals` in place of activities: the rows of a warehouse's signals query for this policy and as_of.

    `scored` has the columns of `statement.RESULT` and `row`, the lead's place in what was given. Raises
    Unreadable, naming file, line and column. A time without zone, as_of included, is UTC.
    """
    with (
        TemporaryDirectory(prefix="clearlane-") as folder,
        duckdb.connect(f"{folder}/desk.duckdb") as connection,
    ):
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set memory_limit = {_text(memory_limit)}")
        _load_leads(connection, scoring, _sheet(connection, "leads", leads))
        has_accounts = accounts is not None
        if accounts is not None:
            _load_accounts(connection, scoring, _sheet(connection, "accounts", accounts))
        behaviour = None
        if signals is None:
            _load_activities(connection, scoring, activities)
        else:
            _load_signals(connection, scoring, _sheet(connection, "signals", signals), as_of)
            behaviour = warehouse.relations(scoring, Dialect.DUCKDB)
        _join(connection, scoring, has_accounts, as_of)
        query = statement(scoring, Dialect.DUCKDB, typed=True, behaviour=behaviour)
        connection.execute(f"create table results as {query}")
        connection.execute(
            "create view scored as select results.*, leads.row from results"
            " join leads on leads.lead_id = results.lead_id"
        )
        yield connection


def _sheet(connection: duckdb.DuckDBPyConnection, name: str, given: Given) -> Sheet:
    if isinstance(given, Path):
        return sheets.of_file(connection, name, given)
    return sheets.of_frame(connection, name, given)


def _load_leads(connection: duckdb.DuckDBPyConnection, scoring: Scoring, sheet: Sheet) -> None:
    own = ("account_id", "domain", "kind", "source")
    columns = [
        _Column("lead_id", Type.TEXT, ("lead_id",), needed=True),
        *(_Column(f"own {name}", Type.TEXT, (name,)) for name in own),
        *(_Column(name, type_, (name,)) for name, type_ in _attributes(scoring).items()),
    ]
    _load(connection, "leads", sheet, columns)
    _refuse_twice(connection, "leads", ("lead_id",), sheet, "lead_id")


def _load_accounts(connection: duckdb.DuckDBPyConnection, scoring: Scoring, sheet: Sheet) -> None:
    columns = [
        _Column("own account_id", Type.TEXT, ("account_id",), needed=True),
        _Column("own domain", Type.TEXT, ("domain",)),
        *(_Column(name, type_, _said_by_account(name)) for name, type_ in _attributes(scoring).items()),
    ]
    _load(connection, "accounts", sheet, columns)
    _refuse_twice(connection, "accounts", ("own account_id",), sheet, "account_id")


def _said_by_account(name: str) -> tuple[str, ...]:
    plain = (name.removeprefix(_PREFIX),) if name.startswith(_PREFIX) and name != "account_id" else ()
    return plain if name in OF_THE_PERSON else (name, *plain)


def _load_activities(
    connection: duckdb.DuckDBPyConnection, scoring: Scoring, activities: Given | None
) -> None:
    named = {"lead_id": Type.TEXT, "type": Type.TEXT, "occurred_at": Type.TIME}
    extra = {name: type_ for name, type_ in scoring.activity_attributes.items() if name not in named}
    columns = [
        *(_Column(name, type_, (name,), needed=True) for name, type_ in named.items()),
        *(_Column(name, type_, (name,)) for name, type_ in extra.items()),
    ]
    if activities is None:
        typed_nulls = ", ".join(f"cast(null as {STORED[c.type]}) as {_name(c.name)}" for c in columns)
        connection.execute(f"create table activities as select {typed_nulls} where false")
        return
    sheet = _sheet(connection, "activities", activities)
    types = ", ".join(map(_text, activity_types(scoring))) or "null"
    has_id = "activity_id" in sheet.columns
    ids = [_Column("own activity_id", Type.TEXT, ("activity_id",))] if has_id else []
    once = ' qualify "own activity_id" is null or row_number() over (partition by "own activity_id" order by row) = 1'
    _load(connection, "activities", sheet, [*columns, *ids], f"type in ({types})", once if has_id else "")


def _load_signals(
    connection: duckdb.DuckDBPyConnection, scoring: Scoring, sheet: Sheet, as_of: datetime
) -> None:
    """Snowflake names its columns in capitals."""
    sources = {n: n.upper() if n.upper() in sheet.columns else n for n in warehouse.SIGNALS}
    columns = [
        _Column(name, type_, (sources[name],), needed=name not in _MAY_BE_EMPTY)
        for name, type_ in warehouse.SIGNALS.items()
    ]
    _refuse_missing(sheet, [replace(column, needed=True) for column in columns])
    _load(connection, "signals", sheet, columns)
    _refuse_twice(connection, "signals", ("lead_id", "name"), sheet, sources["name"])
    for column, ours, reason in (
        ("fingerprint", _text(warehouse.fingerprint(scoring)), "which is not of this policy: run its query"),
        ("as_of", _moment(as_of), f"but asked are the scores of {as_of.isoformat()}"),
    ):
        first = connection.execute(f"select min(row) from signals where {column} <> {ours}").fetchone()
        if first is not None and first[0] is not None:
            raise sheet.refused(first[0], sources[column], reason)


def _load(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    sheet: Sheet,
    columns: Sequence[_Column],
    keep: str = "true",
    once: str = "",
) -> None:
    """Make the table in one pass: typed columns, `row` from 1, and which check the row does not pass."""
    _refuse_missing(sheet, columns)
    cells = [(source, c.type) for c in columns for source in c.sources if source in sheet.columns]
    checks = _checks(sheet, columns, cells)
    wrong = " ".join(f"when {condition} then {i}" for i, (_, _, condition) in enumerate(checks))
    values = ", ".join(f"{_value(column, cells)} as {_name(column.name)}" for column in columns)
    numbered = f"select row_number() over () as row, * from {sheet.relation}"
    seen = ", ".join(f"{typed(sheet.raw(source), type_)} as v{i}" for i, (source, type_) in enumerate(cells))
    read = (
        f"select row, case {wrong} end as wrong, {values} from (select *, {seen} from ({numbered}) as n) as s"
    )
    try:
        connection.execute(
            f"create table {table} as select * from ({read}) as r where wrong is not null or {keep}{once}"
        )
    except duckdb.Error as error:
        raise sheet.broken(error) from None
    wrong_rows = f"select row, wrong from {table} where wrong is not null order by row limit 1"
    first = connection.execute(wrong_rows).fetchone()
    if first is not None:
        column, reason, _ = checks[first[1]]
        raise sheet.refused(first[0], column, reason)


def _refuse_missing(sheet: Sheet, columns: Sequence[_Column]) -> None:
    for column in columns:
        if column.needed and column.sources[0] not in sheet.columns:
            raise sheets.Unreadable(
                sheet.name, "this required column is missing", line=1, column=column.sources[0]
            )


def _checks(
    sheet: Sheet, columns: Sequence[_Column], cells: Sequence[tuple[str, Type]]
) -> list[tuple[str, str, str]]:
    """(column of the sheet, what is allowed, SQL condition of a cell that is not)."""
    needed = [column.sources[0] for column in columns if column.needed]
    empty = [(source, "it is empty", f"coalesce(trim({sheet.raw(source)}), '') = ''") for source in needed]
    unreadable = [
        (source, f"allowed is {ALLOWED[type_]}", f"v{i} is null and trim({sheet.raw(source)}) <> ''")
        for i, (source, type_) in enumerate(cells)
        if type_ is not Type.TEXT
    ]
    return empty + unreadable


def _value(column: _Column, cells: Sequence[tuple[str, Type]]) -> str:
    """The first of the column's sources that is not empty."""
    seen = [
        f"v{cells.index((source, column.type))}"
        for source in column.sources
        if (source, column.type) in cells
    ]
    return f"coalesce({', '.join([*seen, f'cast(null as {STORED[column.type]})'])})"


def _refuse_twice(
    connection: duckdb.DuckDBPyConnection, table: str, keys: Sequence[str], sheet: Sheet, column: str
) -> None:
    key = ", ".join(map(_name, keys))
    twice = connection.execute(
        f"select max(row) from {table} group by {key} having count(*) > 1 order by max(row) limit 1"
    ).fetchone()
    if twice is not None:
        raise sheet.refused(twice[0], column, "which an earlier row has already")


def _join(
    connection: duckdb.DuckDBPyConnection, scoring: Scoring, has_accounts: bool, as_of: datetime
) -> None:
    names = [_name(name) for name in _attributes(scoring)]
    values = [f"coalesce(leads.{n}, accounts.{n}) as {n}" if has_accounts else f"leads.{n}" for n in names]
    said = ['accounts."own account_id"'] if has_accounts else []
    company = ", ".join([*said, 'leads."own account_id"', _domain(scoring)])
    columns = [
        "leads.lead_id", f"{_moment(as_of)} as as_of", 'leads."own kind" as kind', 'leads."own source" as source',
        f"coalesce({company}) as account_id", "true as own",
        *(f"cast(null as {type_}) as {name}" for name, type_ in MEMORY.items() if name != "own"), *values,
    ]  # fmt: skip
    source = f"leads{_ACCOUNT}" if has_accounts else "leads"
    connection.execute(f"create view profiles as select {', '.join(columns)} from {source}")


def _domain(scoring: Scoring) -> str:
    """Whom a lead without account belongs to: the people of its domain, unless anyone may have a mail address there."""
    domain = 'lower(leads."own domain")'
    if scoring.attributes.get("free_mail") is not Type.BOOLEAN:
        return domain
    return f"case when leads.free_mail is distinct from true then {domain} end"


_ACCOUNT = """
 left join (
   select lower("own domain") as domain, min("own account_id") as account_id from accounts
   where "own domain" is not null group by 1 having count(*) = 1
 ) as sole on sole.domain = lower(leads."own domain")
 left join accounts on accounts."own account_id" = coalesce(leads."own account_id", sole.account_id)
"""


def _attributes(scoring: Scoring) -> Mapping[str, Type]:
    built_in = {"lead_id", "as_of", "kind", "source", "account_id", *MEMORY}
    return {name: type_ for name, type_ in scoring.attributes.items() if name not in built_in}


def _moment(moment: datetime) -> str:
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return f"cast('{utc.isoformat()}' as timestamptz)"


def _name(name: str) -> str:
    return quoted(name, Dialect.DUCKDB)


def _text(text: str) -> str:
    return text_literal(text, Dialect.DUCKDB)
