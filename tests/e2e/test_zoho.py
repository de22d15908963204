"""A whole CRM export through the river, twice: connected as it stands, and lived again month by month.

What is expected is counted, grouped and scored from the export's own files (`workspace.py`), never from the ledger.
It is lived by years in `make test`; the passes by months are marked `full`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from tests.e2e.processes import ended, forked
from tests.e2e.rivers import River
from tests.e2e.snapshot import KNOWLEDGE, PROFILES, ROUTING, differences, snapshot
from tests.e2e.workspace import Workspace, plain_rules
from tests.score.plain import group_total, shown

from clearlane import policy, replay, steps
from clearlane.ledger import batch_of, connect, doctor, server
from clearlane.route.again import decided_again

POLICIES = Path(__file__).parents[2] / "include" / "policy"
ZOHO = POLICIES / "overlays" / "zoho"
Window = tuple[datetime, datetime]
NewRiver = Callable[..., River]

BEFORE_AND_AFTER = (datetime(2018, 1, 1, tzinfo=UTC), datetime(2021, 7, 1, tzinfo=UTC))
MONTHS: Sequence[Window] = list(
    pairwise(datetime(2018 + n // 12, n % 12 + 1, 1, tzinfo=UTC) for n in range(6, 41))
)
YEARS: Sequence[Window] = [
    (first[0], last[1]) for first, last in zip(MONTHS[::12], [*MONTHS[11::12], MONTHS[-1]], strict=True)
]
HALF_YEAR = MONTHS[:6]
SAMPLED = 120
WITHHELD = {
    "owner", "status", "converted", "stage", "type", "Lead Owner", "Lead Status", "CONVERTED",
    "account_type", "account_owner", "contact_owner", "opportunity_owner",
}  # fmt: skip
BY_COMPANY = "owns the open leads of the same company"

_OWNERS = """
select l.external_id, a.rep_id, a.by from assignment a join lead l using (lead_id) where a.ended_at is null
"""
_ATTRIBUTES = """
select distinct name, value
from (select attributes from lead_revision union all select attributes from lead_profile
      union all select attributes from contact_revision union all select attributes from account_revision
      union all select attributes from activity) x
cross join lateral jsonb_each_text(attributes) as known(name, value)
"""
_SCORES = """
select distinct on (s.lead_id, s.as_of)
  l.external_id, s.as_of, s.score, s.total, s.fit, s.engagement, s.negative, s.contributions
from score s join lead l using (lead_id) order by s.lead_id, s.as_of, s.score_id desc
"""
_TOTALS = """
select s.lead_id, s.as_of, s.score, s.total, s.fit, s.engagement, s.negative, s.grade, r.disqualified, r.hand_raise
from standing s join score r using (score_id)
"""
_STANDINGS = """
select l.external_id, s.as_of, s.score, s.fit, s.engagement, s.negative from standing s join lead l using (lead_id)
"""


# --- the workspace, and rivers through it -------------------------------------------------------------


@pytest.fixture(scope="module")
def workspace(shared_data: Path) -> Workspace:
    return Workspace(shared_data / "crm_zoho_sample")


@pytest.fixture(scope="module")
def new_river(ledger_server: server.Server, ledger_template: str, workspace: Workspace) -> Iterator[NewRiver]:
    """Makes rivers by name: on an empty ledger with the overlay in force, or on a copy of another's ledger."""
    made: list[River] = []

    def make(name: str, variant: str = "reenactment", like: River | None = None) -> River:
        if like is not None:
            like.engine.dispose()  # a ledger in use cannot be copied
        ledger_server.create(name, str(like.engine.url.database) if like else ledger_template)
        made.append(River(connect(ledger_server.url(name)), secrets=lambda source: str(workspace.folder)))
        if like is None:
            made[-1].publish(overlaid(variant))
        return made[-1]

    yield make
    for river in made:
        river.engine.dispose()
        ledger_server.drop(str(river.engine.url.database))


def overlaid(variant: str) -> Mapping[str, str]:
    """The overlay; of companies that are only alike nobody takes one, as the plain reading of the export does not."""
    texts = policy.texts(POLICIES, ZOHO, ZOHO / variant)
    sources = yaml.safe_load(texts["sources"])
    return {**texts, "sources": yaml.safe_dump({**sources, "matching": {"match": 1.0}}, sort_keys=False)}


@pytest.fixture(scope="module")
def half_year(new_river: NewRiver) -> River:
    """The first months, lived once in their order."""
    river = new_river("half_year")
    live(river, HALF_YEAR)
    return river


@pytest.fixture(scope="module")
def lived_by_months(new_river: NewRiver, half_year: River) -> River:
    """All months, lived once in their order, and every lead scored as of their end."""
    river = new_river("lived_by_months", like=half_year)
    live(river, MONTHS[len(HALF_YEAR) :])
    rescore(river, MONTHS)
    return river


