"""scoring.yaml: what conditions may name, rules by group, what points mean, variants, expectations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, cast

from pydantic import Field

from clearlane.policy import columns
from clearlane.policy.conditions import Vocabulary, predicate, unique
from clearlane.policy.document import Document
from clearlane.policy.model import (
    FIRST_STAGE,
    ActivityTerm,
    Band,
    Disqualifier,
    Expectation,
    Grades,
    Group,
    KindRule,
    Measure,
    Recycling,
    Rollup,
    Rule,
    Scoring,
    StageRule,
    Variant,
)
from clearlane.policy.problems import Path, nearest, shown
from clearlane.policy.review import ReviewShape, review_terms
from clearlane.policy.shapes import Bounds, Duration, FileShape, Limit, Shape, WholeDays
from clearlane.rules import Type

DAY = timedelta(days=1)
GROUPS: tuple[Group, ...] = ("fit", "engagement", "negative")
TypeName = Literal["text", "number", "boolean", "time"]
OutcomeName = Literal["accepted", "rejected", "first_touch", "meeting", "sql", "opportunity", "won", "lost"]


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
    cap: Bounds = None


class MeasureShape(Shape):
    because: str
    activity: str | list[str]
    activity_when: str | None = None
    count: Literal["events", "days", "days_since"] = "events"
    within: WholeDays = None


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
    stage: str | None = None
    band: str | None = None


class RecyclingShape(Shape):
    outcomes: list[OutcomeName] = Field(default=[])
    cooldown: dict[str, Duration] = Field(default={})
    engagement: float = Field(default=0, ge=0, le=1)
    cycles: int = Field(default=3, ge=1)


class RollupShape(Shape):
    engaged_at: float = 10
    half_life: Duration = timedelta(days=30)


class VariantShape(Shape):
    id: str
    because: str
    when: str
    range: list[int] | None = Field(default=None, min_length=2, max_length=2)
    groups: BoundsShape | None = None
    rules: RulesShape | None = None
    bands: list[BandShape] | None = Field(default=None, min_length=1)
    grades: GradesShape | None = None
    stages: list[StageShape] | None = None


class ScoringShape(FileShape):
    model: str = "default"
    attributes: dict[str, TypeName] = Field(default={})
    activity_attributes: dict[str, TypeName] = Field(default={})
    protected: list[str] = Field(default=[])
    changeable: list[str] = Field(default=[])
    lists: dict[str, list[str]] = Field(default={})
    kinds: list[KindShape] = Field(default=[])
    hand_raises: HandRaiseShape = HandRaiseShape()
    measures: dict[str, MeasureShape] = Field(default={})
    rollup: RollupShape = RollupShape()
    disqualifiers: list[ConditionShape] = Field(default=[])
    range: list[int] = Field(default=[0, 100], min_length=2, max_length=2)
    groups: BoundsShape = BoundsShape()
    rules: RulesShape = RulesShape()
    bands: list[BandShape] = Field(default=[])
    grades: GradesShape = GradesShape()
    stages: list[StageShape] = Field(default=[])
    recycling: RecyclingShape = RecyclingShape()
    variants: list[VariantShape] = Field(default=[])
    review: ReviewShape = ReviewShape()
    predictive: str | None = None
    expect: list[ExpectShape] = Field(default=[])


_JSON_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*[.]json")

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


@dataclass(frozen=True)
class _Words:
    """What the conditions of the file may name, by what they are about."""

    lead: Vocabulary
    activity: Vocabulary
    measures: Mapping[str, Type]

    @property
    def scoring(self) -> Mapping[str, Type]:
        return {**columns.SCORING, **columns.ROLLUP, **self.measures}

    @property
    def stage(self) -> Mapping[str, Type]:
        return {**columns.STAGE, **columns.ROLLUP, **self.measures}


def built(document: Document, shape: ScoringShape) -> Scoring:
    """The scoring model of a file that fits its shape; what makes no sense is reported."""
    words = _words(shape)
    _check_names(document, shape, words)
    _check_ids(document, shape)
    model = Scoring(
        attributes=words.lead.attributes,
        activity_attributes=words.activity.attributes,
        protected=words.lead.protected,
        lists=words.lead.lists,
        kinds=tuple(_kinds(document, shape, words.lead)),
        disqualifiers=tuple(_disqualifiers(document, shape, words)),
        rules=tuple(_rules(document, ("rules",), shape.rules, words)),
        group_bounds=_bounds(document, ("groups",), shape.groups),
        range=_range(document, ("range",), shape.range),
        bands=_bands(document, ("bands",), shape.bands, shape.range) or EMPTY.bands,
        grades=_grades(document, ("grades",), shape.grades),
        stages=tuple(_stages(document, ("stages",), shape.stages, words)),
        hand_raise_types=tuple(shape.hand_raises.activities),
        hand_raise_days=shape.hand_raises.counts_for / DAY,
        inquiry_gap=shape.hand_raises.one_inquiry_within,
        model=shape.model,
        measures=tuple(_measures(document, shape, words)),
        recycling=_recycling(document, shape.recycling),
        rollup=Rollup(shape.rollup.engaged_at, shape.rollup.half_life / DAY),
        changeable=frozenset(shape.changeable),
        predictive=_predictive(document, shape.predictive),
    )
    model = replace(model, variants=tuple(_variants(document, shape, model, words)))
    known = {rule.id: rule for each in reversed(model.models) for rule in each.rules}
    terms = review_terms(document, shape.review, known)
    variants = tuple(replace(each, scoring=replace(each.scoring, review=terms)) for each in model.variants)
    expect = tuple(_expectations(document, shape, model))
    return replace(model, variants=variants, expect=expect, review=terms)


def _predictive(document: Document, name: str | None) -> str | None:
    if name is not None and not _JSON_FILE.fullmatch(name):
        document.report(("predictive",), shown(name), "the name of a JSON file in this folder")
        return None
    return name


def _words(shape: ScoringShape) -> _Words:
    lead = Vocabulary(
        {name: Type(kind) for name, kind in shape.attributes.items()},
        frozenset(shape.protected),
        {name: tuple(values) for name, values in shape.lists.items()},
    )
    activity = lead.with_attributes({n: Type(k) for n, k in shape.activity_attributes.items()})
    return _Words(lead, activity, dict.fromkeys(shape.measures, Type.NUMBER))


def _check_names(document: Document, shape: ScoringShape, words: _Words) -> None:
    built_in = columns.ROUTING.keys() | columns.RESERVED
    taken = "another name: this column is built in, and needs no declaration"
    for section in ("attributes", "measures"):
        for name in sorted(built_in & getattr(shape, section).keys()):
            document.report((section, name), f"the {section[:-1]} {name}", taken)
    for name in sorted(words.lead.attributes.keys() & words.measures.keys()):
        document.report(("measures", name), f"the measure {name}", "another name: an attribute has this one")
    for index, name in enumerate(shape.changeable):
        known = words.lead.attributes.keys() - words.lead.protected
        if name not in known:
            allowed = "a name declared under attributes"
            document.report(("changeable", index), f"the attribute {name}", allowed, nearest(name, known))


def _check_ids(document: Document, shape: ScoringShape) -> None:
    unique(document, ("kinds",), (kind.id for kind in shape.kinds), "id")
    unique(document, ("disqualifiers",), (rule.id for rule in shape.disqualifiers), "id")
    unique(document, ("variants",), (variant.id for variant in shape.variants), "id")
    _check_rule_ids(document, ("rules",), _all_rules(("rules",), shape.rules))
    for index, variant in enumerate(shape.variants):
        path: Path = ("variants", index)
        if variant.id == shape.model:
            document.report((*path, "id"), variant.id, "another id: the default model has this name")
        _check_rule_ids(document, (*path, "rules"), _variant_rules(path, variant, shape.rules))


def _check_rule_ids(document: Document, path: Path, rules: Iterable[tuple[Path, Group, RuleShape]]) -> None:
    seen: set[str] = set()
    for place, _, rule in sorted(rules, key=lambda each: each[0][: len(path)] == path):
        if rule.id in seen:
            document.report((*place, "id"), f"{rule.id} a second time", "each id once over all groups")
        seen.add(rule.id)


def _all_rules(path: Path, rules: RulesShape) -> Iterator[tuple[Path, Group, RuleShape]]:
    for group in GROUPS:
        for index, rule in enumerate(cast(list[RuleShape], getattr(rules, group))):
            yield (*path, group, index), group, rule


def _variant_rules(
    path: Path, variant: VariantShape, default: RulesShape
) -> Iterator[tuple[Path, Group, RuleShape]]:
    """The rules of a variant: a group that it does not name is the default's."""
    own = variant.rules or RulesShape()
    for group in GROUPS:
        replaced = group in own.model_fields_set
        place, rules = ((*path, "rules"), own) if replaced else (("rules",), default)
        yield from (each for each in _all_rules(place, rules) if each[1] == group)


