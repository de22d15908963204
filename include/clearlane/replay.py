"""A decision made again from what it was made of: the same, or exactly what differs, and what follows from that.

What it was made of is held against hashes and records, its score is computed again, and routing decides again from
the ledger as it was before its number. Whatever the ledger learned later changes nothing: an activity that its
source corrected counts as it was known then, which is noted. A person who was erased cannot be replayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane import inputs, policy
from clearlane.inputs import Altered
from clearlane.ledger import Batch, batch_of
from clearlane.ledger.doctor import Check, Finding
from clearlane.policy import PolicyErrors
from clearlane.policy.model import Policy
from clearlane.route.again import decided_again
from clearlane.route.matching import unpacked
from clearlane.route.overrules import DAG as BY_HAND
from clearlane.route.roster import roster_id, snapshot
from clearlane.route.store import DECISION, TURN, Decided, decision_row, turn_rows
from clearlane.route.turns import Miscounted, miscounted
from clearlane.score.again import RESULTS, scored_again

NEWEST: Final = 50
"""decisions that `doctor` replays"""
_NEAR: Final = 2e-6  # points are kept in millionths
_SCORED: Final = frozenset({"policy", "profile", "activity", "memory"})
"""what a score follows from; a decision follows from anything but the records that profiles were made of"""
_NOT_READ: Final = frozenset({"record", "roster"})


@dataclass(frozen=True)
class Difference:
    """What is stored of a thing and what it ought to be; `follows` are the differences that it causes."""

    subject: str
    column: str
    stored: str
    again: str
    follows: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class Replay:
    """A decision held against itself; `notes` say what was known differently since, and changed nothing."""

    decision_seq: int
    lead: str
    mode: str
    as_of: datetime
    because: str
    differences: tuple[Difference, ...]
    notes: tuple[str, ...] = ()
    scoring: str = ""
    """the hash of the scoring.yaml that its score was made by"""
    erased: bool = False

    @property
    def identical(self) -> bool:
        return not self.differences


class Unknown(LookupError):
    """There is no such decision."""


def replay(connection: Connection, decision_seq: int) -> Replay:
    """One decision again, with every turn of its rotation before it; Unknown where there is none."""
    found = replays(connection, [decision_seq])
    if not found:
        raise Unknown(f"no decision {decision_seq} in the ledger")
    return found[0]


def of_lead(connection: Connection, lead_id: UUID) -> tuple[Replay, ...]:
    """The live decisions for a person, of all its records, in the order in which they were made."""
    query = """
     select decision_seq from decision join lead using (lead_id) where survivor_id = :lead and mode = 'live' order by 1
    """
    return replays(connection, connection.execute(sa.text(query), {"lead": lead_id}).scalars().all())


def newest(connection: Connection, count: int = NEWEST) -> tuple[Replay, ...]:
    """The newest live decisions again, without counting the turns before them."""
    query = "select decision_seq from decision where mode = 'live' order by 1 desc limit :count"
    seqs = connection.execute(sa.text(query), {"count": count}).scalars().all()
    return replays(connection, sorted(seqs), turns=False)


def replays(connection: Connection, decisions: Sequence[int], *, turns: bool = True) -> tuple[Replay, ...]:
    """These decisions again, in the order of their numbers; leaves nothing behind, temporary tables included."""
    if not decisions:
        return ()
    with connection.begin_nested() as savepoint:
        made = _Replaying(connection, decisions, turns).all()
        savepoint.rollback()
    return tuple(made)


def finding(connection: Connection) -> Finding:
    """What `doctor` says of the newest decisions."""
    apart = [str(one.decision_seq) for one in newest(connection) if not one.identical]
    promise = f"the newest {NEWEST} decisions are made again from what they name"
    return Finding(Check("decisions_replay", promise, ""), tuple(apart), len(apart))


def lines(one: Replay) -> Iterator[str]:
    """What a person reads: the decision, each difference with what follows from it, and the notes."""
    yield f"decision {one.decision_seq}, {one.lead}, {one.as_of:%Y-%m-%d %H:%M} UTC, {one.mode}: {one.because}"
    if one.erased:
        yield "  cannot be made again: the person was erased, and with the person what it was decided by"
        return
    same = (
        "a person decided this: nothing to compute"
        if one.mode == "hand"
        else "the same: made again from what was known before it"
    )
    yield f"  scored by scoring.yaml {one.scoring[:12]}"
    yield f"  {same}" if one.identical else "  differs:"
    for cause in one.differences:
        yield f"    {cause.subject}, {cause.column}: stored {cause.stored}, should be {cause.again}"
        yield from (
            f"      so {one.subject}, {one.column}: {one.stored} comes out as {one.again}"
            for one in cause.follows
        )
    yield from (f"  note: {note}" for note in one.notes)


def as_json(one: Replay) -> Mapping[str, Any]:
    return {**asdict(one), "as_of": one.as_of.isoformat(), "identical": one.identical}


# --- making them again ------------------------------------------------------------------------------

_DECISIONS = """
select d.*, l.source || ':' || l.external_id as lead, s.policy_hash,
       exists (select from place p where p.lead_id = d.lead_id and p.place = 'closed' and p.reason = 'erased') as erased
