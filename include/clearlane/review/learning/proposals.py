"""Better points for the policy in force, or none: what a weight review proposes, and why.

What is taken for granted is that the points in force, rescaled, are right; only what chance does not explain at the
level of the policy is proposed. The level is shared: rules of the model, new rules, half-lives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from clearlane.policy.model import Rule, Scoring
from clearlane.review.cases import Cases, Change, Finding, Interval, Limits, Proposal, Scorecard, Worth
from clearlane.review.changed import evidence
from clearlane.review.learning import reasons
from clearlane.review.learning.chance import Surprise, surprise
from clearlane.review.learning.drift import drifting
from clearlane.review.learning.fading import HalfLife, half_lives
from clearlane.review.learning.limits import limits as limits_of
from clearlane.review.learning.moves import Moves, moves
from clearlane.review.learning.odds import Floats, fitted
from clearlane.review.learning.problem import Problem, problem
from clearlane.review.learning.unscored import Candidate, candidates
from clearlane.review.learning.worths import Z, rate, worths
from clearlane.review.soundness import suspects

OF_RULES: Final = 0.75
OF_NEW: Final = 0.125
OF_HALF_LIVES: Final = 0.125
"""shares of the policy's level"""
NOTHING: Final = 1.0
"""points: a rule that is worth less than this either way, its interval around 0, may go"""
UNFAIR: Final = 2.6
"""standard errors by which a negative rule must be wrong to be called unfair: 1 %, because there are several"""


def proposed(cases: Cases, scoring: Scoring, limits: Limits | None = None, seed: int = 0) -> Proposal:
    """What the cases say of the points of `scoring`, within `limits` (those of its `review:` where None are given).

    `cases.evidence` has a column per rule of the model. The same cases and seed give the same proposal. Raises TooFew
    (a ValueError) where no outcome has enough leads, and ValueError for evidence of what is no rule.
    """
    given = problem(cases, scoring)
    review = _Review(cases, given, limits or limits_of(scoring, given.rules), np.random.default_rng(seed))
    return review.proposal()


