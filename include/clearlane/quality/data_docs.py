"""The folders of Data Docs, one a run: old ones are removed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

_OF_A_RUN: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-[0-9]+)?")


def old(folder: Path, before: datetime) -> list[Path]:
    """The folders of runs whose pages were written before a moment (UTC); a missing folder holds none.

    Only what bears a batch id as its name is looked at, and links are left alone.
    """
    return [path for path in _folders(folder) if _written(path) < before]


def remove(folders: Iterable[Path]) -> int:
    """Remove folders; how many are gone."""
    gone = 0
    for path in folders:
        # Two prunings at once, or a page that a reader holds open: what is left goes next time.
        shutil.rmtree(path, ignore_errors=True)
        gone += not path.exists()
    return gone


def run_of(folder: Path) -> UUID:
    """The run whose pages a folder holds."""
    return UUID(folder.name[:36])


def _folders(folder: Path) -> Iterator[Path]:
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    return (
        path for path in inside if _OF_A_RUN.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
    )


def _written(path: Path) -> datetime:
    """When the oldest page of a folder was written: one that an erasure wrote over keeps it no longer."""
    pages = list(path.rglob("*.html")) or [path]
    return datetime.fromtimestamp(min(page.stat().st_mtime for page in pages), UTC)
