"""Rows that say any of many values: one pass over a table, however many values are looked for.

PostgreSQL builds a pattern's automaton anew for each text that it looks into, which costs more than the looking. So 64
pages are one text, and 8 pages, one page and its rows are looked at only where that says a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.privacy import wording

STEPS: Final = (64, 8, 1)
"""pages that are one text, and parts of them"""
LARGEST: Final = 4_000_000
"""bytes of a text, as stored, where a table keeps long values beside its pages"""


def tables(connection: Connection) -> Mapping[str, Sequence[str]]:
    """Table -> its columns that may hold words, as the database itself names them."""
    found = connection.execute(_COLUMNS).all()
    by_table = groupby(found, key=lambda row: str(row.table_name))
    return {table: [str(row.column_name) for row in rows] for table, rows in by_table}


def rows(
    connection: Connection, table: str, columns: Sequence[str], values: Iterable[str], where: str = "true"
) -> list[str]:
    """Where rows stand (`ctid`) that say a value, alone or inside another; it holds until they are written again."""
    asked = {"hints": wording.hints(values)}
    if not asked["hints"]:
        return []
    quote = connection.dialect.identifier_preparer.quote
    said, table = wording.together(map(quote, columns)), quote(table)
    pages, steps = _pages(connection, table)
    blocks: Sequence[int] = range(0, pages, steps[0])
    for size, smaller in zip(steps, (*steps[1:], 1), strict=True):
        saying = f"{_BLOCKS} where (select {among(said)} from {_part(table, size)} and ({where}))"
        hit = _ask(connection, saying, asked, blocks)
        blocks = [part for first in hit for part in range(first, first + size, smaller)]
    return _ask(connection, _ROWS.format(f"{_part(table, 1)} and ({where}) and {said} {SAYS}"), asked, blocks)


def _ask(
    connection: Connection, statement: str, asked: Mapping[str, object], blocks: Sequence[int]
) -> list[Any]:
    bound = {**asked, "blocks": list(blocks)}
    return list(connection.execute(sa.text(statement), bound).scalars()) if blocks else []


def among(said: str) -> str:
    """SQL, of all rows together: whether one of them says any of :hints."""
    return f"coalesce(string_agg({said}, chr(10)) {SAYS}, false)"


def _part(table: str, size: int) -> str:
    """Some pages of a table, named in a subquery by their first: so PostgreSQL reads no others."""
    return (
        f"{table} where ctid >= cast(format('(%s,0)', page) as tid)"
        f" and ctid < cast(format('(%s,0)', page + {size}) as tid)"
    )


def _pages(connection: Connection, table: str) -> tuple[int, Sequence[int]]:
    """How many pages a table has, and how many of them are looked at as one text, then as parts of it."""
    pages, size = connection.execute(_SIZE, {"table": table}).one()
    most = LARGEST * pages // max(size, 1)
    return pages, [step for step in STEPS if step <= most] or [1]


_BLOCKS: Final = "select page from unnest(cast(:blocks as bigint[])) as block (page)"
_ROWS: Final = """
select unnest(array(select cast(ctid as text) from {})) from unnest(cast(:blocks as bigint[])) as block (page)
"""
SAYS: Final = "~* any(cast(:hints as text[]))"
_SIZE: Final = sa.text("""
select pg_relation_size(cast(:table as regclass)) / cast(current_setting('block_size') as bigint),
       pg_table_size(cast(:table as regclass))
""")
_COLUMNS: Final = sa.text("""
select c.table_name, c.column_name
from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
where c.table_schema = current_schema() and t.table_type = 'BASE TABLE'
  and c.udt_name in ('text', 'varchar', 'bpchar', 'citext', 'json', 'jsonb', 'xml', '_text', '_varchar', 'bytea')
order by 1, 2
""")
