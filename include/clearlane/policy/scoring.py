"""scoring.yaml: attributes, kinds, disqualifiers, rules by group, bands, grades, stages, expectations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Literal, cast

from pydantic import Field

from clearlane.policy import columns
from clearlane.policy.conditions import Vocabulary, predicate, unique
from clearlane.policy.document import Document
from clearlane.policy.model import (
    ActivityTerm,
    Band,
    Disqualifier,
    Expectation,
    Grades,
    Group,
    KindRule,
    Rule,
    Scoring,
    StageRule,
)
from clearlane.policy.problems import Path, nearest, shown
from clearlane.policy.shapes import Duration, FileShape, Limit, Shape
from clearlane.rules import Type

DAY = timedelta(days=1)
GROUPS: tuple[Group, ...] = ("fit", "engagement", "negative")
TypeName = Literal["text", "number", "boolean", "time"]


class RuleShape(Shape):
    id: str
    because: str
    points: float
    when: str | None = None
    activity: str | list[str] | None = None
    activity_when: str | None = None
    half_life: Duration | None = None
    counting: Literal["every", "first", "per_day"] = "every"
    at_most: Limit = None
    cap: float | None = Field(default=None, ge=0)


class ConditionShape(Shape):
    id: str
    because: str
    when: str


class KindShape(ConditionShape):
    kind: Literal["sales", "expansion", "support", "partner", "vendor", "job", "student", "test", "spam"]


class HandRaiseShape(Shape):
    activities: list[str] = Field(default=[])
    counts_for: Duration = timedelta(days=30)
    one_inquiry_within: Duration = timedelta(minutes=30)


class RulesShape(Shape):
    fit: list[RuleShape] = Field(default=[])
    engagement: list[RuleShape] = Field(default=[])
    negative: list[RuleShape] = Field(default=[])


class BoundsShape(Shape):
    fit: list[float] = Field(default=[0, 50], min_length=2, max_length=2)
    engagement: list[float] = Field(default=[0, 50], min_length=2, max_length=2)
    negative: list[float] = Field(default=[-60, 0], min_length=2, max_length=2)


class BandShape(Shape):
    name: str
    enter: float
    exit: float | None = None
    dwell: Duration = timedelta(0)


class GradesShape(Shape):
    fit: list[float] = Field(default=[35, 20, 10], min_length=3, max_length=3)
    engagement: list[float] = Field(default=[30, 15, 5], min_length=3, max_length=3)


class StageShape(Shape):
    name: Literal["mql", "pql"]
    because: str
    when: str


class HappenedShape(Shape):
    type: str
    days_ago: float = Field(ge=0)
    times: int = Field(default=1, ge=1, le=1000)
    with_: dict[str, str | float | bool] = Field(default={}, alias="with")


class ExampleShape(Shape):
    lead: dict[str, str | float | bool] = Field(default={})
    activities: list[HappenedShape] = Field(default=[])


class ExpectShape(Shape):
    because: str
    better: ExampleShape
    worse: ExampleShape | None = None
    never: list[str] = Field(default=[])


class ScoringShape(FileShape):
    model: str = "default"
    attributes: dict[str, TypeName] = Field(default={})
    activity_attributes: dict[str, TypeName] = Field(default={})
    protected: list[str] = Field(default=[])
    lists: dict[str, list[str]] = Field(default={})
    kinds: list[KindShape] = Field(default=[])
    hand_raises: HandRaiseShape = HandRaiseShape()
    disqualifiers: list[ConditionShape] = Field(default=[])
    range: list[int] = Field(default=[0, 100], min_length=2, max_length=2)
    groups: BoundsShape = BoundsShape()
    rules: RulesShape = RulesShape()
    bands: list[BandShape] = Field(default=[])
    grades: GradesShape = GradesShape()
    stages: list[StageShape] = Field(default=[])
    expect: list[ExpectShape] = Field(default=[])


EMPTY = Scoring(
    attributes={},
    activity_attributes={},
    protected=frozenset(),
    lists={},
    kinds=(),
    disqualifiers=(),
    rules=(),
    group_bounds={"fit": (0, 50), "engagement": (0, 50), "negative": (-60, 0)},
    range=(0, 100),
    bands=(Band("cold", 0, 0),),
    grades=Grades((35, 20, 10), (30, 15, 5)),
    stages=(),
    hand_raise_types=(),
)


def vocabulary(scoring: Scoring) -> Vocabulary:
    """What routing's conditions may name because scoring declares it."""
    return Vocabulary(scoring.attributes, scoring.protected, scoring.lists)


