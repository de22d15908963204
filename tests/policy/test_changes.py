"""Who hears what of a new policy: what is other for them, in sentences, and nothing that stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlane import policy
from clearlane.policy import changes
from clearlane.policy.changes import Line, Section
from clearlane.policy.model import Policy

Texts = Mapping[str, str]
KEYS = st.sampled_from("abcdef")
VALUES = st.sampled_from(["1", "2"]) | st.lists(st.sampled_from("xyz"), unique=True, min_size=1).map(tuple)
LINES = st.dictionaries(KEYS, VALUES, max_size=6).map(
    lambda said: [Line(key, key.upper(), value) for key, value in said.items()]
)


def edited(texts: Texts, **edits: tuple[str, str]) -> Policy:
    """The policy with one text replaced by another in each of these files."""
    new = dict(texts)
    for name, (old, by) in edits.items():
        assert old in new[name], old
        new[name] = new[name].replace(old, by)
    return policy.parse(new)


def told(sections: Sequence[Section]) -> dict[str, tuple[str, ...]]:
    return {section.title: section.lines for section in sections}


def heard(texts: Texts, person: str, **edits: tuple[str, str]) -> dict[str, tuple[str, ...]]:
    return told(changes.for_person(policy.parse(texts), edited(texts, **edits), person))


def marketing(texts: Texts, **edits: tuple[str, str]) -> dict[str, tuple[str, ...]]:
    return told(changes.for_marketing(policy.parse(texts), edited(texts, **edits)))


# --- the difference -------------------------------------------------------------------------------


@given(LINES, LINES)
def test_each_thing_that_is_other_is_said_once_and_nothing_else(
    before: list[Line], after: list[Line]
) -> None:
    old, new = ({line.key: line for line in lines} for lines in (before, after))
    other = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    said = [*changes.differences(before, after)]
    assert len(said) == len(other)
    for key in other:
        assert any(key.upper() in sentence for sentence in said)
    assert [*changes.differences(after, after)] == []


def test_only_the_order_of_what_both_have_counts_where_it_is_asked_for() -> None:
    def order(*ids: str) -> list[Line]:
        return [Line("order", "Rules", ids, order=True)]

    assert [*changes.differences(order("a", "b"), order("new", "a", "b"))] == []
    assert [*changes.differences(order("a", "b"), order("b", "new", "a"))] == ["Rules: now in another order"]
    assert [*changes.differences([], order("a"))] == []


# --- to a person ----------------------------------------------------------------------------------


def test_nothing_is_said_to_anybody_where_nothing_changes(texts: Texts) -> None:
    same = policy.parse({**texts, "routing": texts["routing"] + "\n# a remark\n"})
    old = policy.parse(texts)
    assert [changes.for_person(old, same, person) for person in old.teams.reps] == [()] * len(old.teams.reps)
    assert changes.for_marketing(old, same) == ()


def test_a_cap_is_told_to_whom_it_binds_and_to_the_manager(texts: Texts) -> None:
    cap = ("zone: Australia/Sydney", "zone: Australia/Sydney\n    caps: {day: 9, open: 60}")
    assert heard(texts, "jack_moran", teams=cap) == {
        "You": ("You take at most: 9 a day, 60 open (was: 15 a day, 60 open)",)
    }
    [line] = heard(texts, "wei_ling_ong", teams=cap)["Your people"]
    assert line.startswith("Jack Moran takes at most: 9 a day")
    assert heard(texts, "maya_brooks", teams=cap) == {}


def test_hours_are_told_with_their_zone(texts: Texts) -> None:
    moved = heard(texts, "jack_moran", teams=("zone: Australia/Sydney", "zone: Australia/Perth"))
    [line] = moved["You"]
    assert line.startswith("You work: Mon, Tue, Wed, Thu, Fri 09:00–17:30, Australia/Perth (was: ")


def test_a_team_that_one_joins_leaves_or_shares_is_told(texts: Texts) -> None:
    members = "members: [priya_nair, jack_moran]"
    left = ("members: [priya_nair, jack_moran]", "members: [priya_nair]")
    half = (members, "members: [priya_nair, {rep: jack_moran, weight: 0.5}]")
    joined = (members, "members: [priya_nair, jack_moran, ruth_tan]")
    assert heard(texts, "jack_moran", teams=left)["Your teams"] == (
        "No longer: SDRs APAC: you take turns, managed by Wei Ling Ong",
    )
    assert "for 0.5 of a share" in heard(texts, "jack_moran", teams=half)["Your teams"][0]
    assert heard(texts, "ruth_tan", teams=joined)["Your teams"] == (
        "New: SDRs APAC: you take turns, managed by Wei Ling Ong",
    )
    assert heard(texts, "wei_ling_ong", teams=joined)["Your people"] == (
        "New: Ruth Tan in SDRs APAC: a full share",
    )


def test_a_rule_is_told_to_the_teams_that_it_sends_to(texts: Texts) -> None:
    edit = ("band = 'warm' and territory = 'EMEA'", "band = 'warm' and territory = 'EMEA' and fit > 10")
    assert heard(texts, "lena_vogt", routing=edit) == {
        "What reaches you": (
            "Warm: an SDR qualifies today: when band = 'warm' and territory = 'EMEA' and fit > 10"
            " (was: when band = 'warm' and territory = 'EMEA')",
        )
    }
    assert heard(texts, "jack_moran", routing=edit) == {}


def test_a_place_on_the_ladder_and_the_order_of_rules_are_told(texts: Texts) -> None:
    ladder = (
        "send_to: [{team: sdr_emea}, {pool: sdr_emea}]",
        "send_to: [{team: ae_emea}, {team: sdr_emea}, {pool: sdr_emea}]",
    )
    [line] = heard(texts, "lena_vogt", routing=ladder)["What reaches you"]
    assert "(cool_emea), you are asked: now with no. 2: team sdr_emea" in line
    first, second = texts["routing"].index("  - id: vendor"), texts["routing"].index("  - id: partner")
    vendor = texts["routing"][first:second]
    moved = texts["routing"].replace(vendor, "").replace("  - id: support", vendor + "  - id: support")
    after = policy.parse({**texts, "routing": moved})
    assert told(changes.for_person(policy.parse(texts), after, "lena_vogt"))["What reaches you"] == (
        "Rules, of which the first that holds wins: now in another order",
    )


def test_a_list_says_what_came_and_went(texts: Texts) -> None:
    lines = heard(texts, "jack_moran", routing=("amer: [US, CA, MX,", "amer: [US, CA, CU,"))
    assert lines == {"What reaches you": ("List amer: now with CU, without MX",)}


def test_promises_are_told_to_who_keeps_them(texts: Texts) -> None:
    sooner = ("warm: {first_touch: 4 hours", "warm: {first_touch: 3 hours")
    said = {"How fast": ("Promise warm, first touch within: 3 hours (was: 4 hours)",)}
    assert heard(texts, "jack_moran", sla=sooner) == heard(texts, "irene_clay", sla=sooner) == said
    quiet = ('quiet_hours: "20:00-07:00"', 'quiet_hours: "19:00-07:00"')
    assert "19:00–07:00" in heard(texts, "jack_moran", sla=quiet)["How fast"][0]


def test_reasons_of_a_decline_are_told(texts: Texts) -> None:
    said = heard(texts, "jack_moran", routing=("bad data, conflict]", "bad data]"))
    assert said == {
        "What you may answer": ("Reasons for a decline that give the turn back: now without conflict",)
    }


def test_who_is_new_hears_all_of_it_and_who_left_nothing(texts: Texts) -> None:
    bare = policy.parse({name: text for name, text in texts.items() if name in ("scoring", "contract")})
    whole = policy.parse(texts)
    said = told(changes.for_person(bare, whole, "jack_moran"))
    assert [*said] == ["You", "Your teams", "What reaches you", "How fast", "What you may answer"]
    assert not any(line.startswith("New:") for line in said["You"])
    assert changes.for_person(whole, bare, "jack_moran") == ()


# --- to marketing ---------------------------------------------------------------------------------


HOTTER = ("{name: hot, enter: 75, exit: 70", "{name: hot, enter: 80, exit: 75")
HARDER = ("score >= 50 and fit >= 20 or hand_raise", "score >= 55 and fit >= 20 or hand_raise")
OTHER_RULE = ("    - id: hand_raise\n", "    - id: asked\n")
SHORTER = ("trial_to_paid]\n  counts_for: 30 days", "trial_to_paid]\n  counts_for: 20 days")


@pytest.mark.parametrize(
    ("title", "edit", "sentence"),
    [
        ("What a lead is called", HOTTER, "Hot: from 80 points, left below 75"),
        ("What a lead is called", HARDER, "MQL: "),
        ("What gives points", OTHER_RULE, "New: Asked for sales: +35"),
        ("What a lead is called", SHORTER, "Asking for sales counts for: 20 days"),
    ],
)
def test_what_makes_a_lead_is_told_to_marketing_and_not_to_reps(
    texts: Texts, title: str, edit: tuple[str, str], sentence: str
) -> None:
    said = marketing(texts, scoring=edit)
    assert any(line.startswith(sentence) for line in said[title]), said
    assert "What gives points" not in heard(texts, "jack_moran", scoring=edit)


def test_marketing_hears_how_soon_sales_answers_and_not_who(texts: Texts) -> None:
    said = marketing(texts, sla=("warm: {first_touch: 4 hours", "warm: {first_touch: 3 hours"))
    assert said == {"What sales does with it": ("Promise warm, first touch within: 3 hours (was: 4 hours)",)}
    assert marketing(texts, teams=("zone: Australia/Sydney", "zone: Australia/Perth")) == {}
