"""The dataset of the review is what slow, obvious reading of the ledger gives, and leaves out whom it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from tests.review.conftest import SINCE, UNTIL, Company

from clearlane import policy as policies
from clearlane.policy.model import Policy, Scoring, Variant
from clearlane.review import dataset
from clearlane.review.cases import Cases
from clearlane.route.trace import trace
from clearlane.rules import Type, parse

HORIZON = timedelta(days=30)
LATER = UNTIL + timedelta(days=60)
TOUCHES = ("first_touch", "meeting")
WORKED = """
    select m.survivor_id as lead_id from outcome o join lead m using (lead_id)
    where o.kind <> 'rejected' or o.reason in ('not interested', 'no answer', 'no budget', 'not now')
"""
GOOD = ("accepted", "sql", "opportunity", "won")


@pytest.fixture(scope="module")
def policy(company: Company) -> Policy:
    return policies.parse(company.texts)


@pytest.fixture(scope="module")
def found(company: Company, policy: Policy) -> Cases:
    with company.engine.connect() as connection:
        return taken(connection, policy, refaded=True)


@pytest.fixture
def ledger(company: Company) -> Iterator[sa.Connection]:
    """What a test writes is gone afterwards."""
    with company.engine.connect() as connection:
        yield connection


def taken(connection: sa.Connection, policy: Policy, **other: Any) -> Cases:
    span = {"since": SINCE, "until": UNTIL + timedelta(minutes=1), "as_of": LATER, "horizon": HORIZON}
    span |= {"refaded": False}
    return dataset.cases(connection, policy, **{**span, **other})


def rows(connection: sa.Connection, statement: str, **bound: Any) -> list[Mapping[str, Any]]:
    return [dict(row) for row in connection.execute(sa.text(statement), bound).mappings()]


def first_decisions(connection: sa.Connection) -> dict[str, Mapping[str, Any]]:
    made = rows(
        connection,
        "select d.*, s.contributions, s.as_of as scored_at, s.members, s.known_seq, s.cycle, p.attributes, l.source"
        " from decision d join score s using (score_id) join lead_profile p on p.profile_id = d.profile_id"
        " join lead l on l.lead_id = d.lead_id where d.mode = 'live' order by d.decision_seq",
    )
    first: dict[str, Mapping[str, Any]] = {}
    for one in made:
        first.setdefault(str(one["lead_id"]), one)
    return first


def test_the_cases_are_the_worked_leads_of_the_first_decisions(company: Company, found: Cases) -> None:
    with company.engine.connect() as connection:
        first = first_decisions(connection)
        worked = {str(row["lead_id"]) for row in rows(connection, WORKED)}
    served = {lead for lead, d in first.items() if d["place"] in ("owned", "pool", "exceptions")}
    assert set(found.leads.index) <= first.keys() & worked
    assert served & worked <= set(found.leads.index)
    assert len(found.leads) + sum(out.leads for out in found.left_out) == len(first)
    assert list(found.leads["decided_at"]) == sorted(found.leads["decided_at"])
    for lead, row in found.leads.iterrows():
        decision = first[str(lead)]
        assert row["decided_at"] == decision["as_of"]
        assert (row["place"], row["band"], row["source"]) == tuple(
            decision[name] for name in ("place", "band", "source")
        )
        assert decision["rep_id"] is None or row["rep"] == decision["rep_id"]


def test_evidence_is_what_each_rule_gave_divided_by_its_points(
    company: Company, policy: Policy, found: Cases
) -> None:
    with company.engine.connect() as connection:
        first = first_decisions(connection)
    assert list(found.evidence) == [rule.id for rule in policy.scoring.rules]
    compared = 0
    for lead, seen in found.evidence.iterrows():
        if first[str(lead)]["scored_at"] == first[str(lead)]["as_of"] and first[str(lead)]["cycle"] == 1:
            given = first[str(lead)]["contributions"]
            for rule in policy.scoring.rules:
                assert seen[rule.id] == pytest.approx(given.get(rule.id, 0) / rule.points, abs=2e-6)
            compared += 1
    assert compared > 40
    fit = [rule.id for rule in policy.scoring.rules if rule.activity is None]
    assert set(np.unique(found.evidence[fit])) == {0.0, 1.0}


def test_evidence_holds_for_rules_of_no_points_and_for_changed_rules(
    ledger: sa.Connection, policy: Policy, found: Cases
) -> None:
    """Other points, none at all, or none of the group's room: what happened does not change."""
    changed = {"buyer": 0.0, "content": 0.0, "icp_size": 45.0}
    rules = tuple(replace(r, points=changed.get(r.id, r.points)) for r in policy.scoring.rules)
    other = taken(ledger, replace(policy, scoring=replace(policy.scoring, rules=rules)))
    capped = other.evidence.drop(columns="content")
    pd.testing.assert_frame_equal(capped, found.evidence.drop(columns="content"), atol=1e-6)
    assert (other.evidence["content"] >= found.evidence["content"] - 1e-6).all()
    assert other.evidence["content"].sum() > 0


