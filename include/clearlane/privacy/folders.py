"""Reports and Data Docs on disk: a person's values are written over in every file of the folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from clearlane.privacy import wording


def rewrite(places: Sequence[Path], values: Sequence[str]) -> int:
    """Write a word without meaning over each value, in files of text; how many files were changed.

    What is no UTF-8 text, or bears a value in its name, is deleted: a picture of a person cannot be half erased.
    """
    files = [path for place in places for path in sorted(place.rglob("*")) if path.is_file()]
    return sum(_rewritten(path, values) for path in files)


def _rewritten(path: Path, values: Sequence[str]) -> bool:
    content = path.read_bytes()
    shown = content.decode(errors="replace")
    said = wording.said_in(f"{path.name}\n{shown}", values)
    wanted = re.compile(wording.pattern(said), re.IGNORECASE)
    if not said or not (wanted.search(shown) or wanted.search(path.name)):
        return False
    if shown.encode() != content or wanted.search(path.name):
        path.unlink()
        return True
    path.write_bytes(wanted.sub("erased", shown).encode())
    return True
