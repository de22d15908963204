"""Decisions in memory, their rows for the ledger included, beside a bare heap over the same leads.

Pools with a rotation each; reps with calendars, holidays, weights, caps and leave. Nothing is read or written.
Balance is held against the minimum cost flow over the same leads; cost per decision must not follow the sizes.
"""

from __future__ import annotations

import heapq
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, cast
from uuid import UUID

import yaml
from sqlalchemy import RowMapping

from benchmarks import balance
from benchmarks.timing import timed
from clearlane import policy as policies
from clearlane.ledger import Batch
from clearlane.policy import Policy
from clearlane.route.decide import decide
from clearlane.route.decisions import Facts
from clearlane.route.floor import open_floor
from clearlane.route.store import Decided, decision_row, turn_rows

POOLS, REPS = 20, 200
AIM, FLAT, APART = 15, 1.5, 1
SLICE = 10_000
CHUNK = 1_000
AT = datetime(2026, 11, 18, 16, tzinfo=UTC)
BANDS = ("hot", "warm", "cool")
ZONES = {
    "America/New_York": "US",
    "America/Chicago": "US",
    "Europe/Berlin": "DE-BE",
    "Europe/London": "GB-ENG",
}
WEIGHTS = (1.0, 1.0, 1.0, 0.5, 2.0)
_SLA = """
schema: 1
owner: benchmark
approver: benchmark
tiers: {warm: {first_touch: 4 hours, accept: 4 hours, calendar: rep, warn_at: 0.6, reassign_at: 2}}
by_band: {hot: warm, warm: warm, cool: warm}
hand_raise: warm
team_calendar: {zone: UTC, hours: {mon-fri: "09:00-17:30"}}
"""


@dataclass(frozen=True)
class Company:
    """Who sells, and the leads that come in; `pools` says which of them each lead goes to."""

    policy: Policy
    leads: Sequence[Facts]
    pools: Sequence[str]

    @cached_property
    def rows(self) -> Sequence[RowMapping]:
        """What stands beside each decision in its record."""
        of = (defaultdict(lambda: None, matched=one.matched, band=one.band) for one in self.leads)
        return [cast(RowMapping, row) for row in of]