def _kinds(document: Document, shape: ScoringShape, words: Vocabulary) -> Iterator[KindRule]:
    for index, rule in enumerate(shape.kinds):
        when = predicate(document, ("kinds", index, "when"), rule.when, words, columns.PROFILE)
        yield KindRule(rule.id, rule.kind, rule.because, when)


def _disqualifiers(document: Document, shape: ScoringShape, words: _Words) -> Iterator[Disqualifier]:
    for index, rule in enumerate(shape.disqualifiers):
        when = predicate(document, ("disqualifiers", index, "when"), rule.when, words.lead, words.scoring)
        yield Disqualifier(rule.id, rule.because, when)


def _measures(document: Document, shape: ScoringShape, words: _Words) -> Iterator[Measure]:
    for name, measure in shape.measures.items():
        path: Path = ("measures", name)
        types = _types(document, (*path, "activity"), measure.activity)
        when = measure.activity_when and predicate(
            document, (*path, "activity_when"), measure.activity_when, words.activity, columns.ACTIVITY
        )
        yield Measure(name, measure.because, types, when or None, measure.count, measure.within)


def _types(document: Document, path: Path, written: str | list[str]) -> tuple[str, ...]:
    types = (written,) if isinstance(written, str) else tuple(written)
    if not types:
        document.report(path, shown(written), "one type of activity or more")
    return types


