"""routing.yaml: territories, rules in order with their ladders, and the fallback of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, get_args

from pydantic import Field, model_validator

from clearlane.policy import columns
from clearlane.policy.conditions import NEVER, Vocabulary, predicate, unique
from clearlane.policy.document import Document
from clearlane.policy.model import (
    BestFit,
    Destination,
    Explored,
    Rerouting,
    Routing,
    RoutingRule,
    Target,
    Territory,
)
from clearlane.policy.problems import Path, nearest
from clearlane.policy.shapes import Day, Duration, FileShape, Shape, SpanText, WholeDays
from clearlane.policy.teams import check_span
from clearlane.rules import Predicate, Type

LANGUAGE = "language"
NAMED = ("team", "pool", "rep", "redirect")
PLAIN = tuple(target for target in get_args(Target) if target not in NAMED)
FITTING = ("segment", "explore", "at_most_ahead", "window")
"""what only a pick by best_fit asks"""
SEGMENTS: columns.Columns = dict.fromkeys(("source", "kind", "band", "grade", "stage"), Type.TEXT)
"""columns that the ledger keeps with each decision"""


class DestinationShape(Shape):
    """`account_owner`, or `{team: sdr_emea, pick: least_open, hours: require, match: [language, product]}`.

    By measured results: `{team: ae_emea, pick: best_fit, segment: [country, industry], explore: 0.1}`.
    """

    to: (
        Literal[
            "account_owner",
            "parent_account_owner",
            "opportunity_owner",
            "contact_owner",
            "nurture",
            "hold",
            "disqualify",
            "exceptions",
            "close",
        ]
        | None
    ) = None
    team: str | None = None
    pool: str | None = None
    rep: str | None = None
    redirect: Literal["support", "partner", "vendor", "job"] | None = None
    pick: Literal["weighted_round_robin", "least_open", "best_fit"] = "weighted_round_robin"
    segment: list[str] = Field(default=[])
    explore: float = Field(default=BestFit.explore, ge=0.01, le=1)
    at_most_ahead: float = Field(default=BestFit.at_most_ahead, gt=0)
    window: WholeDays = BestFit.window_days
    hours: Literal["require", "prefer", "ignore", "on_call"] = "prefer"
    language: bool = False
    match: list[str] = Field(default=[])
    min_tenure: WholeDays = None
    until: Literal["working_hours"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {"to": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_target(self) -> DestinationShape:
        if self.until and self.to == "hold" and self.team:
            return self
        if self.until:
            raise ValueError("`until` with `to: hold` and the `team` whose hours are meant")
        if sum(getattr(self, name) is not None for name in ("to", *NAMED)) != 1:
            raise ValueError("exactly one of to, team, pool, rep, redirect")
        return self

    @model_validator(mode="after")
    def _fits(self) -> DestinationShape:
        if self.pick == "best_fit" and (self.team is None or self.to):
            raise ValueError("`pick: best_fit` with the `team` to pick from")
        asked = [name for name in FITTING if name in self.model_fields_set]
        if asked and self.pick != "best_fit":
            raise ValueError(f"`{asked[0]}` with `pick: best_fit`")
        return self


class RoutingRuleShape(Shape):
    id: str
    because: str
    when: str
    send_to: list[DestinationShape]
    tier: str | None = None
    first: Day | None = Field(default=None, alias="from")
    last: Day | None = Field(default=None, alias="until")


class TerritoryShape(Shape):
    name: str
    when: str
    within: str | None = None


class DeclinesShape(Shape):
    """Reasons of a decline, each in one list: those that give the turn back, and those that spend it."""

    returned: list[str] = Field(default=list(Rerouting.returned))
    spent: list[str] = Field(default=list(Rerouting.spent))


class ReroutingShape(Shape):
    declines: DeclinesShape = DeclinesShape()
    declines_at_most: int = Field(default=Rerouting.declines, ge=1)
    hops: int = Field(default=Rerouting.hops, ge=0)
    protect: SpanText = Rerouting.protect
    promotions_a_day: int = Field(default=Rerouting.promotions_a_day, ge=0)


class ExploredShape(Shape):
    """`share: 0` turns it off."""

    share: float = Field(ge=0, le=0.2)
    send_to: dict[str, list[DestinationShape]] = Field(min_length=1)
    tier: str | None = None
    newer_than: Duration = Explored.newer_than


class RoutingShape(FileShape):
    sticky_company: bool = True
    rerouting: ReroutingShape = ReroutingShape()
    exceptions_owner: str | None = None
    pool_max_age: Duration | None = None
    explored: ExploredShape | None = None
    lists: dict[str, list[str]] = Field(default={})
    territories: list[TerritoryShape] = Field(default=[])
    rules: list[RoutingRuleShape] = Field(default=[])
    fallback: list[DestinationShape] = Field(default=[])


ANYWHERE = "*"
EXCEPTIONS = Destination("exceptions")
EMPTY = Routing((), (), (EXCEPTIONS,))


def built(document: Document, shape: RoutingShape, words: Vocabulary) -> Routing:
    """Routing as a file describes it; its conditions may use scoring's attributes and lists."""
    words = words.with_lists({name: tuple(values) for name, values in shape.lists.items()})
    unique(document, ("territories",), (territory.name for territory in shape.territories), "name")
    unique(document, ("rules",), (rule.id for rule in shape.rules), "id")
    _check_tree(document, shape)
    fallback = tuple(_ladder(document, ("fallback",), shape.fallback, words))
    return Routing(
        territories=tuple(_territories(document, shape, words)),
        rules=tuple(_rules(document, shape, words)),
        fallback=fallback if fallback[-1:] == (EXCEPTIONS,) else (*fallback, EXCEPTIONS),
        sticky_company=shape.sticky_company,
        lists={name: tuple(values) for name, values in shape.lists.items()},
        rerouting=_rerouting(document, shape.rerouting),
        exceptions_owner=shape.exceptions_owner,
        pool_max_age=shape.pool_max_age,
        explored=_explored(document, shape, words),
    )


