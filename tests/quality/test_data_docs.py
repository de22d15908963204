"""Data Docs go by their age, and nothing else goes."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clearlane.ledger import ids
from clearlane.quality.data_docs import prune

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


def test_pages_go_when_they_are_older_than_is_kept(tmp_path: Path) -> None:
    old, again = docs(tmp_path, run(1), 30.1), docs(tmp_path, f"{run(1)}-2", 31)
    young = docs(tmp_path, run(2), 29.9)
    assert prune(tmp_path, 30, AS_OF) == 2
    assert (old.exists(), again.exists(), young.exists()) == (False, False, True)
    assert prune(tmp_path, 30, AS_OF) == 0


def test_what_is_no_runs_folder_stays(tmp_path: Path) -> None:
    other = docs(tmp_path, "reviews", 400)
    elsewhere = docs(tmp_path / "elsewhere", "pages", 400)
    link = tmp_path / run(1)
    link.symlink_to(elsewhere, target_is_directory=True)
    assert prune(tmp_path, 1, AS_OF) == 0
    assert [path.exists() for path in (other, link, elsewhere)] == [True] * 3


def test_a_folder_that_is_not_there_holds_none_and_no_days_are_refused(tmp_path: Path) -> None:
    assert prune(tmp_path / "none", 30, AS_OF) == 0
    with pytest.raises(ValueError, match="keep_days: found 0, allowed: 1 or more"):
        prune(tmp_path, 0, AS_OF)
