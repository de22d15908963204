"""What an administrator makes by hand, in a system whose interface makes no fields: each field and of which kind."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_MOMENTS: Final = frozenset({"sla_due", "stage_since", "outcome_at"})


@dataclass(frozen=True)
class Kinds:
    """What a system calls the kinds of fields that are needed."""

    number: str
    words: str
    """for sentences: why somebody got a lead"""
    moment: str
    text: str

    def of(self, ours: str) -> str:
        """The kind that keeps what we call so."""
        if ours in _MOMENTS:
            return self.moment
        return {"score": self.number, "because": self.words}.get(ours, self.text)


def steps(where: str, kinds: Kinds, called: Mapping[str, str], missing: Collection[str]) -> Iterator[str]:
    """Sentences for whoever may make fields; none where none is missing. `called`: our name -> the system's."""
    if missing:
        yield f"{where}:"
        yield from (f"  {theirs}: {kinds.of(ours)}" for ours, theirs in called.items() if theirs in missing)
