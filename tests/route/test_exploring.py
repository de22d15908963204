"""The explored share: which leads below the threshold go to sales, that they are labelled, and who never is one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.route.conftest import World, simple
from tests.route.firms import MONDAY_NOON, capped, policy, rep, routing, rule, team, teams, to

from clearlane import policy as policies
from clearlane.policy import PolicyErrors
from clearlane.policy.model import Explored, Policy
from clearlane.route.decide import decide
from clearlane.route.decisions import Decision, Facts
from clearlane.route.exploring import is_drawn
from clearlane.route.files import route_frame
from clearlane.route.floor import open_floor

SALES = to("team", "sales")
ALL = Explored(1.0, {"*": (SALES,)}, "cool")


def firm(explored: Explored | None = ALL, *reps: Any) -> Policy:
    staff = teams(
        reps or [rep("ana"), rep("ben")], team("sales", *(r.id for r in reps or [rep("ana"), rep("ben")]))
    )
    rules = (
        rule("partner", "kind = 'partner'", to("nurture")),
        rule("gone", "disqualified is not null", to("disqualify")),
        rule("cold", "band = 'cold'", to("nurture"), tier="none"),
        rule("rest", "true", SALES),
    )
    return policy(routing(*rules, explored=explored), staff)


def decided(of: Policy, matched: str = "0011", **facts: Any) -> Decision:
    known = {"lead_id": "lead-1", "band": "cold", "fresh": True, **facts}
    return decide(of, open_floor(of, MONDAY_NOON), Facts(matched=matched, **known))


def test_an_explored_lead_goes_to_sales_and_says_why():
    decision = decided(firm())
    assert (decision.place, decision.reason, decision.rule, decision.explored) == (
        "owned",
        "explored",
        "cold",
        1.0,
    )
    assert decision.rep in ("ana", "ben")
    assert "one of the 100 % of such leads that go to sales to learn from" in decision.because


def test_without_the_section_nobody_is_explored():
    decision = decided(firm(None))
    assert (decision.place, decision.reason, decision.explored) == ("nurture", "cold", None)


@pytest.mark.parametrize(
    ("facts", "place"),
    [
        ({"fresh": False}, "nurture"),
        ({"disqualified": "student", "matched": "0111"}, "disqualified"),
        ({"stopped": "do_not_contact"}, "disqualified"),
        ({"kind": "partner", "matched": "1011"}, "nurture"),
        ({"band": "warm", "matched": "0001"}, "owned"),
        ({"hand_raise": True}, "owned"),
    ],
)
def test_who_is_never_explored(facts: dict[str, Any], place: str):
    """Old, decided before, disqualified, nurtured for what it is and not for its points, above the threshold."""
    decision = decided(firm(), **facts)
    assert (decision.place, decision.explored) == (place, None)


def test_when_nobody_is_free_it_is_nurtured_and_nobody_knows_of_it():
    full = firm(ALL, capped("ana", day=0))
    decision = decided(full)
    assert (decision.place, decision.reason, decision.explored) == ("nurture", "cold", None)
    assert "learn" not in decision.because


def test_each_territory_has_a_ladder_of_its_own():
    east = replace(ALL, ladders={"EAST": (SALES,)})
    assert decided(firm(east), territory="EAST").place == "owned"
    assert decided(firm(east), territory="WEST").place == "nurture"
    assert decided(firm(east), territory=None).place == "nurture"


def test_the_share_is_drawn_by_a_hash_that_does_not_change():
    drawn = [lead for lead in range(100_000) if is_drawn(f"lead-{lead}", 0.02)]
    assert 1_850 < len(drawn) < 2_150
    assert drawn[:3] == [lead for lead in range(200) if is_drawn(f"lead-{lead}", 0.02)][:3]
    assert set(drawn) <= {lead for lead in range(100_000) if is_drawn(f"lead-{lead}", 0.05)}


def test_files_are_routed_as_if_their_leads_came_now(default_texts: dict[str, str]):
    """The default policy, a hundred cold leads of one region: those that are drawn go to its SDRs."""
    texts = {**default_texts, "routing": default_texts["routing"].replace("share: 0.02", "share: 0.2")}
    leads = pd.DataFrame(
        {
            "lead_id": [f"L{n}" for n in range(100)],
            "country": "FR",
            "email": "a@firm.example",
            "company": "Firm",
        }
    ).assign(company=lambda frame: "Firm " + frame["lead_id"])
    routed = route_frame(policies.parse(texts), leads, None, None, MONDAY_NOON).set_index("lead_id")
    drawn = [lead for lead in routed.index if is_drawn(lead, 0.2)]
    assert 5 < len(drawn) < 40
    assert (routed.loc[drawn, ["place", "rule", "team"]] == ["owned", "cold", "sdr_emea"]).all(axis=None)
    assert routed.loc[drawn, "because"].str.contains("one of the 20 % of such leads").all()
    assert set(routed.drop(drawn)["place"]) == {"nurture"}


# --- on the ledger ----------------------------------------------------------------------------------------


def exploring(of: Policy, share: float = 1.0) -> Policy:
    return replace(of, routing=replace(of.routing, explored=Explored(share, {"*": (SALES,)}, "cool")))


def explored_of(world: World) -> list[float | None]:
    return [row["explored"] for row in world.rows("select explored from decision order by decision_seq")]


def test_the_ledger_keeps_the_share_that_a_lead_was_drawn_by(world: World):
    of = exploring(simple(), 0.5)
    leads = world.leads(40)
    world.run(of, leads, score=10, band="cold")
    rows = world.rows("select lead_id, place, explored from decision")
    assert len(rows) == 40
    for row in rows:
        drawn = is_drawn(row["lead_id"], 0.5)
        assert (row["place"], row["explored"]) == (("owned", 0.5) if drawn else ("nurture", None))
    owned = sum(row["place"] == "owned" for row in rows)
    assert owned == world.count("assignment") == world.count("turn where kind = 'turn'")
    assert 8 < owned < 32


def test_an_old_lead_and_one_that_was_decided_before_are_nurtured(world: World):
    of = exploring(simple())
    old = world.lead("old", created_at=MONDAY_NOON - timedelta(days=8))
    new = world.lead("new", created_at=MONDAY_NOON - timedelta(days=6))
    world.run(of, [old, new], score=10, band="cold")
    assert world.place(old)[:2] == ("nurture", "cold")
    assert world.place(new)[:2] == ("owned", "explored")
    seen = world.lead("seen")
    world.run(simple(), [seen], score=10, band="cold")
    world.asks(seen, MONDAY_NOON)
    later = MONDAY_NOON + timedelta(hours=1)
    world.run(of, [seen], score=10, band="cold", as_of=later)
    assert explored_of(world)[-1] is None


def test_shadow_runs_tell_what_would_be_and_do_not_use_the_lead_up(world: World):
    of = exploring(simple())
    (lead,) = world.leads(1)
    world.run(of, [lead], mode="shadow", score=10, band="cold")
    world.run(of, [lead], score=10, band="cold")
    assert explored_of(world) == [1.0, 1.0]
    assert world.place(lead)[0] == "owned"


# --- as policy --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def default_texts() -> dict[str, str]:
    return dict(policies.texts(Path(__file__).resolve().parents[2] / "include" / "policy"))


def test_the_default_policy_explores_two_in_a_hundred(default_texts: dict[str, str]):
    explored = policies.parse(default_texts).routing.explored
    assert explored is not None
    assert (explored.share, explored.tier, explored.newer_than) == (0.02, "cool", timedelta(days=7))
    off = {**default_texts, "routing": default_texts["routing"].replace("share: 0.02", "share: 0")}
    assert policies.parse(off).routing.explored is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("share: 0.02", "share: 0.5", "explored.share"),
        ("AMER: [{team: sdr_amer}]\n    EMEA", "AMERICA: [{team: sdr_amer}]\n    EMEA", "AMERICA"),
        ("EMEA: [{team: sdr_emea}]\n    APAC", "EMEA: [nurture]\n    APAC", "a team, a pool or a rep"),
        ("'*': [{team: sdr_all}]", "'*': [{team: sdr_moon}]", "sdr_moon"),
        ("tier: cool\n  send_to", "tier: chilly\n  send_to", "chilly"),
    ],
)
def test_what_is_refused_is_named(default_texts: dict[str, str], old: str, new: str, said: str):
    assert old in default_texts["routing"]
    with pytest.raises(PolicyErrors, match=said):
        policies.parse({**default_texts, "routing": default_texts["routing"].replace(old, new)})
