"""What is wrong with a policy, said so that its author can mend it: every error at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rapidfuzz import fuzz, process

Path = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Problem:
    """One finding: where it is, what was found there, and what is allowed instead."""

    file: str
    line: int
    path: str
    found: str
    allowed: str
    nearest: str | None = None

    def __str__(self) -> str:
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"{self.file}:{self.line}: {self.path}: found {self.found}; {self.allowed}{hint}"


class PolicyErrors(ValueError):
    """All errors of a policy, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.errors = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.errors)))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, if any is alike enough to be meant."""
    best = process.extractOne(name, sorted(known), scorer=fuzz.ratio, score_cutoff=60)
    return best[0] if best else None


def dotted(path: Path) -> str:
    """`("rules", "fit", 2)` as `rules.fit[2]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the file"


def shown(value: object) -> str:
    """A value as its author would recognise it, at most 60 characters."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
