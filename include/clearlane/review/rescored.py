"""scoring.yaml with proposed changes made in its text, and what then differs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from clearlane.policy.document import read
from clearlane.policy.editing import Edits, Entry, Value, edited
from clearlane.policy.problems import Path
from clearlane.review.cases import Change

CONTEXT: Final = 2
"""lines around each difference"""


class NotARule(LookupError):
    """A change names a rule that the file does not hold, or a new one that it holds already."""


def scoring_text(text: str, changes: Iterable[Change]) -> str:
    """The text of scoring.yaml with the changes made: comments and order stay.

    Points of a rule that stays are written, and its cap in the same ratio, rounded to whole points and never less
    than the rule's own; a rule that is to have 0 points goes, a new one is put last in its group. The rules of
    variants stay as they are. Raises NotARule.
    """
    changes = tuple(changes)
    rules = _rules(text)
    _check_names(rules, changes)
    kept = [change for change in changes if change.after and not change.new]
    return edited(
        text,
        Edits(
            values={path: value for change in kept for path, value in _values(change, *rules[change.rule])},
            removed=frozenset(
                rules[change.rule][0] for change in changes if not change.after and not change.new
            ),
            added=_added(change for change in changes if change.after and change.new),
        ),
    )


def diff(old: str, new: str, name: str = "scoring.yaml") -> str:
    """A unified diff, as `git apply` reads it; empty where nothing differs, a new file where `old` is empty."""
    lines = difflib.unified_diff(
        old.splitlines(keepends=True),
        new.splitlines(keepends=True),
        f"a/{name}" if old else "/dev/null",
        f"b/{name}",
        n=CONTEXT,
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def points_of(text: str) -> Mapping[str, float]:
    """Rule -> its points, of the default model in the text of a scoring.yaml."""
    return {rule: float(written["points"]) for rule, (_, written) in _rules(text).items()}


def _rules(text: str) -> dict[str, tuple[Path, Mapping[str, Any]]]:
    """Rule id -> its path and content, of the default model."""
    groups: Mapping[str, Any] = read("scoring", text).at(("rules",))
    return {
        rule["id"]: (("rules", group, index), rule)
        for group, rules in groups.items()
        for index, rule in enumerate(rules or ())
    }


def _check_names(rules: Mapping[str, Any], changes: Iterable[Change]) -> None:
    for change in changes:
        if not change.new and change.rule not in rules:
            raise NotARule(f"scoring.yaml has no rule {change.rule} whose points could change")
        if change.new and change.rule in rules:
            raise NotARule(f"scoring.yaml has a rule {change.rule} already")


def _values(change: Change, path: Path, rule: Mapping[str, Any]) -> Iterator[tuple[Path, Value]]:
    if change.after != change.before:
        yield (*path, "points"), change.after
        yield from _caps(path, rule.get("cap"), change)
    if change.half_life_days is not None:
        yield (*path, "half_life"), f"{change.half_life_days:g} days"


def _caps(path: Path, cap: float | list[float] | None, change: Change) -> Iterator[tuple[Path, Value]]:
    """What a rule may give grows with what it gives; a list holds the least and the most.

    Of a rule that gave nothing the cap stays, and makes room where one time would be more.
    """
    ratio = change.after / change.before if change.before else 1.0
    if isinstance(cap, int | float):
        yield (*path, "cap"), max(round(cap * abs(ratio)), abs(change.after))
    elif cap:
        for index, bound in enumerate(cap):
            yield (*path, "cap", index), round(bound * abs(ratio))


def _added(changes: Iterable[Change]) -> Mapping[Path, list[Entry]]:
    added: dict[Path, list[Entry]] = {}
    for change in changes:
        entry: dict[str, Value] = {"id": change.rule, "because": change.reason}
        entry |= {"when": change.when} if change.when else {}
        entry |= {"activity": change.activity} if change.activity else {}
        entry |= {"points": change.after}
        entry |= _fading(change) if change.activity else {}
        added.setdefault(("rules", change.group), []).append(entry)
    return added


def _fading(change: Change) -> Mapping[str, Value]:
    """Of a new rule that counts an activity: it gives its points once, and they fade."""
    fades = {"half_life": f"{change.half_life_days:g} days"} if change.half_life_days else {}
    return {**fades, "cap": abs(change.after)}
