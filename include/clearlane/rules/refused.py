"""Why a condition is refused, in a sentence that its author understands."""

from __future__ import annotations

from collections.abc import Iterable

from rapidfuzz import fuzz, process

SHOWN = 60


class Refused(ValueError):
    """A condition outside the rule language.

    `reason` is a plain sentence; `position` the offset in the author's text, or None.
    """

    def __init__(self, reason: str, position: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position


def shown(text: str) -> str:
    """The text as a message may carry it: short, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"


def unknown(what: str, name: str, known: Iterable[str], position: int | None) -> Refused:
    """A refusal that names the nearest known name, or all of them when they are few."""
    names = sorted(known)
    found = process.extractOne(
        name.casefold()[:SHOWN],
        {n: n.casefold() for n in names},
        scorer=fuzz.ratio,
        score_cutoff=60,
    )
    if found:
        hint = f"; did you mean {found[2]}?"
    elif names and len(names) <= 12:
        hint = f"; known: {', '.join(names)}"
    else:
        hint = ""
    return Refused(f"unknown {what} {shown(name)}{hint}", position)
