"""What `doctor` says of caps: nothing while they are kept, and each that was exceeded, by whom and when."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.route.conftest import World, banded
from tests.route.firms import ALWAYS_OPEN, MONDAY_NOON, SLA, policy, rep, routing, rule, team, teams, to

from clearlane.policy.model import Caps, Policy
from clearlane.route import caps, exceptions, pools

HOUR = timedelta(hours=1)


def firm(ladder: str = "team", ramp: tuple[float, ...] = (), **limits: int) -> Policy:
    """Ana sells alone, at any hour, in Tokyo; what is too much waits in the pool."""
    begun = {"ramp": ramp, "active_from": date(2026, 3, 1)} if ramp else {}
    ana = rep("ana", zone="Asia/Tokyo", hours=ALWAYS_OPEN, caps=Caps(**limits), **begun)
    staff = teams([ana, rep("ben")], team("sales", "ana"))
    return banded(
        policy(
            routing(rule("all", "true", to(ladder, "sales")), fallback=(to("pool", "sales"),)), staff, sla=SLA
        )
    )


def over(world: World) -> tuple[str, ...]:
    with world.engine.connect() as connection:
        return caps.finding(connection).offenders


def loosely(world: World, count: int, at: datetime, **limits: int) -> None:
    """Give Ana leads without caps, then say that these were in force: what a fault in routing would leave."""
    world.run(firm(), world.leads(count), as_of=at)
    with world.engine.begin() as connection:
        connection.execute(
            sa.text(
                "update roster set content = jsonb_set(content, '{reps,ana,caps}', cast(:caps as jsonb))"
            ),
            {
                "caps": str({"day": None, "week": None, "open": None, **limits})
                .replace("'", '"')
                .replace("None", "null")
            },
        )


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"hour": 2}, "ana on 2026-03-02: 3 in an hour, cap 2"),
        ({"day": 2}, "ana on 2026-03-02: 3 on a day, cap 2"),
        ({"week": 2}, "ana on 2026-03-02: 3 in a week, cap 2"),
        ({"open": 2}, "ana on 2026-03-02: 3 open, cap 2"),
    ],
)
def test_each_cap_that_was_exceeded_is_named_with_its_decision(world: World, limits, said) -> None:
    loosely(world, 3, MONDAY_NOON, **limits)
    [told] = over(world)
    assert told.startswith(f"{said}, decision ")
    last = world.rows("select max(decision_seq) as last from decision")[0]["last"]
    assert told.endswith(str(last))


@pytest.mark.parametrize("limits", [{"hour": 3}, {"day": 3}, {"week": 3}, {"open": 3}, {}])
def test_a_cap_that_is_reached_is_kept(world: World, limits) -> None:
    loosely(world, 3, MONDAY_NOON, **limits)
    assert over(world) == ()


def test_the_day_is_the_reps_own(world: World) -> None:
    """Midnight in Tokyo is 15:00 UTC."""
    loosely(world, 2, MONDAY_NOON + timedelta(hours=2, minutes=59), day=2)
    loosely(world, 2, MONDAY_NOON + timedelta(hours=3), day=2)
    assert over(world) == ()
    loosely(world, 1, MONDAY_NOON + timedelta(hours=4), day=2)
    assert [told.partition(":")[0] for told in over(world)] == ["ana on 2026-03-03"]


def test_leads_that_were_closed_before_are_not_open(world: World) -> None:
    loosely(world, 2, MONDAY_NOON, open=2)
    with world.engine.begin() as connection:
        connection.execute(
            sa.text(
                "update assignment set ended_at = started_at, ended_because = 'won',"
                " ended_seq = (select max(decision_seq) from decision)"
            )
        )
    loosely(world, 2, MONDAY_NOON + HOUR, open=2)
    assert over(world) == ()
    loosely(world, 1, MONDAY_NOON + 2 * HOUR, open=2)
    assert [told.split(": ")[1] for told in over(world)] == [
        f"3 open, cap 2, decision {world.rows('select max(decision_seq) n from decision')[0]['n']}"
    ]


def test_a_ramp_counts(world: World) -> None:
    half = firm(ramp=(0.5,), day=4)
    world.run(half, world.leads(5))
    assert world.rows("select count(*) n from assignment") == [{"n": 2}]
    assert over(world) == ()
    with world.engine.begin() as connection:
        connection.execute(
            sa.text("update roster set content = jsonb_set(content, '{reps,ana,ramp}', '[0.25]')")
        )
    assert [told.split(", decision")[0] for told in over(world)] == ["ana on 2026-03-02: 2 on a day, cap 1"]


def test_long_ago_is_not_looked_at(world: World) -> None:
    loosely(world, 3, MONDAY_NOON, day=2)
    loosely(world, 1, MONDAY_NOON + timedelta(days=caps.DAYS + 1), day=2)
    assert over(world) == ()


def test_only_people_who_assign_may_exceed_a_cap(world: World) -> None:
    pooled = firm("pool", day=1)
    leads: list[UUID] = world.leads(2)
    world.run(pooled, leads)
    with world.engine.begin() as connection:
        pools.claim(connection, pooled, leads[0], "ana", MONDAY_NOON + HOUR)
    nobody = banded(policy(routing(rule("all", "true", to("exceptions"))), pooled.teams, sla=SLA))
    [stuck] = world.leads(1)
    world.run(nobody, [stuck])
    with world.engine.begin() as connection:
        exceptions.assign(connection, pooled, stuck, "ana", by="eva", because="x", at=MONDAY_NOON + HOUR)
    assert over(world) == ()
    with world.engine.begin() as connection:
        connection.execute(
            sa.text("update roster set content = jsonb_set(content, '{reps,ana,caps,day}', '0')")
        )
    assert [told.split(", decision")[0] for told in over(world)] == ["ana on 2026-03-02: 1 on a day, cap 0"]


@settings(max_examples=examples(8, 60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limits=st.fixed_dictionaries(
        {},
        optional={
            "hour": st.integers(0, 3),
            "day": st.integers(1, 4),
            "week": st.integers(2, 6),
            "open": st.integers(2, 6),
        },
    ),
    runs=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 4)), min_size=1, max_size=4),
)
def test_routing_keeps_every_cap(world: World, limits: dict[str, int], runs: list[tuple[int, int]]) -> None:
    """Runs in any order of their moments."""
    for hours, count in runs:
        world.run(firm(**limits), world.leads(count), as_of=MONDAY_NOON + hours * HOUR)
    assert over(world) == ()
    world.forget()
