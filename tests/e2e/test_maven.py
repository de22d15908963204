"""Thirty-five agents at three offices under six managers, and fifteen months of what they were asked for.

The policy lies in `maven/`; who sells where is read from the export, and so is all that is expected. Two busy
weeks are in `make test`, the fifteen months are marked `full`.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cached_property
from itertools import combinations, pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from tests.e2e.rivers import River

from clearlane import policy
from clearlane.ledger import connect, doctor, server
from clearlane.route import exceptions

POLICIES = Path(__file__).parents[2] / "include" / "policy"
OURS = Path(__file__).parent / "maven"
ZONES = {"Central": "America/Chicago", "East": "America/New_York", "West": "America/Los_Angeles"}
CAP = 8
HALF_TIME, ON_LEAVE = "Carl Lin", "Vicki Laflamme"
LEAVE = ("2017-07-17", "2017-07-21")
# Mondays at one (or noon) in New York: everybody is at work unless the day is a holiday.
MONDAYS = [datetime(2016, 10, 17, 17, tzinfo=UTC) + timedelta(weeks=n) for n in range(63)]
BUSY = [monday for monday in MONDAYS if datetime(2017, 7, 4, tzinfo=UTC) < monday][:3]
Line = Mapping[str, str]

_DECIDED = """
select l.external_id as deal, d.decision_seq, d.as_of, d.rule, d.place, d.team, d.rep_id, d.rotation, d.band,
       d.eligible, d.refused
from decision d join lead l using (lead_id) order by d.decision_seq
"""

_ACCOUNTS = """
select distinct l.external_id, a.external_id from lead l left join lateral (
    select account_id from lead_profile where lead_id = l.lead_id order by valid_from desc, profile_id desc limit 1
) p on true left join account_revision a on a.account_id = p.account_id
"""


@dataclass(frozen=True)
class Export:
    """The export as its files say it."""

    folder: Path

    def lines(self, name: str) -> Sequence[Line]:
        with (self.folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    @cached_property
    def agents(self) -> Sequence[Line]:
        return self.lines("sales_teams")

    @cached_property
    def offices(self) -> Mapping[str, Sequence[str]]:
        """Office -> its managers, in the order of the file."""
        managers = {line["manager"]: line["regional_office"] for line in self.agents}
        return {
            office: [name for name, of in managers.items() if of == office] for office in managers.values()
        }

    def of(self, column: str) -> Mapping[str, str]:
        """Rep id of each agent -> what a column of the file says of the agent."""
        return {slug(line["sales_agent"]): line[column] for line in self.agents}

    @cached_property
    def deals(self) -> Mapping[str, Line]:
        return {line["opportunity_id"]: line for line in self.lines("sales_pipeline")}

    def office(self, deal: str) -> str:
        return self.of("regional_office")[slug(self.deals[deal]["sales_agent"])]

    def engaged(self, first: datetime, until: datetime) -> set[str]:
        dated = {deal: line["engage_date"] for deal, line in self.deals.items() if line["engage_date"]}
        moments = {deal: datetime.fromisoformat(day).replace(tzinfo=UTC) for deal, day in dated.items()}
        return {deal for deal, moment in moments.items() if first <= moment < until}


def since(first: datetime, export: Export, folder: Path) -> Export:
    """The same export in another folder, as if nothing had been engaged before."""
    deals = export.lines("sales_pipeline")
    with (folder / "sales_pipeline.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(deals[0]))
        writer.writeheader()
        writer.writerows(
            deal for deal in deals if not deal["engage_date"] or deal["engage_date"] > f"{first:%Y-%m-%d}"
        )
    for name in ("accounts", "sales_teams"):
        (folder / f"{name}.csv").symlink_to(export.folder / f"{name}.csv")
    return Export(folder)


def policy_of(export: Export) -> Mapping[str, str]:
    """The policy of `maven/` with the export's people, of whom the file's first manager leads the sales."""
    texts = policy.texts(POLICIES, OURS)
    head = export.agents[0]["manager"]
    sla = {**yaml.safe_load(texts["sla"]), "head_of_sales": slug(head)}
    return {**texts, "teams": teams_of(export), "sla": yaml.safe_dump(sla)}


def slug(name: str) -> str:
    return name.lower().replace(" ", "_").replace("-", "_")


def teams_of(export: Export) -> str:
    """A teams.yaml of the export: a team for each manager, in the file's order, and one for each office."""
    agents, offices = export.agents, export.offices
    reps = [_rep(line["sales_agent"], line["regional_office"]) for line in agents]
    reps += [
        {**_rep(name, office), "role": "manager", "sells": False}
        for office in offices
        for name in offices[office]
    ]
    teams = [
        _team(f"{office.lower()}_{number}", manager, [a for a in agents if a["manager"] == manager])
        for office, named in offices.items()
        for number, manager in enumerate(named, 1)
    ]
    teams += [
        _team(office.lower(), named[0], [a for a in agents if a["regional_office"] == office])
        for office, named in offices.items()
    ]
    return yaml.safe_dump(
        {
            "schema": 1, "owner": "sales-operations", "approver": "head-of-sales",
            "hours": {"office": {"mon-fri": "09:00-17:30"}},
            "defaults": {"hours": "office", "caps": {"day": CAP}}, "reps": reps, "teams": teams,
        },
        sort_keys=False,
    )  # fmt: skip