@pytest.fixture(scope="module")
def lived_by_years(new_river: NewRiver) -> River:
    """The same, year by year."""
    river = new_river("lived_by_years")
    live(river, YEARS)
    rescore(river, YEARS)
    return river


@pytest.fixture(
    scope="module", params=["years", pytest.param("months", marks=pytest.mark.full)], ids="by_{}".format
)
def lived(request: pytest.FixtureRequest) -> River:
    river: River = request.getfixturevalue(f"lived_by_{request.param}")
    return river


def live(river: River, months: Sequence[Window], name: str = "lived") -> None:
    for month in months:
        river.run(month, mode="live", run_id=f"{name}__{month[1].isoformat()}")


def rescore(river: River, months: Sequence[Window]) -> None:
    """Score whoever the months know as of their end."""
    batch = river.open((months[0][0], months[-1][1]), mode="live", run_id="at_the_end")
    for stage in (steps.identity, steps.enrich, steps.score):
        stage(river.engine, batch)
    steps.close(river.engine, batch)


TOTALS = {"standing": _TOTALS}
"""What a snapshot shows of the scores as of the end: without band and stage, which remember the way there."""


def rows(river: River, query: str, **bound: object) -> Sequence[sa.Row[Any]]:
    with river.engine.connect() as connection:
        return connection.execute(sa.text(query), bound).all()


def places(river: River) -> Counter[str]:
    return Counter(dict(map(tuple, rows(river, "select place, count(*) from place group by 1"))))


def owners(river: River) -> dict[str, str]:
    """LEADID -> the rep who has it; a lead with two would be there once only, so they are counted too."""
    found = rows(river, _OWNERS)
    assert len({row.external_id for row in found}) == len(found)
    return {row.external_id: row.rep_id for row in found}


def healthy(river: River) -> None:
    with river.engine.connect() as connection:
        findings = doctor.examine(connection)
    assert {f.check.id: f.offenders for f in findings if f.count} == {}


def everyone_has_one_place(river: River, workspace: Workspace) -> None:
    known = rows(
        river, "select external_id from lead left join place using (lead_id) where place is not null"
    )
    assert len(known) == 3900
    assert {row.external_id for row in known} == set(workspace.leads)
    assert places(river).total() == 3900


# --- (i) connected as it stands -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def cut_over(new_river: NewRiver) -> River:
    river = new_river("cut_over", "cutover")
    river.run(BEFORE_AND_AFTER, mode="live", dry_run=False)
    return river


def test_cut_over_keeps_owners_and_closes_what_was_converted(cut_over: River, workspace: Workspace) -> None:
    everyone_has_one_place(cut_over, workspace)
    converted = {lead for lead, line in workspace.leads.items() if line["CONVERTED"] == "Yes"}
    assert places(cut_over) == {"closed": len(converted), "owned": 3900 - len(converted)}
    closed = rows(
        cut_over, "select external_id, reason from place join lead using (lead_id) where place = 'closed'"
    )
    assert {row.external_id for row in closed} == converted
    assert {row.reason for row in closed} == {"converted"}


def test_cut_over_leaves_owners_to_the_people_who_chose_them(cut_over: River, workspace: Workspace) -> None:
    names = {rep["id"]: rep["name"] for rep in yaml.safe_load((ZOHO / "teams.yaml").read_text())["reps"]}
    expected = {
        lead: line["Lead Owner"] for lead, line in workspace.leads.items() if line["CONVERTED"] == "No"
    }
    assert {lead: names[rep] for lead, rep in owners(cut_over).items()} == expected
    assert {row.by for row in rows(cut_over, _OWNERS)} == {"person"}


def test_cut_over_decides_and_writes_nothing(cut_over: River) -> None:
    for table in ("decision", "turn", "sla_clock", "outbox"):
        assert rows(cut_over, f"select count(*) from {table}")[0][0] == 0, table
    assert {row[0] for row in rows(cut_over, "select count(*) from score group by lead_id")} == {1}
    healthy(cut_over)


# --- (ii) lived again ---------------------------------------------------------------------------------


def test_nearly_all_are_placed_by_a_named_rule(lived: River, workspace: Workspace) -> None:
    everyone_has_one_place(lived, workspace)
    decided = rows(
        lived, "select d.rule, count(*) from place p join decision d using (decision_seq) group by 1"
    )
    by_rule = Counter({rule: count for rule, count in decided if rule})
    assert set(by_rule) <= {
        rule["id"] for rule in yaml.safe_load((ZOHO / "routing.yaml").read_text())["rules"]
    }
    assert len(by_rule) >= 5
    assert by_rule.total() >= 0.95 * 3900
    assert places(lived)["exceptions"] <= 0.01 * 3900
    healthy(lived)


