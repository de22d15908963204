"""The week as a mail: what got better, what got worse, who needs help; for the head of sales and RevOps.

Reps are named to the head of sales alone. It is owed once a week and person, by the run whose week it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from clearlane.ledger import Batch
from clearlane.policy.model import Policy
from clearlane.score.gaps import sentence
from clearlane.sla import mails
from clearlane.sla.digest import WEEK, Digest, Quality, Week, digest, last_monday, percent, span
from clearlane.sla.figures import Offers
from clearlane.sla.mails import Content
from clearlane.sla.mails.content import Reader
from clearlane.sla.pictures import MONTHS, Picture, pictures
from clearlane.sla.pipeline import KINDS
from clearlane.sla.speed import Speed
from clearlane.sla.story import CAUSES

KEPT: Final = timedelta(days=3)
"""after which a week is no news any more"""
CHANGED: Final = 0.05
"""of a share between two weeks, from which on it is told"""
ENOUGH: Final = 10
"""numbers below which a share is not compared with another"""
FEW: Final = 5
"""numbers below which a rep's share says nothing"""
IN_TIME: Final = 0.75
TAKEN_UP: Final = 0.6
"""shares below which a rep needs help"""
LISTED: Final = 5
Section = Mapping[str, Any]


def owe(connection: Connection, policy: Policy, batch: Batch) -> int:
    """Owe the mails about the last week that ended before the batch's moment; how many. Nothing in a backfill."""
    if not batch.takes_unclaimed:
        return 0
    told = digest(connection, policy, last_monday(batch.as_of), batch.as_of)
    letters = list(_letters(policy, told, batch.as_of))
    return mails.owe(connection, policy, letters, batch_id=batch.batch_id)


def _letters(policy: Policy, told: Digest, at: datetime) -> Iterator[mails.Mail]:
    drawn = pictures(told)
    for person, names in readers(policy).items():
        yield mails.Mail(
            key=f"digest:{week_name(told)}:{person}",
            kind="digest",
            person=person,
            urgency="quiet",
            send_after=at,
            facts=facts(policy, told, drawn, names=names),
            expires_at=at + KEPT,
        )


def readers(policy: Policy) -> Mapping[str, bool]:
    """Who gets it, and whether it names reps to them."""
    sla = policy.sla
    head = {sla.head_of_sales: True} if sla.head_of_sales else {}
    return head if not sla.revops or sla.revops in head else {**head, "revops": False}


def week_name(told: Digest) -> str:
    return f"{told.week.window.since:%G-W%V}"


def content(policy: Policy, told: Digest) -> Content:
    """The mail as the head of sales gets it, to look at."""
    head = policy.teams.reps.get(policy.sla.head_of_sales or "")
    zone = head.zone if head else policy.sla.team_zone
    reader = Reader(head.name if head else "head of sales", zone, head.email if head else "")
    said = facts(policy, told, pictures(told), names=True)
    return Content("digest", told.week.window.as_of, reader, facts=said)


def facts(policy: Policy, told: Digest, drawn: Sequence[Picture], *, names: bool) -> Mapping[str, Any]:
    """What the template says. `names`: of reps who need help, too."""
    compared = list(_compared(policy, told))
    better = [one for one in compared if one.change >= CHANGED]
    worse = [one for one in compared if one.change <= -CHANGED]
    illustrated = {_PLACED[one.name] for one in drawn}
    sections = (
        _section(IN_TIME_TITLE),
        _section("What got better", _changes(better)),
        _section("What got worse", _changes(worse)),
        _section("Who needs help", _help(policy, told.week, names=names)),
        _section("Why promises were not kept", rows=_causes(told.week)),
        _section("Why leads were declined", rows=_reasons(told.week)),
        _section(COHORTS_TITLE, rows=_cohorts(told)),
        _section("Sources", rows=_sources(told.week)),
        _section("Quality of the data", _unusual(told.week), rows=_quality(told)),
        _section("What is not known of leads", _lacking(told)),
        _section("The pipeline itself", _troubles(told)),
    )
    return {
        "subject": _subject(told),
        "because": _summary(told),
        "rows": [list(row) for row in _headline(told)],
        "sections": [one for one in sections if one["lines"] or one["rows"] or one["title"] in illustrated],
        "pictures": [{**one.fact(), "section": _PLACED[one.name]} for one in drawn],
    }


IN_TIME_TITLE: Final = "In time"
COHORTS_TITLE: Final = "From MQL to won"
_PLACED: Final = {"weeks": IN_TIME_TITLE, "bands": IN_TIME_TITLE, "cohorts": COHORTS_TITLE}
"""picture -> section in which it stands"""


def _section(title: str, lines: Sequence[str] = (), *, rows: Sequence[Sequence[str]] = ()) -> Section:
    return {"title": title, "lines": list(lines), "rows": [list(row) for row in rows]}


# --- the week in a few lines --------------------------------------------------------------------------------


def _whole(week: Week, promise: str = "arrival") -> Speed | None:
    return next((one for one in week.speed if (one.promise, one.by) == (promise, "all")), None)