def built(document: Document, shape: ScoringShape) -> Scoring:
    """The scoring model of a file that fits its shape; what makes no sense is reported."""
    words = Vocabulary(
        {name: Type(kind) for name, kind in shape.attributes.items()},
        frozenset(shape.protected),
        {name: tuple(values) for name, values in shape.lists.items()},
    )
    activity_words = words.with_attributes({n: Type(k) for n, k in shape.activity_attributes.items()})
    _check_names(document, words)
    _check_ids(document, shape)
    return Scoring(
        attributes=words.attributes,
        activity_attributes=activity_words.attributes,
        protected=words.protected,
        lists=words.lists,
        kinds=tuple(_kinds(document, shape, words)),
        disqualifiers=tuple(_disqualifiers(document, shape, words)),
        rules=tuple(_rules(document, shape, words, activity_words)),
        group_bounds=_bounds(document, shape.groups),
        range=_range(document, shape),
        bands=_bands(document, shape),
        grades=_grades(document, shape.grades),
        stages=tuple(_stages(document, shape, words)),
        hand_raise_types=tuple(shape.hand_raises.activities),
        hand_raise_days=shape.hand_raises.counts_for / DAY,
        inquiry_gap=shape.hand_raises.one_inquiry_within,
        expect=tuple(_expectations(document, shape, words)),
        model=shape.model,
    )


def _check_names(document: Document, words: Vocabulary) -> None:
    for name in sorted(words.attributes.keys() & columns.ROUTING.keys()):
        allowed = "another name: this column is built in, and needs no declaration"
        document.report(("attributes", name), f"the attribute {name}", allowed)


def _check_ids(document: Document, shape: ScoringShape) -> None:
    unique(document, ("kinds",), (kind.id for kind in shape.kinds), "id")
    unique(document, ("disqualifiers",), (rule.id for rule in shape.disqualifiers), "id")
    unique(document, ("stages",), (stage.name for stage in shape.stages), "name")
    seen: set[str] = set()
    for path, _, rule in _all_rules(shape):
        if rule.id in seen:
            document.report((*path, "id"), f"{rule.id} a second time", "each id once over all groups")
        seen.add(rule.id)


def _all_rules(shape: ScoringShape) -> Iterator[tuple[Path, Group, RuleShape]]:
    for group in GROUPS:
        for index, rule in enumerate(cast(list[RuleShape], getattr(shape.rules, group))):
            yield ("rules", group, index), group, rule


def _kinds(document: Document, shape: ScoringShape, words: Vocabulary) -> Iterator[KindRule]:
    for index, rule in enumerate(shape.kinds):
        when = predicate(document, ("kinds", index, "when"), rule.when, words, columns.PROFILE)
        yield KindRule(rule.id, rule.kind, rule.because, when)


def _disqualifiers(document: Document, shape: ScoringShape, words: Vocabulary) -> Iterator[Disqualifier]:
    for index, rule in enumerate(shape.disqualifiers):
        when = predicate(document, ("disqualifiers", index, "when"), rule.when, words, columns.SCORING)
        yield Disqualifier(rule.id, rule.because, when)


def _rules(
    document: Document, shape: ScoringShape, words: Vocabulary, activity_words: Vocabulary
) -> Iterator[Rule]:
    for path, group, rule in _all_rules(shape):
        when = rule.when and predicate(document, (*path, "when"), rule.when, words, columns.SCORING)
        term = _activity(document, path, rule, activity_words)
        if not when and not term:
            document.report(path, "neither `when` nor `activity`", "a rule needs one of them, or both")
        yield Rule(rule.id, group, rule.because, rule.points, when or None, term, rule.cap)


