"""All leads scored from scratch with twenty rules, on PostgreSQL and DuckDB.

The statement made from the policy against SQL written by hand for the same model in the same engine, and both
beside counting the same leads × activities, which reads what scoring must read and computes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import company
from benchmarks.engines import Execute, in_process, postgres
from benchmarks.timing import timed
from clearlane import policy
from clearlane.rules import Dialect
from clearlane.score import statement

HERE = Path(__file__).parent
AIM = 1.2
COUNTING = """
 select count(*) as pairs, count(p.as_of) as leads, count(a.type) as deeds
 from profiles p join activities a using (lead_id)
"""
DIFFERENT = """
 select count(*) from ours full join theirs using (lead_id) where
  (ours.score, ours.band, ours.grade, ours.stage, ours.reached, ours.entered_at, ours.kind, ours.hand_raise)
   is distinct from
  (theirs.score, theirs.band, theirs.grade, theirs.stage, theirs.reached, theirs.entered_at, theirs.kind,
   theirs.hand_raise)
  or ours.disqualified is distinct from theirs.disqualified or ours.counted is distinct from theirs.counted
  or abs(ours.total - theirs.total) > 1e-9 or abs(ours.fit - theirs.fit) > 1e-9
  or abs(ours.engagement - theirs.engagement) > 1e-9 or abs(ours.negative - theirs.negative) > 1e-9
"""
"""Leads that the two do not agree about."""


class Disagreement(RuntimeError):
    """The hand-written SQL does not score the model that the statement scores."""


def main(leads: int, activities: int, *, explain: bool = False, rounds: int = 3) -> None:
    for dialect, opened in ((Dialect.POSTGRES, postgres), (Dialect.DUCKDB, in_process)):
        with opened() as execute:
            _report(execute, dialect, leads, activities, rounds, explain)


def _report(
    execute: Execute, dialect: Dialect, leads: int, activities: int, rounds: int, explain: bool
) -> None:
    execute(company.profiles(dialect, leads))
    execute(company.activities(dialect, leads, activities))
    execute("analyze")
    queries = _queries(dialect)
    if explain:
        for name, query in queries.items():
            print(
                f"--- {dialect}: {name}", *(row[-1] for row in execute(f"explain analyze {query}")), sep="\n"
            )
    times = timed({name: _into(execute, name, query) for name, query in queries.items()}, rounds)
    print(f"{dialect}: {leads:,} leads × {activities:,} activities × 20 rules, best of {rounds}")
    print(times.line("ours", "theirs", AIM), times.line("theirs", "counted"), sep="\n", flush=True)
    _refuse_difference(execute)


def _queries(dialect: Dialect) -> Mapping[str, str]:
    scoring = policy.load(HERE / "policy").scoring
    written = (HERE / f"handwritten_{dialect}.sql").read_text()
    return {
        "ours": statement(scoring, dialect, typed=dialect is Dialect.DUCKDB),
        "theirs": written,
        "counted": COUNTING,
    }


def _into(execute: Execute, name: str, query: str) -> Callable[[], object]:
    def work() -> None:
        execute(f"drop table if exists {name}")
        execute(f"create temporary table {name} as {query}")

    return work


def _refuse_difference(execute: Execute) -> None:
    different = execute(DIFFERENT)[0][0]
    if different:
        raise Disagreement(f"{different:,} leads score otherwise by hand")
