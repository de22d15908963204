"""What a mail says: read from the ledger when it is sent, so that it is true then.

What no longer holds is no content: the lead is somebody else's by now, the promise was kept, nobody is there to read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, get_args
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.policy.model import Policy, Rep
from clearlane.route.calendars import ALWAYS, Calendar, open_between, rep_calendar, team_calendar
from clearlane.sla import links
from clearlane.sla.mails.owing import address_of

REASONS: Final = 3
DID: Final = 5
LISTED: Final = 40
"""mails of which one tells more than their number"""
PEOPLE: Final = ("from", "to", "rep", "by")
"""facts that name people by their ids"""
SURE: Final = 0.75
"""confidence in a lead's zone below which the mail says that it is a guess"""


@dataclass(frozen=True)
class Web:
    """Where people read more and answer: the address of Airflow's UI, and what signs links. None: no such links."""

    url: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Reader:
    name: str
    zone: str
    address: str
    instead_of: str | None = None
    """whose mails come back, so that this reader is told"""


@dataclass(frozen=True)
class Did:
    what: str
    at: datetime


@dataclass(frozen=True)
class Lead:
    name: str
    company: str | None
    title: str | None
    where: str | None
    phone: str | None
    email: str | None
    score: int | None
    band: str | None
    reasons: tuple[str, ...]
    did: tuple[Did, ...]
    asked: Did | None
    """what the lead asked of sales, and when"""
    zone: str | None
    zone_sure: bool
    crm: str | None
    airflow: str | None


@dataclass(frozen=True)
class Promise:
    """A clock: what was promised, until when, and how much time has passed, by the clock and at work."""

    kind: str
    tier: str
    since: datetime
    due: datetime
    waited: timedelta
    worked: timedelta | None
    """None: the tier runs round the clock"""


@dataclass(frozen=True)
class Content:
    kind: str
    at: datetime
    reader: Reader
    facts: Mapping[str, Any] = field(default_factory=dict)
    again: bool = False
    you: bool = True
    """the reader is who owes the lead"""
    owner: str | None = None
    lead: Lead | None = None
    because: str | None = None
    """why this person"""
    promise: Promise | None = None
    accept_by: datetime | None = None
    answers: Mapping[str, str] = field(default_factory=dict)
    team: str | None = None
    items: tuple[Content, ...] = ()
    more: int = 0
    """joined mails beyond `items`"""


@dataclass(frozen=True)
class Void:
    """Nothing is to be sent, and why; the state that the mail ends in."""

    state: str
    because: str


@dataclass(frozen=True)
class Desk:
    """What every mail of one sending is written with."""

    policy: Policy
    web: Web
    bounced: frozenset[str] = frozenset()


def content(connection: Connection, desk: Desk, row: RowMapping, at: datetime) -> Content | Void:
    """What the owed mail says at a moment (UTC)."""
    reader = reader_of(desk, row["person"], row["address"])
    if isinstance(reader, Void):
        return reader
    if row["kind"] == "digest" and reader.instead_of:
        return Void(
            "refused", "mails to this address come back, and a digest may name reps to its reader alone"
        )
    if row["kind"] == "joined":
        return _joined(connection, desk, row, reader, at)
    seen = connection.execute(sa.text(_SEEN), {"mail": row["mail_id"]}).mappings().one()
    return _stale(row, seen) or _content(connection, desk, row, seen, reader, at)


def reader_of(desk: Desk, person: str, address: str) -> Reader | Void:
    """Who reads it: the person, or the manager, or RevOps, where mails to the others come back."""
    policy = desk.policy
    rep = policy.teams.reps.get(person)
    own = address_of(policy, person) or (address if rep is None else "")
    if not own:
        return Void("refused", f"teams.yaml knows nobody called {person}")
    name, zone = (rep.name, rep.zone) if rep else (person, policy.sla.team_zone)
    if own.lower() not in desk.bounced:
        return Reader(name, zone, own)
    for other in _above(policy, person):
        found = address_of(policy, other)
        if found and found.lower() not in desk.bounced:
            known = policy.teams.reps.get(other)
            return Reader(known.name if known else other, known.zone if known else zone, found, name)
    return Void("refused", "mails to this address come back, and nobody else is to be told")


def _above(policy: Policy, person: str) -> Sequence[str]:
    managers = (
        team.manager for team in policy.teams.teams.values() if person in dict(team.members) and team.manager
    )
    return list(dict.fromkeys([*managers, "revops"]))


# --- whether it still holds -----------------------------------------------------------------------------

_SEEN: Final = """
select k.kind as clock, k.tier, k.started_at, k.due_at, k.met_at, k.ended_at, k.rep_id as owing,
       d.rep_id as chosen, d.because, d.team, d.decision_seq, b.dag_id, b.run_id,
       a.rep_id as owner, c.cover_rep_id as cover, l.survivor_id
from mail m
left join sla_clock k on k.clock_id = m.clock_id
left join lead own on own.lead_id = m.lead_id
left join lead l on l.lead_id = own.survivor_id
left join assignment a on a.lead_id = l.lead_id and a.ended_at is null
left join cover c on c.lead_id = l.lead_id and c.ended_at is null
left join decision d on d.decision_seq = coalesce(
    m.decision_seq, k.decision_seq, (select decision_seq from place where lead_id = l.lead_id))
left join batch b on b.batch_id = d.batch_id
where m.mail_id = :mail
"""