def company(leads: int, reps: int, pools: int, bands: Sequence[str] = BANDS) -> Company:
    """One rep in twenty is on leave, one in ten has a cap that is reached at half of an equal share."""
    head = {"schema": 1, "owner": "benchmark", "approver": "benchmark"}
    names = [f"pool_{n:04}" for n in range(pools)]
    teams = {
        **head,
        "hours": {"office": {"mon-fri": "09:00-17:30"}},
        "defaults": {"hours": "office", "caps": {"day": leads, "open": leads}},
        "reps": [_rep(n, n + 2 * (n // pools), max(1, leads // reps // 2)) for n in range(reps)],
        "teams": [
            {"id": name, "name": name, "members": [_member(n) for n in range(pool, reps, pools)]}
            for pool, name in enumerate(names)
        ],
    }
    rules = [
        {"id": name, "because": f"Leads of {name}", "when": "score >= 0", "send_to": [{"team": name}]}
        for name in names
    ]
    routing = {**head, "sticky_company": False, "rules": rules}
    texts = {"teams": yaml.safe_dump(teams), "routing": yaml.safe_dump(routing), "sla": _SLA}
    drawn = [n * 7919 % 1_000_003 % pools for n in range(leads)]
    facts = [
        _lead(n, pool, pools, bands[n * 104_729 % 1_000_003 % len(bands)]) for n, pool in enumerate(drawn)
    ]
    return Company(policies.parse(texts), facts, [names[pool] for pool in drawn])


def _rep(n: int, drawn: int, cap: int) -> Mapping[str, Any]:
    zone = list(ZONES)[n % len(ZONES)]
    leave = [{"first": "2026-11-16", "last": "2026-11-20", "because": "leave"}]
    return {
        "id": _name(n), "name": _name(n), "email": f"{_name(n)}@clearlane.example", "role": "ae", "zone": zone,
        "holidays": ZONES[zone], "time_off": leave if drawn % 20 == 19 else [],
        **({"caps": {"day": cap}} if drawn % 10 == 3 else {}),
    }  # fmt: skip


def _member(n: int) -> Mapping[str, Any]:
    return {"rep": _name(n), "weight": WEIGHTS[n // 7 % len(WEIGHTS)]}


def _name(n: int) -> str:
    return f"rep_{n:04}"


def _lead(n: int, pool: int, pools: int, band: str) -> Facts:
    return Facts(UUID(int=n), band, matched="0" * pool + "1" + "0" * (pools - pool - 1))


# --- ours, and the bare loop --------------------------------------------------------------------------


def decided(company: Company) -> list[str | None]:
    """The rep of each lead, decided and booked chunk by chunk as on a ledger, with the rows that would be written."""
    floor, owners = open_floor(company.policy, AT), []
    rows = company.rows
    batch = Batch(
        UUID(int=0),
        "benchmark",
        "routing",
        "manual",
        "live",
        True,
        None,
        None,
        AT,
        (),
        company.policy.hashes,
        "1",
    )
    for start in range(0, len(company.leads), CHUNK):
        chunk: list[Decided] = []
        for seq, facts in enumerate(company.leads[start : start + CHUNK], start):
            decision = decide(company.policy, floor, facts)
            floor.take(facts, decision)
            chunk.append(Decided(seq, rows[seq], decision))
        for one in chunk:
            decision_row(batch, company.policy, "roster", one)
            list(turn_rows(one))
            owners.append(one.decision.rep)
    return owners


def looped(company: Company) -> list[str]:
    """The rep of each lead by a heap for each pool and band: credit, then turns, and caps; nothing else."""
    teams = company.policy.teams
    there = open_floor(company.policy, AT).present
    heaps = {
        (name, band): [(0.0, 0, rep, 1 / weight) for rep, weight in team.members if not there[rep].absent]
        for name, team in teams.teams.items()
        for band in BANDS
    }
    caps = {rep.id: rep.caps.day or len(company.leads) for rep in teams.reps.values()}
    load, owners = dict.fromkeys(caps, 0), []
    for pool, facts in zip(company.pools, company.leads, strict=True):
        heap = heaps[pool, facts.band]
        while load[heap[0][2]] >= caps[heap[0][2]]:
            heapq.heappop(heap)
        credit, turns, rep, step = heap[0]
        heapq.heapreplace(heap, (credit + step, turns + 1, rep, step))
        load[rep] += 1
        owners.append(rep)
    return owners


# --- what is measured ---------------------------------------------------------------------------------


def main(leads: int, rounds: int = 3) -> None:
    _against_the_loop(company(leads, REPS, POOLS), rounds)
    _against_the_optimum(company(min(leads, SLICE), REPS, POOLS, BANDS[:1]))
    _flat("leads", {n: company(n, REPS, POOLS) for n in (leads // 100, leads // 10, leads)}, rounds)
    _flat("reps in pools of ten", {n: company(SLICE, n, n // 10) for n in (10, 100, 1_000)}, rounds)
    _flat("reps in twenty pools", {n: company(SLICE, n, POOLS) for n in (20, 200, 1_000)}, rounds)


def _against_the_loop(of: Company, rounds: int) -> None:
    times = timed({"ours": lambda: decided(of), "heap": lambda: looped(of)}, rounds)
    count = len(of.leads)
    print(f"routing {count:,} leads over {POOLS} pools and {REPS} reps, best of {rounds}")
    print(
        f"  {count / times.best('ours'):,.0f} decisions a second, {count / times.best('heap'):,.0f} by the heap"
    )
    print(times.line("ours", "heap", AIM), flush=True)


def _against_the_optimum(of: Company) -> None:
    """Weighted loads of those below their cap, pool by pool."""
    loads = Counter(rep for rep in decided(of) if rep)
    best, solver = balance.optimum(of.policy, open_floor(of.policy, AT).present, Counter(of.pools))
    apart = {
        name: balance.spread(team, of.policy, loads) - balance.spread(team, of.policy, best)
        for name, team in of.policy.teams.teams.items()
    }
    print(f"balance of {len(of.leads):,} leads × {REPS} reps against the minimum cost flow of {solver}")
    print(
        f"  at most {max(apart.values()):.2f} weighted leads further apart (aim: at most {APART})", flush=True
    )


def _flat(what: str, companies: Mapping[int, Company], rounds: int) -> None:
    """Cost per decision at each size, in one turn after the other."""
    cost = {size: min(_seconds(of) for _ in range(rounds)) / len(of.leads) for size, of in companies.items()}
    smallest = cost[min(cost)]
    print(f"cost per decision by {what} (aim: at most {FLAT:g} × the smallest)")
    for size, seconds in cost.items():
        print(f"  {size:,}: {seconds * 1e6:.0f} µs = {seconds / smallest:.2f} ×", flush=True)


def _seconds(of: Company) -> float:
    started = time.perf_counter()
    decided(of)
    return time.perf_counter() - started