from decision d join lead l using (lead_id) join score s using (score_id)
where decision_seq = any(cast(:decisions as bigint[])) order by decision_seq
"""
_SCORES = f"select score_id, {', '.join(RESULTS)} from score where score_id = any(cast(:scores as bigint[]))"
_TURNS = f"select {', '.join(TURN)} from turn where decision_seq = any(cast(:decisions as bigint[]))"
_CORRECTED = """
select d.decision_seq, count(*) as activities
from decision d join score s using (score_id)
join activity a on a.lead_id = any(coalesce(s.members, array[s.lead_id])) and a.known_seq > s.known_seq
join inbox now on now.seq = a.seq
where d.decision_seq = any(cast(:decisions as bigint[])) and exists (
    select from inbox i join batch b on b.batch_id = i.batch_id
    where (i.source, i.object, i.external_id) = (now.source, now.object, now.external_id)
      and i.seq <> now.seq and i.state = 'consumed' and b.known_seq <= s.known_seq)
group by 1
"""


class _Replaying:
    """Replays decisions run by run: those of one run share its policy."""

    def __init__(self, connection: Connection, decisions: Sequence[int], turns: bool) -> None:
        self.connection, self.turns = connection, turns
        self.bound = {"decisions": list(decisions)}
        self.stored = self.rows(_DECISIONS)
        self.altered = inputs.altered(connection, [row["decision_seq"] for row in self.stored])
        self.charged = self.rows(_TURNS)
        self.counted: dict[tuple[str, str], Sequence[Miscounted]] = {}
        self.corrected = {row["decision_seq"]: row["activities"] for row in self.rows(_CORRECTED)}

    def rows(self, query: str, **bound: Any) -> Sequence[RowMapping]:
        return self.connection.execute(sa.text(query), {**self.bound, **bound}).mappings().all()

    def all(self) -> Sequence[Replay]:
        gone = [_of_the_erased(row) for row in self.stored if row["erased"]]
        by_batch = sorted(
            (row for row in self.stored if not row["erased"]), key=lambda row: str(row["batch_id"])
        )
        groups = groupby(by_batch, key=lambda row: row["batch_id"])
        made = [one for batch, group in groups for one in self.of_batch(batch, list(group))]
        return sorted([*gone, *made], key=lambda one: one.decision_seq)

    def of_batch(self, batch_id: UUID, decisions: Sequence[RowMapping]) -> Iterator[Replay]:
        batch = batch_of(self.connection, batch_id)
        if batch.dag_id == BY_HAND:
            yield from (self.told(row, _Found(self.altered[row["decision_seq"]])) for row in decisions)
            return
        try:
            pinned = policy.stored(self.connection, batch.policy)
        except (PolicyErrors, LookupError) as problem:
            yield from (self.unreadable(row, problem) for row in decisions)
            return
        scores = self.scores(pinned, decisions)
        roster = roster_id(snapshot(pinned.teams))
        seqs = [row["decision_seq"] for row in decisions]
        again = {one.seq: one for one in decided_again(self.connection, pinned, batch, seqs)}
        for row in decisions:
            made = again[row["decision_seq"]]
            apart = tuple(_decision(pinned, batch, roster, row, made))
            altered = _but_of_it(self.altered[made.seq], row, apart)
            turns, charged = self.miscounted(row), tuple(self.charged_otherwise(row, made))
            yield self.told(row, _Found(altered, turns, scores[row["score_id"]], apart, charged))

    def told(self, row: RowMapping, found: _Found, *notes: str) -> Replay:
        corrected = self.corrected.get(row["decision_seq"])
        if corrected:
            notes = (*notes, f"{corrected} of its activities were corrected since; they count as known then")
        said = row["decision_seq"], row["lead"], row["mode"], row["as_of"], row["because"]
        return Replay(*said, found.told(), notes, row["policy_hash"])

    def unreadable(self, row: RowMapping, problem: Exception) -> Replay:
        altered = self.altered[row["decision_seq"]] or (
            Altered("policy", "the policy", "content", "unreadable", "readable"),
        )
        note = f"its policy cannot be read any more, so nothing is computed again: {problem}"
        return self.told(row, _Found(altered), note)

    def scores(self, pinned: Policy, decisions: Iterable[RowMapping]) -> Mapping[int, tuple[Difference, ...]]:
        """Score id -> what of it is computed otherwise."""
        numbers: dict[int, int] = {}
        for row in decisions:
            numbers.setdefault(row["score_id"], row["decision_seq"])
        leads = {row["score_id"]: row["lead"] for row in decisions}
        again = scored_again(self.connection, pinned.scoring, numbers)
        stored = {row["score_id"]: row for row in self.rows(_SCORES, scores=list(numbers))}
        return {
            score: tuple(_score(f"score {score} of {leads[score]}", stored[score], again[score]))
            for score in numbers
        }

    def miscounted(self, row: RowMapping) -> Sequence[Miscounted]:
        """The turns of its rotation before it that do not follow from those before them."""
        if not self.turns or row["rotation"] is None or row["mode"] != "live":
            return ()
        key = row["rotation"], row["band"]
        if key not in self.counted:
            self.counted[key] = tuple(miscounted(self.connection, self.policy_of, *key, max(self.altered)))
        return [turn for turn in self.counted[key] if turn.decision_seq < row["decision_seq"]]

    def policy_of(self, versions: Mapping[str, str]) -> Policy:
        return policy.stored(self.connection, versions)

    def charged_otherwise(self, row: RowMapping, again: Decided) -> Iterator[Difference]:
        """What the decision's own turns would be."""
        if row["mode"] != "live":
            return
        stored = {
            (t["rep_id"], t["kind"]): t for t in self.charged if t["decision_seq"] == row["decision_seq"]
        }
        counted = {
            (t["rep_id"], t["kind"]): t
            for t in (dict(zip(TURN, turn, strict=True)) for turn in turn_rows(again))
        }
        for key in sorted({*stored, *counted}):
            subject = f"turn {row['decision_seq']} of {key[0]}"
            yield from _columns(
                subject, ("rotation", "band", "weight", "credit"), stored.get(key), counted.get(key)
            )


