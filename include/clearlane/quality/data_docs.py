"""The folders of Data Docs, one a run: old ones are removed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

_OF_A_RUN: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-[0-9]+)?")


def prune(folder: Path, keep_days: int, as_of: datetime) -> int:
    """Remove the Data Docs that were written more than `keep_days` days before `as_of`; how many runs' folders.

    Only what bears a batch id as its name is looked at, and links are left alone. A missing folder holds none.
    ValueError where not even a day is kept.
    """
    if keep_days < 1:
        raise ValueError(f"keep_days: found {keep_days}, allowed: 1 or more")
    old = [path for path in _folders(folder) if _written(path) < as_of - timedelta(days=keep_days)]
    for path in old:
        # Two prunings at once, or a page that a reader holds open: what is left goes next time.
        shutil.rmtree(path, ignore_errors=True)
    return sum(not path.exists() for path in old)


def _folders(folder: Path) -> Iterator[Path]:
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    return (
        path for path in inside if _OF_A_RUN.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
    )


def _written(path: Path) -> datetime:
    """When the oldest page of a folder was written: one that an erasure wrote over keeps it no longer."""
    pages = list(path.rglob("*.html")) or [path]
    return datetime.fromtimestamp(min(page.stat().st_mtime for page in pages), UTC)
