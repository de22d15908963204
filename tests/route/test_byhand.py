"""What people decide at the queues: exceptions assigned or tried again, pools claimed from, on PostgreSQL."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.route.conftest import World, banded
from tests.route.firms import MONDAY_NOON, SLA, policy, rep, routing, rule, team, teams, to
from tests.route.test_run import healthy

from clearlane import replay
from clearlane.policy.model import Caps, Policy, Team
from clearlane.route import exceptions, pools
from clearlane.route.byhand import NotPossible

LATER = MONDAY_NOON + timedelta(hours=1)
OWNED_SALES = Team("sales", "Sales", (("ana", 1.0), ("ben", 1.0)), manager="eva", queue_owner="dov")


def firm(ladder: tuple = (to("team", "sales"),), **options: Any) -> Policy:
    """Ana and Ben sell, one lead a day each; Cyd sells elsewhere; Dov answers for the queue, Eva manages."""
    daily = Caps(day=1)
    reps = [rep("ana", caps=daily), rep("ben", caps=daily), rep("cyd"), rep("dov", sells=False), rep("eva")]
    staff = teams(reps, OWNED_SALES, team("other", "cyd"))
    return banded(policy(routing(rule("all", "true", *ladder), **options), staff, sla=SLA))


POOLED = firm((to("pool", "sales"),), pool_max_age=timedelta(days=2))


@pytest.fixture
def stuck(world: World) -> UUID:
    """The third lead of a day on which two can be taken."""
    leads = world.leads(3)
    world.run(firm(), leads)
    [row] = world.rows("select lead_id from place where place = 'exceptions'")
    return row["lead_id"]


@pytest.fixture
def pooled(world: World) -> list[UUID]:
    leads = world.leads(3)
    world.run(POOLED, leads)
    return leads


def test_the_queue_says_whose_a_lead_is_why_it_is_there_and_what_would_free_it(
    world: World, stuck: UUID
) -> None:
    with world.engine.connect() as connection:
        [one] = exceptions.listed(connection, firm(), LATER)
    assert (one.lead_id, one.team, one.owner, one.reason) == (stuck, "sales", "dov", "nobody_free")
    assert one.age == timedelta(hours=1)
    assert one.refused == {"ana": "day cap of 1 reached", "ben": "day cap of 1 reached"}
    assert one.codes == {"cap": 2}
    assert one.frees == "ana may be free on 2026-03-03 09:00Z (day cap of 1 reached)"


def test_once_a_reason_has_ended_the_queue_asks_to_try_again(world: World, stuck: UUID) -> None:
    with world.engine.connect() as connection:
        [one] = exceptions.listed(connection, firm(), MONDAY_NOON + timedelta(days=1))
    assert one.frees == "ana may be free since 2026-03-03 09:00Z (day cap of 1 reached): retry"


@pytest.mark.parametrize(
    ("team_of", "owner"),
    [
        (Team("sales", "Sales", (), "eva", "dov"), "dov"),
        (Team("sales", "Sales", (), "eva"), "eva"),
        (Team("sales", "Sales", ()), "cyd"),
        (None, "cyd"),
    ],
)
def test_the_owner_is_the_queues_owner_else_the_manager_else_the_one_of_the_policy(team_of, owner) -> None:
    assert exceptions.queue_owner(firm(exceptions_owner="cyd"), team_of) == owner


def test_a_person_may_assign_over_a_cap_and_is_told(world: World, stuck: UUID) -> None:
    with world.engine.begin() as connection:
        made, against = exceptions.assign(
            connection, firm(), stuck, "ana", by="dov", because="she knows them", at=LATER
        )
    assert against == "day cap of 1 reached"
    assert world.place(stuck) == ("owned", "assigned", "ana")
    [given] = world.rows("select * from assignment where lead_id = :lead", lead=stuck)
    assert (given["rep_id"], given["by"], given["decision_seq"]) == ("ana", "person", made.decision_seq)
    [decision] = world.rows("select * from decision where decision_seq = :seq", seq=made.decision_seq)
    assert (decision["mode"], decision["rep_id"], decision["refused"]) == ("hand", "ana", {"ana": against})
    assert world.rows("select 1 from turn where decision_seq = :seq", seq=made.decision_seq) == []
    [event] = world.rows("select * from routing_event")
    assert (event["kind"], event["rep_id"], event["detail"]["by"]) == ("assign", "ana", "dov")
    kinds = "select kind from sla_clock where lead_id = :lead and ended_at is null order by kind"
    assert [row["kind"] for row in world.rows(kinds, lead=stuck)] == ["arrival", "assignment"]
    assert healthy(world)


def test_what_a_person_assigned_counts_in_the_load(world: World, stuck: UUID) -> None:
    tomorrow = MONDAY_NOON + timedelta(days=1)
    with world.engine.begin() as connection:
        exceptions.assign(connection, firm(), stuck, "ana", by="dov", because="knows them", at=tomorrow)
    world.run(firm(), world.leads(1), as_of=tomorrow)
    given = "select rep_id from assignment where started_at = :at order by assignment_id"
    assert [row["rep_id"] for row in world.rows(given, at=tomorrow)] == ["ana", "ben"]


def test_what_a_person_assigned_stays(world: World, stuck: UUID) -> None:
    with world.engine.begin() as connection:
        exceptions.assign(connection, firm(), stuck, "cyd", by="dov", because="knows them", at=LATER)
    world.run(firm(), [stuck], as_of=LATER + timedelta(days=1))
    assert world.place(stuck) == ("owned", "assigned", "cyd")


@pytest.mark.parametrize(
    ("rep_id", "by", "because", "said"),
    [
        ("zoe", "dov", "x", "nobody in teams.yaml goes by 'zoe'"),
        ("dov", "dov", "x", "dov does not sell on 2026-03-02"),
        ("ana", " ", "x", "--by is empty"),
        ("ana", "dov", "", "--because is empty"),
    ],
)
def test_what_cannot_be_assigned_is_said(world: World, stuck: UUID, rep_id, by, because, said) -> None:
    with pytest.raises(NotPossible, match=said), world.engine.begin() as connection:
        exceptions.assign(connection, firm(), stuck, rep_id, by=by, because=because, at=LATER)
    assert world.place(stuck)[0] == "exceptions"


def test_an_owned_lead_is_not_assigned_again(world: World, stuck: UUID) -> None:
    [row] = world.rows("select lead_id, rep_id from place where place = 'owned' limit 1")
    said = f"is owned by {row['rep_id']} already"
    with pytest.raises(NotPossible, match=said), world.engine.begin() as connection:
        exceptions.assign(connection, firm(), row["lead_id"], "cyd", by="dov", because="x", at=LATER)


def test_a_retry_is_an_event_for_the_next_run_once(world: World, stuck: UUID) -> None:
    for _ in range(2):
        with world.engine.begin() as connection:
            assert exceptions.retry(connection, [], by="dov", at=LATER) == 1
    [event] = world.rows("select * from routing_event")
    assert (event["lead_id"], event["kind"], event["handled_batch"]) == (stuck, "retry", None)


def test_only_exceptions_are_tried_again(world: World, stuck: UUID, pooled: list[UUID]) -> None:
    with pytest.raises(NotPossible, match="not in exceptions"), world.engine.begin() as connection:
        exceptions.retry(connection, [stuck, pooled[0]], by="dov", at=LATER)
    assert world.count("routing_event") == 0


# --- pools ----------------------------------------------------------------------------------------


def claimed(world: World, lead: UUID, rep_id: str, at: Any = LATER) -> Any:
    with world.engine.begin() as connection:
        return pools.claim(connection, POOLED, lead, rep_id, at)


def test_a_pool_lists_what_waits_hottest_first(world: World) -> None:
    cool, warm = world.leads(2)
    batch = world.batch()
    world.score(batch, cool, score=30, band="cool")
    world.score(batch, warm, score=60)
    world.route(POOLED, batch)
    with world.engine.connect() as connection:
        found = pools.listed(connection, POOLED, LATER)
        assert pools.listed(connection, POOLED, LATER, "other") == []
    assert [(one.lead_id, one.score, one.team) for one in found] == [
        (warm, 60, "sales"),
        (cool, 30, "sales"),
    ]
    assert found[0].age == timedelta(hours=1)
    assert found[0].until == MONDAY_NOON + timedelta(days=2)


def test_a_claim_is_an_assignment_and_no_turn(world: World, pooled: list[UUID]) -> None:
    made = claimed(world, pooled[0], "ana")
    assert world.place(pooled[0]) == ("owned", "claimed", "ana")
    assert world.count("turn") == 0
    [clock] = world.rows("select * from sla_clock where kind = 'assignment'")
    assert (clock["rep_id"], clock["decision_seq"]) == ("ana", made.decision_seq)
    assert clock["due_at"] == LATER + timedelta(hours=4)
    assert healthy(world)


@pytest.mark.parametrize(
    ("rep_id", "said"), [("cyd", "no member of sales"), ("zoe", "nobody in teams.yaml"), ("dov", "not sell")]
)
def test_only_members_of_the_team_claim(world: World, pooled: list[UUID], rep_id, said) -> None:
    with pytest.raises(NotPossible, match=said):
        claimed(world, pooled[0], rep_id)


def test_caps_apply_to_claims_and_claims_count(world: World, pooled: list[UUID]) -> None:
    claimed(world, pooled[0], "ana")
    with pytest.raises(NotPossible, match="ana cannot claim: day cap of 1 reached"):
        claimed(world, pooled[1], "ana")
    claimed(world, pooled[1], "ana", LATER + timedelta(days=1))
    world.run(firm(), world.leads(1), as_of=LATER + timedelta(days=1))
    assert world.rows("select rep_id from turn where kind = 'turn'") == [{"rep_id": "ben"}]


def test_of_two_who_claim_at_once_one_wins(world: World, pooled: list[UUID]) -> None:
    """Ana holds the lock until Ben waits for it."""
    failed: list[str] = []

    def ben() -> None:
        try:
            claimed(world, pooled[0], "ben")
        except NotPossible as problem:
            failed.append(str(problem))

    other = threading.Thread(target=ben)
    with world.engine.begin() as connection:
        pools.claim(connection, POOLED, pooled[0], "ana", LATER)
        other.start()
        while not world.rows("select 1 from pg_locks where locktype = 'advisory' and not granted"):
            assert other.is_alive()
    other.join()
    assert [said.partition("is owned by ana already")[1] for said in failed] == ["is owned by ana already"]
    assert world.place(pooled[0])[2] == "ana"
    assert healthy(world)


def test_a_claimed_lead_goes_back_and_keeps_its_age(world: World, pooled: list[UUID]) -> None:
    claimed(world, pooled[0], "ana")
    with world.engine.begin() as connection:
        pools.release(connection, POOLED, pooled[0], "ana", because="no Dutch", at=LATER + timedelta(hours=1))
    [place] = world.rows("select * from place where lead_id = :lead", lead=pooled[0])
    assert (place["place"], place["team"], place["rep_id"]) == ("pool", "sales", None)
    assert place["since"] == MONDAY_NOON
    assert world.rows("select 1 from assignment where ended_at is null") == []
    open_clocks = "select kind from sla_clock where lead_id = :lead and ended_at is null"
    assert world.rows(open_clocks, lead=pooled[0]) == [{"kind": "arrival"}]
    assert healthy(world)
    claimed(world, pooled[0], "ben")


def test_only_what_a_rep_claimed_is_given_back(world: World, stuck: UUID, pooled: list[UUID]) -> None:
    claimed(world, pooled[0], "ben", LATER + timedelta(days=1))
    [routed] = world.rows(
        "select lead_id from turn join decision using (decision_seq) where turn.rep_id = 'ana'"
    )
    for lead, rep_id, said in (
        (pooled[0], "ana", "owned by ben, not by ana"),
        (routed["lead_id"], "ana", "did not claim"),
        (pooled[1], "ana", "is in pool"),
    ):
        with pytest.raises(NotPossible, match=said), world.engine.begin() as connection:
            pools.release(connection, POOLED, lead, rep_id, because="x", at=LATER)


def test_what_waited_too_long_calls_for_routing_once(world: World, pooled: list[UUID]) -> None:
    with world.engine.begin() as connection:
        assert pools.note_aged(connection, POOLED, MONDAY_NOON + timedelta(days=2)) == 0
        assert pools.note_aged(connection, POOLED, MONDAY_NOON + timedelta(days=2, seconds=1)) == 3
        assert pools.note_aged(connection, POOLED, MONDAY_NOON + timedelta(days=3)) == 0
        assert pools.note_aged(connection, firm(), MONDAY_NOON + timedelta(days=9)) == 0
    kinds = world.rows("select distinct kind, occurred_at, detail from routing_event")
    assert kinds == [
        {"kind": "pool_age", "occurred_at": MONDAY_NOON + timedelta(days=2), "detail": {"pool": "sales"}}
    ]


def test_turns_follow_from_one_another_whatever_people_decide(world: World, stuck: UUID) -> None:
    """A number taken by hand stands between two turns."""
    from clearlane.route.turns import miscounted

    with world.engine.begin() as connection:
        exceptions.assign(connection, firm(), stuck, "cyd", by="dov", because="knows them", at=LATER)
    world.run(firm(), world.leads(2), as_of=MONDAY_NOON + timedelta(days=1))
    with world.engine.connect() as connection:
        last = connection.execute(sa.text("select max(decision_seq) from decision")).scalar_one()
        assert list(miscounted(connection, lambda _: firm(), "sales", "warm", last + 1)) == []


def test_a_replay_knows_that_a_person_decided(world: World, pooled: list[UUID]) -> None:
    made = claimed(world, pooled[0], "ana")
    with world.engine.connect() as connection:
        told = replay.replay(connection, made.decision_seq)
    assert told.because == "claimed by ana from the pool sales"
    assert "a person decided this" in "".join(replay.lines(replace(told, differences=())))
