"""A what-if tells what the ledger would hold had the candidate been in force, and writes nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.review.conftest import SINCE, UNTIL, Company, edited

from clearlane import policy, review
from clearlane.policy.model import Policy
from clearlane.route.exploring import is_drawn

ALL = 100_000
STANDINGS = """
    select distinct on (l.lead_id) l.source || ':' || l.external_id as lead, s.score, s.band, s.stage
    from score s join lead l using (lead_id) left join decision d using (score_id)
    order by l.lead_id, d.decision_seq, s.as_of, s.score_id
"""
"""What each person scored when it was decided first, else when it was scored first."""


def asked(engine: sa.Engine, query: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(sa.text(query)).all())


def table_sizes(engine: sa.Engine) -> dict[str, int]:
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        return {
            name: connection.exec_driver_sql(f'select count(*) from "{name}"').scalar_one() for name in names
        }


@pytest.fixture(scope="module")
def told(company: Company, bold: Policy) -> review.WhatIf:
    return company.whatif(bold, top=ALL)


def test_the_policy_in_force_changes_nothing(company: Company):
    told = company.whatif(policy.parse(company.texts))
    assert review.unchanged(told)
    assert told.figures.leads > 200
    assert told.figures.movers == ()
    assert told.figures.bands.moved == told.figures.stages.moved == 0
    assert told.files == told.not_played == ()


def test_nothing_is_written(company: Company, bold: Policy):
    before = table_sizes(company.engine)
    company.whatif(bold)
    assert table_sizes(company.engine) == before


def test_old_is_what_was_stored_and_new_what_the_candidate_stores(
    company: Company, bold_company: Company, told: review.WhatIf
):
    """The same days on a ledger that lived by the candidate: the same scores, bands and stages, lead by lead."""
    then, otherwise = (
        {row.lead: (row.score, row.band, row.stage) for row in asked(side.engine, STANDINGS)}
        for side in (company, bold_company)
    )
    moved = {mover.lead for mover in told.figures.movers}
    scored = {lead for lead in then if then[lead] != otherwise[lead]}
    assert scored <= moved
    for mover in told.figures.movers:
        if mover.lead in scored:
            assert (mover.old.score, mover.old.band, mover.old.stage) == then[mover.lead]
            assert (mover.new.score, mover.new.band, mover.new.stage) == otherwise[mover.lead]
    assert len(scored) > 50


def test_the_figures_add_up(told: review.WhatIf):
    found = told.figures
    moves = [(m.old.band, m.new.band) for m in found.movers if m.old.band != m.new.band]
    assert found.bands.moved == len(moves) > 0
    assert found.leads - found.unchanged == len(found.movers)
    for matrix in (found.bands, found.stages):
        assert sum(map(sum, matrix.cells)) == found.leads
    for side in ("old", "new"):
        assert sum(getattr(change, side) for change in found.places) == found.leads
        assert sum(getattr(change, side) for change in found.scores) == found.leads
        owned = sum(getattr(change, side) for change in found.places if change.name == "owned")
        assert sum(getattr(rep.leads, side) for rep in found.reps) == owned > 0


def test_a_mover_names_the_rules_that_moved_it(told: review.WhatIf):
    named = Counter(rule.name for mover in told.figures.movers for rule in mover.rules)
    assert set(named) == {"recommender", "pricing_page", "buying_group"}
    for mover in told.figures.movers:
        for rule in mover.rules:
            assert (rule.new - rule.old < 0) == (rule.name == "recommender")
    first = told.figures.movers[0]
    gaps = [abs(mover.new.score - mover.old.score) for mover in told.figures.movers]
    assert gaps == sorted(gaps, reverse=True)
    assert abs(first.new.score - first.old.score) >= 5


def test_judgements_are_what_counting_by_hand_gives(company: Company, told: review.WhatIf):
    """Hot leads under the old policy, and which of them were accepted or further."""
    hot = {row.lead for row in asked(company.engine, STANDINGS) if row.band == "hot"}
    rows = asked(
        company.engine,
        "select s.source || ':' || s.external_id, o.kind from outcome o join lead l using (lead_id)"
        " join lead s on s.lead_id = l.survivor_id",
    )
    became: dict[str, set[str]] = {}
    for lead, kind in rows:
        became.setdefault(lead, set()).add(kind)
    good = {lead for lead, kinds in became.items() if kinds & {"accepted", "sql", "opportunity", "won"}}
    judged = next(j for j in told.figures.judgements if (j.call, j.outcome) == ("hot", "accepted"))
    assert judged.old.picked == pytest.approx(len(hot), abs=1)
    assert judged.old.worked == pytest.approx(len(hot & became.keys()), abs=1)
    assert judged.old.good == pytest.approx(len(hot & good), abs=1)
    assert judged.old.precision == judged.old.good / judged.old.worked
    assert judged.old.recall == judged.old.good / judged.had_it


def test_without_a_horizon_nobody_had_an_outcome(company: Company, bold: Policy):
    told = company.whatif(bold, horizon_days=-1000.0)
    assert told.figures.worked == 0
    assert all(judged.old.precision is judged.new.lift is None for judged in told.figures.judgements)


def test_each_lead_meets_the_policy_of_its_moment(company: Company, bold_texts: dict[str, str], bold: Policy):
    """In force from the second day on: on that side nobody moves who came after it."""
    second = SINCE + timedelta(days=1, hours=12)
    with company.engine.connect() as connection:
        policy.publish(connection, bold_texts, by="test", because="test", in_force_from=second)
        told = review.whatif(connection, bold, since=SINCE, until=UNTIL, top=ALL)
        connection.rollback()
    first_day = company.whatif(bold, until=second, top=ALL)
    assert told.versions == 2
    assert told.files == ("scoring",)
    rescored = {m.lead for m in told.figures.movers if m.old.score != m.new.score}
    assert rescored == {m.lead for m in first_day.figures.movers if m.old.score != m.new.score}
    assert rescored


def test_against_another_folder(company: Company, bold: Policy):
    told = company.whatif(bold, against=bold, against_name="itself")
    assert review.unchanged(told)
    assert told.old == "itself"


def test_routing_and_roster_are_played_too(company: Company):
    """People of one company no longer follow one owner: nobody scores otherwise, and owners change."""
    texts = edited(company.texts, "routing", "sticky_company: true", "sticky_company: false")
    told = company.whatif(policy.parse(texts), top=ALL)
    assert told.files == ("routing",)
    assert told.figures.movers
    assert all(m.old.score == m.new.score and m.old.owner != m.new.owner for m in told.figures.movers)
    assert all(m.rules == () for m in told.figures.movers)


def test_a_larger_explored_share_takes_leads_out_of_nurture(company: Company):
    """Those that the hash draws, and they alone, where their reps are free."""
    none = policy.parse(edited(company.texts, "routing", "share: 0.02", "share: 0"))
    more = policy.parse(edited(company.texts, "routing", "share: 0.02", "share: 0.2"))
    told = company.whatif(more, against=none, top=ALL)
    nurture = next(change for change in told.figures.places if change.name == "nurture")
    ids = dict(asked(company.engine, "select source || ':' || external_id, cast(lead_id as text) from lead"))
    left = [m for m in told.figures.movers if m.old.owner == "nurture"]
    assert len(left) == nurture.old - nurture.new > 0
    assert {mover.new.owner for mover in left} <= policy.parse(company.texts).teams.reps.keys()
    assert all(is_drawn(ids[mover.lead], 0.2) for mover in left)
    assert nurture.new > nurture.old / 2


def test_other_files_are_named_as_not_played(company: Company):
    contract = company.texts["contract"] + "\n# another word\n"
    told = company.whatif(policy.parse({**company.texts, "contract": contract}))
    assert (told.files, told.not_played) == ((), ("contract",))


def test_nothing_to_compare_is_said(company: Company, bold: Policy):
    with pytest.raises(review.NothingToCompare, match="no lead was decided"):
        company.whatif(bold, since=UNTIL, until=UNTIL + timedelta(days=1))
    with pytest.raises(review.NothingToCompare, match="is not before"):
        company.whatif(bold, since=UNTIL, until=UNTIL)


def test_without_a_published_policy_it_is_said(ledger_engine: sa.Engine, bold: Policy):
    with (
        ledger_engine.connect() as connection,
        pytest.raises(review.NothingToCompare, match="no policy is in force"),
    ):
        review.whatif(connection, bold, since=SINCE, until=UNTIL)


def test_the_files_hold_no_personal_value(company: Company, told: review.WhatIf, tmp_path: Path):
    for path in review.write(told, tmp_path):
        text = path.read_text(encoding="utf-8")
        personal = asked(
            company.engine, "select attributes ->> 'email', attributes ->> 'last_name' from lead_profile"
        )
        assert [value for row in personal for value in row if value and f'"{value}"' in text] == []
        assert re.findall(r"\w@\w", text) == []
    assert json.loads((tmp_path / "whatif.json").read_text())["figures"]["leads"] == told.figures.leads
