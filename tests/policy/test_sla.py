"""sla.yaml: what it may say, what it says by default, and names that point nowhere."""

from __future__ import annotations

from datetime import time, timedelta

import pytest

from clearlane import policy
from clearlane.policy.model import FollowUp, MailRules, Pipeline, Silent, Sla, Span, Tier, TierChoice

SMALLEST = """tiers: {hot: {first_touch: 5 minutes}, none: {calendar: always}}
hand_raise: hot
team_calendar: {zone: UTC, hours: {mon-fri: "09:00-17:00"}}
"""


def errors(texts: dict[str, str]) -> list[str]:
    with pytest.raises(policy.PolicyErrors) as caught:
        policy.parse(texts)
    return [str(error) for error in caught.value.errors]


def said_of(head: str, more: str) -> str:
    (error,) = errors({"sla": head + SMALLEST + more})
    return error


def read(head: str, more: str = "") -> Sla:
    return policy.parse({"sla": head + SMALLEST + more}).sla


def test_a_file_from_before_says_what_it_said(head: str) -> None:
    sla = read(head)
    assert sla.tiers["hot"] == Tier("hot", Span(5, "minutes"), None, "rep", 0.6, 2.0, ("manager",), None)
    assert (sla.choose, sla.queues, sla.follow_up, sla.stage_limit) == ((), {}, {}, {})
    assert (sla.head_of_sales, sla.revops) == (None, None)
    assert sla.pipeline == Pipeline()
    assert (sla.silent, sla.mail, sla.late_after) == (Silent(), MailRules(), timedelta(days=1))


def test_it_is_read_whole(head: str) -> None:
    sla = read(
        head,
        """choose: [{source: portal, band: [hot, warm], tier: none}, {team: sdr, stage: mql, tier: hot}]
queues: {pool: 4 hours, match_ask: 1 day}
head_of_sales: irene
revops: revops@firm.example
silent: {breaches: 2, within: 3 days}
late_after: 12 hours
follow_up: {hot: {attempts: 6, within: 10 days, then: no answer}}
stage_limit: {accepted: 14 days}
pipeline: {runs: {lead_flow: 10 minutes}, open_for: 2 hours, unread: 3 hours, owed: 1 hour, mail: 5 minutes, growth: 4}
mail: {quiet_hours: "21:30-06:00", digest_above: 3, per_hour: 4, repeat_window: 10 minutes}
""",
    )
    assert sla.choose == (
        TierChoice("none", band=("hot", "warm"), source=("portal",)),
        TierChoice("hot", stage=("mql",), team=("sdr",)),
    )
    assert sla.queues == {"pool": Span(4, "hours"), "match_ask": Span(1, "days")}
    assert (sla.head_of_sales, sla.revops) == ("irene", "revops@firm.example")
    assert sla.silent == Silent(2, timedelta(days=3))
    assert sla.late_after == timedelta(hours=12)
    assert sla.follow_up == {"hot": FollowUp(6, Span(10, "days"), "no answer")}
    assert sla.stage_limit == {"accepted": Span(14, "days")}
    hours = (timedelta(hours=n) for n in (2, 3, 1))
    assert sla.pipeline == Pipeline({"lead_flow": timedelta(minutes=10)}, *hours, timedelta(minutes=5), 4.0)
    assert sla.mail == MailRules((time(21, 30), time(6)), 3, 4, timedelta(minutes=10))


def test_a_tier_is_read_whole(head: str) -> None:
    tier = """tiers:
  hot: {first_touch: 1 day, accept: 2 hours, calendar: team, warn_at: 0.5, reassign_at: 3,
        escalate: [head_of_sales], lead_hours: "08:00-20:00"}
head_of_sales: irene
hand_raise: hot
team_calendar: {zone: UTC, hours: {mon-fri: "09:00-17:00"}}
"""
    found = policy.parse({"sla": head + tier}).sla.tiers["hot"]
    spans = Span(1, "days"), Span(2, "hours")
    assert found == Tier("hot", *spans, "team", 0.5, 3.0, ("head_of_sales",), (time(8), time(20)))


def test_no_quiet_hours_is_something_one_may_say(head: str) -> None:
    assert read(head, "mail: {quiet_hours: null}\n").mail.quiet_hours is None


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "by_band: {hot: hto}\n",
            "sla.yaml:7: by_band.hot: found hto; a tier of this file; did you mean hot?",
        ),
        (
            "choose: [{band: hot, tier: hto}]\n",
            "choose[0].tier: found hto; a tier of this file; did you mean hot?",
        ),
        ("follow_up: {cool: {attempts: 1, within: 1 day, then: x}}\n", "follow_up.cool: found cool; a tier"),
        ("choose: [{tier: hot}]\n", "expected at least one of band, stage, source, team"),
        ("choose: [{bnad: hot, tier: hot}]\n", "did you mean band?"),
        ("queues: {pools: 4 hours}\n", "did you mean pool?"),
        ("queues: {pool: soon}\n", "found 'soon'; expected a span such as '5 minutes'"),
        ("silent: {breaches: 0}\n", "silent.breaches: found 0"),
        ("mail: {quiet_hours: evening}\n", "expected a span of the day such as '09:00-17:30'"),
        ("pipeline: {runs: {}}\n", "pipeline.runs: found {}"),
        ("pipeline: {growth: 1}\n", "pipeline.growth: found 1"),
        ("late_after: 1 fortnight\n", "late_after: found '1 fortnight'; expected a length of time"),
    ],
)
def test_what_is_refused(head: str, written: str, said: str) -> None:
    assert said in said_of(head, written)


def test_a_head_of_sales_who_is_told_is_somebody(head: str) -> None:
    text = head + SMALLEST.replace("5 minutes", "5 minutes, escalate: [manager, head_of_sales]")
    (error,) = errors({"sla": text})
    assert error.startswith("sla.yaml:4: tiers.hot.escalate: found head_of_sales; who that is")


def test_names_of_other_files_are_looked_up_where_these_are_there(texts: dict[str, str]) -> None:
    wrong = {
        "head_of_sales: irene_clay": "head_of_sales: irene_clya",
        "revops: revops@clearlane.example": "revops: tom_averil",
        "by_band: {hot: hot": "by_band: {hto: hot",
        "stage_limit: {accepted": "stage_limit: {acepted",
        "then: no answer": "then: no anwser",
        "choose: []": "choose: [{band: wram, source: webforms, stage: mqll, team: sdr_amre, tier: warm}]",
    }
    sla = texts["sla"]
    for right, instead in wrong.items():
        assert right in sla
        sla = sla.replace(right, instead)
    found = "\n".join(errors({**texts, "sla": sla}))
    for near in ("irene_clay", "tom_averill", "hot", "accepted", "no answer", "warm", "mql", "sdr_amer"):
        assert f"did you mean {near}?" in found, near
    assert "choose[0].source: found webforms; a source of sources.yaml" in found
    policy.parse({"sla": sla.replace("irene_clya", "irene_clay")})


def test_a_choice_takes_what_it_asks_for() -> None:
    choice = TierChoice("warm", band=("hot", "warm"), source=("portal",))
    assert choice.takes("hot", "mql", "portal", None)
    assert not choice.takes("cool", "mql", "portal", None)
    assert not choice.takes("hot", "mql", None, None)
    assert not TierChoice("warm", team=("sdr",)).takes("hot", "mql", "portal", None)
