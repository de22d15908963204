"""Who waits because nobody was free is routed again by itself: as refusals end, leads are closed, policies change."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.route.conftest import World, banded
from tests.route.firms import (
    ALWAYS_OPEN,
    MONDAY_NOON,
    OFFICE,
    SLA,
    capped,
    policy,
    rep,
    routing,
    rule,
    team,
    teams,
    to,
)
from tests.route.test_events import same_again, tell
from tests.route.test_run import healthy

from clearlane.policy.model import Caps, Policy
from clearlane.route import byhand, pools
from clearlane.route.queues import overdue

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NAMES = ("ana", "ben")


def firm(last: str = "exceptions", hours: str = "prefer", **caps: int) -> Policy:
    """Ana and Ben take turns; whom neither can take waits in exceptions, or in the pool."""
    waits = to("pool", "sales") if last == "pool" else to("exceptions")
    crew = teams([capped(name, **caps) for name in NAMES], team("sales", *NAMES))
    return banded(
        policy(routing(rule("all", "true", to("team", "sales", hours=hours), waits)), crew, sla=SLA)
    )


def sweep(world: World, of: Policy, as_of: Any) -> Any:
    """A run with no lead of its own."""
    return world.run(of, [], as_of=as_of)


def places(world: World, leads: list[UUID]) -> list[str]:
    return [world.place(lead)[0] for lead in leads]


def close(world: World, *leads: UUID) -> None:
    """As a conversion ends what was owned."""
    with world.engine.begin() as connection:
        for statement in (
            "update assignment set ended_at = started_at, ended_because = 'won',"
            " ended_seq = (select coalesce(max(decision_seq), 0) from decision) where lead_id = any(:leads)",
            "update place set place = 'closed', reason = 'converted', rep_id = null where lead_id = any(:leads)",
        ):
            connection.execute(sa.text(statement), {"leads": list(leads)})


@pytest.mark.parametrize("last", ["exceptions", "pool"])
def test_whom_a_cap_kept_out_is_routed_when_the_cap_ends(world: World, last: str) -> None:
    of, leads = firm(last, day=1), world.leads(4)
    world.run(of, leads)
    waiting = [lead for lead in leads if world.place(lead)[0] == last]
    midnight = MONDAY_NOON + 12 * HOUR
    assert world.rows("select distinct until from place where place = :last", last=last) == [
        {"until": midnight}
    ]
    runs = [sweep(world, of, midnight - HOUR)]
    assert places(world, waiting) == [last, last]
    runs.append(sweep(world, of, midnight))
    assert places(world, waiting) == ["owned", "owned"]
    assert world.rows("select until from place where until is not null") == []
    assert healthy(world)
    assert same_again(world, of, *runs)


def test_the_hottest_comes_first_and_who_is_left_waits_on_since_the_beginning(world: World) -> None:
    of, first = firm(day=1), world.leads(2)
    cool, hot, warm = (world.lead(name) for name in ("C", "H", "W"))
    world.run(of, first)
    batch = world.batch(as_of=MONDAY_NOON + HOUR)
    for lead, score, band in ((cool, 30, "cool"), (hot, 90, "hot"), (warm, 60, "warm")):
        world.score(batch, lead, score=score, band=band)
    world.route(of, batch)
    assert places(world, [cool, hot, warm]) == ["exceptions"] * 3
    sweep(world, of, MONDAY_NOON + DAY)
    assert places(world, [cool, hot, warm]) == ["exceptions", "owned", "owned"]
    since = world.rows("select since from place where lead_id = :lead", lead=cool)
    assert since == [{"since": MONDAY_NOON + HOUR}]


@pytest.mark.parametrize("last", ["exceptions", "pool"])
def test_out_of_hours_ends_at_the_opening(world: World, last: str) -> None:
    of, (lead,) = firm(last, "require"), world.leads(1)
    world.run(of, [lead], as_of=MONDAY_NOON + 8 * HOUR)
    assert world.place(lead)[0] == last
    sweep(world, of, MONDAY_NOON + 20 * HOUR)
    assert world.count("decision") == 1
    sweep(world, of, MONDAY_NOON + 21 * HOUR)
    assert world.place(lead)[0] == "owned"


@pytest.mark.parametrize("last", ["exceptions", "pool"])
def test_a_closed_lead_makes_room_for_as_many_as_were_closed(world: World, last: str) -> None:
    of, leads = firm(last, open=2), world.leads(8)
    world.run(of, leads)
    owned = [lead for lead in leads if world.place(lead)[0] == "owned"]
    sweep(world, of, MONDAY_NOON + HOUR)
    assert world.count("decision") == 8
    close(world, *owned[:3])
    sweep(world, of, MONDAY_NOON + 2 * HOUR)
    assert places(world, leads).count("owned") == 4
    assert places(world, leads).count(last) == 1
    decided = world.count("decision")
    assert decided == 8 + 3
    sweep(world, of, MONDAY_NOON + 3 * HOUR)
    assert world.count("decision") == decided
    assert healthy(world)


def test_who_is_held_is_not_kept_from_whoever_has_room_before(world: World) -> None:
    """Ana is at work and full for this hour; Ben comes back tomorrow."""
    crew = [capped("ana", hour=1), rep("ben", zone="Asia/Tokyo")]
    ladder = (to("team", "sales", hours="require"), to("hold", "sales", until="working_hours"))
    of = banded(policy(routing(rule("all", "true", *ladder)), teams(crew, team("sales", *NAMES)), sla=SLA))
    leads = world.leads(2)
    world.run(of, leads)
    assert sorted(places(world, leads)) == ["held", "owned"]
    sweep(world, of, MONDAY_NOON + HOUR)
    assert places(world, leads) == ["owned", "owned"]
    assert world.count("decision") == 3


def test_another_policy_is_tried_once(world: World) -> None:
    (lead,) = world.leads(1)
    world.run(
        banded(policy(routing(rule("all", "true", to("exceptions"))), teams([], team("sales")))), [lead]
    )
    assert world.place(lead)[:2] == ("exceptions", "no_destination")
    sweep(world, firm(), MONDAY_NOON + HOUR)
    assert world.place(lead)[0] == "exceptions", "the same policy, by its hashes"
    published(world)
    full = firm(open=0)
    for hours in (2, 3):
        sweep(world, full, MONDAY_NOON + hours * HOUR)
        assert world.count("decision") == 2
    published(world)
    sweep(world, firm(), MONDAY_NOON + 4 * HOUR)
    assert world.place(lead)[0] == "owned"


def published(world: World) -> None:
    """Make every decision so far one of another policy."""
    with world.engine.begin() as connection:
        connection.execute(sa.text('update decision set policy = policy || \'{"teams": "old"}\''))


def test_what_the_manager_decides_is_left_to_the_manager(world: World) -> None:
    of, (lead,) = firm(), world.leads(1)
    world.run(of, [lead])
    for hours in (1, 2):
        tell(world, lead, "decline", rep=world.place(lead)[2], reason="spam", at=MONDAY_NOON + hours * HOUR)
        sweep(world, of, MONDAY_NOON + hours * HOUR + HOUR / 2)
    assert world.place(lead)[:2] == ("exceptions", "manager_decides")
    published(world)
    sweep(world, of, MONDAY_NOON + 9 * DAY)
    assert world.place(lead)[:2] == ("exceptions", "manager_decides")
    assert world.count("decision") == 3


def test_who_chose_the_pool_or_gave_back_to_it_is_left_there(world: World) -> None:
    plain = banded(policy(routing(rule("all", "true", to("pool", "sales"))), firm().teams, sla=SLA))
    of, (lead, other) = firm("pool", day=0), world.leads(2)
    world.run(plain, [other])
    world.run(of, [lead])
    roomy = replace(of, teams=firm().teams)
    with world.engine.begin() as connection:
        pools.claim(connection, roomy, lead, "ana", MONDAY_NOON + HOUR)
        assert isinstance(
            pools.release(connection, roomy, lead, "ana", because="no time", at=MONDAY_NOON + HOUR),
            byhand.Made,
        )
    sweep(world, roomy, MONDAY_NOON + 9 * DAY)
    assert places(world, [lead, other]) == ["pool", "pool"]


def test_the_doctor_notes_who_should_have_been_tried_again(world: World) -> None:
    of = firm(day=1)
    world.run(of, world.leads(3))
    with world.engine.connect() as connection:
        assert overdue(connection, of, MONDAY_NOON + HOUR) == []
        late = overdue(connection, of, MONDAY_NOON + DAY)
    assert late[0].startswith("exceptions: 1 past the promised first touch, 1 past the moment")


def test_whom_an_open_cap_kept_out_is_routed_when_there_is_room_though_a_later_rung_asked_for_hours(
    world: World,
) -> None:
    """First the team at any hour, then held until its hours: what keeps the second lead waiting is the cap."""
    ladder = (to("team", "sales", hours="prefer"), to("hold", "sales", until="working_hours"))
    staff = [rep("ana", hours=OFFICE, zone="UTC", caps=Caps(open=1))]
    of = banded(policy(routing(rule("all", "true", *ladder)), teams(staff, team("sales", "ana")), sla=SLA))
    evening = MONDAY_NOON + 8 * HOUR
    world.run(of, world.leads(2), as_of=evening)
    [owned] = world.rows("select lead_id from assignment where ended_at is null")
    close(world, owned["lead_id"])
    world.run(of, (), as_of=evening + timedelta(minutes=5))
    assert len(world.rows("select lead_id from assignment where ended_at is null")) == 1


# --- nobody waits while somebody is free ------------------------------------------------------------

CAP = st.none() | st.integers(0, 3)


@st.composite
def firms(draw: st.DrawFn) -> Policy:
    staff = [
        rep(
            name,
            hours=draw(st.sampled_from([OFFICE, ALWAYS_OPEN])),
            zone=draw(st.sampled_from(["UTC", "Asia/Tokyo"])),
            caps=Caps(hour=draw(CAP), day=draw(CAP), open=draw(CAP)),
        )
        for name in NAMES
    ]
    hours = draw(st.sampled_from(["require", "prefer"]))
    last = draw(
        st.sampled_from([to("pool", "sales"), to("exceptions"), to("hold", "sales", until="working_hours")])
    )
    ladder = (to("team", "sales", hours=hours), last)
    return banded(policy(routing(rule("all", "true", *ladder)), teams(staff, team("sales", *NAMES)), sla=SLA))


@settings(max_examples=examples(15, 100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    of=firms(),
    lived=st.lists(
        st.tuples(st.sampled_from([5, 65, 300, 900, 1500]), st.integers(0, 3), st.integers(0, 2)),
        min_size=2, max_size=6,
    ),
)  # fmt: skip
def test_nobody_waits_while_a_rep_of_the_rule_is_free(
    world: World, of: Policy, lived: list[tuple[int, int, int]]
):
    """After any run: each rep who is at work, or whom hours do not ask, is at a cap, counted here from assignments."""
    world.forget()
    now = MONDAY_NOON
    for minutes, arrive, closing in lived:
        now += timedelta(minutes=minutes)
        open_leads = world.rows("select lead_id from assignment where ended_at is null order by 1")
        close(world, *(row["lead_id"] for row in open_leads[:closing]))
        world.run(of, world.leads(arrive), as_of=now)
        waiting = world.rows("select lead_id, place from place where place in ('pool', 'exceptions', 'held')")
        assert not (waiting and _free(world, of, now)), (waiting, now)


def _free(world: World, of: Policy, now: Any) -> list[str]:
    require = of.routing.rules[0].ladder[0].hours == "require"
    return [
        name for name in NAMES if _has_room(world, of, name, now) and not (require and _shut(of, name, now))
    ]


def _shut(of: Policy, name: str, now: Any) -> bool:
    one = of.teams.reps[name]
    local = now + (9 * HOUR if one.zone == "Asia/Tokyo" else 0 * HOUR)
    return one.hours is OFFICE and not (local.isoweekday() < 6 and 9 <= local.hour < 17)


def _has_room(world: World, of: Policy, name: str, now: Any) -> bool:
    one = of.teams.reps[name]
    given = world.rows("select started_at, ended_at from assignment where rep_id = :rep", rep=name)
    shift = 9 * HOUR if one.zone == "Asia/Tokyo" else 0 * HOUR
    here = now + shift
    counts = {
        "hour": sum(f"{row['started_at'] + shift:%F %H}" == f"{here:%F %H}" for row in given),
        "day": sum(f"{row['started_at'] + shift:%F}" == f"{here:%F}" for row in given),
        "open": sum(row["ended_at"] is None for row in given),
    }
    caps = {span: getattr(one.caps, span) for span in counts}
    return all(cap is None or counts[span] < cap for span, cap in caps.items())
