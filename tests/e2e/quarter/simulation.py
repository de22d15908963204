"""A quarter as it goes: the world happens, the runs come every five minutes, the clock being an argument.

The ledger learns what its sources show. What really happened, and when, is kept here alone.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from typing import Any, Final

import sqlalchemy as sa
from tests.e2e.quarter import firm, people
from tests.e2e.quarter.crm import LAG, SYSTEMS, Systems
from tests.e2e.quarter.people import Deed

from clearlane import policy, steps
from clearlane.connectors import SourceFailed
from clearlane.policy.model import Policy
from clearlane.route.byhand import NotPossible
from clearlane.route.declines import decline
from clearlane.sla.mails import Post

DAGS: Final = ("lead_flow", "sla_watch", "outcome_sync")
STEP: Final = timedelta(minutes=5)
HOUR: Final = timedelta(hours=1)
NOWHERE: Final = "postgresql+psycopg://nobody@127.0.0.1:1/nothing?connect_timeout=2"

# A moment matters when it is reached, and when all touches of before it can be known; of a follow-up also where all
# attempts were made.
_STIRS: Final = """
select exists (
    select from sla_clock k
    cross join lateral unnest(array[k.warn_at, k.due_at, k.reassign_at]) m (at)
    where (k.met_at is null or k.met_at > m.at or k.kind = 'follow_up') and (k.ended_at is null or k.ended_at > m.at)
      and (m.at >= :since and m.at < :until or m.at >= :known_since and m.at < :known_until)
) or :up and exists (select from sla_clock where unverified_since is not null)
  or exists (select from routing_event where handled_batch is null and occurred_at < :until)
"""
_WAITS: Final = """
select exists (select from place where place = 'waiting')
    or exists (select from place where until > :since and until <= :until)
    or exists (select from place where place = 'pool' and since + interval '5 days' between :since and :until)
    or exists (select from routing_event where handled_batch is null and occurred_at < :until)
