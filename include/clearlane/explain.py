"""The whole story of a lead: what came from where, who it is, what it scored, where it went, what was pushed.

A story is sections of lines, each line a moment or a label and a sentence; the CLI prints it, `--json` dumps it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane import policy
from clearlane.identity import matches, membership
from clearlane.policy.model import Matching, Scoring
from clearlane.route import covers, trace
from clearlane.score import NotScored, wording
from clearlane.score.changes import shown
from clearlane.score.explain import Explanation, explained, in_force, stored
from clearlane.score.history import Change, history
from clearlane.score.lift import Lifts, lifts
from clearlane.sla import story as promises

_MEMBERS = "select lead_id from lead where survivor_id = :id"
"""all records of the person: what happened to one before it was merged belongs to the story"""


class Unknown(LookupError):
    """No lead goes by that name; the text says what may be given."""


@dataclass(frozen=True)
class Line:
    label: str
    text: str


@dataclass(frozen=True)
class Section:
    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Story:
    lead_id: UUID
    headline: str
    sections: tuple[Section, ...]
    score: Mapping[str, Any] | None
    """what the sections about the score say, as data"""


def story(connection: Connection, name: str) -> Story:
    """The story of a lead named by its id, `source:external id`, or e-mail address."""
    lead_id = find(connection, name)
    place = _rows(connection, "select * from place where lead_id = :id", lead_id)[0]
    # Of an erased person the points are kept, and nothing of what they were for.
    score = None if place["reason"] == "erased" else _score(connection, lead_id)
    covered = next((one for one in covers.of_lead(connection, lead_id) if one["ended_at"] is None), None)
    sections = tuple(section for section in _sections(connection, lead_id, score) if section.lines)
    headline = _headline(place) + (f"; {covered['cover_rep_id']} covers" if covered else "")
    return Story(lead_id, headline, sections, _score_data(score) if score else None)


def find(connection: Connection, name: str) -> UUID:
    """The survivor of the lead that goes by this name."""
    found = connection.execute(
        sa.text(
            """
            select survivor_id from lead where lead_id::text = :name or source || ':' || external_id = :name
            union select l.survivor_id from lead_key k join lead l using (lead_id)
            where k.kind in ('email', 'role_email') and k.value = lower(:name)
            """
        ),
        {"name": name},
    ).scalars()
    match list(found):
        case [one]:
            return UUID(str(one))
        case []:
            raise Unknown(
                f"no lead goes by {name!r}: give a lead id, SOURCE:EXTERNAL_ID, or an e-mail address"
            )
        case several:
            raise Unknown(f"{name!r} names {len(several)} leads: {', '.join(map(str, several))}")


def record(connection: Connection, name: str) -> UUID:
    """The very record of a lead id or SOURCE:EXTERNAL_ID, merged or not; of an e-mail address the survivor."""
    statement = "select lead_id from lead where lead_id::text = :name or source || ':' || external_id = :name"
    found = connection.execute(sa.text(statement), {"name": name}).scalar()
    return UUID(str(found)) if found else find(connection, name)


def shown_score(connection: Connection, lead_id: UUID) -> str:
    """`80, hot`: what is shown of a person now."""
    found = _rows(connection, "select score, band from standing where lead_id = :id", lead_id)
    return f"{found[0]['score']}, {found[0]['band']}" if found else "not scored yet"


def as_json(told: Story) -> Mapping[str, Any]:
    return {
        "lead_id": str(told.lead_id),
        "headline": told.headline,
        "sections": {s.title: [{"label": x.label, "text": x.text} for x in s.lines] for s in told.sections},
        "score": told.score,
    }


def _sections(connection: Connection, lead_id: UUID, score: _Score | None) -> Sequence[Section]:
    return (
        Section("Came in", _came_in(connection, lead_id)),
        Section("Who it is", _who(connection, lead_id)),
        Section("Known", _known(connection, lead_id)),
        Section("Did", _did(connection, lead_id)),
        *_scored(score),
        Section("Stages", _stages(connection, lead_id)),
        Section("Routed", _routed(connection, lead_id)),
        Section("Covered", _covered(connection, lead_id)),
        Section("Promised", tuple(Line(at, text) for at, text in promises.of_lead(connection, lead_id))),
        Section("Pushed", _pushed(connection, lead_id)),
    )


def _headline(place: RowMapping) -> str:
    who = " ".join(
        filter(None, (place["rep_id"] and f"to {place['rep_id']}", place["team"] and f"({place['team']})"))
    )
    return (
        f"{place['place']} {who}".strip() + f" since {place['since']:%Y-%m-%d %H:%M} UTC: {place['because']}"
    )


def _came_in(connection: Connection, lead_id: UUID) -> tuple[Line, ...]:
    rows = _rows(
        connection,
        """
        select i.source, i.external_id, i.file, i.line, r.valid_from, i.seq,
               (select string_agg(n.field || ' emptied: ' || n.rule, '; ')
                from quality_note n where n.seq = i.seq) notes
        from lead l join lead_revision r using (lead_id) join inbox i using (seq)
        where l.survivor_id = :id order by r.valid_from, i.seq
        """,
        lead_id,
    )
    return tuple(
        Line(
            f"{row['valid_from']:%Y-%m-%d %H:%M}",
            f"{row['source']}:{row['external_id']} from {row['file'] or 'a query'}"
            + (f" line {row['line']}" if row["line"] else "")
            + (f" ({row['notes']})" if row["notes"] else ""),
        )
        for row in rows
    )


def _who(connection: Connection, lead_id: UUID) -> tuple[Line, ...]:
    person = membership.person(connection, lead_id)
    lead = _rows(connection, "select * from lead where lead_id = :id", lead_id)[0]
    account = _rows(
        connection,
        "select name from account_revision where account_id = :id order by valid_from desc, revision_id desc limit 1",
        lead["account_id"],
    )
    lines = [Line("merged", f"{one.record} is the same person: {one.because}") for one in person.merged]
    lines += [Line("not", f"{one.record} is another person: {one.because}") for one in person.apart]
    if lead["contact_id"]:
        lines.append(Line("contact", f"an existing contact, {lead['contact_id']}"))
    if account:
        lines.append(Line("account", f"{account[0]['name']}, by {_account_rule(connection, lead)}"))
    return tuple(lines)


def _account_rule(connection: Connection, lead: RowMapping) -> str:
    """How the account was found; of one that is alike, what speaks for it."""
    rule = str(lead["account_rule"])
    question = matches.of_lead(connection, lead["lead_id"], Matching()) if rule == "alike" else None
    found = (
        [one for one in question.candidates if one.account_id == str(lead["account_id"])] if question else []
    )
    return f"{rule}: {found[0].because}" if found else rule


def _known(connection: Connection, lead_id: UUID) -> tuple[Line, ...]:
    rows = _rows(
        connection,
        "select * from lead_profile where lead_id = :id order by valid_from desc, profile_id desc limit 1",
        lead_id,
    )
    return tuple(
        Line(str(name), f"{shown(value)} (from {origin})")
        for row in rows
        for name, value, origin in _facts(row)
        if value not in (None, "")
    )


def _facts(profile: RowMapping) -> Iterator[tuple[str, Any, str]]:
    """Name, value and origin of all that is known, the kind of the inquiry first."""
    yield "kind", profile["kind"], profile["kind_rule"] or "no rule of another kind"
    for name, value in sorted(profile["attributes"].items()):
        yield name, value, profile["provenance"].get(name, "the record")


def _did(connection: Connection, lead_id: UUID) -> tuple[Line, ...]:
    rows = _rows(
        connection,
        """
        select a.type, count(*) n, max(a.occurred_at) last from activity a join lead l using (lead_id)
        where l.survivor_id = :id group by a.type order by last desc
        """,
        lead_id,
    )
    return tuple(Line(f"{row['last']:%Y-%m-%d %H:%M}", f"{row['type']} × {row['n']}") for row in rows)


@dataclass(frozen=True)
class _Score:
    """The newest score with its reasons, what would lift it, and how it came about."""

    told: Explanation
    standing: Mapping[str, Any] | None
    lift: Lifts | None
    history: Sequence[Change]
    model: Scoring
    version: str
    """the hash of scoring.yaml by which it was scored"""


def _score(connection: Connection, lead_id: UUID) -> _Score | None:
    try:
        row = stored(connection, lead_id)
    except NotScored:
        return None
    scoring = policy.stored(connection, {"scoring": row.policy_hash}).scoring
    told = explained(connection, scoring, row)
    now = next(map(dict, _rows(connection, "select * from standing where lead_id = :id", lead_id)), None)
    band, at = (now["band"], now["as_of"]) if now else (told.band.name, told.as_of)
    lift = None if told.override else lifts(connection, scoring, row, band, at)
    return _Score(
        told,
        now,
        lift,
        history(connection, lead_id, row.as_of),
        in_force(scoring, row.model),
        row.policy_hash,
    )


def _scored(score: _Score | None) -> Iterator[Section]:
    if score is None:
        return
    told = score.told
    by = iter([("scored by", f"scoring.yaml {score.version[:12]}")])
    yield _section("Scored", wording.score(told, score.standing), by, wording.rules(told.fired))
    yield _section("Nearly scored", wording.nearly(told.nearly))
    if score.lift:
        yield _section("What would lift it", wording.lift(score.lift, score.model))
    yield _section("How it came about", wording.history(score.history))


def _score_data(score: _Score) -> Mapping[str, Any]:
    columns = ("as_of", "score", "band", "grade", "stage", "disqualified")
    past = [
        {**{name: change.row[name] for name in columns}, "causes": change.causes, "delta": change.delta}
        for change in score.history
    ]
    return {
        **_plain(score.told),
        "lift": _plain(score.lift),
        "history": _plain(past),
        "scoring": score.version,
    }


def _plain(value: Any) -> Any:
    """Values that JSON knows: dataclasses as objects, moments in ISO 8601."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, tuple | list | frozenset):
        return [_plain(part) for part in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _section(title: str, *told: wording.Told) -> Section:
    return Section(title, tuple(Line(label, text) for lines in told for label, text in lines))


def _stages(connection: Connection, lead_id: UUID) -> tuple[Line, ...]:
    """When the person entered which stage, of each cycle for the first time."""
    rows = _rows(
        connection,
        """
        select e.*, max(e.cycle) over () > 1 as recycled from stage_entry e
        where e.lead_id = :id order by e.entered_at, e.cycle, e.stage
        """,
        lead_id,
    )
    return tuple(
        Line(
            f"{row['entered_at']:%Y-%m-%d %H:%M}",
            f"{row['stage']}{_in_cycle(row)}: {row['because']}",
        )
        for row in rows
    )


def _in_cycle(entry: RowMapping) -> str:
    return f" in cycle {entry['cycle']}" if entry["recycled"] else ""


def _routed(connection: Connection, lead_id: UUID) -> tuple[Line, ...]:
    rows = _rows(
        connection, f"select * from decision where lead_id in ({_MEMBERS}) order by decision_seq", lead_id
    )
    return tuple(line for row in rows for line in _decision_lines(connection, row))


def _decision_lines(connection: Connection, row: RowMapping) -> Iterator[Line]:
    yield Line(f"{row['as_of']:%Y-%m-%d %H:%M} #{row['decision_seq']}", f"{row['mode']}: {row['because']}")
    if versions := _versions(row["policy"]):
        yield Line("", versions)
    for text in trace(connection, dict(row)):
        yield Line("", text)


def _versions(policies: Mapping[str, str]) -> str:
    """Which rules scored and routed it, as `clearlane review` and `policy rollback` name versions."""
    named = [f"{file}.yaml {policies[file][:12]}" for file in ("scoring", "routing") if file in policies]
    return f"by {' and '.join(named)}" if named else ""


def _covered(connection: Connection, lead_id: UUID) -> tuple[Line, ...]:
    return tuple(
        Line(f"{one['began_at']:%Y-%m-%d %H:%M}", _covers(one)) for one in covers.of_lead(connection, lead_id)
    )


def _covers(one: Mapping[str, Any]) -> str:
    ended = (
        f"ended {one['ended_at']:%Y-%m-%d %H:%M}: {one['ended_because']}"
        if one["ended_at"]
        else f"until {one['until']:%Y-%m-%d %H:%M}Z"
    )
    return f"{one['cover_rep_id']} covers for {one['rep_id']} ({one['because']}), {ended}"


def _pushed(connection: Connection, lead_id: UUID) -> tuple[Line, ...]:
    rows = _rows(
        connection, f"select * from outbox where lead_id in ({_MEMBERS}) order by outbox_id", lead_id
    )
    return tuple(
        Line(
            row["state"],
            f"{row['source']}:{row['external_id']} {_said(row['fields'])}"
            + (f" at {row['sent_at']:%Y-%m-%d %H:%M}" if row["sent_at"] else "")
            + (f": {row['error']}" if row["error"] else "")
            + (f" ({row['note']})" if row["note"] else ""),
        )
        for row in rows
    )


def _said(fields: Mapping[str, Any]) -> str:
    """What a write tells of a lead, in short: a merge, its owner, or else its score."""
    if "merged_into" in fields:
        return f"to be merged into {fields['merged_into']}"
    return f"owner {fields['owner'] or '–'}" if "owner" in fields else f"score {fields.get('score')}"


def _rows(connection: Connection, statement: str, lead_id: Any) -> Sequence[RowMapping]:
    return connection.execute(sa.text(statement), {"id": lead_id}).mappings().all()
