"""What a rep may say no for, who hears of it, and which caps it frees."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.route.conftest import World, banded
from tests.route.firms import ALWAYS_OPEN, MONDAY_NOON, SLA, policy, rep, routing, rule, team, teams, to
from tests.route.test_caps import over
from tests.route.test_events import same_again, swept, tell
from tests.route.test_queue_commands import NOW, clearlane, waiting  # noqa: F401  fixtures

from clearlane.policy.model import Caps, Policy
from clearlane.route.byhand import NotPossible
from clearlane.route.declines import decline, unlisted

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def firm(**limits: int) -> Policy:
    """Ana is capped, Ben takes the rest."""
    reps = [rep("ana", hours=ALWAYS_OPEN, caps=Caps(**limits)), rep("ben", hours=ALWAYS_OPEN)]
    rules = rule("all", "true", to("team", "sales"), to("team", "rest"))
    return banded(policy(routing(rules), teams(reps, team("sales", "ana"), team("rest", "ben")), sla=SLA))


def given(world: World, of: Policy, at: Any) -> tuple[UUID, str | None]:
    lead = world.leads(1)[0]
    world.run(of, [lead], as_of=at)
    return lead, world.place(lead)[2]


def says_no(world: World, of: Policy, lead: UUID, rep: str, reason: str, at: Any) -> None:
    with world.engine.begin() as connection:
        decline(connection, of, lead, rep, reason, at)


# --- saying so ------------------------------------------------------------------------------------


def test_a_decline_is_an_event_once_and_the_next_run_takes_the_lead(world: World) -> None:
    of = firm()
    lead, owner = given(world, of, MONDAY_NOON)
    for _ in range(2):
        says_no(world, of, lead, "ana", " Bad Data ", MONDAY_NOON + MINUTE)
    [event] = world.rows("select * from routing_event")
    assert (event["kind"], event["rep_id"], event["detail"]) == ("decline", owner, {"reason": "bad data"})
    swept(world, of)
    assert world.place(lead)[2] == "ben"


def test_an_unknown_reason_is_refused_and_told_what_is_allowed(world: World) -> None:
    of = firm()
    lead, _ = given(world, of, MONDAY_NOON)
    said = r"'bad date' is no reason .* \(did you mean bad data\?\); allowed: wrong territory, duplicate"
    with pytest.raises(NotPossible, match=said):
        says_no(world, of, lead, "ana", "bad date", MONDAY_NOON + MINUTE)
    assert world.count("routing_event") == 0


def test_only_the_owner_declines(world: World) -> None:
    of = firm()
    lead, _ = given(world, of, MONDAY_NOON)
    with pytest.raises(NotPossible, match="is owned by ana, not by ben"):
        says_no(world, of, lead, "ben", "spam", MONDAY_NOON + MINUTE)


def test_doctor_names_reasons_of_other_systems_that_nobody_listed(world: World) -> None:
    of = firm()
    lead, _ = given(world, of, MONDAY_NOON)
    tell(world, lead, "decline", rep="ana", reason="Spam")
    tell(world, lead, "decline", rep="ben", reason="too far away " + "x" * 99)
    tell(world, lead, "decline", rep="ben", at=MONDAY_NOON - timedelta(days=40), reason="long ago")
    with world.engine.connect() as connection:
        [named] = unlisted(connection, of, MONDAY_NOON + HOUR)
    assert named.startswith("declined for 'too far away ")
    assert "x" * 40 not in named
    assert f"1 (as lead {lead}); the turn stays spent" in named


def test_the_command_declines_and_says_what_is_allowed(clearlane: Any, world: World, waiting) -> None:  # noqa: F811
    assert clearlane("pool", "claim", "crm:N1", "--rep", "ada").exit_code == 0
    wrong = clearlane("decline", "crm:N1", "--by", "ada", "--reason", "dull")
    assert (wrong.exit_code, "allowed: wrong territory" in wrong.output) == (1, True)
    done = clearlane("decline", "crm:N1", "--by", "ada", "--reason", "conflict")
    assert done.exit_code == 0, done.output
    tell(world, waiting[0], "decline", rep="ada", at=NOW, reason="dull")
    assert "'dull'" in json.loads(clearlane("doctor", "--json").output)["declines"][0]


# --- caps -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("span", ["hour", "day", "week"])
@pytest.mark.parametrize(("reason", "next_to"), [("Duplicate", "ana"), ("no answer", "ben")])
def test_a_lead_that_was_none_for_the_rep_counts_in_no_cap(
    world: World, span: str, reason: str, next_to
) -> None:
    of = firm(**{span: 1})
    lead, owner = given(world, of, MONDAY_NOON)
    assert owner == "ana"
    _, instead = given(world, of, MONDAY_NOON + MINUTE)
    assert instead == "ben"
    tell(world, lead, "decline", rep="ana", at=MONDAY_NOON + 2 * MINUTE, reason=reason)
    swept(world, of, as_of=MONDAY_NOON + 3 * MINUTE)
    assert world.place(lead)[2] == "ben"
    _, now = given(world, of, MONDAY_NOON + 4 * MINUTE)
    assert now == next_to
    batches = [row["batch_id"] for row in world.rows("select batch_id from batch order by as_of")]
    assert same_again(world, of, *map(loaded(world), batches))
    assert over(world) == ()


def loaded(world: World) -> Any:
    from clearlane.ledger import batch_of

    def of(batch_id: Any) -> Any:
        with world.engine.connect() as connection:
            return batch_of(connection, batch_id)

    return of


def test_one_more_than_the_cap_after_a_return_is_still_found(world: World) -> None:
    of = firm(day=1)
    lead, _ = given(world, of, MONDAY_NOON)
    tell(world, lead, "decline", rep="ana", at=MONDAY_NOON + MINUTE, reason="spam")
    swept(world, of, as_of=MONDAY_NOON + 2 * MINUTE)
    given(world, of, MONDAY_NOON + 3 * MINUTE)
    assert over(world) == ()
    given(world, firm(), MONDAY_NOON + 4 * MINUTE)
    with world.engine.begin() as connection:
        capped = (
            "update decision set roster_id = (select roster_id from decision order by decision_seq limit 1)"
        )
        connection.exec_driver_sql(capped)
    assert len(over(world)) == 1
    assert "2 on a day, cap 1" in over(world)[0]
