"""A scorecard learnt from a file as scoring.yaml: readable, valid for `policy check`, the same points in `score`."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import numpy as np

from clearlane.policy.columns import SCORING
from clearlane.review.learning.choosing import Learned
from clearlane.review.learning.columns import Table
from clearlane.review.learning.conditions import Both, Condition, OneOf
from clearlane.review.report.learnt import LearntRule

LONG: Final = 600
"""characters of a condition beyond which its values become a list"""
BANDS: Final = (("hot", 0.9), ("warm", 0.7), ("cool", 0.4))
"""share of the rows learnt from that are below"""


def ids(card: Learned) -> list[str]:
    """A short name for each rule, none twice."""
    names: list[str] = []
    for condition, _ in card.rules:
        plain = re.sub(r"[^a-z0-9]+", "_", condition.because.casefold())[:48].strip("_") or "rule"
        taken = sum(name == plain or re.fullmatch(rf"{plain}_\d+", name) is not None for name in names)
        names.append(plain if not taken else f"{plain}_{taken + 1}")
    return names


def scoring(
    card: Learned, table: Table, shown: Sequence[LearntRule], protected: Collection[str], target: str
) -> str:
    """The whole file; `shown` are the rules with their figures, in the order of the card."""
    lists = dict(_lists(card))
    lines = [
        f"# Points learnt for {_one_line(target)}. A row's score is the sum of the points of all rules that hold.",
        f"# Chance of {_one_line(target)} = 1 / (1 + exp(-({card.intercept:.6f} + {card.scale:.6f} * score)))",
        "schema: 1",
        "owner: revenue-operations",
        "approver: head-of-marketing",
        "model: learnt",
        "",
        *_attributes(card, table),
        f"protected: {_sequence(sorted(protected))}",
        *(["lists:"] if lists else []),
        *(f"  {name}: {_sequence(values)}" for name, values in lists.items()),
        "",
        "range: [0, 100]",
        "groups:   # as wide as all their points together: nothing is cut off",
        *_groups(card),
        "",
        "rules:",
        *_rules(card, shown, lists),
        "",
        "bands:",
        *_bands(card, table),
    ]
    return "\n".join(lines) + "\n"


def _attributes(card: Learned, table: Table) -> Iterator[str]:
    used = sorted({name for condition, _ in card.rules for name in condition.columns} - set(SCORING))
    yield "attributes:" if used else "attributes: {}"
    for name in used:
        kind = "text" if table.columns[name].numbers is None else "number"
        yield f"  {_text(name)}: {kind}"


def _groups(card: Learned) -> Iterator[str]:
    high = card.base + sum(points for _, points in card.rules if points > 0)
    low = sum(points for _, points in card.rules if points < 0)
    yield f"  fit: [0, {high}]"
    yield "  engagement: [0, 0]"
    yield f"  negative: [{low}, 0]"


def _rules(card: Learned, shown: Sequence[LearntRule], lists: dict[str, list[str]]) -> Iterator[str]:
    every = list(zip(card.rules, shown, strict=True))
    yield "  fit:"
    yield from _rule(
        "base", "Every row starts with this, so that scores stay above 0", "true", card.base, None
    )
    for (condition, points), told in every:
        if points > 0:
            yield from _rule(told.rule, told.because, _when(condition, told.rule, lists), points, told)
    negative = [(rule, told) for rule, told in every if rule[1] < 0]
    yield "  negative:" if negative else "  negative: []"
    for (condition, points), told in negative:
        yield from _rule(told.rule, told.because, _when(condition, told.rule, lists), points, told)


def _rule(name: str, because: str, when: str, points: int, told: LearntRule | None) -> Iterator[str]:
    rates = (
        f"   # {told.rows:,} rows, {told.rate_with.value:.1%} with it, {told.rate_without.value:.1%} without"
        if told
        else ""
    )
    yield f"    - id: {_text(name)}"
    yield f"      because: {_text(because)}"
    yield f"      when: {_text(when)}"
    yield f"      points: {points}{rates}"


def _lists(card: Learned) -> Iterator[tuple[str, list[str]]]:
    for name, (condition, _) in zip(ids(card), card.rules, strict=True):
        for part, each in _long(condition):
            yield f"{name}_values{part}", list(each.named)


def _long(condition: Condition) -> Iterator[tuple[str, OneOf]]:
    parts = (condition.one, condition.other) if isinstance(condition, Both) else (condition,)
    for place, each in enumerate(parts):
        if isinstance(each, OneOf) and len(each.when) > LONG:
            yield "" if len(parts) == 1 else f"_{place + 1}", each


def _when(condition: Condition, name: str, lists: dict[str, list[str]]) -> str:
    named = {
        each: f"{name}_values{part}" for part, each in _long(condition) if f"{name}_values{part}" in lists
    }
    return condition.with_lists(named)


def _bands(card: Learned, table: Table) -> Iterator[str]:
    """Bands by shares of the rows, at scores that differ."""
    scores = card.scores(table)
    above = 101
    for name, share in BANDS:
        enter = min(int(np.quantile(scores, share, method="higher")), above - 1)
        if enter <= 1:
            break
        yield f"  - {{name: {name}, enter: {enter}}}"
        above = enter
    yield "  - {name: cold, enter: 0}"


def _sequence(values: Collection[str]) -> str:
    return f"[{', '.join(map(_text, values))}]"


def _text(value: str) -> str:
    return (
        json.dumps(value, ensure_ascii=False)
        .replace("\x7f", "\\x7f")
        .replace("\x85", "\\x85")
        .replace("\u2028", "\\u2028")
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