def _offered(week: Week) -> Offers | None:
    return next((one for one in week.offers if one.by == "all"), None)


def _subject(told: Digest) -> str:
    now, before = _whole(told.week), _whole(told.before)
    week = f"Week {told.week.window.since:%V}"
    if now is None or now.share is None:
        return f"{week}: no promise fell due"
    return f"{week}: {percent(now.share)} of leads touched in time{_before(before.share if before else None)}"


def _before(share: float | None) -> str:
    return f" ({percent(share)} the week before)" if share is not None else ""


def _summary(told: Digest) -> str:
    since, last = told.week.window.since, told.week.window.since + WEEK - timedelta(days=1)
    return f"Monday, {since:%-d %B}, to Sunday, {last:%-d %B %Y} (UTC): promises that fell due, leads that were given."


def _headline(told: Digest) -> Iterator[Sequence[str]]:
    now, before = _whole(told.week), _whole(told.before)
    if now and now.share is not None:
        yield (
            "In time",
            f"{percent(now.share)} of {now.kept + now.late:,}{_before(before.share if before else None)}",
        )
        yield "Median", _took(now.median, now.business_median, before.median if before else None)
        yield "Nine in ten", _took(now.p90, now.business_p90, before.p90 if before else None)
        if now.untouched:
            yield "Never touched", f"{now.untouched:,}"
        if now.unjudged:
            yield "Not judged", f"{now.unjudged:,}: their source was not read in time"
    offers, earlier = _offered(told.week), _offered(told.before)
    if offers and offers.share is not None:
        answered = offers.offered - offers.open
        yield (
            "Accepted",
            f"{percent(offers.share)} of {answered:,} answered{_before(earlier.share if earlier else None)}",
        )


def _took(elapsed: timedelta | None, worked: timedelta | None, before: timedelta | None) -> str:
    if elapsed is None:
        return "none: too many were never touched"
    told = f"{span(elapsed)} after arrival, {span(worked)} of working time"
    return f"{told} ({span(before)} the week before)" if before is not None else told


# --- better and worse ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A share in both weeks."""

    what: str
    now: float
    before: float

    @property
    def change(self) -> float:
        return self.now - self.before


_TIMELY: Final = (("arrival", "band"), ("arrival", "source"), ("assignment", "team"))
_ACCEPTED: Final = ("source", "team")


def _compared(policy: Policy, told: Digest) -> Iterator[Change]:
    """What can be compared, the largest change first."""
    found = (*_timely(policy, told), *_accepted(policy, told))
    yield from sorted(found, key=lambda one: (-abs(one.change), one.what))


def _timely(policy: Policy, told: Digest) -> Iterator[Change]:
    earlier = {(one.promise, one.by, one.name): one for one in told.before.speed}
    for one in told.week.speed:
        old = earlier.get((one.promise, one.by, one.name))
        if old and (one.promise, one.by) in _TIMELY and min(_judged(one), _judged(old)) >= ENOUGH:
            what = f"{_named(policy, one.by, one.name)}: touched in time"
            yield Change(what, one.share or 0, old.share or 0)


def _accepted(policy: Policy, told: Digest) -> Iterator[Change]:
    earlier = {(one.by, one.name): one for one in told.before.offers}
    for one in told.week.offers:
        old = earlier.get((one.by, one.name))
        if old and one.by in _ACCEPTED and min(_answered(one), _answered(old)) >= ENOUGH:
            yield Change(f"{_named(policy, one.by, one.name)}: accepted", one.share or 0, old.share or 0)


def _judged(one: Speed) -> int:
    return one.kept + one.late


def _answered(one: Offers) -> int:
    return one.offered - one.open


def _named(policy: Policy, by: str, name: str | None) -> str:
    team = policy.teams.teams.get(name or "") if by == "team" else None
    return team.name if team else f"{name or 'no ' + by}" + (" leads" if by == "band" else "")


def _changes(found: Iterable[Change]) -> Sequence[str]:
    listed = list(found)[:LISTED]
    return [f"{one.what} {percent(one.now)} ({percent(one.before)} the week before)" for one in listed]


# --- who needs help -----------------------------------------------------------------------------------------


def _help(policy: Policy, week: Week, *, names: bool) -> Sequence[str]:
    found = dict(_needing(week))
    if names or not found:
        return [f"{_person(policy, rep)}: {'; '.join(why)}" for rep, why in found.items()]
    head = _person(policy, policy.sla.head_of_sales or "")
    told = f"{len(found)} {'rep' if len(found) == 1 else 'reps'}"
    return [
        f"{told}, by touches in time or leads accepted; the mail to {head or 'the head of sales'} names them"
    ]


def _needing(week: Week) -> Iterator[tuple[str, Sequence[str]]]:
    """Reps, each with the reasons; who is latest first."""
    late = {
        str(one.name): one
        for one in week.speed
        if one.promise == "assignment" and _low(one, IN_TIME, _judged)
    }
    few = {str(one.name): one for one in week.offers if _low(one, TAKEN_UP, _answered)}
    for rep in dict.fromkeys([*sorted(late, key=lambda name: late[name].share or 0), *sorted(few)]):
        yield rep, [*_lateness(late.get(rep)), *_refusals(week, rep, few.get(rep))]


