"""A CRM that sources.yaml describes, from its leads to owners and scores in it, on a real socket and a real ledger."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.companies import END, WINDOWS
from tests.connectors.local_server import Asked, Reply, serving
from tests.e2e.rivers import River

from clearlane import steps

LEADS = 30
SOURCES = """
schema: 1
owner: data-engineering
approver: revenue-operations
sources:
  crm:
    connector: rest
    address: connection:crm
    push: lead
    push_fields: {owner: owner_id, queue: queue, score: lead_score, band: band, stage: stage}
    objects:
      leads:
        read: leads
        cursor: updated_at
        fields:
          {id: id, created_at: created, updated_at: updated, email: person.email, name: person.name, owner: owner_id,
           company: company, country: country, employees: employees, title: title}
        extras: false
    rest:
      auth: {by: bearer}
      reads:
        leads:
          path: /leads
          records: data
          params: {since: "{start}"}
          pages: {by: token, name: after, at: next, limit: 25}
      writes:
        lead: {path: "/leads/{external_id}"READ_BACK}
"""
READ_BACK = ', read_back: "/leads/{external_id}"'


@dataclass
class Crm:
    """Leads by id; counts what was written to each, and lets a person at them after the pull."""

    leads: dict[str, dict[str, Any]] = field(default_factory=dict)
    writes: Counter[str] = field(default_factory=Counter)

    def __call__(self, asked: Asked) -> Reply:
        *_, last = asked.path.split("/")
        if asked.method == "PATCH":
            self.writes[last] += 1
            self.leads[last] |= asked.json
        if last in self.leads:
            return Reply(self.leads[last])
        start, every = int(asked.query.get("after", 0)), list(self.leads.values())
        return Reply(
            {"data": every[start : start + 25], "next": str(start + 25) if start + 25 < len(every) else None}
        )


def crm_with(count: int) -> Crm:
    crm = Crm()
    for number in range(1, count + 1):
        moment = (END - timedelta(minutes=number)).isoformat()
        crm.leads[str(number)] = {
            "id": number, "created": moment, "updated": moment, "owner_id": None,
            "person": {"email": f"p{number}@firm{number}.com", "name": f"Ünal {number}"},
            "company": f"Firm {number}", "country": "US", "employees": 300, "title": "VP Operations",
        }  # fmt: skip
    return crm


def river(engine: sa.Engine, texts: dict[str, str], address: str, read_back: str) -> River:
    made = River(engine, {"crm": address.replace("http://", "x://:t0ken@")}.__getitem__)
    made.publish({**texts, "sources": SOURCES.replace("READ_BACK", read_back)})
    return made


def asked(engine: sa.Engine, query: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(sa.text(query)).all())


OWED = "select external_id, fields ->> 'owner' from outbox where fields ->> 'owner' is not null"


@pytest.mark.parametrize("read_back", ["", READ_BACK], ids=["written blindly", "read back"])
def test_owners_and_scores_reach_the_crm_once(ledger_engine: Any, texts: Any, read_back: str) -> None:
    crm = crm_with(LEADS)
    with serving(crm) as local:
        let = river(ledger_engine, texts, local.address, read_back)
        counts = let.run(WINDOWS[-1], dry_run=False)
        assert counts.get("stood", 0) == 0
        owners = dict(asked(ledger_engine, OWED))
        assert owners
        assert {of: crm.leads[of]["owner_id"] for of in owners} == owners
        assert all(isinstance(lead["lead_score"], int) for lead in crm.leads.values())
        steps.drain(ledger_engine, END + timedelta(minutes=5), let.secrets, dry_run=False)
    assert set(crm.writes.values()) == {1}
    assert len(crm.writes) == LEADS
    assert asked(ledger_engine, "select * from routing_event where kind = 'override'") == []


def test_what_a_person_chose_meanwhile_stands(ledger_engine: Any, texts: Any) -> None:
    crm = crm_with(LEADS)
    with serving(crm) as local:
        let = river(ledger_engine, texts, local.address, READ_BACK)
        let.run(WINDOWS[-1], dry_run=True)
        chosen = sorted(dict(asked(ledger_engine, OWED)))[:10]
        for of in chosen:
            crm.leads[of]["owner_id"] = "U117"
        owners = dict(asked(ledger_engine, OWED))
        steps.drain(ledger_engine, END + timedelta(minutes=5), let.secrets, dry_run=False)
    assert {of: crm.leads[of]["owner_id"] for of in owners} == owners | dict.fromkeys(chosen, "U117")
    assert all(isinstance(crm.leads[of]["lead_score"], int) for of in chosen)
    assert len(asked(ledger_engine, "select * from routing_event where kind = 'override'")) == len(chosen)
