"""Whole runs against a CRM on a real socket, good ones and bad ones: their logs name no secret and no person."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.companies import END, policy_for
from tests.connectors.local_server import Asked, Local, Reply, serving

from clearlane import policy
from clearlane.privacy import erasing
from clearlane.privacy.tombstones import Key

KEY, CLIENT, TOKEN = "k3y-0f-the-crm", "cl1ent-s3cret", "t0ken-0f-today"
SECRETS = (KEY, CLIENT, TOKEN)
PEOPLE = [
    {"first": "Zdeněk", "last": "Vraspír", "email": "zdenek.vraspir@brno-tools.example", "phone": "+420 601 223 344"},
    {"first": "Oluwaseun", "last": "Adégbìtẹ́", "email": "seun@lagos-freight.example", "phone": "+234 803 555 0142"},
    {"first": "美咲", "last": "髙橋", "email": "misaki@osaka-parts.example", "phone": "+81 90-5550-1234"},
    {"first": "Quillon", "last": "O'Brannagh", "email": "not an address, quillon", "phone": "none"},
    {"first": "Marguerite", "last": "Thistlewood", "email": "m.thistlewood@this.example", "phone": "+1 415 555 0188"},
]  # fmt: skip
PERSONAL = [value for person in PEOPLE for value in person.values() if value != "none"]
SOURCES = """
schema: 1
owner: data-engineering
approver: revenue-operations
sources:
  crm:
    connector: rest
    address: connection:discreet_crm
    push: lead
    objects:
      leads:
        read: leads
        cursor: updated_at
        fields:
          {id: id, created_at: created, updated_at: updated, email: email, phone: phone, first_name: first,
           last_name: last, company: company, country: country, employees: employees, title: title}
    rest:
      auth: {by: query, name: api_key}
      reads:
        leads:
          path: /v1/leads
          records: data
          params: {since: "{start}", of: "quillon@example.com"}
          pages: {by: token, name: after, at: next, limit: 2}
      writes:
        lead: {path: "/v1/leads/{external_id}"}
"""
CLOSED = """
with gone as (
    update assignment set ended_at = greatest(now(), started_at), ended_because = 'closed'
    where lead_id in (select lead_id from lead_key where value = :email) and ended_at is null)
update place set place = 'closed', reason = 'recycled_out', rep_id = null, team = null, decision_seq = null
where lead_id in (select lead_id from lead_key where value = :email)
"""
OAUTH = "{by: oauth2, token_address: /oauth/token}"
LIVE = {"mode": "live", "dry_run": False}


@dataclass
class Crm:
    """Leads in pages of two, and what a write or the last page answers where it is made to fail."""

    at: Any
    writes: Callable[[Asked], Reply] | None = None
    last_page: Reply | None = None
    written: dict[str, Any] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> Reply:
        if asked.path == "/oauth/token":
            return Reply({"access_token": TOKEN, "refresh_token": CLIENT})
        if asked.method == "PATCH":
            self.written[asked.path] = asked.json
            return self.writes(asked) if self.writes else Reply({})
        start = int(asked.query.get("after", 0))
        if start + 2 >= len(PEOPLE) and self.last_page:
            return self.last_page
        page = [self._lead(number) for number in range(start, min(start + 2, len(PEOPLE)))]
        return Reply({"data": page, "next": start + 2 if start + 2 < len(PEOPLE) else None})

    def _lead(self, number: int) -> dict[str, Any]:
        moment = (self.at - timedelta(minutes=number + 1)).isoformat()
        about = {"company": "Brno Tools", "country": "US", "employees": 300, "title": "VP Operations"}
        return {"id": number + 1, "created": moment, "updated": moment, **about, **PEOPLE[number]}


@pytest.fixture
def crm(ledger: sa.Engine, company: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Local]]:
    """Publishes a policy whose only source is a CRM on this machine, and gives its server."""
    with ExitStack() as stack:

        def start(crm: Crm, sources: str = SOURCES, leads: str = "never") -> Local:
            local = stack.enter_context(serving(crm))
            said = {"conn_type": "http", "host": local.address, "login": "us", "password": KEY}
            monkeypatch.setenv("AIRFLOW_CONN_DISCREET_CRM", json.dumps(said))
            with ledger.begin() as connection:
                texts = {**policy_for(company), "sources": sources}
                texts["contract"] = texts["contract"].replace("leads: never", f"leads: {leads}")
                policy.publish(connection, texts, by="test", because="test", in_force_from=None)
            return local

        yield start


@pytest.fixture
def flow(dagbag: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`lead_flow`, whose tasks fail at once: what is told of a failure is what is looked for."""
    lead_flow = dagbag.dags["lead_flow"]
    for task in lead_flow.tasks:
        if task.task_id == "pull":
            monkeypatch.setitem(task.partial_kwargs, "retries", 0)
        else:
            monkeypatch.setattr(task, "retries", 0)
    return lead_flow


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Requests too: the client of HubSpot, once it is made, keeps all of urllib3 at warnings."""
    for logger in (None, "urllib3"):
        caplog.set_level(logging.DEBUG, logger)


def told(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], ledger: sa.Engine, run: Any
) -> str:
    """All that a run says: logs at every level, what is printed, XCom, what tasks get, the outbox's errors."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        of_run = session.query(XComModel.value).filter(XComModel.run_id == run.run_id).all()
    with ledger.connect() as connection:
        errors = (
            connection.execute(sa.text("select error from outbox where error is not null")).scalars().all()
        )
    instances = run.get_task_instances()
    given = [str(getattr(instance.task, "op_kwargs", "")) for instance in instances]
    return "\n".join([caplog.text, *capfd.readouterr(), str(of_run), str(run.conf), *given, *errors])


