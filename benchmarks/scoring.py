"""Scoring with the default policy on PostgreSQL, against counting the same leads × activities.

The reference reads what scoring must read and computes nothing: the ratio is what the model costs.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from clearlane import policy
from clearlane.ledger import connect, server
from clearlane.rules import Dialect
from clearlane.score import statement

ROOT = Path(__file__).resolve().parents[1]
LEADS, ACTIVITIES, ROUNDS = 20_000, 200_000, 5

PROFILES = f"""
    create table profiles as
    select n as lead_id, timestamptz '2026-11-18Z' as as_of, 'sales'::text as kind, 'crm'::text as source,
      null::text as band_before, null::timestamptz as band_since, null::text as stage_before,
      jsonb_build_object('employees', n * 37 % 3000, 'industry', (array['software', 'retail', 'health'])[1 + n % 3],
        'seniority', (array['vp', 'manager', 'individual'])[1 + n % 3], 'department', 'sales',
        'country', (array['US', 'DE', 'BR'])[1 + n % 3], 'free_mail', n % 5 = 0) as attributes
    from generate_series(1, {LEADS}) n
"""
BEHAVIOUR = f"""
    create table activities as
    select 1 + n * 7919 % {LEADS} as lead_id,
      (array['pricing_page_view', 'content_download', 'email_click', 'page_view', 'webinar_attended'])[1 + n % 5]
        as type,
      timestamptz '2026-11-18Z' - make_interval(mins => n % 90000) as occurred_at, '{{}}'::jsonb as attributes
    from generate_series(1, {ACTIVITIES}) n
"""
COUNTING = (
    "select count(*), count(p.attributes), count(a.type) from profiles p join activities a using (lead_id)"
)


def main() -> None:
    scoring = policy.load(ROOT / "include" / "policy").scoring
    model = f"select count(*), sum(score), count(contributions) from ({statement(scoring, Dialect.POSTGRES)}) scored"
    with tempfile.TemporaryDirectory() as folder:
        running = server.start(Path(folder), ["bench"], settings=server.THROWAWAY)
        try:
            _report(running.url("bench"), model)
        finally:
            running.stop()
            server.erase(Path(folder))


def _report(url: str, model: str) -> None:
    engine = connect(url)
    with engine.begin() as connection:
        connection.execute(sa.text("set jit = off"))
        for table in (PROFILES, BEHAVIOUR):
            connection.execute(sa.text(table))
        connection.execute(sa.text("analyze profiles, activities"))
        pairs = [(_seconds(connection, COUNTING), _seconds(connection, model)) for _ in range(ROUNDS)]
    engine.dispose()
    ratios = [scored / counted for counted, scored in pairs]
    print(f"scoring {LEADS:,} leads × {ACTIVITIES:,} activities: {min(s for _, s in pairs):.2f} s at best")
    print(f"  {statistics.median(ratios):.1f} × counting them (min {min(ratios):.1f}, max {max(ratios):.1f})")


def _seconds(connection: sa.Connection, query: str) -> float:
    started = time.perf_counter()
    connection.execute(sa.text(query)).all()
    return time.perf_counter() - started
