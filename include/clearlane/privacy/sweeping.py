"""A word without meaning is written wherever else a person's values stand, in any column of any table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from clearlane.ledger.models import metadata
from clearlane.privacy import wording
from clearlane.privacy.proof import STAFF
from clearlane.privacy.tombstones import Key, word_for

Words = Sequence[tuple[re.Pattern[str], str]]
"""what is looked for, and what is written instead"""


def sweep(
    connection: Connection, rows: Mapping[str, Sequence[str]], values: Sequence[str], key: Key
) -> dict[str, int]:
    """Write over the values in those rows (`ctid`) of each table; table -> rows that said one."""
    words = [
        (re.compile(wording.one_pattern(value), re.IGNORECASE), word_for(value, key)) for value in values
    ]
    counts = {
        table.name: _swept(connection, table, rows[table.name], words)
        for table in metadata.sorted_tables
        if rows.get(table.name) and table.name not in STAFF
    }
    if counts.get("inbox"):
        connection.execute(_REHASHED)
    return counts


def _swept(connection: Connection, table: sa.Table, rows: Sequence[str], words: Words) -> int:
    columns = [column for column in table.columns if _says(column.type)]
    texts = ", ".join(f'cast("{column.name}" as text) as "{column.name}"' for column in columns)
    asked = f'select cast(ctid as text) as row, {texts} from "{table.name}" where ctid = any(cast(:rows as tid[]))'
    found = [dict(row) for row in connection.execute(sa.text(asked), {"rows": list(rows)}).mappings()]
    changed = [new for row in found if (new := _worded(row, words)) != row]
    sets = ", ".join(f'"{column.name}" = {_typed(column)}' for column in columns)
    if changed:
        connection.execute(
            sa.text(f'update "{table.name}" set {sets} where ctid = cast(:row as tid)'), changed
        )
    return len(changed)


def _worded(row: dict[str, Any], words: Words) -> dict[str, Any]:
    """The row with words instead of values."""
    text = "\n".join(cell for cell in row.values() if cell)
    said = [(pattern, word) for pattern, word in words if pattern.search(text)]
    return {name: _over(cell, said) for name, cell in row.items()} if said else row


def _over(cell: str | None, said: Words) -> str | None:
    for pattern, word in said:
        cell = pattern.sub(word, cell) if cell else cell
    return cell


def _typed(column: sa.Column[Any]) -> str:
    kind = {JSONB: "jsonb", ARRAY: "text[]"}.get(type(column.type), "text")
    return f"cast(:{column.name} as {kind})"


def _says(kind: Any) -> bool:
    """Whether a column of this type may hold words."""
    of_texts = isinstance(kind, ARRAY) and isinstance(kind.item_type, sa.Text)
    return of_texts or isinstance(kind, sa.Text | JSONB)


# A record of another person that named this one says otherwise now, and so does its hash.
_REHASHED: Final = sa.text("""
update lead_revision r set content_hash = encode(sha256(convert_to(cast(i.record as text), 'UTF8')), 'hex')
from inbox i
where i.seq = r.seq and age(i.xmin) <= 0 and i.record is not null and cast(i.record as text) like '%erased-%'
  and r.content_hash <> encode(sha256(convert_to(cast(i.record as text), 'UTF8')), 'hex')
""")