def _rep(name: str, office: str) -> dict[str, object]:
    leave = {"first": LEAVE[0], "last": LEAVE[1], "because": "leave"}
    return {
        "id": slug(name), "name": name, "email": f"{slug(name)}@example.com", "role": "ae",
        "zone": ZONES[office], "holidays": "US", "time_off": [leave] if name == ON_LEAVE else [],
    }  # fmt: skip


def _team(name: str, manager: str, agents: Sequence[Line]) -> dict[str, object]:
    members = [slug(agent["sales_agent"]) for agent in agents]
    return {
        "id": name, "name": name, "manager": slug(manager), "queue_owner": slug(manager),
        "queue": name, "members": [{"rep": rep, "weight": weight(rep)} for rep in members],
    }  # fmt: skip


def weight(rep: str) -> float:
    return 0.5 if rep == slug(HALF_TIME) else 1.0


# --- the export, routed -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lived:
    """Some weeks of the export, routed on their Mondays."""

    river: River
    export: Export
    mondays: Sequence[datetime]

    def rows(self, query: str) -> Sequence[sa.Row[tuple[object, ...]]]:
        with self.river.engine.connect() as connection:
            return connection.execute(sa.text(query)).all()

    @cached_property
    def decided(self) -> Sequence[sa.Row[tuple[object, ...]]]:
        return self.rows(_DECIDED)


@pytest.fixture(
    scope="module",
    params=[pytest.param(BUSY, id="busy"), pytest.param(MONDAYS, id="all", marks=pytest.mark.full)],
)
def lived(
    request: pytest.FixtureRequest,
    ledger_server: server.Server,
    ledger_template: str,
    shared_data: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Lived]:
    if not (folder := shared_data / "crm_maven").is_dir():
        pytest.skip(f"no export at {folder}")
    export = since(request.param[0], Export(folder), tmp_path_factory.mktemp("maven"))
    name = f"maven_{len(request.param)}"
    ledger_server.create(name, ledger_template)
    river = River(connect(ledger_server.url(name)), secrets=lambda source: str(export.folder))
    river.publish(policy_of(export))
    for week in pairwise(request.param):
        river.run(week, mode="live")
    yield Lived(river, export, request.param)
    river.engine.dispose()
    ledger_server.drop(name)


def test_every_deal_has_one_place(lived: Lived) -> None:
    """Those with a day of engagement at a rep or with a manager, those without in quarantine."""
    asked = lived.export.engaged(lived.mondays[0], lived.mondays[-1])
    places = lived.rows("select l.external_id, p.place from lead l left join place p using (lead_id)")
    assert len(places) == len(asked) > 500
    assert {deal for deal, place in places if place in ("owned", "exceptions")} == asked
    refused = {row[0] for row in lived.rows("select external_id from inbox where state = 'quarantined'")}
    assert refused == {deal for deal, line in lived.export.deals.items() if not line["engage_date"]}
    with lived.river.engine.connect() as connection:
        findings = doctor.examine(connection)
    assert {finding.check.id: finding.offenders for finding in findings if finding.count} == {}


