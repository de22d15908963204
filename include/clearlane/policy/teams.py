"""teams.yaml: who sells, when they work, how much they take, and in which teams they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import holidays as holiday_calendars
from pydantic import Field, field_validator, model_validator

from clearlane.policy.conditions import unique
from clearlane.policy.document import Document
from clearlane.policy.model import Caps, Hours, OnCall, Rep, Stint, Team, Teams, TimeOff
from clearlane.policy.problems import Path, nearest, shown
from clearlane.policy.shapes import Day, FileShape, HoursText, Moment, Shape, Zone


class CapsShape(Shape):
    hour: int | None = Field(default=None, ge=0)
    day: int | None = Field(default=None, ge=0)
    week: int | None = Field(default=None, ge=0)
    open: int | None = Field(default=None, ge=0)


class TimeOffShape(Shape):
    first: Day
    last: Day
    because: str


class DefaultsShape(Shape):
    hours: str | None = None
    caps: CapsShape = CapsShape()


class RepShape(Shape):
    id: str
    name: str
    email: str
    role: str
    zone: Zone
    hours: str | None = None
    holidays: str | None = None
    time_off: list[TimeOffShape] = Field(default=[])
    caps: CapsShape | None = None
    ramp: list[float] = Field(default=[])
    active_from: Day | None = None
    active_until: Day | None = None
    sells: bool = True
    languages: list[str] = Field(default=[])
    suits: dict[str, list[str]] = Field(default={})
    known_as: dict[str, list[str]] = Field(default={})
    cover: list[str] = Field(default=[])

    @field_validator("cover", mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class MemberShape(Shape):
    """`ana_silva`, or `{rep: ana_silva, weight: 0.5, from: "2026-07-01", until: "2026-12-31"}`."""

    rep: str
    weight: float = Field(default=1.0, gt=0)
    first: Day | None = Field(default=None, alias="from")
    last: Day | None = Field(default=None, alias="until")

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {"rep": value} if isinstance(value, str) else value


class TeamShape(Shape):
    id: str
    name: str
    members: list[MemberShape] = Field(default=[])
    manager: str | None = None
    queue_owner: str | None = None
    queue: str | None = None
    first: Day | None = Field(default=None, alias="from")
    last: Day | None = Field(default=None, alias="until")


class OnCallShape(Shape):
    team: str
    rep: str
    first: Moment = Field(alias="from")
    last: Moment = Field(alias="until")


class TeamsShape(FileShape):
    hours: dict[str, HoursText] = Field(default={})
    defaults: DefaultsShape = DefaultsShape()
    reps: list[RepShape] = Field(default=[])
    teams: list[TeamShape] = Field(default=[])
    on_call: list[OnCallShape] = Field(default=[])


EMPTY = Teams({}, {})


def built(document: Document, shape: TeamsShape) -> Teams:
    """Reps and teams by id; names that point nowhere are reported."""
    unique(document, ("reps",), (rep.id for rep in shape.reps), "id")
    unique(document, ("teams",), (team.id for team in shape.teams), "id")
    reps = {rep.id: _rep(document, ("reps", index), rep, shape) for index, rep in enumerate(shape.reps)}
    teams = {team.id: _team(document, ("teams", index), team, reps) for index, team in enumerate(shape.teams)}
    _check_aliases(document, shape)
    _check_covers(document, shape, reps)
    _check_on_call(document, shape, reps, teams)
    return Teams(reps, teams, tuple(OnCall(o.team, o.rep, o.first, o.last) for o in shape.on_call))


def _check_covers(document: Document, shape: TeamsShape, reps: Mapping[str, Rep]) -> None:
    for index, rep in enumerate(shape.reps):
        for place, name in enumerate(rep.cover):
            path = ("reps", index, "cover", place)
            if name == rep.id:
                document.report(path, name, "somebody else: nobody covers for oneself")
            elif name not in reps:
                document.report(path, name, "the id of a rep of this file", nearest(name, reps))


def _check_on_call(
    document: Document, shape: TeamsShape, reps: Mapping[str, Rep], teams: Mapping[str, Team]
) -> None:
    for index, duty in enumerate(shape.on_call):
        path = ("on_call", index)
        if duty.team not in teams:
            document.report(
                (*path, "team"), duty.team, "the id of a team of this file", nearest(duty.team, teams)
            )
        if duty.rep not in reps:
            document.report((*path, "rep"), duty.rep, "the id of a rep of this file", nearest(duty.rep, reps))
        if duty.last <= duty.first:
            document.report((*path, "until"), str(duty.last), f"after {duty.first}")


def _rep(document: Document, path: Path, shape: RepShape, file: TeamsShape) -> Rep:
    _check_rep(document, path, shape)
    caps = shape.caps or file.defaults.caps
    return Rep(
        id=shape.id,
        name=shape.name,
        email=shape.email,
        role=shape.role,
        zone=shape.zone,
        hours=_hours(document, path, shape.hours or file.defaults.hours, file.hours),
        holidays=shape.holidays,
        time_off=tuple(TimeOff(off.first, off.last, off.because) for off in shape.time_off),
        caps=Caps(**caps.model_dump()),
        ramp=tuple(shape.ramp),
        active_from=shape.active_from,
        active_until=shape.active_until,
        sells=shape.sells,
        languages=tuple(shape.languages),
        suits={name: tuple(values) for name, values in shape.suits.items()},
        aliases={source: tuple(names) for source, names in shape.known_as.items()},
        cover=tuple(shape.cover),
    )


def _check_rep(document: Document, path: Path, shape: RepShape) -> None:
    for index, off in enumerate(shape.time_off):
        if off.last < off.first:
            document.report((*path, "time_off", index), f"{off.first} to {off.last}", "the first day first")
    if shape.active_from and shape.active_until and shape.active_until < shape.active_from:
        document.report((*path, "active_until"), shown(str(shape.active_until)), "not before active_from")
    if shape.ramp and not shape.active_from:
        document.report((*path, "ramp"), "a ramp without active_from", "the month from which it counts")
    if not all(0 < share <= 1 for share in shape.ramp):
        document.report((*path, "ramp"), shown(shape.ramp), "shares above 0, at most 1, one a month")
    for name, values in shape.suits.items():
        if not values:
            document.report(
                (*path, "suits", name), "an empty list", "the values that suit, or no list at all"
            )
    if shape.holidays:
        _check_holidays(document, (*path, "holidays"), shape.holidays)


def _check_holidays(document: Document, path: Path, name: str) -> None:
    known = holiday_calendars.list_supported_countries(include_aliases=False)
    country, _, subdivision = name.partition("-")
    if country not in known:
        document.report(path, shown(name), "an ISO country such as DE, or US-CA", nearest(country, known))
    elif subdivision and subdivision not in known[country]:
        near = nearest(subdivision, known[country])
        document.report(path, shown(name), f"a subdivision of {country}", near and f"{country}-{near}")


def _hours(document: Document, path: Path, name: str | None, known: Mapping[str, Hours]) -> Hours:
    if name is None:
        document.report((*path, "hours"), "nothing", "the name of one of the hours above, or defaults.hours")
        return {}
    if name not in known:
        document.report((*path, "hours"), name, "one of: " + ", ".join(sorted(known)), nearest(name, known))
    return known.get(name, {})


def _team(document: Document, path: Path, shape: TeamShape, reps: Mapping[str, Rep]) -> Team:
    check_span(document, path, shape.first, shape.last)
    named = [((*path, "members", index), member.rep) for index, member in enumerate(shape.members)]
    named += [((*path, "manager"), shape.manager or ""), ((*path, "queue_owner"), shape.queue_owner or "")]
    for place, rep in named:
        if rep and rep not in reps:
            document.report(place, rep, "the id of a rep of this file", nearest(rep, reps))
    members = {member.rep: float(member.weight) for member in reversed(shape.members)}
    return Team(
        shape.id,
        shape.name,
        tuple((rep, members[rep]) for rep in dict.fromkeys(member.rep for member in shape.members)),
        shape.manager,
        shape.queue_owner,
        shape.queue,
        _stints(document, path, shape.members),
        shape.first,
        shape.last,
    )


def _stints(document: Document, path: Path, members: Sequence[MemberShape]) -> dict[str, tuple[Stint, ...]]:
    """The stints of the members who have dates, in order; those of one rep may not overlap."""
    found: dict[str, list[Stint]] = {}
    for index, member in enumerate(members):
        at = (*path, "members", index)
        check_span(document, at, member.first, member.last)
        before, stint = (
            found.setdefault(member.rep, []),
            Stint(float(member.weight), member.first, member.last),
        )
        if any(_overlap(stint, other) for other in before):
            document.report((*at, "rep"), f"{member.rep} a second time", "each rep once at a time")
        before.append(stint)
    dated = {rep: stints for rep, stints in found.items() if any(s.first or s.last for s in stints)}
    return {rep: tuple(sorted(stints, key=lambda s: s.first or date.min)) for rep, stints in dated.items()}


def _overlap(one: Stint, other: Stint) -> bool:
    first, last = (
        max(one.first or date.min, other.first or date.min),
        min(one.last or date.max, other.last or date.max),
    )
    return first <= last


def check_span(document: Document, path: Path, first: date | None, last: date | None) -> None:
    """Report a span that ends before it begins."""
    if first and last and last < first:
        document.report((*path, "until"), shown(str(last)), f"not before {first}")


def _check_aliases(document: Document, shape: TeamsShape) -> None:
    seen: dict[tuple[str, str], str] = {}
    for index, rep in enumerate(shape.reps):
        for source, names in rep.known_as.items():
            for name in names:
                first = seen.setdefault((source, name), rep.id)
                if first != rep.id:
                    path = ("reps", index, "known_as", source)
                    document.report(
                        path, f"{name}, who is {first} already", "one rep for each name of a source"
                    )