def _low(one: Any, share: float, count: Any) -> bool:
    return bool(one.by == "rep" and one.name and count(one) >= FEW and one.share < share)


def _lateness(one: Speed | None) -> Iterator[str]:
    if one:
        never = f", {one.untouched} never" if one.untouched else ""
        yield f"{percent(one.share)} of {_judged(one)} touched in time{never}"


def _refusals(week: Week, rep: str, one: Offers | None) -> Iterator[str]:
    if one:
        why = next((f", mostly {r.reason}" for r in week.reasons if (r.by, r.name) == ("rep", rep)), "")
        yield f"{percent(one.share)} of {_answered(one)} accepted{why}"


def _person(policy: Policy, rep: str) -> str:
    known = policy.teams.reps.get(rep)
    return known.name if known else rep


# --- causes, reasons, cohorts, sources, pipeline --------------------------------------------------------------


def _causes(week: Week) -> Sequence[Sequence[str]]:
    """Of first touches by the owner and by anybody; what lies in a queue has its own alert."""
    found = [
        one
        for one in week.breaches
        if one.by == "all" and one.promise in ("arrival", "assignment") and one.count
    ]
    told = {"arrival": "after arrival", "assignment": "by the owner"}
    return [
        (f"{one.count:,} {told[one.promise]}", CAUSES.get(one.cause, one.cause))
        for one in sorted(found, key=lambda one: (-one.count, one.promise))
    ]


def _reasons(week: Week) -> Sequence[Sequence[str]]:
    whole = [one for one in week.reasons if one.by == "all"]
    return [(f"{one.count:,}", one.reason) for one in whole[:LISTED]]


def _cohorts(told: Digest) -> Sequence[Sequence[str]]:
    """What the opportunities of each month's MQLs are worth; shares stand in the picture."""
    whole = [one for one in told.cohorts if one.by == "all"][-MONTHS:]
    return [
        (f"{one.month:%B}", f"{one.leads:,} MQL, {one.accepted:,} accepted, {one.sql:,} SQL, {one.won:,} won;"
         f" pipeline {one.amount:,.0f}" + (f" ({_growing(one.unfinished)} still growing)" if one.unfinished else ""))
        for one in whole
    ]  # fmt: skip


def _growing(steps: Sequence[str]) -> str:
    return ", ".join({"sql": "SQL"}.get(one, one) for one in steps)


def _sources(week: Week) -> Sequence[Sequence[str]]:
    accepted = {one.name: one for one in week.offers if one.by == "source"}
    usable = {one.source: one for one in week.intake}
    return [
        (name, "; ".join(_source(accepted.get(name), usable.get(name))))
        for name in sorted({*accepted, *usable} - {None}, key=str)
        if name
    ]


def _source(offers: Offers | None, intake: Any) -> Iterator[str]:
    if intake:
        yield f"{intake.received:,} records, {percent(intake.usable)} usable"
    if offers:
        yield f"{offers.offered:,} leads given, {percent(offers.share)} accepted"


def _quality(told: Digest) -> Sequence[Sequence[str]]:
    """Points of each source, of 100, and what cost them; the worst first."""
    before = {one.source: one.score for one in told.before.quality}
    return [
        (one.source, f"{one.score} of 100{_points_before(before.get(one.source))}{_lost(one)}")
        for one in sorted(told.week.quality, key=lambda one: (one.score, one.source))
    ]


def _points_before(score: int | None) -> str:
    return f" ({score} the week before)" if score is not None else ""


def _lost(one: Quality) -> str:
    return f": {'; '.join(one.costs)}" if one.costs else ""


def _unusual(week: Week) -> Sequence[str]:
    found = [f"{one.source} {said}" for one in week.quality for said in one.unusual]
    return found[:LISTED] + (
        [f"and {len(found) - LISTED} more: `clearlane quality`"] if len(found) > LISTED else []
    )


def _lacking(told: Digest) -> Sequence[str]:
    """The attributes that cost most points by being missing; what is worth nothing on average is no news."""
    return [sentence(one) for one in told.gaps if one.worth > 0][:LISTED]


def _troubles(told: Digest) -> Sequence[str]:
    """What was wrong, the longest first; without what it said."""
    end = min(told.week.window.until, told.week.window.as_of)
    ranked = sorted(told.troubles, key=lambda one: one.opened_at - (one.closed_at or end))
    lines = [
        f"{kind.says if (kind := KINDS.get(one.key.partition('.')[0])) else one.key}:"
        f" {span((one.closed_at or end) - one.opened_at)}" + ("" if one.closed_at else ", still open")
        for one in ranked
    ]
    return lines[:LISTED] + ([f"and {len(lines) - LISTED} more"] if len(lines) > LISTED else [])
