"""Which policy is meant: the one in force, a folder, a stored version of a file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from clearlane import policy
from clearlane.ledger import connect
from clearlane.review import candidate
from clearlane.review.eras import by_roster, in_force

ROOT = Path(__file__).resolve().parents[2]
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
EDITED = BEGIN + timedelta(days=10)


@pytest.fixture
def connection(ledger_url: str, edited: Mapping[str, str]):
    engine = connect(ledger_url)
    with engine.begin() as opened:
        policy.publish(opened, ROOT / "include/policy", by="t", because="t")
        policy.publish(opened, edited, by="t", because="t", in_force_from=EDITED)
        yield opened
    engine.dispose()


@pytest.fixture
def edited() -> dict[str, str]:
    texts = dict(policy.texts(ROOT / "include/policy"))
    return {**texts, "routing": texts["routing"] + "\n# edited\n"}


def test_in_force_is_that_of_the_moment(connection: sa.Connection, edited: Mapping[str, str]):
    old = candidate(connection, "in_force", BEGIN)[1]
    name, new = candidate(connection, "in_force", EDITED)
    assert old.hashes["routing"] != new.hashes["routing"] == policy.hashes(edited)["routing"]
    assert name == "what is in force on 2026-03-12"


def test_a_folder_is_read(connection: sa.Connection):
    name, found = candidate(connection, str(ROOT / "include/policy"), EDITED)
    assert found.hashes == policy.load(ROOT / "include/policy").hashes
    assert name.endswith("include/policy")


def test_a_stored_version_stands_beside_what_is_in_force(connection: sa.Connection):
    version = policy.load(ROOT / "include/policy").hashes["routing"]
    name, found = candidate(connection, version[:10], EDITED)
    assert found.hashes == policy.load(ROOT / "include/policy").hashes
    assert name == f"routing.yaml {version[:12]}"


@pytest.mark.parametrize("named", ["nowhere", "0", "%"])
def test_what_is_not_there_is_named_with_what_is_allowed(connection: sa.Connection, named: str):
    with pytest.raises(LookupError, match=r"allowed: in_force, a folder, or the hash"):
        candidate(connection, named, EDITED)


def test_eras_are_what_was_in_force_and_cut_where_reps_come_and_go(connection: sa.Connection):
    eras = in_force(connection, BEGIN, EDITED + timedelta(days=1))
    assert [era.since for era in eras] == [BEGIN, EDITED]
    until = BEGIN + timedelta(days=600)
    cut = by_roster(eras, until)
    reps = eras[1].policy.teams.reps.values()
    days = {rep.active_from for rep in reps} | {rep.active_until for rep in reps if rep.active_until}
    assert {era.since for era in eras} <= {era.since for era in cut}
    assert [era.since for era in cut] == sorted(era.since for era in cut)
    inside = [day for day in days if day and EDITED.date() < day < until.date()]
    assert len(cut) >= 2 + len(set(inside))
