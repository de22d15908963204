"""The promises of a lead as a story, and what `doctor` says of the watch: what it cannot judge, and who is out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.policy.model import Policy
from clearlane.sla import asking, reading, suspensions

Told = tuple[str, str]
"""a moment, and what is told of it"""

_CLOCKS: Final = """
select k.* from sla_clock k join lead l using (lead_id) where l.survivor_id = :lead order by k.started_at, k.clock_id
"""
_EVENTS: Final = """
select e.*, k.kind as clock, k.place from sla_event e join sla_clock k using (clock_id)
join lead l on l.lead_id = e.lead_id where l.survivor_id = :lead order by e.occurred_at, e.event_id
"""
PROMISES: Final[Mapping[str, str]] = {
    "arrival": "a first touch to the lead",
    "assignment": "a first touch by its owner",
    "accept": "an accept by its owner",
    "queue": "an owner",
    "follow_up": "following up",
    asking.PLACE: "an answer to which company it is",
}
"""kind of clock, or its place -> what is promised"""
HAPPENED: Final[Mapping[str, str]] = {
    "warn": "a warning: {promise} is not there yet",
    "breach": "not kept: {promise}",
    "time_out": "not accepted in time: it goes to somebody else",
    "reassign": "taken from {rep}, who was silent for too long",
    "escalate_manager": "{to} is told, who is above",
    "escalate_head": "{to} is told, who heads sales",
    "suspend": "{rep} was silent too often, and takes no turns for the rest of the day",
    "exhausted": "the follow-up brought nothing: the lead rests",
    "unverified": "due, and the source was not read since: not judged yet",
    "verified": "the source was read again",
    "withdrawn": "it was touched in time, which was logged later: the breach is withdrawn",
    "pause": "stands still",
    "resume": "runs again",
}
"""kind of event -> how it is told"""
CAUSES: Final[Mapping[str, str]] = {
    "no_one_eligible": "nobody had it",
    "rep_silent": "its owner was silent",
    "match_unanswered": "nobody said which company it is",
    "pipeline_late": "it came to its owner too late",
    "crm_late": "the CRM could not be read",
}


def of_lead(connection: Connection, lead_id: UUID) -> Sequence[Told]:
    """The clocks of a person, of all its records, and what became of them, in order."""
    clocks = connection.execute(sa.text(_CLOCKS), {"lead": lead_id}).mappings()
    events = connection.execute(sa.text(_EVENTS), {"lead": lead_id}).mappings()
    told = [(one["started_at"], _promised(one)) for one in clocks]
    told += [(one["occurred_at"], _happened(one)) for one in events]
    return [(f"{at:%Y-%m-%d %H:%M}", text) for at, text in sorted(told, key=lambda one: one[0])]


def _promised(clock: RowMapping) -> str:
    what = _what(clock["kind"], clock["place"])
    where = f" ({clock['place']})" if clock["place"] else ""
    owing = f", owed by {clock['rep_id']}" if clock["rep_id"] else ""
    return f"promised: {what}{where} by {clock['due_at']:%Y-%m-%d %H:%M}Z, {clock['tier']}{owing}; {_state(clock)}"


def _what(kind: str, place: str | None) -> str:
    return PROMISES.get(place or kind) or PROMISES.get(kind, kind)


def _state(clock: RowMapping) -> str:
    if clock["met_at"]:
        kept = "kept" if clock["met_at"] <= clock["due_at"] else "late"
        logged = ", logged long after" if clock["met_late"] else ""
        return f"{kept}, on {clock['met_at']:%Y-%m-%d %H:%M}Z{logged}"
    if clock["ended_at"]:
        return f"ended on {clock['ended_at']:%Y-%m-%d %H:%M}Z"
    if clock["paused_at"]:
        return f"stands still: {clock['paused_because']}"
    return "not verified" if clock["unverified_since"] else "open"


def _happened(event: RowMapping) -> str:
    named: Mapping[str, Any] = {
        "promise": _what(event["clock"], event["place"]),
        "rep": event["rep_id"] or "nobody",
        "to": event["to_rep_id"] or "nobody",
    }
    cause = CAUSES.get(event["cause"] or "")
    told: str = HAPPENED.get(event["kind"], event["kind"]).format(**named)
    return told + (f" ({cause})" if cause else "")


# --- doctor -----------------------------------------------------------------------------------------

_UNVERIFIED: Final = """
select l.source, count(*) as clocks, min(k.unverified_since) as since from sla_clock k join lead l using (lead_id)
where k.unverified_since is not null group by 1 order by 1
"""
_UNWATCHED: Final = """
select l.source, count(*) as clocks from sla_clock k join lead l using (lead_id)
where k.met_at is null and k.ended_at is null and k.kind <> 'queue' and l.source = any(:sources) group by 1 order by 1
"""


def notes(connection: Connection, policy: Policy, at: datetime) -> Iterator[str]:
    """A sentence for each source whose promises cannot be judged, and for each rep who takes no turns."""
    for row in connection.execute(sa.text(_UNVERIFIED)):
        since = f"{row.since:%Y-%m-%d %H:%M}Z"
        yield f"{row.source}: {row.clocks} promises fell due since {since} and wait for it to be read"
    blind = {"sources": list(reading.blind(policy))}
    for row in connection.execute(sa.text(_UNWATCHED), blind):
        yield f"{row.source}: it tells no touches, so nobody watches {row.clocks} promises to its leads"
    for one in suspensions.listed(connection, at):
        yield f"{one.rep} takes no turns until {one.until:%Y-%m-%d %H:%M}Z: {one.because}"
