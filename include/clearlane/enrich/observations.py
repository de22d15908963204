"""Asks the providers about the revisions of the batch's leads, once per revision, and keeps what they say.

A row is kept also where a provider knew nothing, so that it is not asked again. What a provider skips is asked
by a later run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.enrich.provider import CONFIDENCE, Provider, Skip
from clearlane.ledger import stage_rows
from clearlane.ledger.models import enrichment

CHUNK: Final = 10_000
_COLUMNS: Final = ("revision_id", "provider", "attributes", "confidence", "observed_at")

_UNSEEN: Final = """
insert into unseen
select r.revision_id
from work w join lead l on l.survivor_id = w.lead_id join lead_revision r on r.lead_id = l.lead_id
where w.batch_id = :batch_id
  and (select count(*) from enrichment e
       where e.revision_id = r.revision_id and e.provider = any(:providers) and e.turn = 1)
      < cardinality(cast(:providers as text[]))
"""

# Ordered by revision, as are the inserts, so that two runs wait for each other and never in a circle.
_NEXT: Final = """
select revision_id{texts}
from unseen join lead_revision r using (revision_id)
where revision_id > :after
order by revision_id limit {chunk}
"""

_KEEP: Final = """
insert into enrichment (revision_id, provider, attributes, confidence, observed_at)
select revision_id, provider, attributes, confidence, observed_at from observed
order by revision_id, provider
on conflict (revision_id, provider, turn) do nothing
"""


def observe(connection: Connection, batch_id: UUID, as_of: datetime, providers: Sequence[Provider]) -> int:
    """Rows of `enrichment` that are new. Passes on `Abort`."""
    count = 0
    for frame in _chunks(connection, batch_id, providers):
        rows = _rows(frame, as_of, providers)
        stage_rows(connection, "observed", enrichment, _COLUMNS, rows)
        count += connection.execute(sa.text(_KEEP)).rowcount
    return count


def _chunks(connection: Connection, batch_id: UUID, providers: Sequence[Provider]) -> Iterator[pd.DataFrame]:
    needed = sorted({attribute for provider in providers for attribute in provider.needs})
    texts = "".join(f", r.attributes ->> '{name}' as {name}" for name in needed)
    _list_unseen(connection, batch_id, providers)
    statement, after = sa.text(_NEXT.format(texts=texts, chunk=CHUNK)), -1
    while True:
        rows = connection.execute(statement, {"after": after})
        frame = pd.DataFrame(rows.fetchall(), columns=list(rows.keys()), dtype=object)
        if frame.empty:
            return
        yield frame
        after = int(frame["revision_id"].iloc[-1])


def _list_unseen(connection: Connection, batch_id: UUID, providers: Sequence[Provider]) -> None:
    names = [provider.name for provider in providers]
    connection.exec_driver_sql("drop table if exists pg_temp.unseen")
    connection.exec_driver_sql(
        "create temporary table unseen (revision_id bigint primary key) on commit drop"
    )
    connection.execute(sa.text(_UNSEEN), {"batch_id": batch_id, "providers": names})
    connection.exec_driver_sql("analyze unseen")


def _rows(frame: pd.DataFrame, as_of: datetime, providers: Sequence[Provider]) -> Iterator[tuple[Any, ...]]:
    known = frame.copy()
    for provider in providers:
        try:
            answer = answered(provider, known)
        except Skip:
            continue
        _fill(known, answer)
        sure = answer[CONFIDENCE] if CONFIDENCE in answer else pd.Series(1.0, index=answer.index)
        for revision, facts, confidence in zip(
            known["revision_id"].loc[answer.index],
            _as_json(answer, provider.provides),
            sure.fillna(1.0),
            strict=True,
        ):
            yield revision, provider.name, facts, float(confidence), as_of


def answered(provider: Provider, known: pd.DataFrame) -> pd.DataFrame:
    """What the provider says of the rows of a frame, asked once per distinct combination of its needs.

    Rows that it left out, for a later run, are not in the answer.
    """
    needs, columns = list(provider.needs), [*provider.provides, CONFIDENCE]
    group = known.groupby(needs, dropna=False, sort=False).ngroup()
    asked = known[needs].set_axis(group).loc[lambda rows: ~rows.index.duplicated()].dropna(how="all")
    said = provider.enrich(asked.where(asked.notna(), None)).reindex(columns=columns).astype(object)
    left = group.isin(asked.index.difference(said.index))
    return said.reindex(group).set_axis(known.index).loc[~left.to_numpy()]


def _fill(known: pd.DataFrame, answer: pd.DataFrame) -> None:
    """What this provider found is known to the next ones, where the record said nothing."""
    for name in answer.columns.intersection(known.columns):
        known[name] = known[name].where(known[name].notna(), answer[name])


def _as_json(answer: pd.DataFrame, provides: Sequence[str]) -> list[str]:
    rows = answer[list(provides)].to_dict("records")
    return [json.dumps({name: value for name, value in row.items() if pd.notna(value)}) for row in rows]