def test_a_deal_stays_at_its_office_and_with_its_series(lived: Lived) -> None:
    office, manager = lived.export.of("regional_office"), lived.export.of("manager")
    owned = [row for row in lived.decided if row.place == "owned"]
    assert {row.deal: office[row.rep_id] for row in owned} == {
        row.deal: lived.export.office(row.deal) for row in owned
    }
    for row in owned:
        first, second = lived.export.offices[lived.export.office(row.deal)]
        series = lived.export.deals[row.deal]["product"][:3]
        wanted = {"GTX": first, "MG ": second}.get(series, manager[row.rep_id])
        if manager[row.rep_id] != wanted:
            people = {rep for rep, of in manager.items() if of == wanted}
            assert people <= set(row.refused), "a colleague of the series was free"


def test_nobody_takes_more_than_the_cap_and_nobody_is_left_out(lived: Lived) -> None:
    taken = Counter((row.rep_id, row.as_of) for row in lived.decided if row.place == "owned")
    assert max(taken.values()) == CAP
    away = {
        (rep, at) for rep, at in taken if rep == slug(ON_LEAVE) and LEAVE[0] <= f"{at:%Y-%m-%d}" <= LEAVE[1]
    }
    assert away == set()
    assert {rep for rep, _ in taken} == set(lived.export.of("manager"))


def test_managers_get_what_nobody_could_take(lived: Lived) -> None:
    """A deal is with a manager only in a run in which all of the office are at their cap or on leave."""
    people: dict[str, set[str]] = defaultdict(set)
    for rep, office in lived.export.of("regional_office").items():
        people[office].add(rep)
    left = [row for row in lived.decided if row.place == "exceptions"]
    assert left
    for row in left:
        assert set(row.refused) == people[lived.export.office(row.deal)]
        assert {why for rep, why in row.refused.items() if rep != slug(ON_LEAVE)} == {
            f"day cap of {CAP} reached"
        }


def test_turns_are_fair_within_the_bound(lived: Lived) -> None:
    """Credits counted again in fractions: the lowest takes the turn, and nobody is more than a turn apart."""
    rotations: dict[tuple[str, str], list[tuple[str, frozenset[str]]]] = defaultdict(list)
    for row in lived.decided:
        if row.rotation:
            rotations[row.rotation, row.band].append((row.rep_id, frozenset(row.eligible)))
    assert len(rotations) > 20
    for picks in rotations.values():
        for credit in credits(picks):
            for one, other in combinations(credit, 2):
                assert abs(credit[one] - credit[other]) <= max(turn(one), turn(other))


def turn(rep: str) -> Fraction:
    return 1 / Fraction(weight(rep))


def credits(picks: Sequence[tuple[str, frozenset[str]]]) -> Iterator[Mapping[str, Fraction]]:
    """The credits of those who were free, after each pick."""
    credit: dict[str, Fraction] = {}
    level, present = Fraction(0), frozenset[str]()
    for rep, free in picks:
        level = min((credit[name] for name in free & present), default=level)
        credit |= {name: max(credit.get(name, level), level) for name in free - present}
        level = min(credit[name] for name in free)
        assert credit[rep] == level
        credit[rep] += turn(rep)
        present = free
        yield {name: credit[name] for name in free}


def test_a_deal_belongs_to_the_account_that_it_names(lived: Lived) -> None:
    """Of the accounts by name, those that deals call otherwise included; a deal without one has none."""
    names = {line["account"] for line in lived.export.lines("accounts")}
    found = dict(lived.rows(_ACCOUNTS))  # type: ignore[arg-type]
    asked = lived.export.engaged(lived.mondays[0], lived.mondays[-1])
    named = {deal: lived.export.deals[deal]["account"] or None for deal in asked}
    assert {name for name in named.values() if name} <= names
    assert {deal: found[deal] for deal in asked} == named


def test_exceptions_wait_for_the_manager_of_their_team(lived: Lived) -> None:
    offices = lived.export.offices
    managers = {
        f"{office.lower()}_{number}": slug(name)
        for office, named in offices.items()
        for number, name in enumerate(named, 1)
    }
    managers |= {office.lower(): slug(named[0]) for office, named in offices.items()}
    with lived.river.engine.connect() as connection:
        in_force = policy.stored(connection, policy.in_force(connection, lived.mondays[-1]))
        waiting = exceptions.listed(connection, in_force, lived.mondays[-1])
    assert waiting
    assert {one.team for one in waiting} <= managers.keys()
    assert [one for one in waiting if one.owner != managers[one.team]] == []