def test_an_open_company_has_one_owner(lived: River, workspace: Workspace) -> None:
    owner = owners(lived)
    reps = {
        company: {owner[lead] for lead in leads if lead in owner}
        for company, leads in workspace.companies.items()
    }
    assert sum(len(leads) > 1 for leads in workspace.companies.values()) > 600
    assert {company: found for company, found in reps.items() if len(found) > 1} == {}


def test_what_has_no_time_is_nowhere_known(lived: River, workspace: Workspace) -> None:
    known = rows(lived, _ATTRIBUTES)
    assert {row.name for row in known} & WITHHELD == set()
    assert {row.value for row in known if row.name == "is_customer"} <= {"false"}  # so said of everyone
    lines = workspace.leads.values()
    told = {line["Lead Owner"] for line in lines} | {line["Lead Status"] for line in lines}
    assert {row.value for row in known} & told == set()


# --- again, in another order, at once -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("fixture", "windows"),
    [
        pytest.param("lived_by_years", YEARS[:1], id="one year"),
        pytest.param("lived_by_months", MONTHS, marks=pytest.mark.full, id="all months"),
    ],
)
def test_the_same_windows_again_change_nothing(
    fixture: str, windows: Sequence[Window], request: pytest.FixtureRequest, new_river: NewRiver
) -> None:
    """Not even who took which turn; only a score of the past may know what came to light since."""
    river = new_river(f"again_{len(windows)}", like=request.getfixturevalue(fixture))
    everything = {**KNOWLEDGE, **PROFILES, **ROUTING, **TOTALS}
    first = snapshot(river.engine, everything)
    live(river, windows, "again")
    rescore(river, MONTHS)
    assert differences(first, snapshot(river.engine, everything)) == {}
    healthy(river)


# `test_overlap` holds the small company to the same in every run of the tests.
SHORT_AND_LONG = pytest.mark.parametrize(
    ("fixture", "months"),
    [
        pytest.param("half_year", HALF_YEAR, marks=pytest.mark.full),
        pytest.param("lived_by_months", MONTHS, marks=pytest.mark.full),
    ],
    ids=["half_year", "all"],
)


@pytest.fixture
def once(
    request: pytest.FixtureRequest, fixture: str, months: Sequence[Window], new_river: NewRiver
) -> River:
    """A copy of the months lived once in order, scored as of their end."""
    river = new_river(
        f"once_{request.function.__name__}_{len(months)}"[:60], like=request.getfixturevalue(fixture)
    )
    rescore(river, months)
    return river


@SHORT_AND_LONG
def test_the_other_way_round(once: River, months: Sequence[Window], new_river: NewRiver) -> None:
    river = new_river(f"backwards_{len(months)}")
    live(river, months[::-1])
    same_in_the_end(once, river, months)


@SHORT_AND_LONG
def test_arrived_out_of_order(once: River, months: Sequence[Window], new_river: NewRiver) -> None:
    """A backfill takes each month by itself, so records truly arrive late; live runs then release what it held."""
    river = new_river(f"backfilled_{len(months)}")
    for month in random.Random(34).sample(months, len(months)):
        river.run(month, run_type="backfill", mode="auto")
    assert set(places(river)) == {"held"}
    live(river, months)
    same_in_the_end(once, river, months)


@SHORT_AND_LONG
def test_twice_at_once(once: River, months: Sequence[Window], new_river: NewRiver) -> None:
    river = new_river(f"at_once_{len(months)}")
    url = river.engine.url.render_as_string(hide_password=False)
    river.engine.dispose()
    children = [
        forked(lambda engine, name=name: live(replace(river, engine=engine), months, name), url)
        for name in ("one", "other")
    ]
    assert [ended(child) for child in children] == [0, 0]
    same_in_the_end(once, river, months)


def same_in_the_end(once: River, other: River, months: Sequence[Window]) -> None:
    """The same leads, revisions, matches and scores as of the end; one place and at most one owner each."""
    rescore(other, months)
    same = {**KNOWLEDGE, **PROFILES, **TOTALS}
    assert differences(snapshot(once.engine, same), snapshot(other.engine, same)) == {}
    assert places(other).total() == places(once).total()
    assert set(places(other)) <= {"owned", "nurture"}
    assert len(owners(other)) == places(other)["owned"]
    healthy(other)


# --- reasons ------------------------------------------------------------------------------------------


def sampled(workspace: Workspace) -> set[str]:
    return set(random.Random(200).sample(sorted(workspace.leads), SAMPLED))