@dataclass(frozen=True)
class _Review:
    cases: Cases
    problem: Problem
    limits: Limits
    draws: np.random.Generator

    @property
    def scoring(self) -> Scoring:
        return self.problem.scoring

    def proposal(self) -> Proposal:
        terms, given = self.scoring.review, self.problem
        found = moves(given, len(given.rules), terms.level * OF_RULES, self.draws)
        of_rules = worths(given, found)
        leaks = suspects(self.cases, given.outcome)
        moved = tuple(self._moved(found, of_rules))
        lives = self._half_lives(found)
        new = tuple(self._new(found, {leak.subject for leak in leaks}))
        changes = _refaded((*moved, *new), lives, of_rules, self._rules)
        return Proposal(
            target=given.outcome,
            cases=len(given.target),
            positives=int(given.target.sum()),
            changes=changes,
            findings=(*leaks, *self._findings(found, of_rules, moved)),
            before=self._scorecard(()),
            after=self._scorecard(changes),
            p_value=found.p_value,
            half_lives={each.rule: each.days for each in lives},
            worths=of_rules,
        )

    @property
    def _rules(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self.scoring.rules}

    # --- rules of the model ------------------------------------------------------------------------

    def _moved(self, found: Moves, of_rules: Sequence[Worth]) -> Iterator[Change]:
        """The chosen rules, the most telling first, until changes or budget are used up."""
        if not found.estimate.clear:
            return
        left, budget = self.limits.changes, self.scoring.review.budget
        for rule in found.chosen:
            worth = of_rules[rule]
            after = self._after(rule, worth, budget)
            if after == self.limits.start[rule] or left == 0:
                continue
            left, budget = left and left - 1, budget - abs(after - int(self.limits.start[rule]))
            yield self._change(worth, after, self.problem.stage if rule in found.early else None)

    def _after(self, rule: int, worth: Worth, budget: int) -> int:
        """The whole points nearest to what the rule is worth, within limits and budget; 0 where it tells nothing."""
        assert worth.points is not None
        start, low, high = (
            int(each[rule]) for each in (self.limits.start, self.limits.lower, self.limits.upper)
        )
        nothing = worth.points.low <= 0 <= worth.points.high and abs(worth.points.value) <= NOTHING
        aim = 0 if nothing and low <= 0 <= high else round(worth.points.value)
        return int(np.clip(aim, max(low, start - budget), min(high, start + budget)))

    def _change(self, worth: Worth, after: int, stage: str | None) -> Change:
        assert worth.points is not None
        return Change(
            rule=worth.rule,
            group=self._rules[worth.rule].group,
            before=worth.before,
            after=after,
            points=worth.points,
            fired=worth.fired,
            rate_with=worth.rate_with,
            rate_without=worth.rate_without or worth.rate_with,
            reason=reasons.of_change(worth, after, self.problem.outcome, stage),
        )

    # --- rules that are not there yet --------------------------------------------------------------

    def _new(self, found: Moves, leaking: set[str]) -> Iterator[Change]:
        """Conditions that say what no points of the rules in force could say."""
        tried = candidates(self.cases, self.scoring, leaking)
        if not tried or not found.estimate.clear:
            return
        given, level = self.problem, self.scoring.review.level * OF_NEW
        known = given.known(given.points + found.estimate.shift).columns
        base = np.column_stack([known, given.evidence[:, given.judged]])
        columns = np.column_stack([each.holds for each in tried]).astype(np.float64)
        for _ in range(self.scoring.review.new_rules):
            told = surprise(base, columns, given.target, given.weight, level, self.draws)
            if told.p_value > level:
                return
            change = self._added(tried[told.best], columns[:, told.best], told, found.estimate.slope)
            if change.after:
                yield change
            base = np.column_stack([base, columns[:, told.best]])

    def _added(self, new: Candidate, holds: Floats, told: Surprise, slope: float) -> Change:
        value, half = told.odds[told.best] / slope, Z * told.error[told.best] / slope
        most = self.scoring.review.most_change
        with_it, without = rate(self.problem, holds), rate(self.problem, 1.0 * (holds == 0))
        return Change(
            rule=new.rule,
            group="negative" if value < 0 else "engagement" if new.activity else "fit",
            before=0,
            after=int(np.clip(round(value), -most, most)),
            points=Interval(float(value), float(value - half), float(value + half)),
            fired=int(np.count_nonzero(holds)),
            rate_with=with_it,
            rate_without=without,
            reason=reasons.of_new(new.said, with_it, without, self.problem.outcome),
            when=new.when,
            activity=new.activity,
            half_life_days=new.half_life_days,
        )

    # --- how fast behaviour fades ------------------------------------------------------------------

    def _half_lives(self, found: Moves) -> tuple[HalfLife, ...]:
        points = self.problem.points + found.estimate.shift
        level = self.scoring.review.level * OF_HALF_LIVES
        return half_lives(self.problem, self.cases.refaded, points, level)

    # --- what is said without a change -------------------------------------------------------------

    def _findings(
        self, found: Moves, of_rules: Sequence[Worth], moved: Sequence[Change]
    ) -> Iterator[Finding]:
        if not found.estimate.clear:
            yield Finding(
                "blind",
                "the score as a whole",
                f"does not tell beyond chance which leads {reasons.CALLED[self.problem.outcome]}: there is no unit in "
                "which a rule's points could be measured, so none is changed",
            )
        yield from self._rare(of_rules)
        yield from self._held(found, of_rules, {change.rule for change in moved})
        if found.unconfirmed is not None and self.problem.stage:
            why = reasons.of_unconfirmed(self.problem.outcome, self.problem.stage)
            yield Finding("unconfirmed", self.problem.rules[found.unconfirmed], why)
        yield from self._unfair(of_rules)
        if found.estimate.clear:
            level = self.scoring.review.level
            yield from drifting(self.problem, found.estimate.slope, level, self.draws)

    def _rare(self, of_rules: Sequence[Worth]) -> Iterator[Finding]:
        judged = {self.problem.rules[rule] for rule in self.problem.judged}
        leads, outcome = len(self.problem.target), self.problem.outcome
        for worth in of_rules:
            if worth.rule not in judged:
                yield Finding(
                    "rare", worth.rule, reasons.of_rare(worth.fired, worth.positives, leads, outcome)
                )

    def _held(self, found: Moves, of_rules: Sequence[Worth], moved: set[str]) -> Iterator[Finding]:
        """Rules that the evidence would move and the policy does not."""
        for rule in found.chosen if found.estimate.clear else ():
            worth = of_rules[rule]
            if worth.rule in moved or worth.points is None:
                continue
            fixed = self.limits.lower[rule] == self.limits.upper[rule]
            said = f"the evidence says {reasons.points(worth.points)}, not {worth.before}"
            if fixed:
                yield Finding("locked", worth.rule, f"{said}; the policy locks it")
            else:
                yield Finding("left", worth.rule, f"{said}; the limits of one review leave it as it is")

    def _unfair(self, of_rules: Sequence[Worth]) -> Iterator[Finding]:
        """Negative rules whose leads lose nothing."""
        for worth in of_rules:
            if worth.points is None or worth.before >= 0 or worth.points.high < 0:
                continue
            error = (worth.points.high - worth.points.value) / Z
            if worth.points.value - UNFAIR * error > worth.before:
                fared = reasons.fared(worth.rate_with, worth.rate_without, self.problem.outcome)
                said = f"takes {-worth.before} points from leads that do as well as others: {fared}"
                yield Finding("unfair", worth.rule, said)

    # --- both scorecards ---------------------------------------------------------------------------

    def _scorecard(self, changes: Sequence[Change]) -> Scorecard:
        """The points with the changes made, new rules and half-lives too, fitted to the outcome."""
        given = self.problem
        after = dict(zip(given.rules, given.points, strict=True)) | {
            change.rule: float(change.after) for change in changes
        }
        total = evidence(self.cases, self.scoring, changes)[list(after)].to_numpy(np.float64) @ [
            *after.values()
        ]
        fit = fitted(np.column_stack([np.ones(len(total)), total]), given.target, given.weight)
        loss = fit.loss / float(given.weight.sum())
        points = {name: round(worth) for name, worth in after.items()}
        return Scorecard(points, float(fit.odds[0]), float(fit.odds[1]), loss)


def _refaded(
    changes: tuple[Change, ...], lives: Iterable[HalfLife], of_rules: Sequence[Worth], rules: dict[str, Rule]
) -> tuple[Change, ...]:
    """The changes with the half-lives that are odd; a rule whose points stay is a change of its own."""
    told = {change.rule: change for change in changes}
    of = {worth.rule: worth for worth in of_rules}
    for life in lives:
        worth, days = of[life.rule], float(max(1, round(life.days.value)))
        if not life.odd or worth.points is None or worth.rate_without is None or days == life.before:
            continue
        said = reasons.of_half_life(days, life.days, life.before)
        if life.rule in told:
            told[life.rule] = replace(
                told[life.rule], half_life_days=days, reason=f"{told[life.rule].reason} {said}"
            )
        else:
            told[life.rule] = Change(
                life.rule, rules[life.rule].group, worth.before, worth.before, worth.points, worth.fired,
                worth.rate_with, worth.rate_without, said, half_life_days=days,
            )  # fmt: skip
    return tuple(told.values())
