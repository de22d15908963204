"""From facts to a place: rules, ladders, owners, companies, hand-raises, and the reasons."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from tests.route.firms import (
    ALWAYS_OPEN,
    MONDAY_NOON,
    SLA,
    WARM,
    capped,
    policy,
    rep,
    routing,
    rule,
    team,
    teams,
    to,
)

from clearlane.policy.model import Caps, OnCall, Policy, Stint, TierChoice, TimeOff
from clearlane.route.decide import decide
from clearlane.route.decisions import Decision, Facts
from clearlane.route.eligibility import NO_LOAD
from clearlane.route.floor import Floor, open_floor

EVENING = datetime(2026, 3, 2, 20, tzinfo=UTC)
LEAVE = (TimeOff(date(2026, 3, 1), date(2026, 3, 8), "leave"),)
STAFF = teams([rep("ana"), rep("ben"), rep("cyd")], team("sales", "ana", "ben"), team("channel", "cyd"))
SALES = to("team", "sales")


def firm(*ladder: Any, staff: Any = STAFF, **options: Any) -> Policy:
    return policy(routing(rule("only", "true", *ladder), **options), staff)


def one(of: Policy, floor: Floor | None = None, **facts: Any) -> Decision:
    facts = {"lead_id": "lead-1", "band": "warm", "matched": "1" * len(of.routing.rules), **facts}
    floor = floor or open_floor(of, MONDAY_NOON)
    decision = decide(of, floor, Facts(**facts))
    floor.take(Facts(**facts), decision)
    return decision


def test_a_turn_says_who_why_and_until_when():
    decision = one(firm(SALES))
    assert decision.place == "owned"
    assert decision.rep in ("ana", "ben")
    assert {decision.rep, decision.runner_up} == {"ana", "ben"}
    assert decision.because == f"because of only; {decision.rep} is next of 2 free in sales"
    assert (decision.rule, decision.team, decision.rotation, decision.tier) == (
        "only",
        "sales",
        "sales",
        "warm",
    )
    assert decision.due == datetime(2026, 3, 2, 16, tzinfo=UTC)


def test_the_first_rule_that_held_wins():
    two = policy(routing(rule("first", "true", SALES), rule("second", "true", to("team", "channel"))), STAFF)
    assert one(two, matched="01").rule == "second"
    assert one(two, matched="11").rule == "first"


def test_without_a_rule_the_fallback_takes_it():
    decision = one(firm(SALES, fallback=(to("pool", "sales"), to("exceptions"))), matched="0")
    assert (decision.place, decision.rule, decision.team) == ("pool", None, "sales")
    assert decision.because.startswith("no rule matched")


@pytest.mark.parametrize(
    "target", ["account_owner", "parent_account_owner", "opportunity_owner", "contact_owner"]
)
def test_owners_go_first_and_take_no_turn(target):
    decision = one(firm(to(target), SALES), **{target: "cyd"})
    assert (decision.rep, decision.team, decision.rotation) == ("cyd", "channel", None)
    assert decision.because == f"because of only; cyd is the {target.replace('_', ' ')}"


def test_the_parents_owner_takes_what_the_accounts_owner_cannot():
    staff = teams([rep("ana"), rep("ben"), rep("cyd", time_off=LEAVE)], team("sales", "ana"))
    of = firm(to("account_owner"), to("parent_account_owner"), SALES, staff=staff)
    decision = one(of, account_owner="cyd", parent_account_owner="ben")
    assert (decision.rep, decision.refused) == ("ben", {"cyd": "off until 2026-03-08"})
    assert one(of, account_owner="cyd").rep == "ana"


def test_an_owner_on_leave_is_passed_over_with_the_reason():
    staff = teams([rep("ana"), rep("cyd", time_off=LEAVE)], team("sales", "ana"))
    decision = one(firm(to("account_owner"), SALES, staff=staff), account_owner="cyd")
    assert decision.rep == "ana"
    assert decision.refused == {"cyd": "off until 2026-03-08"}


def test_people_of_one_company_follow_the_first_owner():
    of = firm(SALES)
    floor = open_floor(of, MONDAY_NOON)
    first = one(of, floor, lead_id="1", company="acme|US")
    others = [one(of, floor, lead_id=str(n), company="acme|US") for n in range(2, 6)]
    assert {other.rep for other in others} == {first.rep}
    assert {other.rotation for other in others} == {None}
    assert others[0].because == f"because of only; {first.rep} owns the open leads of the same company"


def test_a_partner_inquiry_does_not_follow_the_sales_owner():
    of = policy(routing(rule("partner", "true", to("team", "channel")), rule("rest", "true", SALES)), STAFF)
    floor = open_floor(of, MONDAY_NOON)
    one(of, floor, matched="01", company="acme|US")
    assert one(of, floor, matched="10", company="acme|US", kind="partner").rep == "cyd"


def test_an_owner_over_cap_is_not_followed_and_the_second_is_followed_next():
    staff = teams([capped("ana", open=1), rep("ben"), rep("cyd")], team("sales", "ana", "ben", "cyd"))
    of = firm(SALES, staff=staff)
    floor = open_floor(of, MONDAY_NOON)
    floor.companies["sales", "company:acme"] = ["ana"]
    reps = [one(of, floor, lead_id=str(n), company="acme").rep for n in range(4)]
    assert reps[0] == "ana"
    assert len(set(reps[1:])) == 1
    assert reps[1] != "ana"


def test_stickiness_can_be_turned_off():
    of = firm(SALES, sticky_company=False)
    floor = open_floor(of, MONDAY_NOON)
    assert {one(of, floor, lead_id=str(n), company="acme").rep for n in range(2)} == {"ana", "ben"}


def test_when_all_are_full_the_pool_then_exceptions_say_why():
    staff = teams([capped("ana", day=1)], team("sales", "ana"))
    of = firm(SALES, to("pool", "sales"), staff=staff)
    floor = open_floor(of, MONDAY_NOON)
    assert [one(of, floor, lead_id=str(n)).place for n in range(2)] == ["owned", "pool"]
    exceptions = one(firm(SALES, staff=staff), floor)
    assert exceptions.place == "exceptions"
    assert exceptions.because == "because of only; nobody could take it (ana: day cap of 1 reached)"


def test_out_of_hours_the_lead_is_due_after_the_opening():
    decision = one(firm(SALES), open_floor(firm(SALES), EVENING))
    assert decision.due == datetime(2026, 3, 3, 13, tzinfo=UTC)


def test_in_hours_beats_whose_turn_it_is():
    staff = teams([rep("ana"), rep("sam", zone="Australia/Sydney")], team("sales", "ana", "sam"))
    of = firm(SALES, staff=staff)
    floor = open_floor(of, MONDAY_NOON)
    decisions = [one(of, floor, lead_id=str(n)) for n in range(4)]
    assert {decision.rep for decision in decisions} == {"ana"}
    assert decisions[0].refused == {"sam": "out of hours until 2026-03-02 22:00Z"}


def test_hours_required_leave_nobody_at_night():
    of = firm(to("team", "sales", hours="require"), to("pool", "sales"))
    assert one(of, open_floor(of, EVENING)).place == "pool"


def test_a_language_only_the_absent_speak_goes_to_them():
    staff = teams(
        [rep("ana"), rep("fay", languages=("fr",), zone="Australia/Sydney")], team("sales", "ana", "fay")
    )
    decision = one(firm(to("team", "sales", language=True), staff=staff), language="fr")
    assert decision.rep == "fay"
    assert decision.refused == {"ana": "language: does not speak fr"}


def test_a_language_of_one_lead_costs_the_others_no_turn():
    staff = teams([rep("ana"), rep("fay", languages=("fr", "en"))], team("sales", "ana", "fay"))
    of = firm(to("team", "sales", language=True), staff=staff)
    floor = open_floor(of, MONDAY_NOON)
    for number in range(5):
        assert one(of, floor, lead_id=f"fr{number}", language="fr").rep == "fay"
    assert [one(of, floor, lead_id=f"en{number}", language="en").rep for number in range(5)] == ["ana"] * 5


def test_whoever_is_refused_on_one_rung_and_picked_on_the_next_is_not_refused():
    both = team("both", "ana", "ben")
    staff = teams([rep("ana"), rep("ben")], both)
    decision = one(firm(to("team", "both", language=True), to("team", "both"), staff=staff), language="fr")
    assert decision.eligible == ("ana", "ben")
    assert decision.refused == {}


def test_least_open_counts_open_leads_by_weight():
    staff = teams([rep("ana"), rep("ben")], team("sales", ("ana", 1.0), ("ben", 3.0)))
    of = firm(to("team", "sales", pick="least_open"), staff=staff)
    floor = open_floor(of, MONDAY_NOON)
    reps = [one(of, floor, lead_id=str(n)).rep for n in range(8)]
    assert (reps.count("ana"), reps.count("ben")) == (2, 6)


@pytest.mark.parametrize(
    ("target", "name", "place"),
    [
        ("nurture", None, "nurture"),
        ("hold", None, "held"),
        ("disqualify", None, "disqualified"),
        ("close", None, "closed"),
        ("redirect", "support", "redirected"),
        ("exceptions", None, "exceptions"),
        ("pool", "sales", "pool"),
    ],
)
def test_targets_without_a_rep(target, name, place):
    decision = one(firm(to(target, name)), band="hot")
    assert (decision.place, decision.rep) == (place, None)
    assert (decision.due is not None) == (place in ("held", "exceptions", "pool"))


def test_a_hand_raise_is_never_nurtured_and_has_the_hot_promise():
    of = policy(routing(rule("cold", "true", to("nurture")), rule("asked", "true", SALES)), STAFF)
    decision = one(of, band="cold", hand_raise=True)
    assert (decision.rule, decision.place, decision.tier) == ("asked", "owned", "hot")
    assert decision.due == datetime(2026, 3, 2, 12, 5, tzinfo=UTC)
    assert one(of, band="cold").place == "nurture"
    assert (
        one(firm(SALES, to("nurture"), staff=teams([], team("sales"))), hand_raise=True).place == "exceptions"
    )


def test_a_disqualified_lead_goes_nowhere_unless_a_rule_asks_for_it():
    of = policy(
        routing(
            rule("all", "true", SALES),
            rule("students", "disqualified = 'student'", to("nurture")),
            rule("help", "kind = 'support'", to("redirect", "support")),
        ),
        STAFF,
    )
    assert one(of, matched="100", disqualified="competitor").because == "disqualified by competitor"
    assert one(of, matched="110", disqualified="student").place == "nurture"
    assert one(of, matched="101", disqualified="student").place == "redirected"


def test_nobody_contacts_the_suppressed():
    decision = one(firm(SALES), stopped="suppressed", hand_raise=True)
    assert (decision.place, decision.rule) == ("disqualified", None)


def test_an_owned_lead_that_asks_again_keeps_its_owner_without_a_turn():
    of = firm(SALES)
    floor = open_floor(of, MONDAY_NOON)
    decision = one(of, floor, owned=True, owner="cyd", hand_raise=True)
    assert (decision.rep, decision.place, decision.tier, decision.keeps_owner) == (
        "cyd",
        "owned",
        "hot",
        True,
    )
    assert floor.load("cyd").open == 0


def test_rules_name_the_tier():
    of = policy(routing(rule("only", "true", SALES, tier="hot")), STAFF)
    assert one(of, band="cool").tier == "hot"


def test_without_promises_there_is_no_due_moment():
    of = policy(routing(rule("only", "true", SALES, tier="none")), STAFF)
    assert one(of).due is None


def test_a_rep_of_another_zone_has_own_hours():
    staff = teams([rep("kim", zone="America/New_York")], team("sales", "kim"))
    decision = one(firm(SALES, staff=staff))  # 07:00 in New York
    assert decision.due == datetime(2026, 3, 2, 18, tzinfo=UTC)


def test_round_the_clock_is_due_at_once():
    staff = teams([rep("kim", hours=ALWAYS_OPEN)], team("sales", "kim"))
    decision = one(firm(SALES, staff=staff), open_floor(firm(SALES, staff=staff), EVENING))
    assert decision.due == datetime(2026, 3, 3, 0, tzinfo=UTC)


def test_match_terms_choose_among_the_team_and_keep_the_others_in_the_rotation():
    staff = teams(
        [rep("ana", suits={"product": ("pro",)}), rep("ben", suits={"product": ("lite",)}), rep("cyd")],
        team("sales", "ana", "ben", "cyd"),
    )
    of = firm(to("team", "sales", match=("product",)), staff=staff)
    floor = open_floor(of, MONDAY_NOON)
    pro = [one(of, floor, lead_id=str(n), terms={"product": "pro"}) for n in range(4)]
    assert {decision.rep for decision in pro} == {"ana", "cyd"}
    assert all(decision.refused == {"ben": "product: does not suit the lead"} for decision in pro)
    assert [one(of, floor, lead_id=f"any-{n}").rep for n in range(2)] == ["ben", "ben"]


def test_owners_have_to_suit_where_the_rule_says_so_and_a_company_keeps_its_owner():
    staff = teams([rep("ana"), rep("cyd", suits={"product": ("pro",)})], team("sales", "ana", "cyd"))
    owner = to("account_owner", match=("product",))
    of = firm(owner, to("team", "sales", match=("product",)), staff=staff, sticky_company=True)
    lite = {"product": "lite"}
    assert one(of, account_owner="cyd", terms={"product": "pro"}).rep == "cyd"
    assert one(of, account_owner="cyd", terms=lite).rep == "ana"
    floor = open_floor(of, MONDAY_NOON)
    floor.companies["sales", "company:acme"] = ["cyd"]
    assert one(of, floor, company="acme", terms=lite).rep == "cyd"


def test_members_take_turns_while_they_are_in_the_team():
    stints = {"ana": (Stint(1.0, None, date(2026, 3, 1)), Stint(3.0, date(2026, 3, 3)))}
    staff = teams([rep("ana"), rep("ben")], team("sales", "ana", "ben", stints=stints))
    decision = one(firm(SALES, staff=staff))
    assert (decision.rep, decision.refused) == ("ben", {"ana": "starts on 2026-03-03 (sales)"})
    tuesday = open_floor(firm(SALES, staff=staff), datetime(2026, 3, 3, 12, tzinfo=UTC))
    taken = [one(firm(SALES, staff=staff), tuesday, lead_id=str(n)).rep for n in range(8)]
    assert taken.count("ana") == 6
    april = {"ana": (Stint(1.0, None, date(2026, 3, 1)),)}
    gone = firm(SALES, staff=teams([rep("ana")], team("sales", "ana", stints=april)))
    assert one(gone).because.endswith("(ana: left on 2026-03-01 (sales))")


def test_a_members_dates_are_of_its_own_zone():
    stints = {"sam": (Stint(1.0, date(2026, 3, 3)),)}
    sydney = rep("sam", zone="Australia/Sydney", hours=ALWAYS_OPEN)  # Tuesday begins on Monday at 13:00 UTC
    of = firm(SALES, staff=teams([sydney], team("sales", "sam", stints=stints)))
    hours = (12, 13)
    floors = [open_floor(of, datetime(2026, 3, 2, hour, tzinfo=UTC)) for hour in hours]
    assert [one(of, floor).place for floor in floors] == ["exceptions", "owned"]


def test_a_team_that_is_not_yet_or_no_more_takes_nothing():
    staff = teams(
        [rep("ana"), rep("ben")],
        team("soon", "ana", first=date(2026, 3, 3)),
        team("gone", "ana", last=date(2026, 3, 1)),
        team("sales", "ana"),
    )
    for name, said in (("soon", "starts on 2026-03-03 (soon)"), ("gone", "left on 2026-03-01 (gone)")):
        of = firm(to("team", name), to("pool", name), staff=staff)
        assert one(of).refused == {"ana": said}
        assert one(of).place == "exceptions"
    direct = firm(to("account_owner"), staff=staff)
    assert one(direct, account_owner="ana").team == "sales"


DUTY = OnCall("sales", "cyd", datetime(2026, 3, 2, 18, tzinfo=UTC), datetime(2026, 3, 3, 6, tzinfo=UTC))
ON_CALL = to("team", "sales", hours="on_call")


def on_duty(*reps: Any, duty: OnCall = DUTY) -> Policy:
    staff = teams([*reps, rep("cyd")], team("sales", *(r.id for r in reps)), team("other", "cyd"))
    return firm(ON_CALL, to("pool", "sales"), staff=replace(staff, on_call=(duty,)), sticky_company=False)


def test_outside_hours_the_rep_on_call_takes_it_without_a_turn_and_is_due_now():
    of = on_duty(rep("ana"))
    decision = one(of, open_floor(of, EVENING), band="hot")
    assert (decision.rep, decision.team, decision.rotation) == ("cyd", "sales", None)
    assert decision.because == "because of only; cyd is on call for sales"
    assert decision.refused == {"ana": "out of hours until 2026-03-03 09:00Z"}
    assert decision.due == datetime(2026, 3, 2, 20, 5, tzinfo=UTC)


def test_in_hours_the_team_takes_turns():
    of = on_duty(rep("ana"))
    assert one(of).rotation == "sales"


def test_before_and_after_the_duty_the_next_rung_takes_it():
    of = on_duty(rep("ana"))
    moments = (datetime(2026, 3, 2, 17, 59, tzinfo=UTC), datetime(2026, 3, 3, 6, tzinfo=UTC))
    assert [one(of, open_floor(of, at)).place for at in moments] == ["pool", "pool"]


def test_whoever_is_on_call_has_caps_and_time_off_all_the_same():
    for options, said in (
        ({"caps": Caps(day=0)}, "day cap of 0 reached"),
        ({"time_off": LEAVE}, "off until 2026-03-08"),
    ):
        staff = teams([rep("ana"), rep("cyd", **options)], team("sales", "ana"))
        of = firm(ON_CALL, to("pool", "sales"), staff=replace(staff, on_call=(DUTY,)))
        decision = one(of, open_floor(of, EVENING))
        assert (decision.place, decision.refused["cyd"]) == ("pool", said)


HOLD = to("hold", "sales", until="working_hours")
STRICTLY = to("team", "sales", hours="require")


def test_out_of_hours_a_lead_is_held_until_the_first_comes_back():
    staff = teams([rep("ana"), rep("lou", zone="Europe/Lisbon")], team("sales", "ana", "lou"))
    of = firm(STRICTLY, HOLD, to("pool", "sales"), staff=staff)
    decision = one(of, open_floor(of, EVENING), band="hot")
    assert (decision.place, decision.reason, decision.team) == ("held", "out_of_hours", "sales")
    assert decision.until == datetime(2026, 3, 3, 9, tzinfo=UTC)
    assert decision.due == datetime(2026, 3, 3, 9, 5, tzinfo=UTC)
    assert decision.because == (
        "because of only; out of hours: held until sales is back at 2026-03-03 09:00Z,"
        " first touch due 2026-03-03 09:05Z"
    )


@pytest.mark.parametrize(
    ("reps", "at", "place"),
    [
        ((capped("ana", day=0),), EVENING, "held"),
        ((capped("ana", open=0),), EVENING, "pool"),
        ((capped("ana", day=0),), MONDAY_NOON, "pool"),
        ((rep("ana", time_off=LEAVE),), EVENING, "pool"),
        ((rep("ana", hours={}),), EVENING, "pool"),
        ((capped("ana", day=0), rep("tess", zone="America/New_York")), MONDAY_NOON, "held"),
    ],
)
def test_a_lead_is_held_only_for_somebody_who_comes_back_and_may_take_it(reps, at, place):
    of = firm(STRICTLY, HOLD, to("pool", "sales"), staff=teams(reps, team("sales", *(r.id for r in reps))))
    assert one(of, open_floor(of, at)).place == place


def test_while_somebody_is_free_nothing_is_held_and_the_lead_is_theirs():
    decision = one(firm(HOLD, to("pool", "sales"), staff=teams([rep("ana")], team("sales", "ana"))))
    assert (decision.place, decision.rep, decision.rotation) == ("owned", "ana", "sales")


def test_what_the_team_rung_asks_and_the_hold_does_not_loses_no_lead():
    """Ana is there but speaks no French; the hold asks for no language, so it is hers before it is a pool's."""
    ladder = (to("team", "sales", hours="require", language=True), HOLD, to("pool", "sales"))
    decision = one(firm(*ladder, staff=teams([rep("ana")], team("sales", "ana"))), language="fr")
    assert (decision.place, decision.rep) == ("owned", "ana")