def _explored(document: Document, shape: RoutingShape, words: Vocabulary) -> Explored | None:
    """Who is explored and where they go; None where nobody is."""
    asked = shape.explored
    if asked is None:
        return None
    path: Path = ("explored", "send_to")
    _check_explored(document, path, asked, [territory.name for territory in shape.territories])
    ladders = {
        name: tuple(_ladder(document, (*path, name), rungs, words)) for name, rungs in asked.send_to.items()
    }
    return Explored(asked.share, ladders, asked.tier, asked.newer_than) if asked.share else None


def _check_explored(document: Document, path: Path, asked: ExploredShape, territories: Sequence[str]) -> None:
    for name, rungs in asked.send_to.items():
        if name not in (*territories, ANYWHERE):
            allowed = f"a territory of this file, or '{ANYWHERE}' for any other"
            document.report((*path, name), name, allowed, nearest(name, territories))
        for step, rung in enumerate(rungs):
            if not (rung.team or rung.pool or rung.rep) or rung.to:
                document.report((*path, name, step), "a place nobody sells from", "a team, a pool or a rep")


def _rerouting(document: Document, shape: ReroutingShape) -> Rerouting:
    reasons = (*shape.declines.returned, *shape.declines.spent)
    for reason in sorted({one for one in reasons if reasons.count(one) > 1}):
        document.report(
            ("rerouting", "declines"), reason, "each reason once: it gives the turn back or spends it"
        )
    return Rerouting(
        returned=tuple(shape.declines.returned),
        spent=tuple(shape.declines.spent),
        declines=shape.declines_at_most,
        hops=shape.hops,
        protect=shape.protect,
        promotions_a_day=shape.promotions_a_day,
    )


def _territories(document: Document, shape: RoutingShape, words: Vocabulary) -> Iterator[Territory]:
    for index, territory in enumerate(shape.territories):
        path = ("territories", index, "when")
        when = predicate(document, path, territory.when, words, columns.TERRITORY)
        yield Territory(territory.name, when, territory.within)


def _check_tree(document: Document, shape: RoutingShape) -> None:
    """Report parents that are not there, circles, and names that a path could not hold."""
    parents = {territory.name: territory.within for territory in shape.territories}
    for index, territory in enumerate(shape.territories):
        path: Path = ("territories", index)
        if "/" in territory.name:
            document.report(
                (*path, "name"), territory.name, "a name without /, which stands in territory_path"
            )
        if territory.within is not None and territory.within not in parents:
            near = nearest(territory.within, parents)
            document.report((*path, "within"), territory.within, "a territory of this file", near)
        elif territory.name in _above(parents, territory.name):
            document.report((*path, "within"), f"{territory.name} within itself", "a tree of territories")


