"""Why a lead scored what it scored: a stored score, taken apart into what it was made of.

Points, groups, band and stage are those that were stored; what the rules saw is read again from the profile, the
records and the activities that the score names. Reads score, score_override, lead_profile, lead, activity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy.model import Group, Rule, Scoring
from clearlane.score import chances
from clearlane.score.evidence import Did, Evidence, TermSeen, gathered
from clearlane.score.statement import GROUPS

Values = Mapping[str, Any]


class NotScored(LookupError):
    """The lead is unknown, or had no score yet at that moment."""


@dataclass(frozen=True)
class Score:
    """A row of `score` with the profile and the override it was made with; `values` are its columns."""

    values: Values

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def records(self) -> list[UUID]:
        """The lead records that the person was made of."""
        return self.values["members"] or [self.values["lead_id"]]

    @property
    def band_since(self) -> datetime:
        kept = self.values["band"] == self.values["band_before"]
        since: datetime = (kept and self.values["band_before_since"]) or self.values["as_of"]
        return since


@dataclass(frozen=True)
class RuleStory:
    """One rule on one lead: the points it gave, and `uncut` what they would be without its own bounds.

    `seen`: the values its condition read; `did`: the activities it counted; `failed`: the terms that did not hold,
    of the condition on the lead or of the condition on the one activity that came nearest.
    """

    id: str
    group: Group
    because: str
    points: float
    worth: float
    uncut: float
    seen: Values
    did: Did | None = None
    failed: tuple[TermSeen, ...] = ()
    nearly: bool = False


@dataclass(frozen=True)
class GroupStory:
    """What a group of rules counts: `uncut` the sum of its rules, `points` that sum within low and high."""

    name: Group
    points: float
    uncut: float
    low: float
    high: float


@dataclass(frozen=True)
class BandStory:
    """Where a score puts a lead, and what would move it.

    `why`: override, disqualified, entered, holds (at or above `enter`), hysteresis (below it, not below `leave`)
    or dwell (below `leave`, until `stays_until`). `above` is the next band and where it is entered; `below`
    whether there is a lower one.
    """

    name: str
    since: datetime
    why: Literal["override", "disqualified", "entered", "left", "holds", "hysteresis", "dwell"]
    enter: float
    leave: float
    before: str | None
    stays_until: datetime | None
    above: tuple[str, float] | None
    below: bool


@dataclass(frozen=True)
class ModelStory:
    """The model in force for the lead; `because` and `terms` say why it is a variant, empty for the default."""

    id: str
    because: str | None
    terms: tuple[TermSeen, ...] = ()


@dataclass(frozen=True)
class Disqualified:
    id: str
    because: str
    terms: tuple[TermSeen, ...]


@dataclass(frozen=True)
class Chance:
    """The chance of `target` (0 to 1) that was told beside the score; `horizon_days` None: the model does not say."""

    probability: float
    because: str
    target: str
    horizon_days: float | None
    model: str
    """the file that scoring.yaml names"""


@dataclass(frozen=True)
class Override:
    """What a person said: a score or a band; `until` None: until it is taken back."""

    score: int | None
    band: str | None
    by: str
    because: str
    since: datetime
    until: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True)
class Explanation:
    """A stored score and its reasons; iterating gives the rules that fired, most points first.

    `account`: what the other people of the account came to, where a rule asks. Points are those of the rules,
    whatever an override shows in their place. `chance`: where the policy had a model of it for this lead.
    """

    lead_id: UUID
    as_of: datetime
    score: int
    total: float
    fit: float
    engagement: float
    negative: float
    grade: str
    stage: str
    stage_because: str | None
    hand_raise: bool
    cycle: int
    cycle_since: datetime | None
    activities: int
    model: ModelStory
    band: BandStory
    groups: tuple[GroupStory, ...]
    disqualified: Disqualified | None
    override: Override | None
    account: Values
    chance: Chance | None
    fired: tuple[RuleStory, ...]
    silent: tuple[RuleStory, ...]

    def __iter__(self) -> Iterator[RuleStory]:
        return iter(self.fired)

    @property
    def nearly(self) -> tuple[RuleStory, ...]:
        """The rules that one term kept from firing, most points first."""
        found = [rule for rule in self.silent if rule.nearly]
        return tuple(sorted(found, key=lambda rule: (-abs(rule.worth), rule.id)))


def stored(connection: Connection, lead_id: UUID, as_of: datetime | None = None) -> Score:
    """The newest score of a person (the survivor's id), at a moment or of all. Raises NotScored without one."""
    row = connection.execute(sa.text(_STORED), {"lead_id": lead_id, "as_of": as_of}).mappings().first()
    if row is None:
        raise NotScored(f"no score of lead {lead_id}{f' as of {as_of:%Y-%m-%d %H:%M}' if as_of else ''}")
    return Score(dict(row))


_STORED = """
 select s.*, p.attributes, p.kind, l.source, o.score as said_score, o.band as said_band, o.by as said_by,
   o.because as said_because, o.since as said_since, o.until as said_until, o.ended_at as said_ended_at
 from score s join lead_profile p using (profile_id) join lead l on l.lead_id = s.lead_id
 left join score_override o using (override_id)
 where s.lead_id = :lead_id and s.as_of <= coalesce(cast(:as_of as timestamptz), 'infinity')
 order by s.as_of desc, s.score_id desc limit 1
"""


def explain(connection: Connection, scoring: Scoring, lead_id: UUID, as_of: datetime) -> Explanation:
    """The newest score of a person at a moment, by the model it was made with. Raises NotScored."""
    return explained(connection, scoring, stored(connection, lead_id, as_of))


def explained(connection: Connection, scoring: Scoring, score: Score) -> Explanation:
    """A stored score and its reasons; `scoring` is the model of its policy_hash."""
    model = in_force(scoring, score.model)
    evidence = gathered(connection, scoring, model, score)
    stories = [_story(rule, score, evidence) for rule in model.rules]
    fired = sorted((story for story in stories if story.points), key=lambda s: (-abs(s.points), s.id))
    own = (
        "lead_id",
        "as_of",
        "score",
        "total",
        *GROUPS,
        "grade",
        "stage",
        "hand_raise",
        "cycle",
        "cycle_since",
    )
    return Explanation(
        **{name: score.values[name] for name in own},
        stage_because=next((rule.because for rule in model.stages if rule.name == score.stage), None),
        activities=score.activities,
        model=_model(scoring, score, evidence),
        band=where(model, score.values, score.band_since),
        groups=tuple(_group(model, name, score, stories) for name in GROUPS),
        disqualified=_disqualified(model, score, evidence),
        override=_override(score.values),
        account=score.account or {},
        chance=_chance(connection, scoring, score),
        fired=tuple(fired),
        silent=tuple(story for story in stories if not story.points),
    )


def in_force(scoring: Scoring, model: str) -> Scoring:
    """The model of that name: a variant's, else the default."""
    return next((variant.scoring for variant in scoring.variants if variant.id == model), scoring)


def _story(rule: Rule, score: Score, evidence: Evidence) -> RuleStory:
    terms = evidence.terms.get(rule.id, ())
    did = evidence.did.get(rule.id)
    points = float(score.contributions.get(rule.id, 0.0))
    missed = did.missed if did else ()
    failed = (*missed, *(term for term in terms if not term.held))
    seen = {name: value for term in terms for name, value in term.values.items()}
    weight = did.weight if did else 1.0
    uncut = 0.0 if failed else rule.points * weight
    nearly = not points and _nearly(rule, did, terms)
    return RuleStory(rule.id, rule.group, rule.because, points, rule.points, uncut, seen, did, failed, nearly)


def _nearly(rule: Rule, did: Did | None, terms: tuple[TermSeen, ...]) -> bool:
    """One term does not hold; a term that speaks against the lead alone is no news when it does not."""
    lead = sum(not term.held for term in terms)
    if did is None:
        return lead == 1 and (rule.points > 0 or len(terms) > 1)
    if did.met:
        return lead == 1
    return lead == 0 and did.nearest is not None and len(did.missed) == 1


def _group(scoring: Scoring, name: Group, score: Score, stories: list[RuleStory]) -> GroupStory:
    low, high = scoring.group_bounds[name]
    uncut = sum(story.points for story in stories if story.group == name)
    return GroupStory(name, score.values[name], round(uncut, 6), low, high)


def _model(scoring: Scoring, score: Score, evidence: Evidence) -> ModelStory:
    for variant in scoring.variants:
        if variant.id == score.model:
            return ModelStory(variant.id, variant.because, evidence.terms.get(f"variant {variant.id}", ()))
    return ModelStory(score.model, None)


def _disqualified(scoring: Scoring, score: Score, evidence: Evidence) -> Disqualified | None:
    for rule in scoring.disqualifiers:
        if rule.id == score.disqualified:
            return Disqualified(rule.id, rule.because, evidence.terms.get(f"disqualifier {rule.id}", ()))
    return None


def _chance(connection: Connection, scoring: Scoring, score: Score) -> Chance | None:
    model = None if score.probability is None else chances.in_force(connection, scoring)
    if model is None:
        return None
    horizon = model.learnt.get("horizon_days")
    because = score.probability_because or ""
    return Chance(score.probability, because, model.target, horizon, scoring.predictive or "")


def _override(values: Values) -> Override | None:
    if values["override_id"] is None:
        return None
    return Override(**{name: values[f"said_{name}"] for name in Override.__dataclass_fields__})


def where(scoring: Scoring, values: Values, since: datetime) -> BandStory:
    """The band of a score: `values` has score, band, band_before, band_before_since, disqualified, said_band."""
    names = [band.name for band in scoring.bands]
    rank = names.index(values["band"])
    band = scoring.bands[rank]
    before = values["band_before"]
    why = _why(names, values, band.entry, band.exit)
    return BandStory(
        name=band.name,
        since=since,
        why=why,
        enter=band.entry,
        leave=band.exit,
        before=before,
        stays_until=since + band.dwell if why == "dwell" else None,
        above=(scoring.bands[rank - 1].name, scoring.bands[rank - 1].entry) if rank else None,
        below=rank < len(names) - 1,
    )


def _why(names: list[str], values: Values, enter: float, leave: float) -> Any:
    before = values["band_before"]
    if values["said_band"]:
        return "override"
    if values["disqualified"]:
        return "disqualified"
    if before not in names or names.index(values["band"]) < names.index(before):
        return "entered"
    if before != values["band"]:
        return "left"
    if values["score"] >= enter:
        return "holds"
    return "hysteresis" if values["score"] >= leave else "dwell"