def _stale(row: RowMapping, seen: RowMapping) -> Void | None:
    if row["kind"] == "notice" and seen["chosen"] != seen["owner"]:
        return Void("dropped", "the lead is somebody else's by now")
    if seen["clock"] is None:
        return None
    if row["kind"] == "warn" and (seen["met_at"] or seen["ended_at"]):
        return Void("dropped", "the promise was kept, or ended, meanwhile")
    if row["kind"] in ("breach", "escalation") and seen["met_at"] and seen["met_at"] <= seen["due_at"]:
        return Void("dropped", "the promise was kept in time after all")
    return None


def _joined(
    connection: Connection, desk: Desk, row: RowMapping, reader: Reader, at: datetime
) -> Content | Void:
    owed = connection.execute(sa.text(_MEMBERS), {"id": row["mail_id"]}).mappings().all()
    found = [content(connection, desk, one, at) for one in owed]
    items = tuple(one for one in found if isinstance(one, Content))
    if not items:
        return Void("dropped", "all that it was made of is settled")
    return Content("joined", at, reader, items=items[:LISTED], more=len(items[LISTED:]))


_MEMBERS: Final = "select * from mail where digest_id = :id order by mail_id"


# --- what it says -----------------------------------------------------------------------------------------


def _content(
    connection: Connection, desk: Desk, row: RowMapping, seen: RowMapping, reader: Reader, at: datetime
) -> Content:
    reps = desk.policy.teams.reps
    owner = seen["owing"] or seen["owner"] or row["facts"].get("rep")
    lead = _lead(connection, desk, seen, at) if row["lead_id"] else None
    promises = _promises(connection, desk, row, seen, at)
    accept_by = next((one.due for one in promises if one.kind == "accept"), None)
    team = desk.policy.teams.teams.get(seen["team"] or row["facts"].get("team") or "")
    return Content(
        kind=row["kind"],
        at=at,
        reader=reader,
        facts=_facts(reps, row, seen),
        again=row["again"],
        you=row["person"] == owner and reader.instead_of is None,
        owner=reps[owner].name if owner in reps else owner,
        lead=lead,
        because=_with_names(desk.policy, seen["because"]),
        promise=next((one for one in promises if one.kind != "accept"), next(iter(promises), None)),
        accept_by=accept_by,
        answers=_answers(desk, row, seen, reader, at),
        team=team.name if team else None,
    )


def _facts(reps: Mapping[str, Rep], row: RowMapping, seen: RowMapping) -> dict[str, Any]:
    """The mail's facts, with the names of people for their ids; of a lead that moved, from whom to whom."""
    facts = dict(row["facts"])
    if row["kind"] == "reassigned":
        before = facts.setdefault("from", seen["owing"])
        facts.setdefault("to", seen["owner"] if seen["owner"] != before else None)
        facts["mine"] = before == row["person"]
    named = {name: reps[facts[name]].name for name in PEOPLE if facts.get(name) in reps}
    return facts | named


def _with_names(policy: Policy, because: str | None) -> str | None:
    """A decision's reason, with the names of reps and teams for their ids."""
    names = {team.id: team.name for team in policy.teams.teams.values()}
    names |= {rep.id: rep.name for rep in policy.teams.reps.values()}
    return because and re.sub(r"\w+", lambda word: names.get(word[0], word[0]), because)


def _answers(
    desk: Desk, row: RowMapping, seen: RowMapping, reader: Reader, at: datetime
) -> Mapping[str, str]:
    """Links by which the lead's owner answers; whoever covers may take it. None where somebody else reads the mail."""
    web, seq, person = desk.web, seen["decision_seq"], row["person"]
    if not web.url or not web.secrets or seq is None or reader.instead_of:
        return {}
    allowed = (
        get_args(links.Answer) if person == seen["owner"] else ("accept",) if person == seen["cover"] else ()
    )
    until, lead = at + links.LASTS, seen["survivor_id"]
    return {
        one: links.url(web.url, links.signed(web.secrets, lead, seq, person, one, until)) for one in allowed
    }


_PROMISES: Final = """
select kind, tier, rep_id, started_at, due_at from sla_clock
where clock_id = :clock
   or cast(:clock as bigint) is null and decision_seq = :seq and met_at is null and ended_at is null
      and kind in ('assignment', 'arrival', 'accept')
order by array_position(array['assignment', 'arrival', 'accept'], kind), clock_id
"""