def _activity(document: Document, path: Path, rule: RuleShape, words: Vocabulary) -> ActivityTerm | None:
    types = (rule.activity,) if isinstance(rule.activity, str) else tuple(rule.activity or ())
    if not types:
        for name in sorted({"activity_when", "half_life", "counting", "at_most"} & rule.model_fields_set):
            document.report(
                (*path, name), f"{name} without `activity`", "it belongs to a rule that counts activities"
            )
        return None
    when = rule.activity_when and predicate(
        document, (*path, "activity_when"), rule.activity_when, words, columns.ACTIVITY
    )
    at_most, window = rule.at_most or (None, None)
    half_life = rule.half_life / DAY if rule.half_life else None
    return ActivityTerm(types, when or None, half_life, rule.counting, at_most, window)


def _bounds(document: Document, shape: BoundsShape) -> Mapping[Group, tuple[float, float]]:
    bounds = {group: (getattr(shape, group)[0], getattr(shape, group)[1]) for group in GROUPS}
    for group, (low, high) in bounds.items():
        if low > high:
            document.report(("groups", group), shown([low, high]), "the lower bound first")
    return bounds


def _range(document: Document, shape: ScoringShape) -> tuple[int, int]:
    low, high = shape.range
    if low >= high:
        document.report(("range",), shown(shape.range), "the lower end first")
    return low, high


def _bands(document: Document, shape: ScoringShape) -> tuple[Band, ...]:
    bands = tuple(
        Band(band.name, band.enter, band.enter if band.exit is None else band.exit, band.dwell)
        for band in shape.bands
    )
    unique(document, ("bands",), (band.name for band in bands), "name")
    for index, band in enumerate(bands):
        if band.exit > band.entry:
            document.report(("bands", index, "exit"), shown(band.exit), f"at most `enter`, {band.entry:g}")
        if index and band.entry >= bands[index - 1].entry:
            document.report(
                ("bands", index, "enter"), shown(band.entry), "hottest first: below the band before it"
            )
    if bands and bands[-1].entry > shape.range[0]:
        document.report(
            ("bands", len(bands) - 1, "enter"),
            shown(bands[-1].entry),
            f"the last band enters at {shape.range[0]}",
        )
    return bands or EMPTY.bands


def _grades(document: Document, shape: GradesShape) -> Grades:
    for name in ("fit", "engagement"):
        steps = getattr(shape, name)
        if sorted(steps, reverse=True) != steps:
            document.report(("grades", name), shown(steps), "the highest threshold first")
    fit, engagement = shape.fit, shape.engagement
    return Grades((fit[0], fit[1], fit[2]), (engagement[0], engagement[1], engagement[2]))


def _stages(document: Document, shape: ScoringShape, words: Vocabulary) -> Iterator[StageRule]:
    for index, stage in enumerate(shape.stages):
        when = predicate(document, ("stages", index, "when"), stage.when, words, columns.STAGE)
        yield StageRule(stage.name, stage.because, when)


def _expectations(document: Document, shape: ScoringShape, words: Vocabulary) -> Iterator[Expectation]:
    stages = {"inquiry", *(stage.name for stage in shape.stages)}
    for index, expected in enumerate(shape.expect):
        path: Path = ("expect", index)
        if expected.worse is None and not expected.never:
            document.report(path, "neither `worse` nor `never`", "an expectation needs one of them")
        for place, name in enumerate(expected.never):
            if name not in stages:
                document.report(
                    (*path, "never", place),
                    name,
                    "a stage: " + ", ".join(sorted(stages)),
                    nearest(name, stages),
                )
        for side in ("better", "worse"):
            _check_example(document, (*path, side), getattr(expected, side), words)
        worse = _example(expected.worse) if expected.worse else None
        yield Expectation(expected.because, _example(expected.better), worse, tuple(expected.never))


def _check_example(document: Document, path: Path, example: ExampleShape | None, words: Vocabulary) -> None:
    known = {**words.attributes, "kind": Type.TEXT}
    for name, value in (example.lead if example else {}).items():
        if name not in known:
            allowed = "a name declared under attributes"
            document.report((*path, "lead", name), f"the attribute {name}", allowed, nearest(name, known))
        elif not _fits(value, known[name]):
            document.report((*path, "lead", name), shown(value), f"a {known[name].value}, as declared")


def _fits(value: object, kind: Type) -> bool:
    if kind is Type.NUMBER:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, bool if kind is Type.BOOLEAN else str)


def _example(shape: ExampleShape) -> Mapping[str, object]:
    """{"lead": {attribute: value}, "activities": [{"type", "days_ago", "times", "with"}]}."""
    return shape.model_dump(by_alias=True)
