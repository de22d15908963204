"""Data Docs go by their age, and nothing else goes."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from clearlane.ledger import ids
from clearlane.quality.data_docs import old, remove

AS_OF = datetime(2026, 3, 2, tzinfo=UTC)


def docs(folder: Path, name: str, days: float) -> Path:
    """A run's pages, the oldest written so many days before AS_OF, and one that was written over just now."""
    for page, age in (("index.html", days), ("validations/late.html", 0)):
        path = folder / name / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("<p>pages</p>")
        moment = (AS_OF - timedelta(days=age)).timestamp()
        os.utime(path, (moment, moment))
    return folder / name


def run(number: int) -> str:
    return str(ids.batch_id("lead_flow", str(number)))


def before(days: int) -> datetime:
    return AS_OF - timedelta(days=days)


def test_pages_go_when_they_are_older_than_is_kept(tmp_path: Path) -> None:
    first, again = docs(tmp_path, run(1), 30.1), docs(tmp_path, f"{run(1)}-2", 31)
    young = docs(tmp_path, run(2), 29.9)
    assert remove(old(tmp_path, before(30))) == 2
    assert (first.exists(), again.exists(), young.exists()) == (False, False, True)
    assert remove(old(tmp_path, before(30))) == 0


def test_what_is_no_runs_folder_stays(tmp_path: Path) -> None:
    docs(tmp_path, "reviews", 400)
    elsewhere = docs(tmp_path / "elsewhere", "pages", 400)
    (tmp_path / run(1)).symlink_to(elsewhere, target_is_directory=True)
    assert old(tmp_path, before(1)) == []


def test_a_folder_that_is_not_there_holds_none(tmp_path: Path) -> None:
    assert old(tmp_path / "none", before(30)) == []