def _promises(
    connection: Connection, desk: Desk, row: RowMapping, seen: RowMapping, at: datetime
) -> list[Promise]:
    """The mail's own clock; of a notice those that began with the decision, what the rep owes first."""
    bound = {"clock": row["clock_id"], "seq": seen["decision_seq"] if row["kind"] == "notice" else None}
    found = connection.execute(sa.text(_PROMISES), bound).mappings()
    return [_promise(desk.policy, one, at) for one in found]


def _promise(policy: Policy, clock: RowMapping, at: datetime) -> Promise:
    calendar = _calendar(policy, clock["tier"], clock["rep_id"])
    since = clock["started_at"]
    worked = None if calendar is ALWAYS else open_between(calendar, since, at)
    return Promise(clock["kind"], clock["tier"], since, clock["due_at"], max(at - since, timedelta()), worked)


def _calendar(policy: Policy, tier: str, rep_id: str | None) -> Calendar:
    named = policy.sla.tiers.get(tier)
    rep = policy.teams.reps.get(rep_id or "")
    if named is None or named.calendar == "always":
        return ALWAYS
    return rep_calendar(rep) if rep and named.calendar == "rep" else team_calendar(policy.sla)


# --- the lead ---------------------------------------------------------------------------------------------

_LEAD: Final = """
select l.source, l.external_id, coalesce(p.attributes, '{}') as attributes, s.contributions,
       coalesce(st.score, s.score) as score, coalesce(st.band, s.band) as band, q.type as asked, q.arrived_at
from lead l
left join lateral (select attributes from lead_profile where lead_id = l.lead_id
                   order by valid_from desc, profile_id desc limit 1) p on true
left join lateral (select score, band, contributions from score where lead_id = l.lead_id
                   order by as_of desc, score_id desc limit 1) s on true
left join standing st on st.lead_id = l.lead_id
left join lateral (select i.type, i.arrived_at from inquiry i join lead m on m.lead_id = i.lead_id
                   where m.survivor_id = l.lead_id and i.arrived_at < :at order by i.arrived_at desc limit 1) q on true
where l.lead_id = :lead
"""
_DID: Final = """
select a.type, a.occurred_at, a.attributes from activity a join lead m on m.lead_id = a.lead_id
where m.survivor_id = :lead and a.occurred_at < :at order by a.occurred_at desc, a.activity_id limit :most
"""


def _lead(connection: Connection, desk: Desk, seen: RowMapping, at: datetime) -> Lead:
    bound = {"lead": seen["survivor_id"], "at": at, "most": DID}
    row = connection.execute(sa.text(_LEAD), bound).mappings().one()
    did = connection.execute(sa.text(_DID), bound).mappings().all()
    known = row["attributes"]
    return Lead(
        name=_name(known) or f"Lead {row['external_id']}",
        company=known.get("company") or known.get("account_name"),
        title=known.get("title"),
        where=", ".join(filter(None, (known.get("city"), known.get("state"), known.get("country")))) or None,
        phone=known.get("phone"),
        email=known.get("email"),
        score=row["score"],
        band=row["band"],
        reasons=tuple(_reasons(desk.policy, row["contributions"] or {})),
        did=tuple(Did(_what(one["type"], one["attributes"]), one["occurred_at"]) for one in did),
        asked=Did(_words(row["asked"]), row["arrived_at"]) if row["asked"] else None,
        zone=known.get("zone"),
        zone_sure=float(known.get("zone_confidence") or 0) >= SURE,
        crm=_crm(desk.policy, row["source"], row["external_id"]),
        airflow=_run(desk.web, seen),
    )


def _name(known: Mapping[str, Any]) -> str | None:
    parts = " ".join(str(known[one]) for one in ("first_name", "last_name") if known.get(one))
    return known.get("name") or parts or None


def _reasons(policy: Policy, contributions: Mapping[str, float]) -> list[str]:
    """What the rules that gave most say of the lead."""
    said = {rule.id: rule.because for model in policy.scoring.models for rule in model.rules}
    best = sorted((-points, rule) for rule, points in contributions.items() if points > 0)
    return [said.get(rule) or _words(rule) for _, rule in best[:REASONS]]


def _what(kind: str, attributes: Mapping[str, Any]) -> str:
    seen = next(
        (attributes[one] for one in ("page", "campaign", "feature", "subject") if attributes.get(one)), None
    )
    return f"{_words(kind)}: {seen}" if seen else _words(kind)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _crm(policy: Policy, source: str, external_id: str) -> str | None:
    """The lead's page in the system that it came from."""
    described = policy.sources.sources.get(source)
    links = (
        (one.link for one in described.objects.values() if one.object == "leads") if described else iter(())
    )
    link = next(filter(None, links), None)
    return link.replace("{external_id}", quote(external_id, safe="")) if link else None


def _run(web: Web, seen: RowMapping) -> str | None:
    """The run that decided, in Airflow."""
    if not web.url or not seen["dag_id"] or seen["dag_id"] == "by_hand":
        return None
    return f"{web.url.rstrip('/')}/dags/{quote(seen['dag_id'])}/runs/{quote(seen['run_id'], safe='')}"
