"""Routing a batch on the ledger: chunks of at most 1,000 leads, hottest first, each under the routing lock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.ledger import Batch
from clearlane.policy.model import Policy
from clearlane.route import events, intake, matching, owed, results, retries, store
from clearlane.route.decide import decide
from clearlane.route.decisions import Decision, Facts, calling_zone
from clearlane.route.eligibility import sells
from clearlane.route.exploring import is_fresh
from clearlane.route.floor import Floor
from clearlane.route.merged import UNJOINED, join_merged
from clearlane.route.state import load_floor
from clearlane.route.store import Decided
from clearlane.rules import Dialect

CHUNK: Final = 1_000
LOCK: Final = 0x636C_6561_726C_616E
"""key of the transaction advisory lock that hands out decision numbers"""

Counts = Mapping[str, int]

_HEAT = "hand_raise desc, score desc, created_at, lead_id"
_UNDECIDED = f"""
with wanted as (
    select lead_id, false as slow from work where batch_id = :batch
    union all
    select l.survivor_id, {events.SLOW} from routing_event e join lead l using (lead_id)
    where :unclaimed and {events.OPEN} and (e.put_off_until is null or e.put_off_until <= :as_of)
    union all
    select lead_id, false from ({retries.WAITING}) again where :unclaimed
    union all
    select survivor_id, false from ({UNJOINED}) merged where :unclaimed
), found as (
    select w.lead_id, bool_and(w.slow) as slow from wanted w
    where not exists (select from decision d where d.batch_id = :batch and d.lead_id = w.lead_id)
    group by 1
), scored as (
    select f.lead_id, f.slow, s.hand_raise, s.score, l.created_at
    from found f join lead l using (lead_id)
    join lateral (
        select * from score where lead_id = f.lead_id and as_of <= :as_of and policy_hash = :scoring
        order by as_of desc, score_id desc limit 1
    ) s on true
)
select lead_id from (select *, row_number() over (partition by slow order by {_HEAT}) as nth from scored) ranked
where not slow or nth <= :most order by {_HEAT}
"""


def chunks(connection: Connection, batch: Batch) -> list[list[UUID]]:
    """The leads to decide that are scored as of the batch's moment and not decided by it, hottest first.

    Those of its work, and for a run that takes what is unclaimed those that events call for and those whose waiting
    may be over.
    """
    bound = {
        "batch": batch.batch_id, "as_of": batch.as_of, "scoring": batch.policy["scoring"],
        "unclaimed": batch.takes_unclaimed, "kinds": list(events.KINDS), "most": CHUNK, **retries.bound(batch),
    }  # fmt: skip
    leads = list(connection.execute(sa.text(_UNDECIDED), bound).scalars())
    return [leads[start : start + CHUNK] for start in range(0, len(leads), CHUNK)]


def run(connection: Connection, policy: Policy, batch: Batch) -> Counts:
    """Route the whole batch in the caller's transaction; the numbers of leads by what became of them."""
    total: Counter[str] = Counter()
    for leads in chunks(connection, batch):
        total.update(run_chunk(connection, policy, batch, leads))
    return total


def run_chunk(connection: Connection, policy: Policy, batch: Batch, leads: Sequence[UUID]) -> Counts:
    """Route these leads of the batch, in order of heat. Commit afterwards: the routing lock is held until then.

    What the leads are is read under the lock, so runs at the same time never decide one lead twice. A lead that
    this batch decided before is skipped.
    """
    connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": LOCK})
    intake.begin(connection, policy, batch)
    join_merged(connection, batch, leads)
    intake.gather(connection, policy, batch, leads)
    settled = intake.settle(connection, policy, batch)
    intake.candidates(connection)
    rows = candidate_rows(connection, policy)
    results.keep(connection, policy, batch.as_of)
    floor = load_floor(connection, policy, batch, (row["band"] for row in rows))
    made = _decided(connection, floor, rows)
    numbers = store.numbers(connection, len(made))
    decided = [Decided(seq, row, decision) for seq, (row, decision) in zip(numbers, made, strict=True)]
    store.save(connection, floor, batch, decided)
    if batch.live:
        owed.note(connection, leads, batch.as_of)
    return (
        Counter({"decided": len(decided)}) + Counter(one.decision.place for one in decided) + Counter(settled)
    )


def _decided(
    connection: Connection, floor: Floor, rows: Sequence[RowMapping]
) -> list[tuple[RowMapping, Decision]]:
    """Each row with its decision, booked on the floor; but for promotions that are one too many for a team today."""
    promotions = events.Promotions(connection, floor.policy, floor.as_of)
    made, later = [], []
    for row in rows:
        facts = facts_of(floor, row)
        decision = decide(floor.policy, floor, facts)
        if row["slow"] and not promotions.admits(decision.team):
            later.append(row["lead_id"])
        else:
            floor.take(facts, decision)
            made.append((row, decision))
    events.put_off(connection, later, promotions.until)
    return made


def candidate_rows(connection: Connection, policy: Policy) -> Sequence[RowMapping]:
    """The rows of `candidate`, hottest first, with territory and the rules that held (`matched`)."""
    statement = (
        "select c.*, c.attributes ->> 'language' as language, m.territory, m.matched, m.terms"
        f" from candidate c join ({matching.statement(policy.routing, Dialect.POSTGRES)}) m using (lead_id)"
        " order by c.hand_raise desc, c.score desc, c.created_at, c.lead_id"
    )
    # The text of conditions may hold % and : that are no parameters.
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True}).mappings().all()


_COMPUTED = frozenset(
    {"company", "account", "owned", "owner", "reconsidered", "given_up", "team", "terms", "zone", "fresh"}
)
_SAME = frozenset(field.name for field in fields(Facts)) - _COMPUTED


def facts_of(floor: Floor, row: RowMapping) -> Facts:
    """The facts of a row of `candidate`. An owner who left is no owner any more."""
    owner, kind = row["owner_rep"], row["event_kind"]
    return Facts(
        **{name: row[name] for name in _SAME},
        terms=matching.terms_of(floor.policy.routing, row["terms"]),
        company=row["company_key"],
        account=str(row["account_id"]) if row["account_id"] else None,
        owned=row["assignment_id"] is not None
        and kind not in events.RELEASING
        and (owner is None or _still_sells(floor, owner)),
        owner=owner,
        reconsidered=kind in events.OF_THE_LEAD,
        given_up=_given_up(floor.policy, row),
        team=row["owner_team"],
        fresh=is_fresh(floor.policy.routing.explored, row, floor.as_of),
        zone=calling_zone(row["attributes"].get("zone"), hand_raise=row["hand_raise"]),
    )


def _given_up(policy: Policy, row: RowMapping) -> str | None:
    most = policy.routing.rerouting
    if row["declines"] >= most.declines:
        return f"declined {row['declines']} times"
    if row["breaches"] > most.hops:
        return f"its owners were silent {row['breaches']} times"
    return None


def _still_sells(floor: Floor, rep: str) -> bool:
    there = floor.present.get(rep)
    return there is not None and sells(there.rep, floor.as_of)
