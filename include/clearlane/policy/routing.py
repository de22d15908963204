"""routing.yaml: territories, rules in order with their ladders, and the fallback of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

from pydantic import Field, model_validator

from clearlane.policy import columns
from clearlane.policy.conditions import Vocabulary, predicate, unique
from clearlane.policy.document import Document
from clearlane.policy.model import Destination, Routing, RoutingRule, Target, Territory
from clearlane.policy.shapes import Duration, FileShape, Shape

NAMED = ("team", "pool", "rep", "redirect")
PLAIN = tuple(target for target in get_args(Target) if target not in NAMED)


class DestinationShape(Shape):
    """`account_owner`, or `{team: sdr_emea, pick: least_open, hours: require, language: true}`."""

    to: (
        Literal[
            "account_owner",
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
    pick: Literal["weighted_round_robin", "least_open"] = "weighted_round_robin"
    hours: Literal["require", "prefer", "ignore"] = "prefer"
    language: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {"to": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_target(self) -> DestinationShape:
        if sum(getattr(self, name) is not None for name in ("to", *NAMED)) != 1:
            raise ValueError("exactly one of to, team, pool, rep, redirect")
        return self


class RoutingRuleShape(Shape):
    id: str
    because: str
    when: str
    send_to: list[DestinationShape]
    tier: str | None = None


class TerritoryShape(Shape):
    name: str
    when: str


class RoutingShape(FileShape):
    sticky_company: bool = True
    exceptions_owner: str | None = None
    pool_max_age: Duration | None = None
    lists: dict[str, list[str]] = Field(default={})
    territories: list[TerritoryShape] = Field(default=[])
    rules: list[RoutingRuleShape] = Field(default=[])
    fallback: list[DestinationShape] = Field(default=[])


EXCEPTIONS = Destination("exceptions")
EMPTY = Routing((), (), (EXCEPTIONS,))


def built(document: Document, shape: RoutingShape, words: Vocabulary) -> Routing:
    """Routing as a file describes it; its conditions may use scoring's attributes and lists."""
    words = words.with_lists({name: tuple(values) for name, values in shape.lists.items()})
    unique(document, ("territories",), (territory.name for territory in shape.territories), "name")
    unique(document, ("rules",), (rule.id for rule in shape.rules), "id")
    fallback = tuple(_destination(rung) for rung in shape.fallback)
    return Routing(
        territories=tuple(_territories(document, shape, words)),
        rules=tuple(_rules(document, shape, words)),
        fallback=fallback if fallback[-1:] == (EXCEPTIONS,) else (*fallback, EXCEPTIONS),
        sticky_company=shape.sticky_company,
        lists={name: tuple(values) for name, values in shape.lists.items()},
        exceptions_owner=shape.exceptions_owner,
        pool_max_age=shape.pool_max_age,
    )


def _territories(document: Document, shape: RoutingShape, words: Vocabulary) -> Iterator[Territory]:
    for index, territory in enumerate(shape.territories):
        path = ("territories", index, "when")
        yield Territory(territory.name, predicate(document, path, territory.when, words, columns.TERRITORY))


def _rules(document: Document, shape: RoutingShape, words: Vocabulary) -> Iterator[RoutingRule]:
    for index, rule in enumerate(shape.rules):
        when = predicate(document, ("rules", index, "when"), rule.when, words, columns.ROUTING)
        ladder = tuple(_destination(rung) for rung in rule.send_to)
        if not ladder:
            document.report(("rules", index, "send_to"), "an empty ladder", "at least one destination")
        yield RoutingRule(rule.id, rule.because, when, ladder, rule.tier)


def _destination(shape: DestinationShape) -> Destination:
    options = {"pick": shape.pick, "hours": shape.hours, "language": shape.language}
    if shape.to:
        return Destination(shape.to, None, **options)  # type: ignore[arg-type]  # checked by the shape
    target = next(name for name in NAMED if getattr(shape, name) is not None)
    return Destination(target, getattr(shape, target), **options)  # type: ignore[arg-type]
