"""One sweep over so many open clocks, beside none and five times as many closed ones: flat in what is closed.

Each sweep is a run of five minutes in a quarter: a few hundred leads fall due in it, of some a touch is new. The whole
sweep is timed, mails that it owes included; computing all clocks anew as well, which no run of the watch does.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Engine

from benchmarks.engines import empty_ledger
from clearlane import policy as policies
from clearlane import sla
from clearlane.ledger import Batch, close_batch, open_batch
from clearlane.policy.model import Policy
from clearlane.sla.clocks import recomputed

AIM, FLAT = 5.0, 1.5
CLOSED = 5
"""times as many closed clocks as open ones"""
TOUCHES = 200
"""that identity wrote since the last run"""
POLICY = Path(__file__).resolve().parents[1] / "include" / "policy"
AT = datetime.fromisoformat("2026-11-18T16:00:00+00:00")
EVERY = timedelta(minutes=5)
_ID = "cast(md5('{0} ' || n) as uuid)"
# Open clocks fall due over the next 30 days, and every tenth is touched in time; closed ones were so in the 90 before.
_FILL = """
set local session_replication_role = replica;
insert into lead (lead_id, source, external_id, created_at, survivor_id)
select {id}, 'crm', '{name} ' || n, '{at}'::timestamptz - interval '1 day', {id} from generate_series(1, {count}) n;
insert into place (lead_id, place, reason, because, team, rep_id, since)
select {id}, 'owned', 'warm', 'benchmark', 'sdr_amer', 'diego_marin', '{at}' from generate_series(1, {count}) n;
insert into sla_clock (lead_id, kind, tier, rep_id, started_at, warn_at, due_at, reassign_at, met_at, warned_at)
select {id}, 'assignment', 'warm', 'diego_marin', at.due - interval '4 hours', at.due - interval '96 minutes', at.due,
       at.due + interval '4 hours', {met}
from generate_series(1, {count}) n
cross join lateral (select '{at}'::timestamptz + n * interval '{days} days' / {count} as due) at;
insert into sla_owed (clock_id, since, rep_id, team, place)
select clock_id, started_at, rep_id, 'sdr_amer', 'owned' from sla_clock k
where not exists (select from sla_owed o where o.clock_id = k.clock_id);
insert into outcome (outcome_id, source, lead_external_id, lead_id, kind, occurred_at, rep_id)
select cast(md5('touch {name} ' || n) as uuid), 'crm', '{name} ' || n, k.lead_id, 'first_touch',
       k.due_at - interval '1 hour', 'diego_marin'
from generate_series(1, {count}) n join sla_clock k on k.lead_id = {id} where n % 10 = 0 or k.met_at is not null;
"""
_READ = """
insert into source_state (source, object, watermark) select :source, unnest(cast(:objects as text[])), :at
on conflict (source, object) do update set watermark = excluded.watermark
"""


_TOUCHED = """
with called as (
    select lead_id from sla_clock where started_at < :at and due_at > :at
    order by md5(clock_id::text || cast(:at as text)) limit :count
), noted as (insert into touch_due (lead_id) select lead_id from called)
insert into outcome (outcome_id, source, lead_external_id, lead_id, kind, occurred_at, rep_id)
select gen_random_uuid(), 'crm', external_id, lead_id, 'first_touch', cast(:at as timestamptz) - interval '1 minute',
       'diego_marin'
from called join lead using (lead_id)
"""


def main(clocks: int = 200_000, rounds: int = 5) -> None:
    of = policies.load(POLICY)
    with empty_ledger() as engine:
        _fill(engine, "open", clocks, 30, "null, null")
        alone = _sweeps(engine, of, "none closed", 0, rounds)
        _fill(
            engine,
            "closed",
            CLOSED * clocks,
            -90,
            "at.due - interval '1 hour', at.due - interval '96 minutes'",
        )
        beside = _sweeps(engine, of, f"{CLOSED * clocks:,} closed", rounds, rounds)
        print(
            f"sla_watch: {clocks:,} open clocks, a sweep {alone:.2f} s (aim: at most {AIM:g} s); "
            f"beside {CLOSED * clocks:,} closed ones {beside:.2f} s = {beside / alone:.2f} × (aim: at most {FLAT:g})"
        )
        _anew(engine, of)


def _fill(engine: Engine, name: str, count: int, days: int, met: str) -> None:
    with engine.begin() as connection:
        script = _FILL.format(
            id=_ID.format(name), name=name, count=count, at=AT.isoformat(), days=days, met=met
        )
        connection.connection.cursor().execute(script)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum (analyze)")


def _sweeps(engine: Engine, of: Policy, what: str, before: int, rounds: int) -> float:
    """The quickest of sweeps five minutes apart: what else the machine does counts least in it."""
    took = []
    for nth in range(before, before + rounds):
        batch = _run(engine, of, AT + (nth + 1) * EVERY)
        started = time.perf_counter()
        with engine.begin() as connection:
            swept = sla.sweep(connection, of, batch)
            close_batch(connection, batch.batch_id)
        took.append(time.perf_counter() - started)
        print(
            f"  {what}: {took[-1]:.2f} s; {swept.warned} warned, {swept.breached} breached, {swept.clocks_met} met"
        )
    return min(took)


def _run(engine: Engine, of: Policy, at: datetime) -> Batch:
    objects = list(of.sources.sources["crm"].objects)
    with engine.begin() as connection:
        connection.execute(sa.text(_READ), {"source": "crm", "objects": objects, "at": at})
        connection.execute(sa.text(_TOUCHED), {"at": at, "count": TOUCHES})
        return open_batch(
            connection, dag_id="sla_watch", run_id=f"scheduled__{at.isoformat()}", run_type="scheduled", mode="live",
            dry_run=True, window=None, as_of=at, sources=("crm",), policy=of.hashes, code_version="benchmark",
        )  # fmt: skip


def _anew(engine: Engine, of: Policy) -> None:
    started = time.perf_counter()
    with engine.begin() as connection:
        count = len(recomputed(connection, of, AT + timedelta(days=31)))
    print(f"  {count:,} clocks computed anew in {time.perf_counter() - started:.1f} s")
