"""Tables and selects of any database SQLAlchemy speaks to, read by a server-side cursor in chunks.

The interval narrows the query where the cursor column holds moments; a select may instead name `:start` and
`:end` itself. Assignments go back into the table that `push` names, by `external_id`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from clearlane.connectors.address import resolved
from clearlane.connectors.protocol import (
    CHUNK,
    Chunk,
    Interval,
    Raw,
    Receipt,
    Secrets,
    SourceFailed,
    Write,
)
from clearlane.connectors.values import plain
from clearlane.policy.model import ObjectMapping, Source

_EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)  # what every database can hold
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
_CLOCK_CHANGE: Final = timedelta(hours=3)
"""how far a local time may be off around a change of clocks; what is read too much is sifted later"""

_LIBPQ: Final = {"connect_timeout": 10, "options": "-c statement_timeout=600000 -c TimeZone=UTC"}
_MYSQL: Final = {"connect_timeout": 10, "read_timeout": 600}
_TIMEOUTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "psycopg": _LIBPQ,
    "psycopg2": _LIBPQ,
    "pymysql": _MYSQL,
    "mysqldb": _MYSQL,
    "pyodbc": {"timeout": 10},
    "pysqlite": {"timeout": 10},
}
"""as each driver spells them: ten seconds to connect, ten minutes for an answer; the address may say otherwise"""

_BOUND: Final = re.compile(r"(?<![:\w\\]):(start|end)\b")


class Sql:
    """The tables of one source; its address holds the credentials, so no message shows it."""

    def __init__(self, source: Source, secrets: Secrets) -> None:
        self._source = source
        self._engine = _engine(source, resolved(source, secrets))

    def read(self, object: ObjectMapping, interval: Interval) -> Iterator[Chunk]:
        """The rows of the interval; a cursor column of another type than time is read whole."""
        try:
            with self._engine.connect() as connection:
                rows = connection.execution_options(stream_results=True, yield_per=CHUNK).execute(
                    _query(connection, object, interval)
                )
                for part in rows.mappings().partitions():
                    yield Chunk([Raw({name: plain(value) for name, value in row.items()}) for row in part])
        except SQLAlchemyError as error:
            raise self._failed(object.object, error) from None
        finally:
            self._engine.dispose()

    def write(self, writes: Sequence[Write]) -> Sequence[Receipt]:
        """All writes in one transaction: each row of the `push` table updated, or inserted where missing."""
        if self._source.push is None:
            raise SourceFailed(f"source {self._source.name}: sources.yaml names no table under `push`")
        try:
            with self._engine.begin() as connection:
                table = _table(connection, self._source.push)
                return [_written(connection, table, write) for write in writes]
        except SQLAlchemyError as error:
            raise self._failed(self._source.push, error) from None
        finally:
            self._engine.dispose()

    def current(self, writes: Sequence[Write]) -> Mapping[str, Mapping[str, Any]]:
        """What the rows of the `push` table hold now, in the columns that the writes would set."""
        if self._source.push is None:
            return {}
        try:
            with self._engine.connect() as connection:
                table = _table(connection, self._source.push)
                return _held(connection, table, writes) if "external_id" in table.columns else {}
        except SQLAlchemyError as error:
            raise self._failed(self._source.push, error) from None
        finally:
            self._engine.dispose()

    def _failed(self, what: str, error: SQLAlchemyError) -> SourceFailed:
        """What the driver said, without the statement, its parameters and the credentials."""
        said = str(getattr(error, "orig", None) or error).split("\n")[0]
        for secret in _secrets_of(self._engine):
            said = said.replace(secret, "***")
        return SourceFailed(f"source {self._source.name}: {what} failed ({said})")


def _engine(source: Source, address: str) -> Engine:
    try:
        url = sa.make_url(address)
        timeouts = _TIMEOUTS.get(url.get_driver_name(), {})
        ours = {name: value for name, value in timeouts.items() if name not in url.query}
        return sa.create_engine(url, connect_args=ours, poolclass=sa.NullPool, hide_parameters=True)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        kind = type(error).__name__
    raise SourceFailed(f"source {source.name}: its address is not understood ({kind})")


def _secrets_of(engine: Engine) -> list[str]:
    """The address, the password and what else the address says, the longest first."""
    url = engine.url
    said = (url.render_as_string(hide_password=False), url.password, *url.query.values())
    return sorted((str(secret) for secret in said if secret and len(str(secret)) > 3), key=len, reverse=True)


# --- what to ask ----------------------------------------------------------------------------------


def _query(connection: Connection, mapping: ObjectMapping, interval: Interval) -> sa.Executable:
    if not _is_select(mapping.read):
        return _narrowed(connection, sa.select(_table(connection, mapping.read)), mapping, interval)
    named = set(_BOUND.findall(mapping.read))
    bounds = {"start": interval.start or _EARLIEST, "end": interval.end or _LATEST}
    return sa.text(mapping.read).bindparams(**{name: bounds[name] for name in named})


def _is_select(read: str) -> bool:
    return read.lstrip().lower().startswith(("select ", "select\n", "with "))


def _table(connection: Connection, name: str) -> sa.Table:
    schema, _, table = name.rpartition(".")
    return sa.Table(table, sa.MetaData(), schema=schema or None, autoload_with=connection)


def _narrowed(
    connection: Connection, query: sa.Select[Any], mapping: ObjectMapping, interval: Interval
) -> sa.Select[Any]:
    cursor = mapping.cursor and mapping.fields.get(mapping.cursor, mapping.cursor)
    column = query.selected_columns.get(cursor) if cursor else None
    if column is None:
        return query
    sample = connection.execute(sa.select(column).where(column.is_not(None)).limit(1)).scalar()
    after = interval.start and _like(sample, interval.start, mapping.zone, -_CLOCK_CHANGE)
    before = interval.end and _like(sample, interval.end, mapping.zone, _CLOCK_CHANGE)
    inside = [*([column >= after] if after else []), *([column <= before] if before else [])]
    return query.where(sa.or_(column.is_(None), sa.and_(*inside))) if inside else query


def _like(sample: Any, moment: datetime, zone: str, margin: timedelta) -> date | None:
    """The moment as the column keeps its own; None where the column keeps no moments."""
    if isinstance(sample, datetime) and sample.tzinfo:
        return moment
    local = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    if isinstance(sample, datetime):
        return local + margin
    return local.date() if isinstance(sample, date) else None


# --- what to write --------------------------------------------------------------------------------


def _written(connection: Connection, table: sa.Table, write: Write) -> Receipt:
    values = {"object": write.object, "idempotency_key": write.idempotency_key} | dict(write.fields)
    unknown = sorted(set(write.fields) - set(table.columns.keys()))
    if unknown or "external_id" not in table.columns:
        missing = ", ".join(unknown or ["external_id"])
        return Receipt(write.idempotency_key, "refused", f"{table.name} has no column {missing}")
    kept = {name: value for name, value in values.items() if name in table.columns}
    one = sa.and_(table.c.external_id == write.external_id, *_unchanged(table, write))
    if connection.execute(sa.update(table).where(one).values(kept)).rowcount == 0:
        if write.seen is not None:
            return Receipt(write.idempotency_key, "changed", "its owner was changed meanwhile")
        connection.execute(sa.insert(table).values(kept | {"external_id": write.external_id}))
    return Receipt(write.idempotency_key, "sent")


def _unchanged(table: sa.Table, write: Write) -> Iterator[sa.ColumnElement[bool]]:
    """That the owner is still the one the write has seen, where it has."""
    if write.seen is not None and "owner" in write.seen and "owner" in write.fields:
        yield table.c.owner.is_not_distinct_from(write.seen["owner"])


def _held(connection: Connection, table: sa.Table, writes: Sequence[Write]) -> dict[str, dict[str, Any]]:
    names = sorted({name for write in writes for name in write.fields} & set(table.columns.keys()))
    asked = [write.external_id for write in writes]
    wanted = sa.select(table.c.external_id, *(table.c[name] for name in names))
    rows = connection.execute(wanted.where(table.c.external_id.in_(asked))).mappings()
    return {str(row["external_id"]): {name: plain(row[name]) for name in names} for row in rows}