"""


@dataclass(frozen=True)
class Size:
    """How long, how many, from which day; everything else follows from the seed."""

    first: date
    days: int
    leads: int
    seed: int = 7
    every_run: bool = False
    """also the runs before which nothing happened and nothing fell due"""

    @property
    def begin(self) -> datetime:
        return datetime.combine(self.first, clock_time(), UTC)

    @property
    def end(self) -> datetime:
        return self.begin + timedelta(days=self.days)


@dataclass
class Simulation:
    """One ledger, two systems, and what really happened."""

    engine: sa.Engine
    systems: Systems
    size: Size
    post: Post
    deeds: list[Deed] = field(default_factory=list)
    given: list[tuple[str, str, str, datetime]] = field(default_factory=list)
    """(system, lead, rep, moment) of the owners whom people changed"""
    declined: list[Deed] = field(default_factory=list)
    """declines of who had the lead, as far as the ledger knew"""
    arrived: dict[str, datetime] = field(default_factory=dict)
    """lead -> the moment of its arrival"""
    watched: list[datetime] = field(default_factory=list)
    """moments of the runs of the watch, also of those that were left out because nothing could have come of them"""
    counts: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        size = self.size
        self._coming: list[tuple[datetime, int, Callable[[datetime], None]]] = []
        self._numbers = itertools.count()
        self._policy = firm.texts(size.first, size.days)
        self._names = firm.names(self._policy)
        self.outages = people.outages(size.seed, size.first, size.days)
        self._seen: dict[tuple[str, str], tuple[str, str | None]] = {}
        self._now = size.begin
        self._last: dict[str, datetime] = dict.fromkeys(DAGS, size.begin - HOUR)
        self._news: dict[str, bool] = dict.fromkeys(DAGS, True)
        self._down: frozenset[str] = frozenset()
        self._rested = 0
        self._publish(self._policy, size.begin - timedelta(days=400))
        for arrival in people.arrivals(size.seed, size.first, size.days, size.leads):
            self._expect(arrival)
        for moment in firm.turns(self._policy):
            self._at(moment, self._stir)
        leaves = size.begin + timedelta(days=size.days * 0.6)
        self._at(leaves, self._leave)

    def teams(self) -> Mapping[str, set[str]]:
        """Team -> who is in it."""
        return firm.teams(self._policy)

    def pinned(self, connection: sa.Connection) -> Policy:
        """The policy in force at the end."""
        return policy.stored(connection, policy.in_force(connection, self._now))

    def figures(self) -> str:
        """What there was, and what it cost."""
        told = (
            "decided",
            "warned",
            "breached",
            "timed_out",
            "reassigned",
            "escalated",
            "suspended",
            "exhausted",
            "declined_too_late",
            "mails_sent",
            "unread",
        )
        happened = {"deeds": self.deeds, "declined": self.declined, "given": self.given}
        counts = (
            {"leads": self.size.leads}
            | {name: len(those) for name, those in happened.items()}
            | {name: self.counts[name] for name in told}
        )
        costs = {
            dag: f"{self.runs[dag]} runs of {self.seconds[dag] / max(self.runs[dag], 1):.2f} s"
            for dag in DAGS
        }
        costs["a day"] = f"{sum(self.seconds.values()) / self.size.days:.1f} s"
        return ", ".join(f"{name} {value}" for name, value in {**counts, **costs}.items())

    # --- the world ----------------------------------------------------------------------------

    def _at(self, moment: datetime, then: Callable[[datetime], None]) -> None:
        heapq.heappush(self._coming, (moment, next(self._numbers), then))

    def _expect(self, one: people.Arrival) -> None:
        self.arrived[one.lead["id"]] = one.lead["created_at"]
        self._at(one.at, lambda _: self._record(one.system, "leads", one.lead))
        for moment, activity in one.activities:
            self._at(max(moment, one.at), lambda _, row=activity: self._record(one.system, "activities", row))

    def _stir(self, _: datetime) -> None:
        self._news = dict.fromkeys(DAGS, True)

    def _record(self, system: str, table: str, row: Mapping[str, Any]) -> None:
        self.systems.add(system, table, row)
        self._stir(self._now)

    def _leave(self, at: datetime) -> None:
        self._publish(firm.without_leaver(self._policy, at.date()), at)
        self._stir(at)

    def _publish(self, texts: Mapping[str, str], at: datetime) -> None:
        with self.engine.begin() as connection:
            policy.publish(connection, texts, by="test", because="test", in_force_from=at)

    def _do(self, deed: Deed) -> None:
        self.deeds.append(deed)
        self._at(deed.at if deed.kind == "decline" else deed.shown, lambda _: self._show(deed))

    def _show(self, deed: Deed) -> None:
        if deed.kind == "decline":
            self._decline(deed)
        else:
            row = {
                "id": f"o{next(self._numbers)}", "lead_id": deed.lead, "kind": deed.kind, "occurred_at": deed.at,
                "rep": deed.rep,
            }  # fmt: skip
            self.systems.add(deed.system, "outcomes", row)
        self._news["sla_watch"] = self._news["outcome_sync"] = True

    def _decline(self, deed: Deed) -> None:
        """By the link of the notice: who has the lead no longer is told so."""
        found = "select survivor_id from lead where source = :system and external_id = :lead"
        with self.engine.begin() as connection:
            asked = {"system": deed.system, "lead": deed.lead}
            lead = connection.execute(sa.text(found), asked).scalar_one()
            pinned = policy.stored(connection, policy.in_force(connection, deed.at))
            try:
                decline(connection, pinned, lead, deed.rep, str(deed.reason), deed.at)
                self.declined.append(deed)
            except NotPossible:
                self.counts["declined_too_late"] += 1

    def _look(self) -> None:
        """Reps see in their system which leads are theirs, and make up their minds."""
        for system, lead, owner, due in self.systems.assigned():
            rep = self._names[owner]
            if self._seen.get((system, lead)) == (rep, due):
                continue
            self._seen[system, lead] = rep, due
            until = datetime.fromisoformat(due) if due else None
            for deed in people.deeds(self.size.seed, system, lead, rep, self._now, until):
                self._do(deed)
            if system == firm.MASTER:
                self._may_hand_on(lead, rep)

    def _may_hand_on(self, lead: str, rep: str) -> None:
        colleagues = firm.colleagues(self._policy, rep)
        found = people.handed_on(self.size.seed, lead, rep, self._now, colleagues) if colleagues else None
        if found:
            moment, to = found
            self._at(moment, lambda at: self._hand_on(lead, to, at))

    def _hand_on(self, lead: str, to: str, at: datetime) -> None:
        """A person changes the owner in the system; the new one sees it at once."""
        self.systems.give(firm.MASTER, lead, to, at)
        self.given.append((firm.MASTER, lead, to, at))
        for deed in people.deeds(self.size.seed, firm.MASTER, lead, to, at, None):
            self._do(deed)
        self._stir(at)

    # --- the runs -----------------------------------------------------------------------------

    def run(self) -> None:
        """Until the end, and on until what was promised then is known."""
        last = self.size.end + 6 * HOUR
        self._now += STEP
        while self._now <= last:
            while self._coming and self._coming[0][0] < self._now:
                moment, _, then = heapq.heappop(self._coming)
                then(moment)
            if not people.within(self.outages["here"], self._now):
                self._runs()
            self._now += STEP

    def _runs(self) -> None:
        down = frozenset(one for one in SYSTEMS if people.within(self.outages[one], self._now))
        if down != self._down:
            self._down, self._news = down, dict.fromkeys(DAGS, True)
        if self._due("lead_flow", _WAITS):
            self._timed("lead_flow", self._flow)
            self._look()
        if self._now.minute == 15 and (self.size.every_run or self._news["outcome_sync"]):
            self._timed("outcome_sync", self._sync)
        if self._now.hour == 2 and self._now.minute == 0 and self.counts["exhausted"] > self._rested:
            self._rested = self.counts["exhausted"]
            self._count(steps.score_refresh(self.engine, self._now))
        self.watched.append(self._now)
        if self._due("sla_watch", _STIRS):
            self._timed("sla_watch", self._watch)
            self._look()

    def _due(self, dag: str, condition: str) -> bool:
        """Whether anything can come of a run: something happened since the last, or something falls due."""
        if self.size.every_run or self._news[dag]:
            return True
        since = self._last[dag]
        asked = {
            "since": since, "until": self._now, "known_since": since - LAG, "known_until": self._now - LAG,
            "up": not self._down,
        }  # fmt: skip
        with self.engine.connect() as connection:
            return bool(connection.execute(sa.text(condition), asked).scalar())

    def _timed(self, dag: str, run: Callable[[str], None]) -> None:
        begun = time.perf_counter()
        batch = steps.open_batch(
            self.engine, dag_id=dag, run_id=f"scheduled__{self._now.isoformat()}", run_type="scheduled", mode="auto",
            dry_run=False, window=(self._now - STEP, self._now), as_of=self._now, code_version="test",
        )  # fmt: skip
        run(str(batch.batch_id))
        self.seconds[dag] += time.perf_counter() - begun
        self.runs[dag] += 1
        self._last[dag] = self._now
        self._news[dag] = False

    def _secret(self, name: str) -> str:
        return NOWHERE if name in self._down else self.systems.url

    def _pull(self, pull: Callable[..., Any], batch: str) -> None:
        for system in SYSTEMS:
            try:
                pull(self.engine, batch, system, self._secret)
            except SourceFailed:
                self.counts["unread"] += 1

    def _flow(self, batch: str) -> None:
        self._pull(steps.pull, batch)
        steps.quality(self.engine, batch, lane="plain")
        for stage in (steps.identity, steps.enrich, steps.score, steps.route):
            self._count(stage(self.engine, batch))
        self._push(batch)

    def _sync(self, batch: str) -> None:
        self._pull(steps.pull_outcomes, batch)
        steps.quality(self.engine, batch, lane="plain")
        steps.identity(self.engine, batch)
        steps.outcomes(self.engine, batch)
        self._news["sla_watch"] = True

    def _watch(self, batch: str) -> None:
        self._pull(steps.pull_touches, batch)
        steps.quality(self.engine, batch, lane="plain")
        steps.identity(self.engine, batch)
        for stage in (steps.sweep, steps.reroute):
            self._count(stage(self.engine, batch))
        self._push(batch)

    def _push(self, batch: str) -> None:
        self._count(steps.push(self.engine, batch, self._now, self._secret, self.post))
        steps.close(self.engine, batch)

    def _count(self, counts: Mapping[str, int]) -> None:
        self.counts.update(counts)