def _of_the_erased(row: RowMapping) -> Replay:
    said = row["decision_seq"], row["lead"], row["mode"], row["as_of"], row["because"]
    return Replay(*said, differences=(), scoring=row["policy_hash"], erased=True)


@dataclass(frozen=True)
class _Found:
    """What differs, in the order of the river; each is a cause, or follows from the first that it may follow from."""

    altered: Sequence[Altered] = ()
    turns: Sequence[Miscounted] = ()
    score: Sequence[Difference] = ()
    decision: Sequence[Difference] = ()
    charged: Sequence[Difference] = ()

    def told(self) -> tuple[Difference, ...]:
        causes = [
            (one.part, Difference(one.subject, one.column, one.stored, one.again)) for one in self.altered
        ]
        causes += [
            ("turn", Difference(f"turn {one.decision_seq} of {one.rep}", one.column, one.stored, one.again))
            for one in self.turns
        ]
        follows: dict[int, list[Difference]] = {}
        _settle(causes, follows, "score", self.score, _SCORED)
        for part, effects in (("decision", self.decision), ("charged", self.charged)):
            _settle(causes, follows, part, effects, {part for part, _ in causes} - _NOT_READ)
        return tuple(replace(cause, follows=tuple(follows.get(i, ()))) for i, (_, cause) in enumerate(causes))


