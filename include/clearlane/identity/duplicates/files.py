"""The same person twice in a list, without a ledger: file in, file out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import pandas as pd

from clearlane import sheets
from clearlane.identity.duplicates import clusters
from clearlane.identity.duplicates.persons import IDS, NothingToCompare, id_column, ids
from clearlane.sheets import Unreadable

COLUMNS: Final = ("lead_id", "cluster_id")
_ROUNDED: Final = r"[0-9](?:[.,][0-9]+)?[eE]\+[0-9]{2,3}"


@dataclass(frozen=True)
class Deduped:
    """So many leads are so many people; `twice`: ids that more than one row has; `numbered`: no column has ids."""

    leads: int
    people: int
    twice: int
    numbered: bool


def dedupe_files(leads: Path, out: Path) -> Deduped:
    """Find the people of a file into `out`: one row a lead with COLUMNS, in the order given.

    CSV or Parquet by extension. Leads that are one person have the same `cluster_id`, the smallest of their ids.
    Without a column of ids they are numbered from 1. Raises sheets.Unreadable; `out` is written whole or not at all.
    """
    frame = _texts(leads)
    named = pd.Series(ids(frame), dtype=object)
    _refuse_rounded(leads, named)
    try:
        found = pd.DataFrame(
            {"lead_id": named, "cluster_id": clusters(frame).to_numpy()}, columns=list(COLUMNS)
        )
    except NothingToCompare as refusal:
        raise Unreadable(str(leads), str(refusal), line=1) from None
    sheets.write(found, out)
    twice = int(named[named.duplicated()].nunique())
    return Deduped(len(found), int(found["cluster_id"].nunique()), twice, id_column(frame) is None)


def lines(done: Deduped, out: Path) -> Iterator[str]:
    """What was found, as a person reads it."""
    yield f"{done.leads:,} leads are {done.people:,} people, written: {out}"
    if done.numbered:
        yield f"no column is an id ({', '.join(IDS)}): the rows are numbered from 1"
    if done.twice:
        yield f"note: {done.twice:,} ids stand in more than one row"


def _refuse_rounded(path: Path, named: pd.Series) -> None:
    """Ids that a spreadsheet wrote as 1.23E+17 tell nobody from anybody."""
    rounded = named[named.str.fullmatch(_ROUNDED).astype(bool)] if len(named) else named
    if len(rounded):
        said = f"found '{rounded.iloc[0]}': a spreadsheet has rounded the ids; export them as text"
        raise Unreadable(str(path), said, column="lead_id")


def _texts(path: Path) -> pd.DataFrame:
    with duckdb.connect() as connection:
        sheet = sheets.of_file(connection, "leads", path)
        try:
            frame = connection.execute(f"select * from {sheet.relation}").df()
        except duckdb.Error as error:
            raise sheet.broken(error) from None
    return frame.set_axis(list(sheet.columns), axis=1)