@pytest.mark.parametrize("at", [MONDAY_NOON, EVENING], ids=["in hours", "at night"])
@pytest.mark.parametrize("ladder", [(HOLD,), (STRICTLY, to("pool", "sales"))], ids=["held", "pooled"])
def test_an_owner_whom_the_rule_accepts_stays_also_where_nobody_is_free(at, ladder):
    of = firm(
        *ladder, staff=teams([capped("ana", open=1), capped("ben", open=0)], team("sales", "ana", "ben"))
    )
    floor = open_floor(of, at)
    floor.book("ana", NO_LOAD.plus_one())
    told = one(of, floor, owned=True, owner="ana", team="sales", reconsidered=True)
    assert (told.place, told.rep, told.reason, told.keeps_owner) == ("owned", "ana", "stays", True)


def test_choices_of_the_promises_go_between_the_rules_tier_and_the_bands():
    chosen = replace(
        SLA,
        tiers={**SLA.tiers, "partner": replace(WARM, name="partner"), "north": replace(WARM, name="north")},
        choose=(
            TierChoice("partner", band=("hot", "warm"), source=("portal",)),
            TierChoice("none", stage=("pql",)),
            TierChoice("north", team=("sales",)),
        ),
    )
    rules = routing(rule("only", "true", SALES))
    of = policy(rules, STAFF, sla=chosen)
    about = {"band": "warm", "stage": "mql", "source": "web"}
    assert one(of, **{**about, "source": "portal"}).tier == "partner"
    assert one(of, **{**about, "source": "portal", "band": "cool"}).tier == "north"
    assert one(of, **{**about, "stage": "pql"}).tier == "none"
    assert one(of, **about).tier == "north"
    pooled = routing(rule("only", "true", to("pool", "channel")))
    assert one(policy(pooled, STAFF, sla=chosen), **about).tier == "warm"
    assert one(of, **{**about, "source": "portal"}, hand_raise=True).tier == "hot"
