"""One story on the real server: leads flow in, owners and scores come back, and what people do there stands."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.crm.conftest import address, asked
from tests.crm.server import Crm, Record
from tests.e2e.rivers import River

from clearlane import policy, steps
from clearlane.connectors import Connector, connected, trial
from clearlane.ledger import doctor
from clearlane.policy.model import Source

GIVEN = """
select l.external_id, a.rep_id, s.score, s.band
from assignment a join lead l using (lead_id) join decision d using (decision_seq) join score s using (score_id)
where a.ended_at is null and a.by = 'clearlane'
"""


def flow(river: River) -> dict[str, int]:
    """A run of lead_flow, as of now, that writes."""
    return dict(river.run(None, dry_run=False, as_of=datetime.now(UTC)))


def synced(river: River) -> dict[str, int]:
    """A run of outcome_sync, as of now."""
    at = datetime.now(UTC)
    batch = steps.open_batch(
        river.engine, dag_id="outcome_sync", run_id=at.isoformat(), run_type="manual", mode="live", dry_run=True,
        window=None, as_of=at, code_version="test",
    )  # fmt: skip
    run = str(batch.batch_id)
    steps.pull_outcomes(river.engine, run, "bottlecrm", river.secrets)
    steps.quality(river.engine, run, lane="plain")
    steps.identity(river.engine, run)
    return dict(steps.outcomes(river.engine, run))


def wrong(connector: Connector, source: Source) -> list[str]:
    """What `clearlane connector test` finds wrong."""
    return [one.what for one in trial.tried(connector, source, datetime.now(UTC)) if one.good is False]


def prepare(river: River, crm: Crm) -> None:
    with river.engine.connect() as connection:
        sources = policy.stored(connection, policy.in_force(connection, datetime.now(UTC))).sources
    source = sources.sources["bottlecrm"]
    made = connected(source, lambda name: address(crm.address, crm.people))
    assert wrong(made, source) == ["custom fields"]
    assert len(made.prepare()) > 8  # type: ignore[attr-defined]
    assert wrong(made, source) == []


def owners(lead: Record) -> list[str]:
    return [one["user_details"]["email"] for one in lead["assigned_to"]]


def healthy(river: River) -> None:
    with river.engine.connect() as connection:
        assert [finding.check.id for finding in doctor.examine(connection) if finding.count] == []


def test_leads_flow_through_a_real_crm_and_what_people_do_there_stands(river: River, crm: Crm) -> None:
    prepare(river, crm)
    new = crm.arrive(12, "kite")
    machine, boss = crm.api("machine"), crm.api("boss")
    before = {lead["id"]: lead["assigned_to"] for lead in machine.leads() if lead["id"] not in new}

    counts = flow(river)
    everyone = len(before) + len(new)
    assert (counts["sent"], counts["written"], counts["retry"], counts["dead"]) == (everyone, everyone, 0, 0)
    now = {lead["id"]: lead for lead in machine.leads()}
    given = {external: (rep, score, band) for external, rep, score, band in asked(river, GIVEN)}
    assert set(new) <= set(given)
    for lead, (rep, score, band) in given.items():
        assert owners(now[lead]) == [crm.people.emails[str(rep)]]
        assert now[lead]["custom_fields"]["clearlane_score"] == score
        assert now[lead]["custom_fields"]["clearlane_band"] == band
    kept = set(now) - set(given)
    assert len(kept) > 30
    assert {lead: now[lead]["assigned_to"] for lead in kept} == {lead: before[lead] for lead in kept}
    assert crm.changes("machine") == everyone

    taken, touched = new[0], new[1]
    other = next(f"user{n}" for n in range(1, 6) if f"user{n}" != given[taken][0])
    members = {
        one["user_details"]["email"]: one["id"]
        for one in boss.ask("GET", "users/get-teams-and-users/")["profiles"]
    }
    boss.ask("PATCH", f"leads/{taken}/", json={"assigned_to": [members[crm.people.emails[other]]]})
    owner = crm.api(str(given[touched][0]))
    call = owner.ask("POST", "interactions/", json={"lead": touched, "kind": "call", "direction": "outbound"})

    counts = synced(river)
    assert (counts["owner_changes"], counts["clocks_met"]) == (0, 3)  # arrival, assignment, accept
    assert asked(river, TOUCHED) == [(touched, "first_touch", given[touched][0])]
    assert asked(river, MET, lead=touched) == [(datetime.fromisoformat(call["occurred_at"]),)]
    assert asked(river, MET, lead=taken) == [(None,)]

    again = flow(river)
    assert again["sent"] == 0
    assert asked(river, OVERRIDDEN) == [(taken, other, "owner changed in bottlecrm", "owner_changed", other)]
    assert owners(machine.lead(taken)) == [crm.people.emails[other]]
    boss.ask("PATCH", f"leads/{new[2]}/", json={"status": "converted"})
    assert flow(river)["sent"] == 0
    assert asked(river, PLACE, lead=new[2]) == [("closed", "converted")]
    assert crm.changes("machine") == everyone
    healthy(river)


TOUCHED = "select lead_external_id, kind, split_part(rep_id, '_', 1) from outcome"
PLACE = "select p.place, p.reason from place p join lead l using (lead_id) where l.external_id = :lead"
MET = "select distinct k.met_at from sla_clock k join lead l using (lead_id) where l.external_id = :lead"
OVERRIDDEN = """
select l.external_id, e.rep_id, e.because, p.reason, p.rep_id
from routing_event e join lead l using (lead_id) join place p using (lead_id) where e.kind in ('owner', 'override')
"""
