"""Who is told of what the watch noted: one mail for each event and person, whatever runs again.

Of what a lead arrived with and of what its owner owes there is one alert, not two; of a lead that is taken away for one
reason it is not told that there was another. What fell due long ago is in the log
only. Whoever covers for somebody away is told instead. A hand-raise in quarantine is told of without a lead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.ledger import Batch
from clearlane.ledger.held import HELD
from clearlane.policy.model import Policy
from clearlane.sla.mails import Kind, Mail, Urgency
from clearlane.sla.mails import owe as owe_mails

STALE: Final = timedelta(days=2)
"""what fell due so long before the run is not told of any more"""

_NOTED: Final = """
select e.event_id, e.kind, e.clock_id, e.lead_id, e.occurred_at, e.rep_id, e.to_rep_id, e.detail, k.kind as clock,
       k.tier, k.place, k.due_at, coalesce(c.cover_rep_id, e.rep_id) as reader,
       coalesce(greatest(k.decision_seq, a.decision_seq), 0) as decision_seq,
       (select count(*) from sla_event h where h.lead_id = e.lead_id and h.kind = 'reassign') as hops
from sla_event e join sla_clock k using (clock_id)
left join assignment a on a.lead_id = e.lead_id and a.ended_at is null
left join cover c on c.lead_id = e.lead_id and c.rep_id = e.rep_id and c.ended_at is null
where e.batch_id = :batch and e.kind = any(:kinds)
  and e.occurred_at > cast(:as_of as timestamptz) - cast(:stale as interval)
  and not (e.kind = 'time_out' and exists (
      select from sla_event r where r.lead_id = e.lead_id and r.kind = 'reassign' and r.batch_id = e.batch_id))
  and not (e.kind = 'warn' and (k.met_at is not null or k.ended_at is not null or k.due_at <= :as_of))
order by k.kind = 'accept', e.event_id
"""
_KINDS: Final[Mapping[str, Kind]] = {
    "warn": "warn",
    "breach": "breach",
    "reassign": "reassigned",
    "time_out": "time_out",
    "escalate_manager": "escalation",
    "escalate_head": "escalation",
    "suspend": "suspended",
    "exhausted": "exhausted",
}
"""kind of the log -> kind of mail"""


def owe(connection: Connection, policy: Policy, batch: Batch) -> int:
    """Owe the mails of what the run noted, and of hand-raises in quarantine; how many were not yet. Never commits."""
    asked = {"batch": batch.batch_id, "as_of": batch.as_of, "stale": STALE, "kinds": list(_KINDS)}
    noted = connection.execute(sa.text(_NOTED), asked).mappings().all()
    kept = connection.execute(sa.text(_QUARANTINED), asked).mappings().all()
    mails = [*_mails(policy, batch, noted), *_of_quarantine(policy, batch, kept)]
    return owe_mails(connection, policy, mails, batch_id=batch.batch_id)


def _mails(policy: Policy, batch: Batch, noted: Iterable[RowMapping]) -> Iterator[Mail]:
    for one in noted:
        kind: Kind = "queue" if one["kind"] == "breach" and one["clock"] == "queue" else _KINDS[one["kind"]]
        for person in _readers(one):
            yield Mail(
                key=f"{_about(one)}:{person}",
                kind=kind,
                person=person,
                urgency=_urgency(policy, one),
                send_after=batch.as_of,
                lead_id=one["lead_id"],
                clock_id=one["clock_id"],
                facts=_facts(one),
                expires_at=one["due_at"] if kind == "warn" else one["occurred_at"] + STALE,
            )


def _readers(one: RowMapping) -> Iterator[str]:
    """The rep, but of what is above the rep; then whoever is told beside."""
    rep = None if one["kind"].startswith("escalate_") else one["reader"]
    yield from dict.fromkeys(filter(None, (rep, one["to_rep_id"])))


def _about(one: RowMapping) -> str:
    """Of a lead that waits for the same owner: one warning, one breach."""
    if one["kind"] in ("warn", "breach") and one["clock"] in ("arrival", "assignment", "accept"):
        return f"{one['kind']}:{one['lead_id']}:{one['decision_seq']}"
    return f"{one['kind']}:{one['event_id']}"


def _urgency(policy: Policy, one: RowMapping) -> Urgency:
    return "now" if one["tier"] == policy.sla.hand_raise else "soon"


def _facts(one: RowMapping) -> Mapping[str, Any]:
    match one["kind"]:
        case "reassign":
            return {"from": one["rep_id"]}
        case "escalate_manager" | "escalate_head":
            return {"hops": one["hops"], "because": one["detail"].get("because")}
        case "suspend":
            told = f"silent {one['detail']['times']} times when a first touch was due"
            return {"rep": one["rep_id"], "until": one["detail"]["until"], "because": told}
        case "exhausted":
            return {"attempts": one["detail"].get("attempts"), "then": one["detail"].get("then")}
        case _:
            return {"place": one["place"]} if one["clock"] == "queue" else {}


# --- quarantine -------------------------------------------------------------------------------------

# Those that are held back with their delivery are no news one by one: the pipeline's watch tells of it.
_QUARANTINED: Final = f"""
select q.seq, i.source, i.object, q.since,
       array(select distinct r ->> 'field' from jsonb_array_elements(q.reasons) r order by 1) as fields
from quarantine q join inbox i using (seq)
where q.state = 'open' and not ({HELD}) and q.hand_raise and q.since < :as_of
  and q.since > cast(:as_of as timestamptz) - cast(:stale as interval)
order by q.seq
"""


def _of_quarantine(policy: Policy, batch: Batch, kept: Iterable[RowMapping]) -> Iterator[Mail]:
    """To whoever answers for exceptions, at once; what the record says stays in the ledger."""
    person = policy.routing.exceptions_owner or "revops"
    for one in kept:
        yield Mail(
            key=f"quarantine:{one['seq']}:{person}",
            kind="quarantine",
            person=person,
            urgency="now",
            send_after=batch.as_of,
            facts={
                "subject": "A request for sales is in quarantine",
                "because": "Somebody asks for sales, and the record cannot be used: nobody has the lead yet.",
                "rows": [
                    ["Source", f"{one['source']}, {one['object']}"],
                    ["Not usable", ", ".join(one["fields"]) or "the record"],
                    ["Number", str(one["seq"])],
                ],
                "paragraphs": [
                    "`clearlane quarantine show` has the record; mended, it goes on by `quarantine replay`."
                ],
            },
        )
