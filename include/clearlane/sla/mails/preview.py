"""Every mail to look at without sending it: with an invented lead, or with a lead of the ledger."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy.model import Policy
from clearlane.sla.mails.content import Content, Desk, Did, Lead, Promise, Reader, Void, Web, content
from clearlane.sla.mails.owing import Kind, Mail, owe
from clearlane.sla.mails.rendering import Letter, letter

AT: Final = datetime(2026, 3, 2, 18, 56, tzinfo=UTC)
_MAYA: Final = Reader("Maya Brooks", "America/New_York", "maya.brooks@clearlane.example")
_GRETA: Final = Reader("Greta Holm", "Europe/Berlin", "greta.holm@clearlane.example")
_REVOPS: Final = Reader("revops", "America/New_York", "revops@clearlane.example")
_ADA: Final = Lead(
    name="Ada Fisk",
    company="Bright Data",
    title="Head of Sales Operations",
    where="Berlin, DE",
    phone="+49 30 5550 0142",
    email="ada.fisk@brightdata.example",
    score=82,
    band="hot",
    reasons=("50 to 1,000 employees: our ideal size", "Looked at prices this week", "Leads a team that buys"),
    did=(
        Did("demo request: /demo", AT - timedelta(minutes=4)),
        Did("page view: /pricing", AT - timedelta(minutes=9)),
        Did("content download: Routing at scale", AT - timedelta(days=3)),
    ),
    asked=Did("demo request", AT - timedelta(minutes=4)),
    zone="Europe/Berlin",
    zone_sure=True,
    crm="https://crm.example/leads/00Q1",
    airflow="https://airflow.example/dags/lead_flow/runs/1",
)
_CALL: Final = Promise(
    "assignment",
    "hot",
    AT - timedelta(minutes=1),
    AT + timedelta(minutes=4),
    timedelta(minutes=1),
    timedelta(minutes=1),
)
_SUNDAY: Final = timedelta(hours=19)
"""how long before the moment the lead asked that nobody called in time"""
_WAITS: Final = replace(
    _ADA, asked=Did("demo request", AT - _SUNDAY),
    did=tuple(replace(one, at=one.at - _SUNDAY + timedelta(minutes=4)) for one in _ADA.did),
)  # fmt: skip
_LATE: Final = replace(
    _CALL, since=AT - _SUNDAY, due=AT - timedelta(minutes=20), waited=_SUNDAY,
    worked=timedelta(minutes=25),
)  # fmt: skip
_NOTICE: Final = Content(
    kind="notice",
    at=AT,
    reader=_MAYA,
    owner="Maya Brooks",
    lead=_ADA,
    because="AMER inbound that asks for sales; Maya's turn among the SDRs AMER",
    promise=_CALL,
    accept_by=AT + timedelta(minutes=14),
    answers={
        name: f"https://airflow.example/clearlane/answers/?token={name}" for name in ("accept", "decline")
    },
    team="SDRs AMER",
)
_MISSED: Final = replace(_NOTICE, lead=_WAITS, promise=_LATE, answers={}, accept_by=None)
_ABOVE: Final = replace(_MISSED, reader=_GRETA, you=False)
_BEN: Final = replace(
    _ADA, name="Ben Okafor", company="Northwind Logistics", score=61, band="warm", asked=None, zone="Africa/Lagos",
    zone_sure=False,
)  # fmt: skip


def sample(kind: str) -> Content:
    """The mail of a kind with an invented lead, or invented figures."""
    return _SAMPLES[kind]


def of_lead(
    connection: Connection, policy: Policy, web: Web, lead_id: UUID, kind: str, at: datetime
) -> Content | Void:
    """The mail of a kind about a lead, as its owner or RevOps would get it at a moment; nothing is kept of it."""
    place = connection.execute(sa.text(_PLACE), {"lead": lead_id, "accept": kind == "time_out"}).one()
    kept = connection.begin_nested()
    try:
        asked = Mail(
            f"preview:{kind}:{lead_id}", cast(Kind, kind), place.rep_id or "revops", "soon", at, lead_id=lead_id,
            decision_seq=place.decision_seq, clock_id=None if kind == "notice" else place.clock_id,
        )  # fmt: skip
        owe(connection, policy, [asked])
        row = connection.execute(sa.text(_OWED), {"key": asked.key}).mappings().one()
        return content(connection, Desk(policy, web), row, at)
    finally:
        kept.rollback()


_PLACE: Final = """
select p.rep_id, p.decision_seq, (
    select clock_id from sla_clock k where k.lead_id = p.lead_id and (k.kind = 'accept') = :accept
    order by k.met_at is null and k.ended_at is null desc, k.clock_id desc limit 1) as clock_id
