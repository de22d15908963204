"""What the command line says of an erasure, a search and of what was pruned: tables and numbers, never the person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from clearlane.privacy.erasing import Erased
from clearlane.privacy.proof import Searched
from clearlane.privacy.tombstones import CONNECTION, Key

NO_FOLDER: Final = (
    "no folder of Data Docs and reports was searched: name it by --folder or CLEARLANE_DATA_DOCS"
)
"""what is said where none is known"""


def erased(done: Erased, key: Key, *, dry_run: bool) -> Iterator[str]:
    """What went, what is to be done by hand, and the proof."""
    yield "would go:" if dry_run else "erased:"
    yield from (f"  {count} in {table}" for table, count in done.counts.items())
    yield f"  {done.tombstones} new tombstones keep the records away when their source sends them again"
    if key.kept:
        yield f"  hashed with a secret that the ledger keeps: a password in the connection {CONNECTION} hides more"
    if done.shared:
        yield f"  {done.shared} phones or names that others have too were not searched for"
    if done.records:
        yield "delete by hand in the source itself, which Clearlane never deletes in:"
        yield from (f"  {record}" for record in done.records)
    yield from search(done.searched)
    if dry_run:
        yield "a dry run: nothing was changed"


def search(searched: Searched) -> Iterator[str]:
    """Where something is left, and how much was searched."""
    for one in searched.found:
        whose = " (the company's own people and rules: change them there)" if one.staff else ""
        yield f"  {one.count} in {one.where}{whose}"
    yield f"{searched.left} found in {searched.columns} columns and {searched.files} files"


def pruned(counts: Mapping[str, int], *, dry_run: bool) -> Iterator[str]:
    """How many of each kind went, or would go."""
    gone = {name: count for name, count in counts.items() if count}
    yield from (f"{count:>9} {name}" for name, count in gone.items())
    if not gone:
        yield "nothing is older than the policy keeps it"
    if dry_run:
        yield "a dry run: nothing was changed"