def is_discreet(text: str) -> None:
    assert "/v1/leads" in text, "nothing was captured"
    assert [secret for secret in SECRETS if secret in text] == []
    escaped = [json.dumps(value)[1:-1] for value in PERSONAL]
    assert [
        value for value in (*PERSONAL, *escaped, "quillon@example.com", "quillon%40") if value in text
    ] == []


def person(status: int) -> Reply:
    return Reply({"error": f"{json.dumps(PEOPLE[0])} {KEY} may not be written"}, status=status)


def refusal(asked: Asked) -> Reply:
    """Another failure for each lead."""
    return [person(422), person(500), Reply(cut=True), person(401), person(403)][int(asked.path[-1]) % 5]


def test_a_run_whose_writes_fail_names_nobody(crm, flow, ledger, caplog, capfd):
    moment = END + timedelta(days=2)
    crm(Crm(moment, refusal), SOURCES.replace("{by: query, name: api_key}", OAUTH))
    run = flow.test(logical_date=moment, run_conf=LIVE)
    said = told(caplog, capfd, ledger, run)
    assert "source crm: PATCH /v1/leads/" in said
    is_discreet(said)


@pytest.mark.parametrize(
    "page",
    [
        Reply(json.dumps({"data": PEOPLE}).encode()[:-9]),
        Reply({"data": [json.dumps(PEOPLE[0]), {"id": "\x00", **PEOPLE[1]}], "next": None}),
        pytest.param(Reply(b"<html>" + str(PEOPLE).encode()), marks=pytest.mark.full),
        pytest.param(Reply({"errors": PEOPLE}), marks=pytest.mark.full),
        pytest.param(person(403), marks=pytest.mark.full),
    ],
    ids=["cut off", "broken records", "a web page", "an error in place of records", "refused"],
)
def test_a_run_that_cannot_read_names_nobody(crm, flow, ledger, caplog, capfd, page):
    moment = END + timedelta(days=3)
    crm(Crm(moment, last_page=page))
    run = flow.test(logical_date=moment, run_conf=LIVE)
    said = told(caplog, capfd, ledger, run)
    assert (run.state == "failed") == ("SourceFailed" in said or "Refused" in said)
    is_discreet(said)


def test_good_runs_name_nobody(crm, flow, dagbag, ledger, caplog, capfd):
    """The flow, promises, outcomes, what goes by age, and erasing: all over leads whose values are known."""
    moment = END + timedelta(days=4)
    vendor = Crm(moment)
    local = crm(vendor, leads="1 days")
    runs = [flow.test(logical_date=moment, run_conf=LIVE)]
    assert len(vendor.written) == len(PEOPLE) - 1, "all but the one without a usable address are written"
    assert all(asked.query["api_key"] == KEY for asked in local.asked)
    for name in ("sla_watch", "outcome_sync"):
        runs.append(dagbag.dags[name].test(logical_date=moment + timedelta(minutes=5)))
    with ledger.begin() as connection:
        connection.execute(sa.text(CLOSED), {"email": PEOPLE[1]["email"]})
    later = datetime.now(UTC) + timedelta(days=400)
    runs.append(dagbag.dags["retention"].test(logical_date=later, run_conf={"dry_run": False}))
    with ledger.begin() as connection:
        done = erasing.erase(
            connection,
            PEOPLE[0]["email"],
            by="dpo",
            because="asked",
            at=moment,
            key=Key("of a test", kept=True),
        )
    said = "\n".join(told(caplog, capfd, ledger, run) for run in runs)
    assert [run.state for run in runs] == ["success"] * 4
    assert "'leads': 1" in said, "the retention erased who was left alone"
    assert done.searched.left == 0
    is_discreet(said)
