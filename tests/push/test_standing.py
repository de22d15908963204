"""The owner that a person has reaches each of its records, and each has its own again when they are parted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.push.crm import ReadableCrm, Time
from tests.route.conftest import World, simple, world  # noqa: F401 (a fixture)
from tests.route.firms import MONDAY_NOON
from tests.route.test_persons import differences, snapshot

from clearlane import connectors, push, route
from clearlane.ledger.doctor import examine
from clearlane.ledger.models import metadata
from clearlane.policy.model import Policy
from clearlane.push import persons
from clearlane.route.persons import Word

HOUR = timedelta(hours=1)
LATER = MONDAY_NOON + 2 * HOUR
PUSHED = simple(push="leads")


@dataclass
class Office:
    """Leads that are routed and written to a CRM, and people who merge and part them."""

    world: World
    crm: ReadableCrm = field(default_factory=ReadableCrm)
    policy: Policy = PUSHED

    def routed(self, name: str, at: datetime, band: str = "warm", **attributes: Any) -> UUID:
        lead = self.world.lead(name, created_at=at, **attributes)
        self.crm.records[name] = {"owner": attributes.get("owner")}
        self.run([lead], at + HOUR, band)
        return lead

    def run(self, leads: list[UUID], at: datetime, band: str = "warm") -> None:
        """As `steps.route` and `steps.push` would."""
        batch = self.world.batch(as_of=at)
        for lead in leads:
            self.world.score(batch, lead, band=band, score={"hot": 90, "cold": 5}.get(band, 60))
        with self.world.engine.begin() as connection:
            route.note(connection, self.policy, batch)
        self.world.route(self.policy, batch)
        with self.world.engine.begin() as connection:
            push.owe(connection, self.policy, batch)

    def say(self, act: str, *records: UUID, at: datetime = LATER) -> None:
        with self.world.engine.begin() as connection:
            persons.say(connection, self.policy, act, Word("ann", "I know them", at), *records)

    def drain(self, at: datetime = LATER) -> dict[str, int]:
        time = Time()
        return push.drain(
            self.world.engine, self.policy, at, lambda name: "", dry_run=False, limit=100,
            monotonic=time.now, wait=time.wait,
        )  # fmt: skip

    def owed(self) -> dict[str, str | None]:
        """The owner that each record is going to hear of."""
        rows = self.world.rows(
            "select external_id, fields ->> 'owner' as owner from outbox where state = 'owed' order by outbox_id"
        )
        return {row["external_id"]: row["owner"] for row in rows}

    def shown(self) -> dict[str, str | None]:
        return {name: record.get("owner") for name, record in self.crm.records.items()}

    def owners(self) -> dict[UUID, str]:
        rows = self.world.rows("select lead_id, rep_id from assignment where ended_at is null")
        return {row["lead_id"]: f"{row['rep_id']}@clearlane.example" for row in rows}


@pytest.fixture
def office(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:  # noqa: F811
    office = Office(world)
    monkeypatch.setattr(connectors, "CONNECTORS", {"files": lambda source, secrets: office.crm})
    yield office
    with world.engine.connect() as connection:
        assert [
            one for one in examine(connection) if one.check.id == "outbox_is_owed_once" and one.count
        ] == []


def two_owned(office: Office) -> tuple[UUID, UUID, str, str]:
    """The earlier of two leads that were written to the CRM, the other, and who owns each."""
    older = office.routed("1", MONDAY_NOON - 3 * HOUR)
    newer = office.routed("2", MONDAY_NOON - 2 * HOUR)
    office.drain(MONDAY_NOON)
    had = office.owners()
    assert office.shown() == {"1": had[older], "2": had[newer]}
    assert had[older] != had[newer]
    return older, newer, had[older], had[newer]


def test_the_record_that_lost_its_owner_hears_at_once_and_the_other_nothing(office: Office) -> None:
    older, newer, stays, _ = two_owned(office)
    office.say("merge", newer, older)
    assert office.owed() == {"2": stays}
    assert office.drain()["sent"] == 1
    assert office.shown() == {"1": stays, "2": stays}
    assert office.drain()["sent"] == 0


@pytest.mark.full
def test_after_the_merge_was_told_each_hears_of_its_own_again(office: Office) -> None:
    older, newer, stays, lost = two_owned(office)
    office.say("merge", newer, older)
    office.drain()
    office.say("unmerge", newer, at=LATER + HOUR)
    assert office.owed() == {"2": lost}
    office.drain(LATER + HOUR)
    assert office.shown() == {"1": stays, "2": lost}
    assert office.world.count("routing_event") == 0


def test_who_survives_hears_of_the_owner_of_the_other_and_of_its_own_again(office: Office) -> None:
    """The owner in working contact stays, though the other record survives."""
    older, newer, lost, stays = two_owned(office)
    touch = (
        "insert into outcome (outcome_id, source, lead_id, kind, occurred_at)"
        " values (:l, 'crm', :l, 'first_touch', :at)"
    )
    with office.world.engine.begin() as connection:
        connection.execute(sa.text(touch), {"l": newer, "at": MONDAY_NOON + HOUR})
    office.say("merge", newer, older)
    assert office.owed() == {"1": stays}
    office.drain()
    office.say("unmerge", newer, at=LATER + HOUR)
    assert office.owed() == {"1": lost}
    office.drain(LATER + HOUR)
    assert office.shown() == {"1": lost, "2": stays}


@pytest.mark.full
def test_what_was_not_sent_yet_is_gone_when_they_are_parted(office: Office) -> None:
    older, newer, _, _ = two_owned(office)
    before = office.world.count("outbox")
    office.say("merge", newer, older)
    office.say("unmerge", newer, at=LATER + HOUR)
    assert office.owed() == {}
    assert office.world.count("outbox") == before


def test_what_may_have_arrived_is_followed_by_its_contrary(office: Office) -> None:
    older, newer, stays, lost = two_owned(office)
    office.say("merge", newer, older)
    office.crm.answers = ["lost"]
    assert office.drain()["retry"] == 1
    assert office.shown()["2"] == stays
    office.say("unmerge", newer, at=LATER + HOUR)
    assert office.owed() == {"2": lost}
    office.drain(LATER + HOUR)
    assert office.shown()["2"] == lost


def test_whom_a_person_chose_before_it_was_sent_stands(office: Office) -> None:
    older, newer, _, lost = two_owned(office)
    office.say("merge", newer, older)
    third = (
        {f"{name}@clearlane.example" for name in ("ana", "ben", "cyd")} - {*office.owners().values(), lost}
    ).pop()
    office.crm.records["2"]["owner"] = third
    assert office.drain()["stood"] == 1
    assert office.shown()["2"] == third


def test_the_owner_that_the_record_had_when_it_was_merged_is_nobody_s_choice_since(office: Office) -> None:
    """A record that was never routed, whose owner in the CRM was known."""
    older = office.routed("1", MONDAY_NOON - 3 * HOUR)
    office.drain(MONDAY_NOON)
    (stays,) = office.owners().values()
    other = next(f"{name}@clearlane.example" for name in ("ana", "ben", "cyd") if not stays.startswith(name))
    newer = office.world.lead("2", created_at=MONDAY_NOON - 4 * HOUR, owner=other)
    office.crm.records["2"] = {"owner": other}
    office.say("merge", newer, older)
    assert office.owed() == {"2": stays}
    drained = office.drain()
    assert (drained["sent"], drained["stood"]) == (1, 0)
    assert office.shown() == {"1": stays, "2": stays}


@pytest.mark.full
def test_nothing_is_owed_where_the_source_says_so_already(office: Office) -> None:
    older = office.routed("1", MONDAY_NOON - 3 * HOUR)
    office.drain(MONDAY_NOON)
    (stays,) = office.owners().values()
    newer = office.world.lead("2", created_at=MONDAY_NOON - 2 * HOUR, owner=stays)
    office.say("merge", newer, older)
    assert office.owed() == {}


def test_nobody_s_owner_in_the_source_is_taken_for_a_queue(office: Office) -> None:
    older = office.routed("1", MONDAY_NOON - 3 * HOUR, "cold")
    office.drain(MONDAY_NOON)
    newer = office.world.lead("2", created_at=MONDAY_NOON - 2 * HOUR, owner="ana@clearlane.example")
    nobodys = office.world.lead("3", created_at=MONDAY_NOON - 2 * HOUR)
    office.say("merge", newer, older)
    office.say("merge", nobodys, older, at=LATER + HOUR)
    assert office.owed() == {"3": None}


def test_old_records_that_keys_merge_are_left_as_they_are(office: Office) -> None:
    office.policy = simple(push="leads", live_from=MONDAY_NOON - 30 * HOUR)
    two = {"owner": "ana@clearlane.example"}, {"owner": "ben@clearlane.example"}
    leads = [office.routed(str(n), MONDAY_NOON - 40 * HOUR + n * HOUR, **one) for n, one in enumerate(two, 1)]
    assert office.owed() == {}
    merged_by_keys(office, leads[1], leads[0])
    office.run(leads[:1], LATER)
    assert len(office.owners()) == 1
    assert office.owed() == {}


def merged_by_keys(office: Office, loser: UUID, survivor: UUID) -> None:
    statements = (
        "update lead set survivor_id = :s where lead_id = :l",
        "insert into merge (loser_id, survivor_id, rule, merged_at) values (:l, :s, 'email', :at)",
        "update place set place = 'closed', reason = 'merged', rep_id = null where lead_id = :l",
    )
    with office.world.engine.begin() as connection:
        for statement in statements:
            bound = {"l": loser, "s": survivor, "at": LATER}
            used = {name: value for name, value in bound.items() if f":{name}" in statement}
            connection.execute(sa.text(statement), used)


def test_records_that_keys_merge_hear_with_the_run(office: Office) -> None:
    older, newer, stays, _ = two_owned(office)
    merged_by_keys(office, newer, older)
    office.run([older], LATER)
    assert office.owed() == {"2": stays}


def test_whom_a_person_gives_one_record_to_the_other_hears_of(office: Office) -> None:
    older, newer, _, lost = two_owned(office)
    office.say("merge", newer, older)
    office.drain()
    office.crm.records["2"]["owner"] = lost
    office.world.known(newer, at=LATER + HOUR, owner=lost)
    office.run([older], LATER + 2 * HOUR)
    assert office.owners() == {older: lost}
    assert office.owed() == {"1": lost}
    office.drain(LATER + 2 * HOUR)
    assert set(office.shown().values()) == {lost}


BANDS = ("hot", "warm", "cold")


@settings(
    max_examples=examples(2, 40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_merged_told_and_parted_shows_every_owner_as_before(office: Office, data: st.DataObject) -> None:
    """Whatever was sent in between; and where nothing was begun, every row is as it was."""
    empty(office)
    bands = data.draw(st.lists(st.sampled_from(BANDS), min_size=2, max_size=4), label="bands")
    leads = [office.routed(str(n), MONDAY_NOON - (8 - n) * HOUR, band) for n, band in enumerate(bands)]
    if data.draw(st.booleans(), label="written before"):
        office.drain(MONDAY_NOON)
    shown, before, sent = office.shown(), snapshot(office.world), False
    order = data.draw(st.permutations(leads), label="merged in this order")
    for number, lead in enumerate(order[1:], start=1):
        office.say("merge", order[data.draw(st.integers(0, number - 1))], lead)
        if data.draw(st.booleans(), label="written in between"):
            office.crm.answers = data.draw(st.lists(st.sampled_from(["sent", "lost", "retry"]), max_size=2))
            sent = office.drain()["written"] > 0 or sent
    for lead in data.draw(st.permutations(leads), label="parted in this order"):
        if alone(office, lead):
            continue
        office.say("unmerge", lead, at=LATER + HOUR)
    if not sent:
        assert differences(before, snapshot(office.world)) == {}
    office.crm.answers = []
    office.drain(LATER + 3 * HOUR)
    wanted = office.owners()
    assert office.shown() == {str(n): wanted.get(lead) for n, lead in enumerate(leads)}
    assert shown == office.shown() or None in shown.values()
    assert not office.world.rows("select * from routing_event where kind = 'override'")


def alone(office: Office, lead: UUID) -> bool:
    fellows = office.world.rows(
        "select count(*) n from lead m join lead l using (survivor_id) where l.lead_id = :lead", lead=lead
    )
    return bool(fellows[0]["n"] == 1)


def empty(office: Office) -> None:
    """For the next example."""
    office.crm.records.clear()
    office.crm.answers.clear()
    names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
    with office.world.engine.begin() as connection:
        connection.execute(sa.text(f"truncate {names} cascade"))
