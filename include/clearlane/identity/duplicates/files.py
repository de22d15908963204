"""The same person twice in a list, without a ledger: file in, file out."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb
import pandas as pd

from clearlane import sheets
from clearlane.identity.duplicates import clusters
from clearlane.identity.duplicates.persons import NothingToCompare, ids
from clearlane.sheets import Unreadable

COLUMNS: Final = ("lead_id", "cluster_id")


def dedupe_files(leads: Path, out: Path) -> int:
    """Find the people of a file into `out`; the number of leads, one row each with COLUMNS, in the order given.

    CSV or Parquet by extension. Leads that are one person have the same `cluster_id`, the smallest of their ids.
    Without a column of ids they are numbered from 1. Raises sheets.Unreadable; `out` is written whole or not at all.
    """
    frame = _texts(leads)
    try:
        found = pd.DataFrame(
            {"lead_id": ids(frame), "cluster_id": clusters(frame).to_numpy()}, columns=list(COLUMNS)
        )
    except NothingToCompare as refusal:
        raise Unreadable(str(leads), str(refusal), line=1) from None
    sheets.write(found, out)
    return len(found)


def _texts(path: Path) -> pd.DataFrame:
    with duckdb.connect() as connection:
        sheet = sheets.of_file(connection, "leads", path)
        try:
            frame = connection.execute(f"select * from {sheet.relation}").df()
        except duckdb.Error as error:
            raise sheet.broken(error) from None
    return frame.set_axis(list(sheet.columns), axis=1)
