"""A review of a funnel with a known truth, and what a what-if would have told of it: nothing needs a ledger."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from tests.review.funnels import HORIZON, SINCE, UNTIL, Funnel

from clearlane import policy as policies
from clearlane.policy.model import Rule
from clearlane.review.figures import Change, Figures, Load, Mover, Moves, Standing, Tier
from clearlane.review.judgement import Circumstances
from clearlane.review.weights import WeightReview, conclude
from clearlane.review.whatif import WhatIf
from clearlane.rules import Type

HEAD = "schema: 1\nowner: revops\napprover: sales\n"


def scoring_yaml(funnel: Funnel) -> str:
    """The model in force of a funnel as a policy file."""
    model = funnel.scoring
    types = {Type.BOOLEAN: "boolean", Type.NUMBER: "number", Type.TEXT: "text"}
    attributes = "".join(f"  {name}: {types[kind]}\n" for name, kind in model.attributes.items())
    groups = {
        group: [one for one in model.rules if one.group == group]
        for group in ("fit", "engagement", "negative")
    }
    rules = "".join(f"  {group}:\n{''.join(map(_rule, own))}" for group, own in groups.items() if own)
    low, high = model.range
    bounds = "".join(f"  {group}: [{low}, {high}]\n" for group in groups)
    bands = "".join(f"  - {{name: {band.name}, enter: {band.entry:g}}}\n" for band in model.bands)
    return f"{HEAD}attributes:\n{attributes}range: [{low}, {high}]\ngroups:\n{bounds}rules:\n{rules}bands:\n{bands}"


def _rule(rule: Rule) -> str:
    lines = [f"    - id: {rule.id}", f"      because: {json.dumps(rule.because)}"]
    lines += [f"      when: {json.dumps(rule.when.text)}"] if rule.when else []
    lines += [f"      activity: {rule.id}"] if rule.activity else []
    lines += [f"      points: {rule.points:g}"]
    lines += [f"      half_life: {rule.activity.half_life_days:g} days"] if rule.activity else []
    lines += [f"      cap: {rule.cap:g}"] if rule.cap else []
    return "\n".join(lines) + "\n"


def played() -> WhatIf:
    """Three teams, two bands that differ, ten leads that move."""
    names = ("hot", "warm", "cool", "cold")
    bands = Moves(names, ((300, 40, 0, 0), (75, 900, 60, 0), (0, 120, 1500, 90), (0, 0, 60, 1855)))
    loads = [
        _load("sdr_emea", 1500, 1530, 120, 131), _load("sdr_amer", 2500, 2590, 190, 214),
        _load("sdr_apac", 1000, 980, 65, 60),
    ]  # fmt: skip
    reps = [_load("rep-3", 170, 201, 12, 17), _load("rep-4", 160, 160, 11, 11)]
    figures = Figures(
        leads=5000, routed=4900, unchanged=4400, mean_score=Change("score", 31.2, 32.5), scores=(), bands=bands,
        stages=bands, places=(), judgements=(), worked=3000, ripe=5000, teams=tuple(loads), reps=tuple(reps),
        tiers=(Tier("hot", Change("leads", 375, 405), Change("hours", 0.1, 0.1), Change("prompt", 0.9, 0.9)),),
        movers=tuple(_mover(i) for i in range(10)),
    )  # fmt: skip
    days = HORIZON / timedelta(days=1)
    old, new = "points in force", "points proposed"
    return WhatIf(SINCE, UNTIL, days, UNTIL + HORIZON, old, new, ("scoring",), (), 1, figures)


def _load(name: str, old: int, new: int, hot: int, hotter: int) -> Load:
    def none(what: str) -> Change:
        return Change(what, 0, 0)

    return Load(
        name, Change("leads", old, new), none("a day"), Change("hottest", hot, hotter),
        *map(none, ("pooled", "exceptions", "held")), Change("hits", 3, 9), (),
        *map(none, ("hours", "business", "prompt")), Change("late", 40, 52),
    )  # fmt: skip


def _mover(i: int) -> Mover:
    old = Standing(40 + i, "cool", "inquiry", "nurture")
    new = Standing(58 + i, "warm", "mql", "rep-3")
    rules = (Change("pricing_page", 8.0, 24.0 - i), Change("free_mail", -10.0, -6.0))
    return Mover(f"form:00Q{i:05}", old, new, rules)


def reviewed(funnel: Funnel, *, chance: bool = False) -> WeightReview:
    """The review of a funnel's cases, its model the only file of the policy."""
    texts = {"scoring": scoring_yaml(funnel)}
    policy = replace(policies.parse(texts), scoring=funnel.scoring)
    return conclude(funnel.cases, policy, texts, Circumstances(), seed=7, chance=chance)
