"""The section `review:` of scoring.yaml: what the weight review may propose about points, and how sure it must be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import Field

from clearlane.policy.document import Document
from clearlane.policy.model import ReviewTerms, Rule, Sign
from clearlane.policy.problems import Path, nearest, shown
from clearlane.policy.shapes import Shape


class ReviewShape(Shape):
    most_change: int = Field(default=5, ge=1)
    changes: int = Field(default=6, ge=0)
    budget: int = Field(default=20, ge=0)
    new_rules: int = Field(default=2, ge=0)
    level: float = Field(default=0.04, gt=0, le=0.2)
    least_positives: int = Field(default=60, ge=20)
    locked: list[str] = Field(default=[])
    keep: list[str] = Field(default=[])
    signs: dict[str, Sign] = Field(default={})
    bounds: dict[str, list[int]] = Field(default={})


def review_terms(document: Document, shape: ReviewShape, rules: Mapping[str, Rule]) -> ReviewTerms:
    """The section as it holds; names that are no rule, and limits that today's points break, are reported."""
    for path, name in _names(shape):
        if name not in rules:
            document.report(
                ("review", *path), f"the rule {name}", "a rule of this file", nearest(name, rules)
            )
    for name, sign in shape.signs.items():
        if name in rules and sign != "either" and _sign(rules[name].points) not in (sign, None):
            found = f"{sign}, where the rule has {rules[name].points:g} points"
            document.report(("review", "signs", name), found, "the sign that the rule has, or either")
    for name, written in shape.bounds.items():
        _check_bounds(document, ("review", "bounds", name), written, rules.get(name))
    return ReviewTerms(
        most_change=shape.most_change,
        changes=shape.changes,
        budget=shape.budget,
        new_rules=shape.new_rules,
        level=shape.level,
        least_positives=shape.least_positives,
        locked=frozenset(shape.locked),
        keep=frozenset(shape.keep),
        signs=dict(shape.signs),
        bounds={name: (pair[0], pair[-1]) for name, pair in shape.bounds.items() if pair},
    )


def _names(shape: ReviewShape) -> Iterator[tuple[Path, str]]:
    for section in ("locked", "keep"):
        yield from (((section, index), name) for index, name in enumerate(getattr(shape, section)))
    for section in ("signs", "bounds"):
        yield from (((section, name), name) for name in getattr(shape, section))


def _sign(points: float) -> Sign | None:
    return None if points == 0 else "plus" if points > 0 else "minus"


def _check_bounds(document: Document, path: Path, written: list[int], rule: Rule | None) -> None:
    if len(written) != 2 or written[0] > written[1]:
        document.report(path, shown(written), "the least and the most points, such as [20, 40]")
    elif rule and not written[0] <= rule.points <= written[1]:
        document.report(path, shown(written), f"bounds that hold today's points, {rule.points:g}")
