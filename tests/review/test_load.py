"""What a what-if tells of teams: cap hits by cap, exceptions, what is due when, and how much would be late."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from tests.review.conftest import SINCE, UNTIL, Company, edited
from tests.route.firms import HOT, SLA, rep, routing, teams
from tests.route.firms import policy as firm

from clearlane import policy, review
from clearlane.review.figures import Figures, Load
from clearlane.review.responses import ENOUGH, business_hours

PLANTED = """
    insert into outcome (outcome_id, source, lead_id, kind, occurred_at)
    select gen_random_uuid(), 'crm', d.lead_id, 'first_touch',
           case when d.decision_seq % 3 = 0 then d.sla_due + interval '1 hour' else d.as_of + interval '1 minute' end
    from decision d where d.mode = 'live' and d.place = 'owned' and d.sla_due is not null
"""
"""Every third lead is touched an hour after it was due, the others in a minute."""
ANSWERED = """
    select team, tier, count(*), count(*) filter (where decision_seq % 3 = 0)
    from (
        select distinct on (lead_id) * from decision
        where as_of > :since and as_of <= :until and mode = 'live' order by lead_id, decision_seq
    ) first where place = 'owned' and sla_due is not null group by 1, 2
"""


@pytest.fixture(scope="module")
def crowded(company: Company) -> Figures:
    """Two leads a day and rep, and exceptions instead of pools."""
    tight = edited(company.texts, "teams", "caps: {day: 15, open: 60}", "caps: {day: 2, open: 3}")
    rules = re.sub(r"\{pool: \w+\}", "exceptions", tight["routing"])
    rules = rules.replace("fallback: [exceptions, exceptions]", "fallback: [exceptions]")
    return company.whatif(policy.parse({**tight, "routing": rules})).figures


def total(loads: tuple[Load, ...], what: str, side: str) -> float:
    return sum(getattr(getattr(load, what), side) or 0 for load in loads)


def test_exceptions_are_told_with_the_team_that_was_asked(crowded: Figures):
    (lost,) = [change for change in crowded.places if change.name == "exceptions"]
    assert lost.new > 20
    assert total(crowded.teams, "exceptions", "new") == lost.new
    assert total(crowded.teams, "exceptions", "old") == (lost.old or 0)
    named = [load.name for load in crowded.teams if load.exceptions.new]
    assert len(named) > 2


def test_pooled_leads_are_told_with_the_team_of_the_pool(company: Company):
    tight = edited(company.texts, "teams", "caps: {day: 15, open: 60}", "caps: {day: 2, open: 3}")
    found = company.whatif(policy.parse(tight)).figures
    (pooled,) = [change for change in found.places if change.name == "pool"]
    assert total(found.teams, "pooled", "new") == pooled.new > 20
    assert total(found.teams, "pooled", "old") == (pooled.old or 0)


def test_cap_hits_are_told_by_cap_and_of_the_team_in_which_the_rep_was_asked(crowded: Figures):
    assert total(crowded.teams, "cap_hits", "new") > 50 > total(crowded.teams, "cap_hits", "old")
    for load in (*crowded.teams, *crowded.reps):
        assert sum(change.new for change in load.by_cap) == load.cap_hits.new
    assert total(crowded.teams, "cap_hits", "new") == total(crowded.reps, "cap_hits", "new")
    by_cap: Counter[str] = Counter()
    for load in crowded.teams:
        by_cap.update({change.name: change.new for change in load.by_cap})
    assert by_cap["day"] > 0
    assert by_cap["open"] > 0
    assert by_cap["hour"] == by_cap["week"] == 0


def test_hours_at_work_are_part_of_the_hours_until_due(crowded: Figures):
    told = [load for load in crowded.teams if load.business.new is not None]
    assert len(told) > 3
    assert all(load.business.new <= load.hours.new + 1e-9 for load in told)


@pytest.fixture
def answered(company: Company) -> Iterator[sa.Connection]:
    """The company with planted first touches, taken back afterwards."""
    with company.engine.connect() as connection:
        connection.execute(sa.text("delete from outcome where kind in ('first_touch', 'meeting')"))
        connection.execute(sa.text(PLANTED))
        yield connection
        connection.rollback()


def expected_late(connection: sa.Connection, texts: Mapping[str, str], side: str) -> dict[str, float]:
    told = review.whatif(connection, policy.parse(texts), since=SINCE, until=UNTIL)
    return {
        load.name: getattr(load.late, side)
        for load in told.figures.teams
        if getattr(load.late, side) is not None
    }


def test_as_many_are_expected_late_as_were_where_nothing_changes(company: Company, answered: sa.Connection):
    """Per team, of the tiers with enough answers: as history had it, up to who else had the lead."""
    late: Counter[str] = Counter()
    for team, _, answers, after_due in answered.execute(sa.text(ANSWERED), {"since": SINCE, "until": UNTIL}):
        if answers >= ENOUGH:
            late[team] += after_due
    told = expected_late(answered, company.texts, "old")
    assert told.keys() == late.keys()
    assert sum(late.values()) > 10
    for team, expected in told.items():
        assert expected == pytest.approx(late[team], rel=0.25, abs=2)


def test_a_longer_promise_is_late_less_often(company: Company, answered: sa.Connection):
    texts = edited(company.texts, "sla", "cool: {first_touch: 1 day", "cool: {first_touch: 3 days")
    old, new = (sum(expected_late(answered, texts, side).values()) for side in ("old", "new"))
    assert new < old


def test_too_few_answers_tell_nothing(company: Company, answered: sa.Connection):
    answered.execute(sa.text("delete from outcome where kind = 'first_touch'"))
    answered.execute(sa.text("update decision set sla_due = sla_due + interval '1 year'"))
    assert expected_late(answered, company.texts, "old") == {}


def test_business_hours_follow_the_calendar_of_the_tier():
    of = firm(routing(), teams([rep("ana")]))
    friday, monday = datetime(2026, 3, 6, 16, tzinfo=UTC), datetime(2026, 3, 9, 10, tzinfo=UTC)
    assert HOT.calendar == "rep"
    assert business_hours(of, "hot", "ana", friday, monday) == 2
    assert business_hours(of, "hot", None, friday, monday) == 2
    assert business_hours(of, "none", "ana", friday, monday) == 66
    assert SLA.tiers["none"].calendar == "always"
