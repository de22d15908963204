"""A copy of a real BottleCRM for each test, and a river that reads it and writes to it."""

from __future__ import annotations

import fcntl
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.crm import server
from tests.e2e.rivers import River

from clearlane import policy
from clearlane.ledger import connect
from clearlane.ledger import server as postgres

POLICIES = server.ROOT / "include" / "policy"
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith("tests/crm/"):
            item.add_marker(pytest.mark.crm)


@pytest.fixture(scope="session")
def crm_database() -> Iterator[postgres.Server]:
    if why := server.missing():
        pytest.skip(why)
    server.HOME.mkdir(exist_ok=True)
    with (server.HOME / "session.lock").open(
        "w"
    ) as lock:  # who comes second waits: the server is stopped in the end
        fcntl.flock(lock, fcntl.LOCK_EX)
        started = server.database()
        yield started
        started.stop()


@pytest.fixture
def crm(crm_database: postgres.Server, tmp_path: Path) -> Iterator[server.Crm]:
    """A running CRM of this test alone."""
    name = f"crm_{next(_numbers)}"
    crm_database.drop(name)
    crm_database.create(name, server.TEMPLATE)
    made = server.Crm(crm_database, name, server.people(), tmp_path / "crm")
    made.start()
    yield made
    made.kill()
    crm_database.drop(name)


@pytest.fixture
def river(ledger_url: str, crm: server.Crm) -> Iterator[River]:
    """A ledger whose policy reads the CRM; five members take turns at all hours."""
    engine = connect(ledger_url)
    made = River(engine, secrets=lambda name: address(crm.address, crm.people))
    made.publish(texts(crm.people))
    yield made
    engine.dispose()


def address(at: str, people: server.People) -> str:
    """The connection `bottlecrm`: a host, and the machine's token as its password."""
    return at.replace("//", f"//:{people.tokens['machine']}@")


def texts(people: server.People) -> dict[str, str]:
    read = {path.stem: path.read_text(encoding="utf-8") for path in POLICIES.glob("*.yaml")}
    read["sources"] = (POLICIES / "overlays" / "bottlecrm" / "sources.yaml").read_text(encoding="utf-8")
    zones = {f"user{number}": ("UTC", "Asia/Tokyo")[number % 2] for number in range(1, 6)}
    told = [
        f"  - {{id: {rep}, name: {rep}, email: {people.emails[rep]}, role: ae, zone: {zone}}}"
        for rep, zone in zones.items()
    ]
    read["sla"] = read["sla"].replace("head_of_sales: irene_clay", "head_of_sales: user1")
    return {**read, "routing": ROUTING, "teams": TEAMS.format(reps="\n".join(told), members=", ".join(zones))}


TEAMS = """
schema: 1
owner: a
approver: b
hours: {{always: {{mon-sun: "00:00-23:59"}}}}
defaults: {{hours: always, caps: {{day: 5000, open: 5000}}}}
reps:
{reps}
teams:
  - {{id: sales, name: Sales, members: [{members}]}}
"""
ROUTING = """
schema: 1
owner: a
approver: b
rules:
  - {id: all, because: "All of them are called", when: "true", send_to: [{team: sales}], tier: warm}
fallback: [exceptions]
"""


def asked(river: River, query: str, **bound: object) -> list[tuple[object, ...]]:
    with river.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query), bound)]


__all__ = ["address", "asked", "policy", "texts"]