from place p where p.lead_id = :lead
"""
_OWED: Final = "select * from mail where key = :key"


def files(contents: Iterable[Content]) -> Mapping[str, str]:
    """File name -> text: each mail as HTML and as text, and a page that shows all."""
    written = {one.kind: letter(one) for one in contents}
    pages = {
        name: text
        for kind, one in written.items()
        for name, text in ((f"{kind}.html", _with_pictures(one)), (f"{kind}.txt", _plain(one)))
    }
    return pages | {"index.html": _index(written)}


def plain(content: Content) -> str:
    """Subject and text of a mail."""
    return _plain(letter(content))


def _plain(one: Letter) -> str:
    return f"Subject: {one.subject}\n\n{one.text}"


def _with_pictures(one: Letter) -> str:
    """The HTML with its pictures inside, as a browser shows them."""
    page = one.html
    for name, png in one.pictures.items():
        page = page.replace(f"cid:{name}", f"data:image/png;base64,{png}")
    return page


def _index(written: Mapping[str, Letter]) -> str:
    entries = "".join(
        f'<h2>{kind}</h2><p>{html.escape(one.subject)} · <a href="{kind}.html">HTML</a> · <a href="{kind}.txt">text</a>'
        f'</p><iframe src="{kind}.html" title="{kind}"></iframe>'
        for kind, one in written.items()
    )
    style = "body{font:15px sans-serif;margin:24px}iframe{width:100%;max-width:640px;height:640px;border:0}"
    return f'<!doctype html><meta charset="utf-8"><title>Mails</title><style>{style}</style>{entries}'


def _report(kind: Kind, reader: Reader = _REVOPS, **facts: object) -> Content:
    return Content(kind, AT, reader, facts=facts)


_SAMPLES: Final[Mapping[str, Content]] = {
    "notice": _NOTICE,
    "warn": replace(_NOTICE, kind="warn"),
    "breach": replace(_MISSED, kind="breach"),
    "reassigned": replace(_MISSED, kind="reassigned", facts={"mine": True, "to": "Diego Marín"}),
    "time_out": replace(_MISSED, kind="time_out", promise=replace(_LATE, kind="accept")),
    "escalation": replace(_ABOVE, kind="escalation", facts={"hops": 2}),
    "exhausted": replace(_NOTICE, kind="exhausted", answers={}, facts={"attempts": 6, "then": "no answer"}),
    "queue": replace(_ABOVE, kind="queue", owner=None, because=None, facts={"place": "exceptions"}),
    "unverified": _report(
        "unverified",
        subject="Promises of crm cannot be judged",
        because="The source crm was not read since 13:10, so nobody knows which of its leads were called.",
        rows=[["Promises past due", "7"], ["Read last", "13:10 (New York)"]],
    ),
    "suspended": Content(
        "suspended", AT, _MAYA,
        facts={"until": (AT + timedelta(hours=3)).isoformat(), "because": "silent 3 times when a first touch was due"},
    ),
    "quarantine": _report(
        "quarantine",
        subject="A request for sales is in quarantine",
        because="Somebody asks for sales, and the record cannot be used: nobody has the lead yet.",
        rows=[["Source", "web form, leads"], ["Not usable", "email, phone"], ["Number", "4711"]],
        paragraphs=["`clearlane quarantine show` has the record; mended, it goes on by `quarantine replay`."],
    ),
    "publish": _report(
        "publish",
        reader=_MAYA,
        subject="What changes for you: new rules for leads",
        because="Greta Holm published new rules, in force from Monday, 2 March 2026, 09:00 EST: fewer cold calls.",
        paragraphs=["Only what is different for you is listed; all the rest stays."],
        sections=[{"title": "Your leads", "lines": ["You take leads of AMER with 50 to 1,000 employees", "15 a day"]}],
    ),
    "incident": _report(
        "incident",
        state="open",
        incidents=[
            {
                "what": "a source was not read", "because": "crm answered 503 since 13:10",
                "opened_at": (AT - timedelta(minutes=40)).isoformat(), "seen_at": AT.isoformat(),
            }
        ],
    ),
    "digest": _report(
        "digest",
        reader=_GRETA,
        subject="Leads this week: 88 % called in time",
        because="Hot leads were called after 4 minutes in the median.",
        rows=[["Hot leads", "42, 88 % called in time"], ["Accepted", "79 %"], ["Declined", "11 %"]],
    ),
    "review": _report(
        "review",
        reader=_GRETA,
        subject="New points for 2 rules? Review of 1 April 2026",
        because="Two rules tell less than their points say. The new points put 3 more of 100 pairs right.",
        rows=[["icp_size", "15 → 12 points"], ["reseller", "new, -4 points"]],
        paragraphs=["Nothing changes by itself: approve it, choose other points, or reject it in Airflow."],
        link={"label": "The report", "url": "https://airflow.example/clearlane/data-docs/weight_review/scheduled"},
    ),
    "joined": Content(
        "joined", AT, _MAYA,
        items=(
            replace(_NOTICE, kind="warn"),
            replace(_NOTICE, lead=_BEN, promise=replace(_CALL, due=AT + timedelta(hours=4))),
            replace(_NOTICE, kind="breach", lead=replace(_BEN, name="Chidi Anan", company=None), promise=_LATE),
        ),
    ),
}  # fmt: skip
