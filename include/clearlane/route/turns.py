"""The credits of a rotation, counted again pick by pick: each follows from those before it, weights and presence.

An altered turn is named once: what came later was counted from what was there then, altered before or after.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import groupby

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.policy.model import Policy
from clearlane.route.calendars import rep_calendar
from clearlane.route.eligibility import kinds, ramp_share
from clearlane.route.fairness import (
    Kinds,
    Rotation,
    Standing,
    as_decimal,
    as_units,
    step,
    turns,
)
from clearlane.route.state import present_at

PolicyOf = Callable[[Mapping[str, str]], Policy]

_CHAIN = """
select d.decision_seq, d.as_of, d.policy, d.rep_id as winner, d.eligible, d.refused,
       t.rep_id, t.kind, t.weight, t.credit
from decision d left join turn t using (decision_seq)
where d.rotation = :rotation and d.band = :band and d.mode = 'live' and d.decision_seq < :before
union all
select decision_seq, null, null, null, null, null, rep_id, kind, weight, credit from turn
where rotation = :rotation and band = :band and kind = 'return' and decision_seq < :before
order by 1, 7
"""


@dataclass(frozen=True)
class Miscounted:
    """A stored turn that does not follow from those before it; a `turn` may be missing or one too many."""

    decision_seq: int
    rep: str
    column: str
    stored: str
    again: str


@dataclass
class Count:
    """A rotation as counted so far; `doubted` holds what is stored of reps whose rows did not follow."""

    standings: dict[str, Standing] = field(default_factory=dict)
    doubted: dict[str, Standing] = field(default_factory=dict)
    present: frozenset[str] = frozenset()
    winner: str | None = None

    def before(self, members: Collection[str]) -> Rotation:
        """As routing finds it: only who is in the team by now."""
        known = {rep: standing for rep, standing in self.standings.items() if rep in members}
        return Rotation(known, self.present, self.winner)

    def believing(self) -> Count:
        """The count if what is stored was right."""
        return replace(self, standings={**self.standings, **self.doubted}, doubted={})


def miscounted(
    connection: Connection, policy_of: PolicyOf, rotation: str, band: str, before: int
) -> Iterator[Miscounted]:
    """The turns of a rotation and band before a decision number that do not follow from those before them.

    `policy_of` gives the policy of the versions that a decision names.
    """
    bound = {"rotation": rotation, "band": band, "before": before}
    rows = connection.execute(sa.text(_CHAIN), bound).mappings()
    count = Count()
    for _, group in groupby(rows, key=lambda row: row["decision_seq"]):
        pick = list(group)
        policy = policy_of(pick[0]["policy"]) if pick[0]["policy"] else None
        count, found = _followed(policy, rotation, count, pick)
        yield from found


def _followed(
    policy: Policy | None, team: str, count: Count, pick: Sequence[RowMapping]
) -> tuple[Count, Sequence[Miscounted]]:
    """The count after a pick, and what of the stored pick does not follow; who was doubted may have been right."""
    after, found = _counted(policy, team, count, pick)
    if found and count.doubted:
        other, left = _counted(policy, team, count.believing(), pick)
        if len(left) < len(found):
            return other, left
    return after, found


def _counted(
    policy: Policy | None, team: str, count: Count, pick: Sequence[RowMapping]
) -> tuple[Count, Sequence[Miscounted]]:
    return _picked(policy, team, count, pick) if policy else _given_back(count, pick[0])


def _given_back(count: Count, row: RowMapping) -> tuple[Count, Sequence[Miscounted]]:
    """A return takes one turn of the rep's present weight from the credit."""
    seq, rep = row["decision_seq"], row["rep_id"]
    if rep not in count.standings:
        return count, [Miscounted(seq, rep, "turn", "given back", "never taken")]
    old = count.standings[rep]
    now = old._replace(credit=old.credit - step(old.weight))
    found = list(_compared(seq, rep, {rep: now}, {rep: row}))
    doubts = {rep: _standing(row, seq)} if found else {}
    return replace(count, standings={**count.standings, rep: now}, doubted={**count.doubted, **doubts}), found


def _picked(
    policy: Policy, team: str, count: Count, pick: Sequence[RowMapping]
) -> tuple[Count, Sequence[Miscounted]]:
    seq, at = pick[0]["decision_seq"], pick[0]["as_of"]
    taken = next((row["rep_id"] for row in pick if row["kind"] == "turn"), pick[0]["winner"])
    present = present_at(pick[0]) | {taken}
    weights = _weights(policy, team, present, at)
    if taken not in weights:
        return count, [Miscounted(seq, taken, "rep_id", taken, f"nobody of {team}")]
    before = count.before([rep for rep, _ in policy.teams.teams[team].members])
    changed = turns(before, taken, weights, _kinds(policy, team, at), seq)
    stored = {row["rep_id"]: row for row in pick if row["rep_id"]}
    found = [one for rep in sorted({*changed, *stored}) for one in _compared(seq, rep, changed, stored)]
    doubts = {one.rep: _standing(stored[one.rep], seq) for one in found if one.rep in stored}
    standings = {**count.standings, **changed}
    return Count(standings, {**count.doubted, **doubts}, frozenset(weights), taken), found


def _weights(policy: Policy, team: str, reps: frozenset[str], at: datetime) -> dict[str, float]:
    there = policy.teams.teams.get(team)
    if there is None:
        return {}
    on = {
        rep: (there.weight(rep, _local(policy, rep, at)), _share(policy, rep, at)) for rep, _ in there.members
    }
    return {rep: weight * share for rep, (weight, share) in on.items() if rep in reps and weight is not None}


def _kinds(policy: Policy, team: str, at: datetime) -> Kinds:
    return kinds(policy, team, lambda rep: _local(policy, rep, at))


def _share(policy: Policy, name: str, at: datetime) -> float:
    rep = policy.teams.reps[name]
    return ramp_share(rep, _local(policy, name, at)) if rep.ramp else 1.0


def _local(policy: Policy, rep: str, at: datetime) -> date:
    return rep_calendar(policy.teams.reps[rep]).local(at).date()


def _compared(
    seq: int, rep: str, changed: Mapping[str, Standing], stored: Mapping[str, RowMapping]
) -> Iterator[Miscounted]:
    now, row = changed.get(rep), stored.get(rep)
    if row is None or now is None:
        yield Miscounted(seq, rep, "turn", "taken" if row else "not taken", "taken" if now else "not taken")
        return
    if row["weight"] != now.weight:
        yield Miscounted(seq, rep, "weight", f"{row['weight']:g}", f"{now.weight:g}")
    if as_units(row["credit"]) != now.credit:
        yield Miscounted(seq, rep, "credit", f"{row['credit']:f}", f"{as_decimal(now.credit):f}")


def _standing(row: RowMapping, seq: int) -> Standing:
    return Standing(as_units(row["credit"]), row["weight"], seq)
