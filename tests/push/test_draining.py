"""Sending: at the pace a system bears, looking before and after, and never over a person's choice of an owner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from psycopg.types.json import Jsonb
from tests.push.conftest import NOON, Desk
from tests.push.crm import Crm, ReadableCrm, Time

from clearlane import connectors, push
from clearlane.connectors import UNREADABLE, SourceFailed, Write, gate
from clearlane.policy import Policy
from clearlane.policy.model import Rate
from clearlane.push import claims


def no_secrets(name: str) -> str:
    raise LookupError(name)


def limited(of: Policy, **limits: Any) -> Policy:
    """The policy with other limits for `crm`."""
    crm = of.sources.sources["crm"]
    changed = {"crm": replace(crm, limits=replace(crm.limits, **limits))}
    return replace(of, sources=replace(of.sources, sources=changed))


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Callable[[Crm], Crm]:
    def use(crm: Crm) -> Crm:
        monkeypatch.setattr(connectors, "CONNECTORS", {"files": lambda source, secrets: crm})
        return crm

    return use


def drain(
    desk: Desk, at: datetime = NOON, *, time: Time | None = None, limit: int = 1000, **limits: Any
) -> dict[str, int]:
    clock = time or Time()
    return push.drain(
        desk.engine, limited(desk.policy, **limits), at, no_secrets,
        dry_run=False, limit=limit, monotonic=clock.now, wait=clock.wait,
    )  # fmt: skip


def owed(desk: Desk, *records: str, run: str = "one", rep: str | None = "ada", **options: Any) -> None:
    """A run that decided for these records, and what it owes."""
    batch = desk.batch(run)
    for record in records:
        desk.decide(batch, "crm", record, rep, **options)
    with desk.engine.begin() as connection:
        push.owe(connection, desk.policy, batch)


def rows(desk: Desk, statement: str, **bound: Any) -> list[dict[str, Any]]:
    with desk.engine.begin() as connection:
        return [dict(row) for row in connection.execute(sa.text(statement), bound).mappings()]


def run(desk: Desk, statement: str, **bound: Any) -> None:
    with desk.engine.begin() as connection:
        connection.execute(sa.text(statement), bound)


def states(desk: Desk) -> list[str]:
    return [row["state"] for row in desk.outbox()]


def overrides(desk: Desk) -> list[dict[str, Any]]:
    return rows(desk, "select * from routing_event where kind = 'override' order by event_id")


# --- nothing is open while the source is spoken to --------------------------------------------------


def test_no_transaction_is_open_while_a_source_is_written(desk, connected):
    owed(desk, "7")
    crm = connected(Crm())

    def look() -> None:
        [open_ones] = rows(
            desk, "select count(*) from pg_stat_activity where datname = current_database() and state = 'idle in"
            " transaction' and pid <> pg_backend_pid()",
        )  # fmt: skip
        assert open_ones["count"] == 0
        [row] = rows(desk, "select * from outbox for update nowait")
        assert row["claimed_until"] == NOON + claims.LEASE

    crm.before_write = look
    assert drain(desk)["sent"] == 1


def test_a_process_that_died_leaves_its_writes_to_the_next_once_its_claim_has_ended(desk, connected):
    owed(desk, "7", "8")
    crm = connected(Crm())
    with desk.engine.begin() as connection:
        claims.claim(connection, desk.policy.sources.sources["crm"], NOON, 10)
    assert drain(desk, NOON + claims.LEASE - timedelta(seconds=1))["sent"] == 0
    owed(desk, "8", run="two", rep="bob")
    assert drain(desk, NOON + claims.LEASE)["sent"] == 2
    assert [write.fields["owner"] for write in crm.asked] == ["U1", "bob@vendor.example"]


def test_a_newer_decision_waits_for_what_is_in_flight(desk, connected):
    owed(desk, "7")
    crm = connected(Crm())

    def decided_meanwhile() -> None:
        crm.before_write = None
        owed(desk, "7", run="two", rep="bob")
        assert states(desk) == ["owed", "owed"]
        assert drain(desk)["sent"] == 0

    crm.before_write = decided_meanwhile
    assert drain(desk)["sent"] == 2
    assert [write.fields["owner"] for write in crm.asked] == ["U1", "bob@vendor.example"]


def test_what_failed_in_flight_is_superseded_by_what_was_decided_meanwhile(desk, connected):
    owed(desk, "7")
    crm = connected(Crm(["retry"]))
    crm.before_write = lambda: owed(desk, "7", run="two", rep="bob") if len(crm.calls) == 1 else None
    drain(desk)
    assert states(desk) == ["superseded", "sent"]


def test_a_late_write_of_a_lost_claim_is_undone(desk, connected):
    """A process stalls beyond its claim, another sends what is newer, then the first wakes up and writes."""
    owed(desk, "7")
    crm = connected(ReadableCrm())

    def stall() -> None:
        crm.before_write = None
        owed(desk, "7", run="two", rep="bob")
        assert drain(desk, NOON + claims.LEASE)["sent"] == 1
        assert crm.records["7"]["owner"] == "bob@vendor.example"

    crm.before_write = stall
    drain(desk)
    assert [changed["owner"] for _, changed in crm.log] == ["bob@vendor.example", "U1", "bob@vendor.example"]
    assert states(desk) == ["superseded", "sent"]
    assert "came late" in desk.outbox()[1]["note"]
    assert overrides(desk) == []


# --- pace, pauses, rest ------------------------------------------------------------------------------


def test_requests_are_spaced_and_no_window_holds_more_than_the_rate(desk, connected):
    owed(desk, *map(str, range(12)))
    crm, time, at = connected(ReadableCrm()), Time(), list[float]()
    asked, looked = crm.write, crm.current
    crm.write = lambda writes: (at.append(time.seconds), asked(writes))[1]
    crm.current = lambda writes: (at.append(time.seconds), looked(writes))[1]
    assert drain(desk, time=time, rate=Rate(5, 2), batch=1)["sent"] == 12
    assert len(at) == 36
    assert all(sum(start <= moment < start + 2 - 1e-9 for moment in at) <= 5 for start in at)


def test_two_drains_share_one_rate(desk, connected):
    owed(desk, *map(str, range(4)))
    connected(Crm())
    time = Time()
    drain(desk, time=time, limit=2, rate=Rate(1, 10), batch=1)
    drain(desk, time=time, limit=2, rate=Rate(1, 10), batch=1)
    assert time.seconds >= 30


def test_what_the_rate_leaves_no_time_for_is_left_to_the_next_drain(desk, connected):
    owed(desk, *map(str, range(4)))
    connected(Crm())
    assert drain(desk, rate=Rate(1, 3600), batch=1) == {
        "sent": 1, "retry": 0, "dead": 0, "left": 3, "stood": 0, "written": 1,
    }  # fmt: skip
    assert [row["attempts"] for row in desk.outbox()] == [1, 0, 0, 0]
    assert drain(desk, NOON + timedelta(hours=1), rate=Rate(1, 3600), batch=1)["sent"] == 1


def test_a_source_that_asks_to_wait_is_left_alone_by_all(desk, connected):
    owed(desk, "7", "8")
    crm = connected(Crm(["retry:600"]))
    assert drain(desk, batch=1)["sent"] == 0
    assert len(crm.asked) == 1
    assert drain(desk, NOON + timedelta(seconds=300), batch=1)["sent"] == 0
    time = Time()
    assert drain(desk, NOON + timedelta(seconds=599), time=time, batch=1)["sent"] == 2
    assert (len(crm.asked), time.seconds) == (3, 1)


def test_as_many_batches_are_in_flight_as_may_be(desk, connected):
    owed(desk, *map(str, range(3)))
    connected(Crm())
    with desk.engine.begin() as connection:
        claims.claim(connection, limited(desk.policy, batch=1).sources.sources["crm"], NOON, 10)
    assert drain(desk, concurrent=1)["sent"] == 0
    assert drain(desk, concurrent=2)["sent"] == 2


def test_a_system_that_fails_is_left_alone_then_tried_with_one_write(desk, connected):
    owed(desk, *map(str, range(20)))
    down = [SourceFailed("crm: connection refused")] * 3
    crm = connected(Crm([*down, SourceFailed("crm: still not"), *["sent"] * 20]))
    limits = {"failures": 3, "rest": timedelta(minutes=10), "batch": 2}
    assert drain(desk, **limits)["retry"] == 6
    state = rows(desk, "select * from push_state")[0]
    assert (state["failures"], state["open_until"], state["error"]) == (
        3, NOON + timedelta(minutes=10), "crm: connection refused",
    )  # fmt: skip
    assert drain(desk, NOON + timedelta(minutes=5), **limits)["retry"] == 0
    assert len(crm.calls) == 3
    assert drain(desk, NOON + timedelta(minutes=10), **limits)["retry"] == 1
    assert sum(row["attempts"] for row in desk.outbox()) == 6, "a probe that fails counts against no write"
    assert drain(desk, NOON + timedelta(minutes=25), **limits)["sent"] == 0, "twice as long"
    assert drain(desk, NOON + timedelta(minutes=30), **limits)["sent"] == 20
    assert rows(desk, "select failures, open_until from push_state") == [{"failures": 0, "open_until": None}]


def test_one_bad_record_spoils_no_others(desk, connected):
    """The system breaks over any batch that holds it."""
    owed(desk, *map(str, range(60)))
    crm = connected(Crm())
    healthy = crm.write

    def write(writes):
        if any(one.external_id == "33" for one in writes):
            raise SourceFailed("crm: 500")
        return healthy(writes)

    crm.write = write
    at = NOON
    while "owed" in states(desk) and at < NOON + timedelta(days=2):
        owed(desk, f"at {at}", run=str(at))
        drain(desk, at, batch=100)
        at += timedelta(minutes=30)
    assert {row["external_id"] for row in desk.outbox() if row["state"] != "sent"} == {"33"}
    assert [row["state"] for row in desk.outbox() if row["external_id"] == "33"] == ["dead"]


@pytest.mark.parametrize("failures", range(3, 40))
def test_rest_doubles_up_to_an_hour(desk, failures):
    limits = replace(desk.policy.sources.sources["crm"].limits, failures=3)
    longer = gate.rest(limits, failures + 1)
    assert longer in (2 * gate.rest(limits, failures), gate.LONGEST_REST)


# --- looking before and after ----------------------------------------------------------------------


def test_a_lost_answer_is_found_by_reading_back_and_nothing_is_written_twice(desk, connected):
    owed(desk, "7", "8")
    crm = connected(ReadableCrm(["lost"]))
    assert drain(desk, batch=1)["retry"] == 1
    counts = drain(desk, NOON + timedelta(hours=1))
    assert (counts["sent"], counts["written"]) == (1, 0)
    assert [write.external_id for write in crm.asked] == ["7", "8"]
    assert set(states(desk)) == {"sent"}


def test_a_field_that_cannot_be_read_back_is_written_again_and_not_missed_afterwards(desk, connected):
    owed(desk, "7")
    crm = connected(ReadableCrm(["lost"]))
    told = crm.current
    crm.current = lambda writes: {of: {**held, "because": UNREADABLE} for of, held in told(writes).items()}
    drain(desk)
    counts = drain(desk, NOON + timedelta(hours=1))
    assert (counts["sent"], counts["written"]) == (1, 1)


def test_what_a_system_takes_and_does_not_keep_is_found_and_dead_in_the_end(desk, connected):
    connected(ReadableCrm(drops={"score"}))
    owed(desk, "7")
    for attempt in range(claims.ATTEMPTS):
        assert states(desk) == ["owed"]
        drain(desk, NOON + timedelta(hours=2 * attempt), failures=100)
    row = desk.outbox()[0]
    assert (row["state"], row["error"]) == ("dead", "read back, and not as written: score")


def test_spellings_numbers_and_moments_are_compared_by_what_they_mean(desk, connected):
    owed(desk, "7")
    crm = connected(ReadableCrm(["lost"]))
    drain(desk)
    crm.records["7"] |= {"owner": "u1", "score": "80.0", "sla_due": "2026-03-02T13:05:00+01:00", "queue": ""}
    assert drain(desk, NOON + timedelta(hours=1))["written"] == 0


def test_a_record_that_is_not_there_is_written_for_the_source_to_refuse(desk, connected):
    owed(desk, "7")
    connected(ReadableCrm(["refused"]))
    assert drain(desk)["dead"] == 1


# --- people's choices --------------------------------------------------------------------------------


def test_an_owner_whom_a_person_chose_stands_and_the_rest_is_written(desk, connected):
    crm = connected(ReadableCrm())
    crm.records["7"] = {"owner": "bob@vendor.example"}
    owed(desk, "7")
    counts = drain(desk)
    assert (counts["sent"], counts["stood"]) == (1, 1)
    assert (crm.records["7"]["owner"], crm.records["7"]["score"]) == ("bob@vendor.example", 80)
    assert "owner" not in desk.outbox()[0]["fields"]
    [event] = overrides(desk)
    assert (event["rep_id"], event["occurred_at"]) == ("bob", NOON)
    assert (event["detail"]["owner"], event["detail"]["wanted"]) == ("bob@vendor.example", "U1")


def test_who_changed_the_owner_and_when_is_told_where_the_source_says(desk, connected):
    crm = connected(ReadableCrm())
    crm.records["7"] = {"owner": "someone we do not know"}
    owed(desk, "7")
    told, changed = crm.current, NOON - timedelta(minutes=3)
    more = {"owner_changed_at": changed, "owner_changed_by": "U9"}
    crm.current = lambda writes: {of: held | more for of, held in told(writes).items()}
    drain(desk)
    [event] = overrides(desk)
    assert (event["rep_id"], event["occurred_at"], event["detail"]["by"]) == (None, changed, "U9")


def test_a_choice_between_our_look_and_our_write_stands_where_the_source_can_compare(desk, connected):
    owed(desk, *map(str, range(50)))
    crm = connected(ReadableCrm())
    crm.records |= {str(number): {"owner": None} for number in range(50)}
    plain = crm._receipt

    def chosen() -> None:
        crm.before_write = None
        for record in crm.records.values():
            record["owner"] = "bob@vendor.example"

    def compared(write: Write):
        changed = write.seen is not None and write.seen["owner"] != crm.records[write.external_id]["owner"]
        crm.answers = ["changed"] if changed else []
        return plain(write)

    crm._receipt, crm.before_write = compared, chosen
    counts = drain(desk)
    assert (counts["stood"], counts["left"]) == (50, 0)
    assert {record["owner"] for record in crm.records.values()} == {"bob@vendor.example"}
    assert {record["score"] for record in crm.records.values()} == {80}
    assert len(overrides(desk)) == 50


@pytest.mark.parametrize("owner", [None, "", "SDR queue", "pool", "U1", "u1 ", "ada@vendor.example"])
def test_nobody_a_queue_and_the_rep_we_mean_are_no_persons_choice(desk, connected, owner):
    crm = connected(ReadableCrm())
    crm.records["7"] = {"owner": owner}
    owed(desk, "7")
    assert drain(desk)["stood"] == 0
    assert overrides(desk) == []


def test_a_user_who_does_not_sell_is_no_persons_choice(desk, connected):
    run(
        desk,
        "insert into owner (source, external_id, name, active, valid_from) values ('crm', 'X', 'Import', false, :at)",
        at=NOON,
    )
    crm = connected(ReadableCrm())
    crm.records["7"] = {"owner": "Import"}
    owed(desk, "7")
    assert (drain(desk)["stood"], crm.records["7"]["owner"]) == (0, "U1")


def test_what_we_wrote_before_is_ours_to_change_also_where_nobody_heard_of_it(desk, connected):
    crm = connected(ReadableCrm())
    owed(desk, "7")
    drain(desk)
    crm.answers = ["lost"]
    owed(desk, "7", run="two", rep="bob")
    drain(desk, NOON + timedelta(hours=1))
    owed(desk, "7", run="three", rep="ada")
    drain(desk, NOON + timedelta(hours=2))
    assert crm.records["7"]["owner"] == "U1"
    assert overrides(desk) == []


def test_a_person_who_undoes_our_change_is_noticed(desk, connected):
    crm = connected(ReadableCrm())
    lead = known_owner(desk, "7", "bob@vendor.example")
    crm.records["7"] = {"owner": "bob@vendor.example"}
    owed(desk, "7")
    drain(desk)
    assert (crm.records["7"]["owner"], overrides(desk)) == ("U1", [])
    crm.records["7"]["owner"] = "bob@vendor.example"
    owed(desk, "7", run="two", rep=None, place="pool")
    known_before = "update lead_profile set revision_id = (select max(revision_id) - 1 from lead_revision)"
    run(desk, known_before)
    assert drain(desk)["stood"] == 1
    assert overrides(desk)[0]["lead_id"] == lead


def known_owner(desk: Desk, record: str, owner: str) -> Any:
    """Every revision of the record from now on says who owns it."""
    trigger = f"""
        create function owned() returns trigger language plpgsql as $$
        begin new.attributes = jsonb_build_object('owner', '{owner}'); return new; end $$;
        create trigger owned before insert on lead_revision for each row execute function owned()
    """
    run(desk, trigger)
    return desk.decide(desk.batch("known"), "crm", record, None, mode="shadow")


def test_a_choice_that_routing_took_into_account_may_be_changed_by_a_later_decision(desk, connected):
    crm = connected(ReadableCrm())
    crm.records["7"] = {"owner": "bob@vendor.example"}
    owed(desk, "7")
    drain(desk)
    owed(desk, "7", run="two", rep=None, place="pool")
    assert drain(desk)["stood"] == 1, "routing has not read it yet"
    assert len(overrides(desk)) == 1, "and it is told once"
    run(
        desk,
        "update routing_event set handled_batch = (select batch_id from batch limit 1),"
        " handled_seq = (select max(decision_seq) from decision)",
    )
    owed(desk, "7", run="three")
    assert drain(desk)["stood"] == 0
    assert crm.records["7"]["owner"] == "U1"


def test_what_was_owed_before_a_persons_choice_was_taken_up_is_not_sent_after_a_failure(desk, connected):
    """The write is in flight and fails while routing takes the choice up; a source that cannot be read back."""
    owed(desk, "7")
    crm = connected(Crm(["retry"]))

    def taken_up() -> None:
        lead = desk.outbox()[0]["lead_id"]
        run(
            desk, "insert into routing_event (lead_id, kind, occurred_at, because, detail)"
            " values (:lead, 'override', :at, 'chosen', :detail)", lead=lead, at=NOON, detail=Jsonb({"owner": "X"}),
        )  # fmt: skip
        desk.decide(desk.batch("hand"), "crm", "7", "bob", mode="hand")
        run(
            desk,
            "update decision set event_id = (select max(event_id) from routing_event) where mode = 'hand'",
        )

    crm.before_write = taken_up
    drain(desk)
    assert states(desk) == ["superseded"]


def test_what_people_choose_where_owners_are_not_kept_is_written_over(desk, connected):
    crm = connected(ReadableCrm(records={"7": {"owner": "carol"}}))
    owed(desk, "7")
    sources = replace(desk.policy.sources, masters={"owner": "web"})
    desk = replace(desk, policy=replace(desk.policy, sources=sources))
    assert drain(desk)["stood"] == 0
    assert crm.records["7"]["owner"] == "U1"
    assert not overrides(desk)
