"""A what-if as Markdown for a comment on a pull request: short, with the details folded away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from clearlane.review.figures import Change, Judgement, Mover, Moves
from clearlane.review.whatif import WhatIf, unchanged
from clearlane.review.words import amount, by_rules, figure, headline, notes, percent, signed, title

NAMED = 10
"""leads named in the comment"""
_PLAIN_NAMES = {"exceptions": "exceptions", "cap_hits": "over a cap", "late": "expected late"}
NOTHING = "Nothing changes: the policy files are the same."


def comment(told: WhatIf, company: str) -> str:
    """The whole comment; `company` says whose leads were played, as in `the generated company`."""
    return "\n".join(_lines(told, company)) + "\n"


def _lines(told: WhatIf, company: str) -> Iterator[str]:
    yield f"### {_plain(title(told))}"
    files = ", ".join(f"`{file}.yaml`" for file in (*told.files, *told.not_played)) or "no file"
    yield f"\nPlayed on {company}; {files} differ{'s' * (len((*told.files, *told.not_played)) < 2)}.\n"
    yield from (f"- {_plain(line)}" for line in headline(told))
    if not unchanged(told):
        yield from _changed(told)
    yield from _folded("How to read this", (f"- {_plain(note)}" for note in notes(told)))


def _changed(told: WhatIf) -> Iterator[str]:
    found = told.figures
    for name, moves in (("band", found.bands), ("stage", found.stages)):
        if moves.moved:
            yield from _table((f"{name}: from ↓ to →", *moves.names), _matrix(moves))
    loads = [Change(load.name, load.leads.old, load.leads.new) for load in found.teams]
    yield from _differing("place", found.places)
    yield from _differing("team or queue", loads)
    for what, count in (("exceptions", "leads"), ("cap_hits", "times"), ("late", "leads")):
        changes = [replace(getattr(load, what), name=load.name) for load in found.teams]
        yield from _differing(f"{_PLAIN_NAMES[what]}, by team", changes, count)
    judged = [one for one in found.judgements if one.had_it]
    heads = ("picked as", "who became", "picked", "right", "found", "lift")
    yield from _folded("Against outcomes", _table(heads, map(_judged, judged)))
    movers = found.movers[:NAMED]
    heads = ("lead", "score", "band", "stage", "owner", "because of")
    yield from _folded("The leads that move most", _table(heads, map(_mover, movers)))


def _matrix(moves: Moves) -> Iterator[Sequence[str]]:
    for name, cells in zip(moves.names, moves.cells, strict=True):
        bold = (
            f"**{n:,}**" if n and other != name else f"{n:,}"
            for other, n in zip(moves.names, cells, strict=True)
        )
        yield (name, *bold)


def _differing(name: str, changes: Iterable[Change], what: str = "leads") -> Iterator[str]:
    rows = [
        (change.name, amount(change.old), amount(change.new), signed((change.new or 0) - (change.old or 0)))
        for change in changes
        if change.old != change.new
    ]
    if rows:
        yield from _table((name, what, "would be", "change"), rows)


def _judged(judged: Judgement) -> Sequence[str]:
    old, new = judged.old, judged.new
    return (
        judged.call,
        judged.outcome,
        _arrow(amount(old.picked), amount(new.picked)),
        _arrow(percent(old.precision), percent(new.precision)),
        _arrow(percent(old.recall), percent(new.recall)),
        _arrow(figure(old.lift, "×"), figure(new.lift, "×")),
    )


def _mover(mover: Mover) -> Sequence[str]:
    parts = ("score", "band", "stage", "owner")
    pairs = (_arrow(str(getattr(mover.old, part)), str(getattr(mover.new, part))) for part in parts)
    return (f"`{mover.lead}`", *pairs, by_rules(mover))


def _arrow(old: str, new: str) -> str:
    return old if old == new else f"{old} → {new}"


def _folded(name: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"\n<details><summary>{name}</summary>\n"
    yield from lines
    yield "\n</details>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield ""
    yield _row(heads)
    yield _row(["---", *["---:"] * (len(heads) - 1)])
    yield from (_row([_plain(cell) for cell in row]) for row in rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Nothing of it is a table's end or a tag."""
    return text.replace("|", "\\|").replace("<", "&lt;")