def _settle(
    causes: list[tuple[str, Difference]],
    follows: dict[int, list[Difference]],
    part: str,
    effects: Sequence[Difference],
    read: Iterable[str],
) -> None:
    """Put differences under the first cause among the parts that they were read from, else among the causes."""
    first = next((i for i, (name, _) in enumerate(causes) if name in read), None)
    if first is None:
        causes += [(part, effect) for effect in effects]
    else:
        follows.setdefault(first, []).extend(effects)


_COPIED: Final = {"rep_id": "rep_id", "team": "team", "started_at": "as_of"}
"""what an assignment repeats of its decision"""


def _but_of_it(altered: Sequence[Altered], row: RowMapping, apart: Sequence[Difference]) -> Sequence[Altered]:
    """Without what the decision's own assignment keeps and the decision does not: there the decision is altered."""
    own = f"decision {row['decision_seq']}"
    columns = {one.column for one in apart}
    return [
        one
        for one in altered
        if one.subject.removeprefix("assignment of ") != own or _COPIED.get(one.column) not in columns
    ]


# --- what differs -----------------------------------------------------------------------------------


def _score(subject: str, stored: RowMapping, again: Mapping[str, Any]) -> Iterator[Difference]:
    plain = tuple(name for name in RESULTS if name not in ("contributions", "account"))
    yield from _columns(subject, plain, stored, again)
    for name in ("contributions", "account"):
        one, other = stored[name] or {}, again[name] or {}
        yield from _columns(
            subject, sorted({*one, *other}), one, other, before="points of " * (name == "contributions")
        )


def _decision(
    pinned: Policy, batch: Batch, roster: str, row: RowMapping, again: Decided
) -> Iterator[Difference]:
    made = dict(zip(DECISION, decision_row(batch, pinned, roster, again), strict=True))
    subject = f"decision {row['decision_seq']} of {row['lead']}"
    rules = [rule.id for rule in pinned.routing.rules]
    stored = {**row, "terms": _held(rules, row["terms"])}
    computed = {**made, "terms": _held(rules, made["terms"]), "eligible": list(made["eligible"])}
    yield from _columns(subject, [name for name in DECISION if name != "decision_seq"], stored, computed)


def _held(rules: Sequence[str], terms: bytes) -> list[str]:
    """The rules whose conditions held."""
    return [rule for rule, bit in zip(rules, unpacked(terms, len(rules)), strict=False) if bit == "1"]


def _columns(
    subject: str, names: Iterable[str], stored: Any, again: Any, *, before: str = ""
) -> Iterator[Difference]:
    if stored is None or again is None:
        yield Difference(subject, "turn", _taken(stored), _taken(again))
        return
    for name in names:
        one, other = stored.get(name), again.get(name)
        if not _same(one, other):
            yield Difference(subject, before + name, _shown(one), _shown(other))


def _taken(turn: object) -> str:
    return "taken" if turn else "not taken"


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float | int) and isinstance(other, float | int):
        return abs(one - other) <= _NEAR
    return bool(one == other)


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {said}" for name, said in sorted(value.items())) or "nobody"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
