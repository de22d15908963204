"""A list of addresses and domains that nobody may contact, from a file into `suppression`.

Profiles say so from the next run on, and rules stop what follows; an address on it twice keeps the stricter scope.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb
import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.identity import normalise
from clearlane.ledger import stage_rows
from clearlane.ledger.models import suppression
from clearlane.privacy.tombstones import Key, stands_any
from clearlane.sheets import Sheet, Unreadable, of_file

SCOPES: Final = ("contact", "marketing")
_COLUMNS: Final = ("email", "domain", "scope")


@dataclass(frozen=True)
class Imported:
    """Rows read, those new or made stricter, and those of the erased, whose tombstone is enough."""

    read: int
    changed: int
    erased: int


def load(
    connection: Connection, path: Path, *, because: str, at: datetime, keys: Sequence[Key] = ()
) -> Imported:
    """Add the file's addresses: column `email` or `domain`, and `scope` (contact, which is the default, or marketing).

    All or nothing: Unreadable names the file, line and column of the first value that is none of these.
    """
    with duckdb.connect() as desk:
        sheet = of_file(desk, path.name, path)
        _refuse_columns(sheet)
        entries = dict(_entries(sheet, _frame(desk, sheet)))
    erased = stands_any(connection, keys, [("email", value) for kind, value in entries if kind == "email"])
    rows = [
        (kind, value, scope, at, because)
        for (kind, value), scope in sorted(entries.items())
        if (kind, value) not in erased
    ]
    names = ["kind", "value", "scope", "since", "because"]
    stage_rows(connection, "suppressing", suppression, names, rows)
    return Imported(len(entries), connection.execute(_ADD).rowcount, len(erased))


def _refuse_columns(sheet: Sheet) -> None:
    if not {"email", "domain"} & set(sheet.columns):
        raise Unreadable(
            sheet.name, f"found columns {', '.join(sheet.columns)}, allowed: email, domain, scope", line=1
        )


def _frame(desk: duckdb.DuckDBPyConnection, sheet: Sheet) -> pd.DataFrame:
    chosen = [name for name in _COLUMNS if name in sheet.columns]
    listed = ", ".join(f"nullif(trim({sheet.raw(name)}), '') as {name}" for name in chosen)
    found = desk.execute(f"select {listed} from {sheet.relation}").df()
    return found.reindex(columns=list(_COLUMNS)).astype(object).where(lambda cell: cell.notna(), None)


def _entries(sheet: Sheet, frame: pd.DataFrame) -> Iterator[tuple[tuple[str, str], str]]:
    """((kind, value), scope), the strictest last."""
    forms = {
        "email": normalise.emails(frame["email"].dropna().unique()),
        "domain": normalise.domains(frame["domain"].dropna().unique()),
    }
    found = []
    for row, (email, domain, scope) in enumerate(frame.itertuples(index=False, name=None), start=1):
        if scope is not None and scope not in SCOPES:
            raise sheet.refused(row, "scope", f"allowed: {', '.join(SCOPES)}")
        for kind, value in (("email", email), ("domain", domain)):
            if value is not None and value not in forms[kind]:
                raise sheet.refused(row, kind, f"which is no {'address' if kind == 'email' else kind}")
            if value is not None:
                found.append(((kind, forms[kind][value]), scope or "contact"))
    yield from sorted(found, key=lambda entry: entry[1] == "contact")


_ADD: Final = sa.text("""
insert into suppression (kind, value, scope, since, because)
select kind, value, scope, since, because from suppressing
on conflict (kind, value) do update set scope = excluded.scope, since = excluded.since, because = excluded.because
where suppression.scope = 'marketing' and excluded.scope = 'contact'
""")