def activities(connection: sa.Connection, lead: str, decision: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return rows(
        connection,
        "select type, occurred_at from activity where lead_id = any(:records)"
        " and occurred_at < :as_of and known_seq <= :known",
        records=decision["members"] or [lead], as_of=decision["as_of"], known=decision["known_seq"],
    )  # fmt: skip


def test_behaviour_and_other_half_lives_are_counted_from_the_activities(
    company: Company, policy: Policy, found: Cases
) -> None:
    (rule,) = (rule for rule in policy.scoring.rules if rule.id == "pricing_page")
    with company.engine.connect() as connection:
        for lead, decision in first_decisions(connection).items():
            if lead not in found.leads.index:
                continue
            ages = [
                (decision["as_of"] - one["occurred_at"]) / timedelta(days=1)
                for one in activities(connection, lead, decision)
                if one["type"] == "pricing_page_view"
            ]
            assert found.behaviour.at[lead, "pricing_page_view"] == len([age for age in ages if age < 89])
            last = found.behaviour.at[lead, "pricing_page_view:days"]
            assert np.isnan(last) if not ages else last == pytest.approx(min(ages), abs=1e-6)
            for days in (1.75, 7, 28):
                units = min(sum(0.5 ** (age / days) for age in ages), rule.cap / rule.points)
                assert found.refaded.at[lead, f"pricing_page@{days:g}"] == pytest.approx(units, abs=1e-5)
    assert found.behaviour["pricing_page_view"].max() > 2


def test_attributes_are_those_of_then_typed_and_nobody_is_named(
    company: Company, policy: Policy, found: Cases
) -> None:
    declared = policy.scoring.attributes
    assert {"country", "employees", "seniority", "trial_activated"} <= set(found.attributes)
    assert not {"email", "phone", "name", "company", "owner", "account_owner"} & set(found.attributes)
    with company.engine.connect() as connection:
        first = first_decisions(connection)
    for lead, row in found.attributes.iterrows():
        then = first[str(lead)]["attributes"]
        for name in ("country", "employees", "seniority", "trial_activated"):
            assert (None if pd.isna(row[name]) else row[name]) == then.get(name)
    kinds = {str(found.attributes[name].dtype) for name in found.attributes if declared[name] is Type.TEXT}
    assert kinds == {"str"}


def test_protected_columns_and_contact_points_are_never_taken(policy: Policy) -> None:
    declared = {**policy.scoring.attributes, "age": Type.NUMBER, "mobile": Type.TEXT}
    scoring = replace(policy.scoring, attributes=declared)
    assert "age" in scoring.protected
    assert (
        not {"age", "mobile", "email", "phone", "created_at"}
        & dataset.learnable(replace(policy, scoring=scoring)).keys()
    )


# --- what became of them --------------------------------------------------------------------------------


def tell(connection: sa.Connection, lead: str, kind: str, at: datetime, **more: Any) -> None:
    connection.execute(
        sa.text(
            "insert into outcome (outcome_id, source, lead_id, kind, occurred_at, reason, rep_id, amount)"
            " values (gen_random_uuid(), 'crm', cast(:lead as uuid), :kind, :at, :reason, :rep, :amount)"
        ),
        {"reason": None, "rep": None, "amount": None, **more, "lead": lead, "kind": kind, "at": at},
    )


def forget(connection: sa.Connection, lead: str) -> None:
    connection.execute(sa.text("delete from outcome where lead_id = cast(:lead as uuid)"), {"lead": lead})


def test_outcomes_are_those_of_the_ledger_within_the_horizon(company: Company, found: Cases) -> None:
    with company.engine.connect() as connection:
        told = rows(connection, "select lead_id, kind, occurred_at from outcome where lead_id is not null")
    for lead, row in found.leads.iterrows():
        kinds = {one["kind"] for one in told if str(one["lead_id"]) == lead}
        for i, name in enumerate(GOOD):
            assert row[name] == bool(kinds & set(GOOD[i:]))
    assert 0 < found.leads["accepted"].sum() < len(found.leads)


def test_won_counts_within_the_horizon_only_and_brings_what_came_before_it(
    ledger: sa.Connection, policy: Policy, found: Cases
) -> None:
    soon, late, early = found.leads.index[:3]
    moment = found.leads["decided_at"]
    tell(ledger, soon, "won", moment[soon] + timedelta(days=29), amount=1200.0)
    tell(ledger, soon, "won", moment[soon] + timedelta(days=29), amount=300.0)
    tell(ledger, late, "won", moment[late] + timedelta(days=31), amount=99.0)
    tell(ledger, early, "won", moment[early] - timedelta(days=2), amount=99.0)
    leads = taken(ledger, policy).leads
    assert leads.loc[soon, ["won", "opportunity", "sql", "accepted"]].all()
    assert leads.at[soon, "amount"] == 1500
    assert not leads.loc[[late, early], "won"].any()
    assert not leads.loc[[late, early], "amount"].any()


def test_what_was_not_known_yet_does_not_count(ledger: sa.Connection, policy: Policy, found: Cases) -> None:
    lead = found.leads.index[0]
    tell(ledger, lead, "won", found.leads["decided_at"][lead] + timedelta(days=20))
    ripe = UNTIL + HORIZON
    ledger.execute(
        sa.text(
            "with late as (insert into batch (batch_id, dag_id, run_id, run_type, mode, as_of, sources, policy,"
            " code_version) values (gen_random_uuid(), 'outcome_sync', 'late', 'manual', 'live', :at, '[]', '{}',"
            " 'test') returning batch_id), brought as (insert into inbox (source, object, record_key, payload,"
            " first_batch) select 'crm', 'outcomes', 'late', '{}', batch_id from late returning seq)"
            " update outcome set seq = brought.seq from brought where kind = 'won'"
        ),
        {"at": ripe + timedelta(days=1)},
    )
    assert not taken(ledger, policy, as_of=ripe).leads.at[lead, "won"]
    assert taken(ledger, policy, as_of=ripe + timedelta(days=2)).leads.at[lead, "won"]


def reasons(cases: Cases) -> dict[str, int]:
    return {out.reason.split(":")[0]: out.leads for out in cases.left_out}


def test_too_young_leads_are_left_out_and_counted(
    ledger: sa.Connection, policy: Policy, found: Cases
) -> None:
    day = timedelta(days=1)
    cases = taken(ledger, policy, as_of=SINCE + day + HORIZON)
    ripe = found.leads["decided_at"] <= SINCE + day
    assert set(cases.leads.index) <= set(found.leads.index[ripe])
    assert reasons(cases)["too young"] > 0


WORDS: list[tuple[str | None, dict[str, str], bool]] = [
    (None, {}, False),
    ("first_touch", {}, True),
    ("first_touch", {"rep": "nobody-knows@elsewhere.example"}, True),
    ("meeting", {"rep": "OWNER"}, True),
    ("first_touch", {"rep": "OTHER"}, False),
    ("rejected", {"reason": "Not interested"}, True),
    ("rejected", {"reason": "Wrong territory"}, False),
    ("rejected", {"reason": "accept time-out"}, False),
    ("sql", {"rep": "OTHER"}, True),
]
"""what is told of a lead, by whom, and whether that is work on it"""


def stranger(policy: Policy, leads: pd.DataFrame, lead: str) -> str:
    """A rep who is neither the lead's owner nor in the owner's team."""
    owner, team = leads.at[lead, "rep"], leads.at[lead, "team"]
    mates = {rep for rep, _ in policy.teams.teams[team].members} if team in policy.teams.teams else set()
    return next(rep.id for rep in policy.teams.reps.values() if rep.sells and rep.id not in {*mates, owner})


def test_worked_is_a_touch_by_the_owners_team_or_a_reps_word(
    ledger: sa.Connection, policy: Policy, found: Cases
) -> None:
    """Else the lead is no negative: left out, and counted."""
    owned = found.leads.index[found.leads["place"] == "owned"][: len(WORDS)]
    for lead, (kind, more, _) in zip(owned, WORDS, strict=True):
        forget(ledger, lead)
        reps = {"OWNER": found.leads.at[lead, "rep"], "OTHER": stranger(policy, found.leads, lead)}
        rep = reps.get(more.get("rep", ""), more.get("rep"))
        if kind:
            at = found.leads["decided_at"][lead] + timedelta(days=1)
            tell(ledger, lead, kind, at, **{**more, "rep": rep})
    cases = taken(ledger, policy)
    assert [lead in cases.leads.index for lead in owned] == [worked for _, _, worked in WORDS]
    assert cases.leads.at[owned[5], "reason"] == "not interested"
    unworked = sum(not worked for _, _, worked in WORDS)
    assert reasons(cases)["nobody worked it"] == reasons(found)["nobody worked it"] + unworked


def test_merged_and_deleted_leads_are_left_out(ledger: sa.Connection, policy: Policy, found: Cases) -> None:
    loser, survivor, deleted = found.leads.index[:3]
    ledger.execute(
        sa.text("update lead set survivor_id = cast(:s as uuid) where lead_id = cast(:l as uuid)"),
        {"s": survivor, "l": loser},
    )
    ledger.execute(
        sa.text("update place set place = 'closed', reason = 'deleted' where lead_id = cast(:l as uuid)"),
        {"l": deleted},
    )
    cases = taken(ledger, policy)
    assert not {loser, deleted} & set(cases.leads.index)
    assert reasons(cases)["merged into another lead"] == 1
    assert reasons(cases)["deleted or erased since"] == 1
    assert survivor in cases.leads.index


def test_backfilled_leads_are_counted_and_an_earlier_decision_is_the_first(
    ledger: sa.Connection, policy: Policy, found: Cases
) -> None:
    lead = found.leads.index[-1]
    ledger.execute(
        sa.text("update decision set mode = 'shadow' where lead_id = cast(:l as uuid)"), {"l": lead}
    )
    cases = taken(ledger, policy)
    assert lead not in cases.leads.index
    assert reasons(cases)["known from a backfill only"] == 1
    days = found.leads["decided_at"]
    second = taken(ledger, policy, since=SINCE + timedelta(days=1, minutes=1))
    assert set(second.leads.index) == set(days.index[days > SINCE + timedelta(days=1)]) - {lead}


def test_the_explored_share_weighs_as_much_as_those_it_stands_for(
    ledger: sa.Connection, policy: Policy, found: Cases
) -> None:
    lead = found.leads.index[0]
    ledger.execute(
        sa.text("update decision set explored = 0.02 where lead_id = cast(:l as uuid)"), {"l": lead}
    )
    leads = taken(ledger, policy).leads
    assert leads.at[lead, "weight"] == 50
    assert (leads["weight"] == np.where(leads["explored"], 50, 1)).all()
    explored = rows(ledger, "select * from decision where explored is not null")
    assert set(leads.index[leads["explored"]]) <= {str(row["lead_id"]) for row in explored}
    decision = next(row for row in explored if str(row["lead_id"]) == lead)
    said = next(line for line in trace(ledger, decision) if line.startswith("explored"))
    assert said == (
        "explored: one of the 2 % of such leads that go to sales to learn from; the weight review counts it 50 times"
    )


# --- models ---------------------------------------------------------------------------------------------


def with_variant(scoring: Scoring) -> Scoring:
    large = replace(scoring, model="large", rules=scoring.rules[:3])
    when = parse("employees >= 250", scoring.attributes)
    return replace(scoring, variants=(Variant("large", "Large companies", when, large),))


def test_each_model_is_reviewed_on_its_own_leads(ledger: sa.Connection, policy: Policy, found: Cases) -> None:
    split = replace(policy, scoring=with_variant(policy.scoring))
    default, large = taken(ledger, split), taken(ledger, split, model="large")
    assert set(default.leads.index) | set(large.leads.index) == set(found.leads.index)
    assert (large.attributes["employees"] >= 250).all()
    assert list(large.evidence) == [rule.id for rule in policy.scoring.rules[:3]]
    assert reasons(default)["scored by another model"] >= len(large.leads) > 0
    pd.testing.assert_frame_equal(default.evidence, found.evidence.loc[default.leads.index])
    with pytest.raises(LookupError, match=r"no model small; it has default, large"):
        taken(ledger, split, model="small")


def test_nothing_in_the_span_is_an_empty_dataset(ledger: sa.Connection, policy: Policy) -> None:
    empty = taken(ledger, policy, since=LATER, until=LATER + timedelta(days=1))
    assert len(empty.leads) == len(empty.evidence) == len(empty.behaviour) == 0
    assert empty.left_out == ()
    assert list(empty.evidence) == [rule.id for rule in policy.scoring.rules]
