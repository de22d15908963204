"""Who covers while an owner is away, who is told then, and what becomes of the leads of one who left."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.route.conftest import World, banded
from tests.route.firms import MONDAY_NOON, SLA, policy, rep, routing, rule, team, teams, to
from tests.route.test_events import outcome, same_again, tell
from tests.route.test_run import healthy

from clearlane import explain, route
from clearlane.ledger import Batch
from clearlane.policy.model import Policy, Rep, TimeOff
from clearlane.route import covers
from clearlane.route.floor import open_floor

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TUESDAY, FRIDAY, MONDAY = (MONDAY_NOON + n * DAY for n in (1, 4, 7))
LEAVE = TimeOff(date(2026, 3, 3), date(2026, 3, 6), "leave")
BACK = datetime(2026, 3, 7, tzinfo=UTC)


def firm(*away: str, named: str | tuple[str, ...] = (), gone: str = "", **options: Any) -> Policy:
    """Ana owns what comes; Ben and Cyd are her colleagues, Dov manages. Who is away is so from Tuesday to Friday."""
    covered = (named,) if isinstance(named, str) else named
    of: dict[str, Rep] = {"ana": rep("ana", cover=covered), **{name: rep(name) for name in ("ben", "cyd")}}
    of["dov"] = rep("dov", sells=False)
    for name in away:
        of[name] = replace(of[name], time_off=(LEAVE,))
    if gone:
        of[gone] = replace(of[gone], active_until=date(2026, 3, 2))
    sales = team("sales", "ana", "ben", "cyd", manager="dov")
    rules = (rule("mine", "band = 'hot'", to("rep", "ana"), to("team", "sales")),
             rule("rest", "true", to("team", "sales")))  # fmt: skip
    return banded(policy(routing(*rules, **options), teams(of.values(), sales), sla=SLA))


def lived(world: World, of: Policy, at: datetime, leads: Any = (), **score: Any) -> Batch:
    """A whole live run: notices, then routing; it comes to its end."""
    batch = world.batch(as_of=at)
    for lead in leads:
        world.score(batch, lead, **score)
    with world.engine.begin() as connection:
        route.note(connection, of, batch)
    world.route(of, batch)
    with world.engine.begin() as connection:
        connection.execute(
            sa.text("update batch set closed_at = as_of where batch_id = :id"), {"id": batch.batch_id}
        )
    return batch


@pytest.fixture
def touched(world: World) -> UUID:
    """A lead that Ana owns and has called."""
    lead = world.leads(1)[0]
    world.run(firm(), [lead], band="hot")
    assert world.place(lead)[2] == "ana"
    outcome(world, lead, "first_touch", MONDAY_NOON + HOUR)
    return lead


def covering(world: World) -> list[tuple[str, str, str | None]]:
    rows = world.rows("select rep_id, cover_rep_id, ended_because from cover order by cover_id")
    return [(row["rep_id"], row["cover_rep_id"], row["ended_because"]) for row in rows]


def kept(world: World, of: Policy) -> bool:
    with world.engine.connect() as connection:
        return covers.finding(connection, of).count == 0 and healthy(world)


def test_a_lead_in_contact_is_covered_while_its_owner_is_away_and_comes_back(
    world: World, touched: UUID
) -> None:
    of = firm("ana", named="cyd")
    for at in (TUESDAY, TUESDAY + HOUR, FRIDAY):
        lived(world, of, at)
        assert covering(world) == [("ana", "cyd", None)]
        assert world.place(touched)[2] == "ana"
        assert kept(world, of)
    [row] = world.rows("select * from cover")
    assert (row["lead_id"], row["began_at"], row["until"]) == (touched, TUESDAY, BACK)
    lived(world, of, MONDAY)
    assert covering(world) == [("ana", "cyd", "they are back")]
    assert world.place(touched)[2] == "ana"


def test_a_request_of_a_covered_lead_is_told_to_the_cover(world: World, touched: UUID) -> None:
    of = firm("ana", named="cyd")
    lived(world, of, TUESDAY)
    world.asks(touched, TUESDAY + HOUR)
    asked = lived(world, of, TUESDAY + 2 * HOUR, [touched], band="hot", hand_raise=True)
    [decision] = world.rows("select * from decision where batch_id = :id", id=asked.batch_id)
    assert decision["rep_id"] == "ana"
    assert decision["because"] == "asked for sales again; stays with its owner, who is away: cyd covers"
    clocks = world.rows("select * from sla_clock where decision_seq = :seq", seq=decision["decision_seq"])
    assert {(clock["kind"], clock["rep_id"]) for clock in clocks} == {
        ("arrival", "cyd"),
        ("assignment", "cyd"),
    }
    assert decision["sla_due"] == TUESDAY + 2 * HOUR + timedelta(minutes=5)
    lived(world, of, MONDAY)
    assert same_again(world, of, asked)


def test_who_asks_for_the_first_time_is_covered_too(world: World) -> None:
    lead = world.leads(1)[0]
    of = firm("ana", named="cyd")
    world.run(of, [lead], as_of=MONDAY_NOON, band="hot")
    with world.engine.begin() as connection:
        connection.execute(sa.text("update sla_clock set met_at = started_at"))
    lived(world, of, TUESDAY)
    assert covering(world) == []
    world.asks(lead, TUESDAY + HOUR)
    lived(world, of, TUESDAY + 2 * HOUR, [lead], band="hot", hand_raise=True)
    lived(world, of, TUESDAY + 3 * HOUR)
    assert covering(world) == [("ana", "cyd", None)]
    assert world.place(lead)[2] == "ana"


def test_a_lead_that_the_absence_takes_away_is_not_covered(world: World) -> None:
    lead = world.leads(1)[0]
    world.run(firm(), [lead], band="hot")
    of = firm("ana", named="cyd")
    lived(world, of, TUESDAY)
    assert world.place(lead)[2] in ("ben", "cyd")
    assert covering(world) == []


def test_when_the_cover_goes_away_too_the_next_one_covers(world: World, touched: UUID) -> None:
    lived(world, firm("ana", named=("ben", "cyd")), TUESDAY)
    of = firm("ana", "ben", named=("ben", "cyd"))
    with world.engine.connect() as connection:
        assert covers.finding(connection, of).offenders == (f"lead {touched} of ana: ben is away too",)
    lived(world, of, TUESDAY + HOUR)
    assert covering(world) == [("ana", "ben", "somebody else covers"), ("ana", "cyd", None)]
    assert kept(world, of)


def test_when_nobody_is_there_whoever_answers_for_exceptions_covers(world: World, touched: UUID) -> None:
    of = firm("ana", "ben", "cyd")
    lived(world, of, TUESDAY)
    assert covering(world) == [("ana", "dov", None)]
    [row] = world.rows("select because from cover")
    assert row["because"] == "answers for the exceptions: nobody of the team is there"


def test_by_default_the_colleague_with_the_fewest_open_leads_covers_and_goes_on(
    world: World, touched: UUID
) -> None:
    busy = world.leads(2)
    world.run(firm("cyd"), busy, as_of=TUESDAY - HOUR)
    of = firm("ana")
    world.run(firm("ana", "cyd"), world.leads(1), as_of=TUESDAY)
    lived(world, of, TUESDAY)
    assert covering(world) == [("ana", "cyd", None)]
    world.run(firm("ana", "ben"), world.leads(5), as_of=TUESDAY + HOUR)
    lived(world, of, TUESDAY + 2 * HOUR)
    assert covering(world) == [("ana", "cyd", None)]


def test_a_cover_ends_with_the_ownership(world: World, touched: UUID) -> None:
    of = firm("ana", named="cyd")
    lived(world, of, TUESDAY)
    tell(world, touched, "owner", owner="ben", at=TUESDAY + HOUR)
    lived(world, of, TUESDAY + 2 * HOUR)
    lived(world, of, TUESDAY + 3 * HOUR)
    assert covering(world) == [("ana", "cyd", "the lead is no longer theirs")]


def test_an_absence_that_grows_moves_the_end(world: World, touched: UUID) -> None:
    lived(world, firm("ana", named="cyd"), TUESDAY)
    of = firm("ana", named="cyd")
    longer = replace(of.teams.reps["ana"], time_off=(replace(LEAVE, last=date(2026, 3, 9)),))
    of = replace(of, teams=replace(of.teams, reps={**of.teams.reps, "ana": longer}))
    lived(world, of, FRIDAY)
    [row] = world.rows("select until from cover")
    assert row["until"] == datetime(2026, 3, 10, tzinfo=UTC)


def test_the_story_and_the_list_name_the_cover(world: World, touched: UUID, monkeypatch: Any) -> None:
    for untold, nothing in {"_score": None, "_routed": ()}.items():  # of policies that are not stored here
        monkeypatch.setattr(explain, untold, lambda *_, nothing=nothing: nothing)
    lived(world, firm("ana", named="cyd"), TUESDAY)
    with world.engine.connect() as connection:
        told = explain.story(connection, str(touched))
        [one] = covers.listed(connection)
    assert told.headline.endswith("; cyd covers")
    [section] = [section for section in told.sections if section.title == "Covered"]
    assert section.lines[0].text == "cyd covers for ana (named in teams.yaml), until 2026-03-07 00:00Z"
    assert (one.rep, one.cover, one.leads, one.until) == ("ana", "cyd", 1, BACK)


# --- who left -------------------------------------------------------------------------------------


def test_leads_in_contact_of_who_left_go_to_the_cover_that_policy_names(world: World, touched: UUID) -> None:
    untouched = world.leads(1)[0]
    world.run(firm(), [untouched], as_of=MONDAY_NOON + 2 * HOUR, band="hot")
    of = firm(named="cyd", gone="ana")
    run = lived(world, of, TUESDAY)
    assert world.place(touched)[2] == "cyd"
    decided = "select because, refused from decision where batch_id = :id and lead_id = :lead"
    [decision] = world.rows(decided, id=run.batch_id, lead=touched)
    assert decision["because"].startswith("because of mine; its owner left, whom cyd covers; cyd is named")
    [other] = world.rows(decided, id=run.batch_id, lead=untouched)
    assert "covers" not in other["because"]
    assert same_again(world, of, run)


def test_a_cover_who_is_away_does_not_inherit(world: World, touched: UUID) -> None:
    of = firm("cyd", named="cyd", gone="ana")
    run = lived(world, of, TUESDAY)
    assert world.place(touched)[2] == "ben"
    [decision] = world.rows("select refused from decision where batch_id = :id", id=run.batch_id)
    assert decision["refused"]["cyd"] == "off until 2026-03-06"
    assert same_again(world, of, run)


# --- who it is ------------------------------------------------------------------------------------


@settings(max_examples=examples(40, 1000))
@given(
    away=st.sets(st.sampled_from(["ben", "cyd", "dov"])),
    named=st.lists(st.sampled_from(["ben", "cyd", "dov"])),
)
def test_whoever_covers_is_there_while_anybody_is(away: set[str], named: list[str]) -> None:
    of = firm("ana", *sorted(away), named=tuple(named))
    cover, _ = covers.cover_of(open_floor(of, TUESDAY), "ana")
    free = [name for name in (*named, "ben", "cyd") if name not in away]
    assert cover == (free[0] if free else "dov")
