"""A provider that is down or slow: leads are routed on what is known, and again when its answer is there."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.connectors.local_server import Asked, Local, Reply, serving
from tests.e2e.exports import LEADS, files, policy_reading
from tests.e2e.rivers import River
from typer.testing import CliRunner

from clearlane import policy, steps
from clearlane.cli import app
from clearlane.score import gaps

COOL = 25  # points from which on the default policy calls a lead cool
NOON = datetime(2026, 11, 17, 12, tzinfo=UTC)  # a Tuesday
ACTIVITY = {"lead_id": "Lead", "type": "Type", "occurred_at": "At"}
OFFLINE = ("lead", "account", "mail_domain", "job_title", "phone_country", "domain_country", "zone")
FIRMS = {
    "kind": "json",
    "json": {
        "path": "/firms/{domain}",
        "attributes": {
            "employees": {"at": "employees", "type": "number"}, "industry": "industry", "seniority": "rank",
        },
    },
}  # fmt: skip
PEOPLE = """Id,At,Email,Company,Title,Country
ada,2026-11-17T11:59:00Z,ada@forge.example,Acme Forge,,US
bob,2026-11-17T11:59:30Z,bob@anvil.example,Anvil,VP Sales,US
"""
ACTIVITIES = """Lead,Type,At
bob,demo_request,2026-11-17T11:59:30Z
ada,pricing_page_view,2026-11-17T11:59:40Z
"""


FORGE = {"employees": 300, "industry": "software", "rank": "vp"}


@dataclass
class Register:
    down: bool = True
    hangs: bool = False
    knows: set[str] | None = None
    local: Local | None = None
    asked: list[str] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Reply:
        self.asked.append(asked.path)
        if self.hangs and self.local:
            return self.local.hang()
        if self.knows is not None and asked.path not in self.knows:
            return Reply({}, status=404)
        return Reply({}, status=500) if self.down else Reply(FORGE)


@pytest.fixture
def register() -> Iterator[Register]:
    made = Register()
    with serving(made) as local:
        made.local = local
        yield made


@pytest.fixture
def within() -> tuple[str, str]:
    """The deadline of a run, and how long one request may take."""
    return "2 minutes", "1 minute"


@pytest.fixture
def river(ledger_engine: sa.Engine, register: Register, tmp_path: Path, within: tuple[str, str]) -> River:
    (tmp_path / "leads.csv").write_text(PEOPLE)
    (tmp_path / "activities.csv").write_text(ACTIVITIES)
    assert register.local
    made = River(ledger_engine, {"firms": register.local.address}.__getitem__)
    enrichment = {"deadline": within[0], "providers": {"firms": {**FIRMS, "timeout": within[1]}}}
    more = {"precedence": {"*": [*OFFLINE, "firms"]}, "enrichment": enrichment}
    made.publish(policy_reading(more, crm=files(tmp_path, leads=LEADS, activities=ACTIVITY)))
    return made


def stands(river: River, lead: str) -> Any:
    query = """
    select place, band, standing.score, standing.fit, rep_id,
           (select count(*) from decision d where d.lead_id = l.lead_id and d.mode = 'live') as decisions
    from lead l join place using (lead_id) join standing using (lead_id)
    where external_id = :lead
    """
    with river.engine.connect() as connection:
        return connection.execute(sa.text(query), {"lead": lead}).one()


def run(river: River, minutes: int) -> Any:
    moment = NOON + timedelta(minutes=minutes)
    batch = river.open(None, run_id=f"run {minutes}", as_of=moment)
    return steps.river(river.engine, batch, moment, river.secrets)


def test_leads_are_routed_on_what_is_known_and_again_when_the_answer_is_there(
    river: River, register: Register
) -> None:
    run(river, 0)
    ada, bob = stands(river, "ada"), stands(river, "bob")
    assert (ada.place, bob.place, bob.decisions) == ("nurture", "owned", 1)
    register.down = False
    run(river, 60)
    later, same = stands(river, "ada"), stands(river, "bob")
    assert (later.place, later.decisions) == ("owned", 2), (ada, later)
    assert later.fit > ada.fit
    assert (same.place, same.rep_id, same.decisions) == (
        "owned",
        bob.rep_id,
        1,
    )  # an owner is never taken away
    assert same.score > bob.score
    asked = len(register.asked)
    run(river, 120)
    assert (len(register.asked), stands(river, "ada")) == (asked, later)


@pytest.mark.parametrize("within", [("4 seconds", "2.1 seconds")])
def test_a_provider_that_never_answers_does_not_hold_up_who_raised_a_hand(
    river: River, register: Register
) -> None:
    register.hangs = True
    begun = time.monotonic()
    run(river, 0)
    taken = time.monotonic() - begun
    bob = stands(river, "bob")
    assert (bob.place, bob.decisions, len(register.asked)) == ("owned", 1, 2)
    register.hangs = False
    begun = time.monotonic()
    run(river, 1)
    # the deadline, and what a busy machine adds; it hangs for 600
    assert taken < time.monotonic() - begun + 4 + 60


def test_what_rules_ask_for_and_leads_lack_is_shown_with_its_worth(
    river: River, register: Register, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run(river, 0)
    lacking = {one.attribute: one for one in told(river)}
    employees = lacking["employees"]
    assert (employees.leads, employees.missing, employees.average, employees.worth) == (2, 2, None, 0)
    title = lacking["seniority"]  # of ada, who gave no title
    assert (title.missing, title.most) == (1, points(river, "bob", title.rules))
    assert title.in_reach == (stands(river, "ada").score + title.most >= COOL)
    register.down = False
    register.knows = {"/firms/anvil.example"}
    run(river, 60)
    lacking = {one.attribute: one for one in told(river)}
    known = lacking["employees"]
    assert (known.missing, known.most) == (1, points(river, "bob", known.rules))
    assert known.worth == known.average == known.most > 0
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", river.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("COLUMNS", "200")
    said = CliRunner().invoke(app, ["enrichment", "gaps", "--page", str(tmp_path / "gaps.html"), "--json"])
    assert said.exit_code == 0, said.output
    [one] = [one for one in json.loads(said.output) if one["attribute"] == "employees"]
    assert (one["missing"], one["worth"]) == (1, known.worth)
    page = (tmp_path / "gaps.html").read_text(encoding="utf-8")
    assert "employees" in page
    assert "firms" in page
    assert not any(hidden in page for hidden in ("ada", "bob@", "forge"))
    shown = CliRunner().invoke(app, ["enrichment", "status"])
    assert (shown.exit_code, "firms" in shown.output) == (0, True)
    assert CliRunner().invoke(app, ["enrichment", "gaps"]).exit_code == 0


def told(river: River) -> Any:
    with river.engine.connect() as connection:
        scoring = policy.stored(connection, policy.in_force(connection, NOON)).scoring
        return gaps.gaps(connection, scoring, NOON + timedelta(hours=2))


def points(river: River, lead: str, rules: Any) -> float:
    query = """
    select contributions from standing join lead l using (lead_id) join score using (score_id) where external_id = :lead
    """
    with river.engine.connect() as connection:
        found = connection.execute(sa.text(query), {"lead": lead}).scalar_one()
    return sum(found.get(rule, 0) for rule in rules)
