"""Predicates of a policy file: parsed once, refused with the place where they stand.

A protected column may be declared but never used: deciding by age, sex and the like is refused in
every condition, so that it cannot enter a score, a route or what is learned from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from clearlane import rules
from clearlane.policy.document import Document
from clearlane.policy.problems import Path
from clearlane.rules import Predicate, Type

Lists = Mapping[str, tuple[str, ...]]
NEVER = rules.parse("false", {}, {})


@dataclass(frozen=True)
class Vocabulary:
    """What conditions may name: declared attributes, protected columns, lists."""

    attributes: Mapping[str, Type] = field(default_factory=dict)
    protected: frozenset[str] = frozenset()
    lists: Lists = field(default_factory=dict)

    def with_lists(self, lists: Lists) -> Vocabulary:
        return Vocabulary(self.attributes, self.protected, {**self.lists, **lists})

    def with_attributes(self, attributes: Mapping[str, Type]) -> Vocabulary:
        return Vocabulary(attributes, self.protected, self.lists)


def predicate(
    document: Document, path: Path, text: str, vocabulary: Vocabulary, builtin: Mapping[str, Type]
) -> Predicate:
    """The parsed condition; where it is refused the reason is reported and `NEVER` stands in."""
    protected = dict.fromkeys(vocabulary.protected, Type.TEXT)
    columns = {**protected, **vocabulary.attributes, **builtin}
    try:
        parsed = rules.parse(text, columns, vocabulary.lists)
    except rules.Refused as refused:
        at = "" if refused.position is None else f" (at character {refused.position + 1})"
        document.report(path, f"a condition that is refused{at}", refused.reason)
        return NEVER
    for name in sorted(parsed.columns & vocabulary.protected):
        why = "protected columns may not decide over people: not in scoring, routing or learning"
        document.report(path, f"the protected column {name}", why)
    return parsed


def unique(document: Document, path: Path, names: Iterable[str], what: str) -> None:
    """Report every name of a list that was given before; path is the list's, items carry `what`."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            document.report((*path, index, what), f"{name} a second time", f"each {what} once")
        seen.add(name)
