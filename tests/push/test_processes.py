"""Several processes drain one outbox into one database, some are killed, people change owners meanwhile."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.e2e.processes import ended, forked, kill
from tests.push.conftest import NOON, TEAMS, Desk
from tests.push.worker import drain
from tests.waiting import until

from clearlane import push

LEADS = 300
CRM = """
create table leads (
    external_id text primary key, owner text, queue text, place text, team text, score integer, band text, grade text,
    stage text, because text, tier text, sla_due text, cover text);
create table audit (number bigserial, external_id text, field text, value text, by text);
create function audited() returns trigger language plpgsql as $$
begin
    if new.owner is distinct from old.owner then
        insert into audit (external_id, field, value, by)
        values (new.external_id, 'owner', new.owner,
                coalesce(nullif(current_setting('crm.by', true), ''), 'clearlane'));
    end if;
    if new.score is distinct from old.score then
        insert into audit (external_id, field, value, by) values (new.external_id, 'score', new.score, 'clearlane');
    end if;
    perform pg_sleep(0.002);  -- so that processes meet
    return new;
end $$;
create trigger audited before update on leads for each row execute function audited();
"""


@pytest.fixture
def crm(ledger_server: Any) -> Iterator[sa.Engine]:
    """A database of its own, with a table of leads and an audit of who changed what."""
    name = f"crm_{time.monotonic_ns()}"
    ledger_server.create(name)
    engine = sa.create_engine(ledger_server.url(name))
    with engine.begin() as connection:
        connection.exec_driver_sql(CRM)
        rows = [{"id": str(number)} for number in range(LEADS)]
        connection.execute(sa.text("insert into leads (external_id) values (:id)"), rows)
    yield engine
    engine.dispose()
    ledger_server.drop(name)


@pytest.fixture
def started(desk: Desk, crm: sa.Engine, ledger_url: str, tmp_path: Path) -> Iterator[Callable[[], int]]:
    """Forks a child that drains; whatever still runs at the end is killed."""
    url = crm.url.render_as_string(hide_password=False)
    sources = (
        "schema: 1\nowner: a\napprover: b\nsources:\n"
        f"  crm: {{connector: sql, address: {json.dumps(url)}, push: leads, objects: {{}},"
        " limits: {batch: 20, concurrent: 3, rate: 2000 per second, failures: 1000}}\n"
    )
    (tmp_path / "policy").mkdir()
    for name, text in (("teams", TEAMS), ("sources", sources)):
        (tmp_path / "policy" / f"{name}.yaml").write_text(text)
    running: list[int] = []

    def start() -> int:
        running.append(forked(lambda engine: drain(engine, tmp_path / "policy", NOON), ledger_url))
        return running[-1]

    yield start
    for child in running:
        with suppress(ProcessLookupError, ChildProcessError):
            kill(child)


def test_two_processes_one_killed_and_people_who_change_owners(desk, crm, started):
    owners = {str(number): "ada" if number % 2 else "bob" for number in range(LEADS)}
    owe(desk, "one", owners)
    chosen = [str(number) for number in range(0, 100, 2)]
    first, second = started(), started()
    written(crm, 20)
    person(crm, chosen)
    owe(desk, "two", {record: "bob" if owner == "ada" else "ada" for record, owner in owners.items()})
    assert kill(first) == -signal.SIGKILL
    third = started()
    assert [ended(child) for child in (second, third)] == [0, 0]

    names = {"ada": "U1", "bob": "bob@vendor.example"}
    with crm.connect() as connection:
        held = {one.external_id: one.owner for one in connection.execute(sa.text("select * from leads"))}
        scores = connection.execute(sa.text("select distinct score from leads")).scalars().all()
        by_us = connection.execute(
            sa.text(
                "select external_id, count(*) from audit where field = 'owner' and by = 'clearlane' group by 1"
            )
        ).all()
    assert {record: held[record] for record in chosen} == {record: f"person {record}" for record in chosen}
    wanted = {record: names["bob" if owner == "ada" else "ada"] for record, owner in owners.items()}
    assert {record: owner for record, owner in held.items() if record not in chosen} == {
        record: owner for record, owner in wanted.items() if record not in chosen
    }
    assert scores == [80]
    assert max(count for _, count in by_us) <= 2, "each of the two decisions took effect once at most"
    told = desk_rows(
        desk, "select detail ->> 'external_id' as record from routing_event where kind = 'override'"
    )
    assert sorted({row["record"] for row in told}, key=int) == chosen
    assert {row["state"] for row in desk.outbox()} <= {"sent", "superseded"}


def owe(desk: Desk, run: str, owners: dict[str, str]) -> None:
    batch = desk.batch(run)
    for record, rep in owners.items():
        desk.decide(batch, "crm", record, rep)
    with desk.engine.begin() as connection:
        push.owe(connection, desk.policy, batch)


def desk_rows(desk: Desk, statement: str) -> list[Any]:
    with desk.engine.connect() as connection:
        return list(connection.execute(sa.text(statement)).mappings())


def written(crm: sa.Engine, count: int) -> None:
    """Wait until so many owners were written."""

    def there() -> bool:
        with crm.connect() as connection:
            return connection.execute(sa.text("select count(*) from audit")).scalar_one() >= count

    until(there)


def person(crm: sa.Engine, records: list[str]) -> None:
    """Somebody gives these leads to colleagues, one by one."""
    for record in records:
        with crm.begin() as connection:
            connection.execute(sa.text("set local crm.by = 'person'"))
            change = "update leads set owner = 'person ' || external_id where external_id = :record"
            connection.execute(sa.text(change), {"record": record})