def _rules(document: Document, path: Path, shape: RulesShape, words: _Words) -> Iterator[Rule]:
    for place, group, rule in _all_rules(path, shape):
        when = rule.when and predicate(document, (*place, "when"), rule.when, words.lead, words.scoring)
        term = _activity(document, place, rule, words.activity)
        if not when and not term:
            document.report(place, "neither `when` nor `activity`", "a rule needs one of them, or both")
        even = rule.cap and -rule.cap[0] == rule.cap[1]
        cap, bounds = (rule.cap[1], None) if even else (None, rule.cap)
        yield Rule(rule.id, group, rule.because, rule.points, when or None, term, cap, bounds)


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


def _bounds(
    document: Document,
    path: Path,
    shape: BoundsShape,
    default: Mapping[Group, tuple[float, float]] | None = None,
) -> Mapping[Group, tuple[float, float]]:
    """The bounds of each group; with a `default`, of those that are not named the default's."""
    bounds = {group: (getattr(shape, group)[0], getattr(shape, group)[1]) for group in GROUPS}
    for group, (low, high) in bounds.items():
        if low > high:
            document.report((*path, group), shown([low, high]), "the lower bound first")
    if default is None:
        return bounds
    return {group: bounds[group] if group in shape.model_fields_set else default[group] for group in GROUPS}


def _range(document: Document, path: Path, written: Sequence[int]) -> tuple[int, int]:
    low, high = written
    if low >= high:
        document.report(path, shown([low, high]), "the lower end first")
    return low, high


def _bands(
    document: Document, path: Path, written: Sequence[BandShape], span: Sequence[int]
) -> tuple[Band, ...]:
    bands = tuple(
        Band(band.name, band.enter, band.enter if band.exit is None else band.exit, band.dwell)
        for band in written
    )
    unique(document, path, (band.name for band in bands), "name")
    for index, band in enumerate(bands):
        if band.exit > band.entry:
            document.report((*path, index, "exit"), shown(band.exit), f"at most `enter`, {band.entry:g}")
        if index and band.entry >= bands[index - 1].entry:
            below = "hottest first: below the band before it"
            document.report((*path, index, "enter"), shown(band.entry), below)
    if bands and bands[-1].entry > span[0]:
        last = (*path, len(bands) - 1, "enter")
        document.report(last, shown(bands[-1].entry), f"the last band enters at {span[0]}")
    return bands


def _grades(document: Document, path: Path, shape: GradesShape) -> Grades:
    for name in ("fit", "engagement"):
        steps = getattr(shape, name)
        if sorted(steps, reverse=True) != steps:
            document.report((*path, name), shown(steps), "the highest threshold first")
    fit, engagement = shape.fit, shape.engagement
    return Grades((fit[0], fit[1], fit[2]), (engagement[0], engagement[1], engagement[2]))


def _stages(
    document: Document, path: Path, written: Sequence[StageShape], words: _Words
) -> Iterator[StageRule]:
    unique(document, path, (stage.name for stage in written), "name")
    for index, stage in enumerate(written):
        when = predicate(document, (*path, index, "when"), stage.when, words.lead, words.stage)
        yield StageRule(stage.name, stage.because, when)