def _above(parents: Mapping[str, str | None], name: str) -> Sequence[str]:
    """The territories around one, the nearest first; a circle is walked once."""
    found: list[str] = []
    here = parents.get(name)
    while here is not None and here not in found:
        found.append(here)
        here = parents.get(here)
    return found


def _rules(document: Document, shape: RoutingShape, words: Vocabulary) -> Iterator[RoutingRule]:
    for index, rule in enumerate(shape.rules):
        when = _in_force(document, ("rules", index), rule, words)
        ladder = tuple(_ladder(document, ("rules", index, "send_to"), rule.send_to, words))
        if not ladder:
            document.report(("rules", index, "send_to"), "an empty ladder", "at least one destination")
        yield RoutingRule(rule.id, rule.because, when, ladder, rule.tier)


def _in_force(document: Document, path: Path, rule: RoutingRuleShape, words: Vocabulary) -> Predicate:
    """The rule's condition, and that the UTC date is within its own."""
    check_span(document, path, rule.first, rule.last)
    when = predicate(document, (*path, "when"), rule.when, words, columns.ROUTING)
    dates = [f"as_of >= '{rule.first}'"] if rule.first else []
    dates += [f"as_of < '{rule.last + timedelta(days=1)}'"] if rule.last else []
    if not dates or when is NEVER:
        return when
    dated = " and ".join([f"({rule.when})", *dates])
    return predicate(document, (*path, "when"), dated, words, columns.ROUTING)


def _ladder(
    document: Document, path: Path, rungs: list[DestinationShape], words: Vocabulary
) -> Iterator[Destination]:
    for step, rung in enumerate(rungs):
        for index, name in enumerate(rung.match):
            _check_term(document, (*path, step, "match", index), name, words)
        _check_segment(document, (*path, step, "segment"), rung.segment, words)
        yield _destination(rung)


def _check_segment(document: Document, path: Path, names: Sequence[str], words: Vocabulary) -> None:
    what = f"a text attribute of scoring.yaml, or {', '.join(SEGMENTS)}"
    for index, name in enumerate(names):
        _check_named(document, (*path, index), name, words, segments(words), what)
        if name in names[:index]:
            document.report((*path, index), f"{name} a second time", "each attribute once")


def _check_term(document: Document, path: Path, name: str, words: Vocabulary) -> None:
    _check_named(document, path, name, words, terms(words), "a text attribute of scoring.yaml")


def _check_named(
    document: Document, path: Path, name: str, words: Vocabulary, known: frozenset[str], what: str
) -> None:
    if name in words.protected:
        why = "protected columns may not decide over people: not in scoring, routing or learning"
        document.report(path, f"the protected column {name}", why)
    elif name not in known:
        document.report(path, name, what, nearest(name, known))


def terms(words: Vocabulary) -> frozenset[str]:
    """What a match may name: attributes and columns that hold text, the protected ones excepted."""
    typed = {**words.attributes, **columns.ROUTING, LANGUAGE: Type.TEXT}
    return frozenset(name for name, type_ in typed.items() if type_ is Type.TEXT) - words.protected


def segments(words: Vocabulary) -> frozenset[str]:
    """What a segment may name: what the ledger keeps of past leads, text that is not protected."""
    typed = {**words.attributes, **SEGMENTS, LANGUAGE: Type.TEXT}
    return frozenset(name for name, type_ in typed.items() if type_ is Type.TEXT) - words.protected


def _destination(shape: DestinationShape) -> Destination:
    fit = BestFit(tuple(shape.segment), shape.explore, shape.at_most_ahead, shape.window)
    options = {
        "pick": shape.pick,
        "hours": shape.hours,
        "language": shape.language or LANGUAGE in shape.match,
        "match": tuple(name for name in shape.match if name != LANGUAGE),
        "min_tenure_days": shape.min_tenure,
        "fit": fit if shape.pick == "best_fit" else None,
    }
    if shape.to:
        return Destination(shape.to, shape.team, until=shape.until, **options)
    target = next(name for name in NAMED if getattr(shape, name) is not None)
    return Destination(target, getattr(shape, target), **options)  # type: ignore[arg-type]