def test_what_decided_is_what_it_depends_on(lived: River, workspace: Workspace, new_river: NewRiver) -> None:
    """Made again from what was known before it a decision is the same; without what it names it is another.

    Where a lead follows its company and its turn would fall to that very rep as well, the way it was placed
    changes, and moving the company moves the lead.
    """
    river, texts, chosen = (
        new_river(f"reasons_{lived.engine.url.database}", like=lived),
        overlaid("reenactment"),
        sampled(workspace),
    )
    whole, followed = policy.parse(texts), 0
    with river.engine.connect() as connection:
        decisions = [d for d in deciding(connection) if d["external_id"] in chosen]
        assert len(decisions) == SAMPLED
        made = replay.replays(connection, [decision["decision_seq"] for decision in decisions])
        assert [(one.decision_seq, one.differences) for one in made if not one.identical] == []
        for decision in decisions:
            other = made_again(connection, policy.parse(without(texts, decision)), decision)
            assert placed(other) != placed(decision)
            if whereabouts(other) == whereabouts(decision):
                followed += 1
                follows_its_company(connection, whole, decision)
        connection.rollback()
    assert followed <= 0.15 * SAMPLED


def deciding(connection: sa.Connection) -> Iterator[Mapping[str, Any]]:
    """The decisions that put leads where they are, the last first."""
    query = """
        select d.*, l.external_id from place p join decision d using (decision_seq)
        join lead l on l.lead_id = d.lead_id order by decision_seq desc
    """
    return (dict(row) for row in connection.execute(sa.text(query)).mappings().all())


def made_again(
    connection: sa.Connection, under: policy.Policy, decision: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Where the lead goes under another policy, from what was there before the decision."""
    batch = batch_of(connection, decision["batch_id"])
    with connection.begin_nested() as savepoint:
        (made,) = decided_again(connection, under, batch, [decision["decision_seq"]])
        savepoint.rollback()
    found = made.decision
    return {"place": found.place, "team": found.team, "rep_id": found.rep, "rotation": found.rotation}


def placed(decision: Mapping[str, Any]) -> tuple[object, ...]:
    """Where a lead went, and by whose turn."""
    return *whereabouts(decision), decision["rotation"]


def whereabouts(decision: Mapping[str, Any]) -> tuple[object, ...]:
    return decision["place"], decision["team"], decision["rep_id"]


def without(texts: Mapping[str, str], decision: Mapping[str, Any]) -> Mapping[str, str]:
    """The policy without what the decision names: following the company, else the rule."""
    routing = yaml.safe_load(texts["routing"])
    if BY_COMPANY in decision["because"]:
        routing["sticky_company"] = False
    else:
        assert decision["rule"] is not None
        routing["rules"] = [rule for rule in routing["rules"] if rule["id"] != decision["rule"]]
    return {**texts, "routing": yaml.safe_dump(routing)}


def follows_its_company(connection: sa.Connection, whole: policy.Policy, decision: Mapping[str, Any]) -> None:
    """With the open leads of its company at another rep the lead goes to that rep."""
    assert BY_COMPANY in decision["because"]
    other = next(rep for rep in sorted(whole.teams.reps) if rep != decision["rep_id"])
    with connection.begin_nested() as savepoint:
        moved = "update assignment set rep_id = :other where rep_id = :rep and lead_id in (select lead_id from lead"
        company = "select company_key from lead where lead_id = :lead"
        account = "select account_id from lead where lead_id = :lead"
        connection.execute(
            sa.text(f"{moved} where company_key = ({company}) or account_id = ({account}))"),
            {"other": other, "rep": decision["rep_id"], "lead": decision["lead_id"]},
        )
        assert made_again(connection, whole, decision)["rep_id"] == other
        savepoint.rollback()


def test_points_are_those_of_the_files(lived: River, workspace: Workspace) -> None:
    """Every score of every lead, as of the windows in which it changed and as of the end, in plain Python."""
    model = (ZOHO / "scoring.yaml").read_text()
    rules, bounds = plain_rules(model), yaml.safe_load(model)["groups"]
    for row in rows(lived, _SCORES):
        points = workspace.contributions(row.external_id, row.as_of, rules)
        assert row.contributions == pytest.approx(points, rel=0, abs=1e-6), row.external_id
        check_groups(row, row.contributions, rules, bounds, 1e-9)
    stand = rows(lived, _STANDINGS)
    assert {row.external_id for row in stand} == set(workspace.leads)
    assert {row.as_of for row in stand} == {MONTHS[-1][1]}
    for row in stand:
        check_groups(row, workspace.contributions(row.external_id, row.as_of, rules), rules, bounds, 1e-5)


def check_groups(
    row: sa.Row[Any], points: Mapping[str, float], rules: Any, bounds: Any, within: float
) -> None:
    groups = {name: group_total(dict(points), rules, name, limits) for name, limits in bounds.items()}
    found = {name: row._mapping[name] for name in groups}
    assert found == pytest.approx({name: float(sum_) for name, sum_ in groups.items()}, rel=0, abs=within)
    assert row.score == shown(sum(groups.values(), Decimal(0)), disqualified=False)