def _recycling(document: Document, shape: RecyclingShape) -> Recycling:
    if shape.outcomes and not shape.cooldown:
        allowed = "reason: length of time, for each reason that recycles; '*' is any other"
        document.report(("recycling", "cooldown"), "no `cooldown`", allowed)
    if shape.cooldown and not shape.outcomes:
        document.report(
            ("recycling", "outcomes"), "no `outcomes`", "the kinds of outcome that recycle a lead"
        )
    return Recycling(tuple(shape.outcomes), dict(shape.cooldown), shape.engagement, shape.cycles)


# --- variants ---------------------------------------------------------------------------------


def _variants(document: Document, shape: ScoringShape, default: Scoring, words: _Words) -> Iterator[Variant]:
    for index, variant in enumerate(shape.variants):
        path: Path = ("variants", index)
        when = predicate(document, (*path, "when"), variant.when, words.lead, columns.SCORING)
        yield Variant(variant.id, variant.because, when, _variant(document, path, variant, default, words))


def _variant(document: Document, path: Path, shape: VariantShape, default: Scoring, words: _Words) -> Scoring:
    """The default with what the variant says in its place."""
    span = _range(document, (*path, "range"), shape.range or default.range)
    own = tuple(_rules(document, (*path, "rules"), shape.rules, words)) if shape.rules else ()
    replaced = shape.rules.model_fields_set if shape.rules else frozenset()
    rules = {
        group: [r for r in (own if group in replaced else default.rules) if r.group == group]
        for group in GROUPS
    }
    return replace(
        default,
        model=shape.id,
        range=span,
        rules=tuple(rule for group in GROUPS for rule in rules[group]),
        group_bounds=_bounds(
            document, (*path, "groups"), shape.groups or BoundsShape(), default.group_bounds
        ),
        bands=_variant_bands(document, path, shape, default, span),
        grades=_grades(document, (*path, "grades"), shape.grades) if shape.grades else default.grades,
        stages=default.stages
        if shape.stages is None
        else tuple(_stages(document, (*path, "stages"), shape.stages, words)),
    )


def _variant_bands(
    document: Document, path: Path, shape: VariantShape, default: Scoring, span: tuple[int, int]
) -> tuple[Band, ...]:
    """Its own bands, of names that the default has: routing and promises know no others."""
    if shape.bands is None:
        if default.bands[-1].entry > span[0]:
            last = default.bands[-1]
            allowed = f"`bands` of its own: the last of the default's, {last.name}, enters at {last.entry:g}"
            document.report((*path, "range"), shown(list(span)), allowed)
        return default.bands
    known = [band.name for band in default.bands]
    for index, band in enumerate(shape.bands):
        if band.name not in known:
            allowed = "a band of the default model: " + ", ".join(known)
            document.report((*path, "bands", index, "name"), band.name, allowed, nearest(band.name, known))
    return _bands(document, (*path, "bands"), shape.bands, span)


# --- expectations -----------------------------------------------------------------------------


def _expectations(document: Document, shape: ScoringShape, model: Scoring) -> Iterator[Expectation]:
    stages = {FIRST_STAGE, "disqualified", *(stage.name for each in model.models for stage in each.stages)}
    for index, expected in enumerate(shape.expect):
        path: Path = ("expect", index)
        if expected.worse is None and not (expected.never or expected.stage or expected.band):
            document.report(
                path, "neither `worse` nor `never`, `stage` or `band`", "an expectation needs one of them"
            )
        for place, name in enumerate(expected.never):
            _check_known(document, (*path, "never", place), name, stages, "a stage")
        _check_known(document, (*path, "stage"), expected.stage, stages, "a stage")
        _check_known(document, (*path, "band"), expected.band, {b.name for b in model.bands}, "a band")
        for side in ("better", "worse"):
            _check_example(document, (*path, side), getattr(expected, side), model.attributes)
        worse = _example(expected.worse) if expected.worse else None
        better = _example(expected.better)
        never = tuple(expected.never)
        yield Expectation(expected.because, better, worse, never, expected.stage, expected.band)


def _check_known(document: Document, path: Path, name: str | None, known: set[str], what: str) -> None:
    if name is not None and name not in known:
        document.report(path, name, f"{what}: " + ", ".join(sorted(known)), nearest(name, known))


def _check_example(
    document: Document, path: Path, example: ExampleShape | None, attributes: Mapping[str, Type]
) -> None:
    known = {**attributes, "kind": Type.TEXT}
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
