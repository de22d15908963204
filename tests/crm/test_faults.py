"""A thousand leads pushed through faults: errors, lost answers, a killed server, two drains at once, people in between.

In the end each lead has the owner and score that the ledger says, people's choices stand, and the CRM's own audit
trail says how often it was written to.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import requests
import sqlalchemy as sa
from tests.connectors.local_server import Asked, Reply, serving
from tests.crm.conftest import address, asked
from tests.crm.server import Crm
from tests.crm.test_story import flow, healthy, owners, prepare
from tests.e2e.processes import ended, forked
from tests.e2e.rivers import River

from clearlane import steps

LEADS = int(os.environ.get("CLEARLANE_CRM_LEADS", "1000"))
TAKEN = 50 if LEADS >= 500 else LEADS // 10
ROUNDS = 30
GIVEN = """
select l.external_id, a.rep_id, s.score, s.band
from lead l join assignment a using (lead_id) join decision d using (decision_seq) join score s using (score_id)
where a.ended_at is null and a.by = 'clearlane'
"""


@dataclass
class Faults:
    """A proxy before the CRM that fails every seventh write, in turn in four ways, and tells what passes by.

    A lead is looked at by itself right before it is written: the first such look comes before all writes.
    """

    crm: Crm
    told: Callable[[str, int], None]
    """called with `looks` before and `wrote` afterwards, and how often that happened"""
    done: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    ways: itertools.cycle[str] = field(default_factory=lambda: itertools.cycle(["500", "429", "502", "lost"]))

    def __call__(self, asked: Asked) -> Reply:
        writes = asked.method == "PATCH"
        way = self._way() if writes else None
        if way in ("500", "429", "502"):
            return Reply(
                {"detail": "no"}, status=int(way), headers={"Retry-After": "1"} if way == "429" else {}
            )
        if not writes and asked.path.count("/") == 4:
            self._tell("looks")
        reply = self._forwarded(asked)
        if writes:
            self._tell("wrote")
        return Reply(cut=True) if way == "lost" else reply

    def _tell(self, what: str) -> None:
        with self.lock:
            self.done[what] += 1
            count = self.done[what]
        self.told(what, count)

    def _way(self) -> str | None:
        with self.lock:
            self.done["tried"] += 1
            way = next(self.ways) if self.done["tried"] % 7 == 0 else None
            self.done[way or "passed"] += 1
            return way

    def _forwarded(self, asked: Asked) -> Reply:
        kept = {"Authorization": asked.headers["Authorization"], "Content-Type": "application/json"}
        try:
            answer = requests.request(
                asked.method, self.crm.address + asked.path, params=asked.query, headers=kept,
                data=asked.body, timeout=120,
            )  # fmt: skip
        except requests.RequestException:
            return Reply(cut=True)
        return Reply(answer.content, status=answer.status_code)


class Person:
    """Gives leads to another member, once the drain has looked at them and before it writes."""

    def __init__(self, crm: Crm, choices: dict[str, str]) -> None:
        boss = crm.api("boss")
        profiles = boss.ask("GET", "users/get-teams-and-users/")["profiles"]
        self._ids = {one["user_details"]["email"]: one["id"] for one in profiles}
        self._boss, self._crm, self._choices = boss, crm, dict(choices)
        self._lock = threading.Lock()

    def chooses(self, count: int) -> None:
        with self._lock:
            for lead, member in list(self._choices.items())[:count]:
                chosen = self._ids[self._crm.people.emails[member]]
                self._boss.ask("PATCH", f"leads/{lead}/", json={"assigned_to": [chosen]})
                del self._choices[lead]

    def is_done(self) -> bool:
        return not self._choices


@pytest.fixture
def owed(river: River, crm: Crm) -> tuple[datetime, dict[str, str]]:
    """A thousand leads of yesterday, given in a run of yesterday that sent nothing; who has each."""
    prepare(river, crm)
    crm.arrive(LEADS, "flood")
    crm.rows(_AGE)
    at = datetime.now(UTC) - timedelta(hours=24)
    counts = river.run(None, dry_run=True, as_of=at)
    assert (counts["owed"], counts["sent"]) == (LEADS, 0)
    return at, {str(lead): str(rep) for lead, rep, _, _ in asked(river, GIVEN)}


_AGE = """
update lead set created_at = now() - interval '26 hours', updated_at = now() - interval '26 hours'
where email like 'flood%%'
"""


def test_in_the_end_each_lead_has_what_the_ledger_says_and_people_win(
    river: River, crm: Crm, owed: tuple[datetime, dict[str, str]]
) -> None:
    at, given = owed
    leads = sorted(given)
    chosen = {
        lead: next(f"user{n}" for n in range(1, 6) if f"user{n}" != given[lead]) for lead in leads[:TAKEN]
    }
    person = Person(crm, chosen)
    person.chooses(TAKEN // 2)
    restarted = threading.Event()

    def told(what: str, count: int) -> None:
        if (what, count) == ("looks", 1):
            person.chooses(TAKEN)
        if (what, count) == ("wrote", LEADS // 3):
            crm.kill()
            crm.start()
            restarted.set()

    faults = Faults(crm, told)
    url = river.engine.url.render_as_string(hide_password=False)
    with serving(faults) as proxy:
        for number in range(ROUNDS):
            moment = at + timedelta(minutes=30 * (number + 1))

            def drain(engine: sa.Engine, moment: datetime = moment) -> None:
                steps.drain(engine, moment, lambda name: address(proxy.address, crm.people), dry_run=False)

            assert [ended(pid) for pid in [forked(drain, url), forked(drain, url)]] == [0, 0]
            if not asked(river, "select 1 from outbox where state = 'owed'"):
                break
    assert asked(river, "select state, count(*) from outbox group by 1") == [("sent", LEADS)]
    assert restarted.is_set()
    assert person.is_done()
    assert min(faults.done[way] for way in ("500", "429", "502", "lost")) > 0

    now = {lead["id"]: lead for lead in crm.api("machine").leads()}
    wanted = {lead: crm.people.emails[chosen.get(lead, given[lead])] for lead in leads}
    assert {lead: owners(now[lead]) for lead in leads} == {lead: [email] for lead, email in wanted.items()}
    scores = {lead: (score, band) for lead, _, score, band in asked(river, GIVEN)}
    held = {lead: now[lead]["custom_fields"] for lead in leads}
    assert {lead: (one["clearlane_score"], one["clearlane_band"]) for lead, one in held.items()} == scores
    assert _overridden(river) == chosen
    _counted_in_the_audit_trail(crm, leads, faults)

    flow(river)
    assert {str(lead) for (lead,) in asked(river, _CHANGED)} == set(chosen)
    later = {lead["id"]: owners(lead) for lead in crm.api("machine").leads()}
    assert {lead: later[lead] for lead in leads} == {lead: [email] for lead, email in wanted.items()}
    healthy(river)


def _overridden(river: River) -> dict[str, str]:
    return dict(
        asked(  # type: ignore[arg-type]
            river,
            "select distinct l.external_id, e.rep_id from routing_event e join lead l using (lead_id)"
            " where e.kind = 'override'",
        )
    )


def _counted_in_the_audit_trail(crm: Crm, leads: list[str], faults: Faults) -> None:
    """Each lead was written once, also where the answer was lost; the kill may have cost each drain one."""
    email = crm.people.emails["machine"]
    rows = crm.rows(_WRITTEN, email)
    written = {str(lead): int(count) for lead, count in rows}
    assert set(written) == set(leads)
    again = sum(count - 1 for count in written.values())
    assert again <= 2
    print(
        f"{len(leads)} leads, {sum(written.values())} writes in the audit trail, faults {dict(faults.done)}"
    )


_CHANGED = """
select l.external_id from lead l join place p using (lead_id) where p.reason = 'owner_changed'
"""
_WRITTEN = """
select a.entity_id, count(*) from activity a join profile p on p.id = a.user_id join users u on u.id = p.user_id
where a.entity_type = 'Lead' and a.action = 'UPDATE' and u.email = %s group by 1
"""
