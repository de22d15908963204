"""Preparing makes what is missing, once, and keeps secrets to their owner."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from clearlane.ledger.server import Server
from clearlane_airflow import prepare, settings


@pytest.fixture
def missing_url(ledger_server: Server) -> Iterator[str]:
    yield ledger_server.url("not made yet")
    ledger_server.drop("not made yet")


def test_the_login_is_for_the_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "airflow" / "passwords.json"
    for password in ("first", "second"):
        prepare.write_login(file, password)
    assert json.loads(file.read_text()) == {"admin": "second"}
    assert file.stat().st_mode & 0o077 == 0


def test_a_missing_database_is_made_once(missing_url: str) -> None:
    for _ in range(2):
        prepare.create_where_missing(missing_url)
    assert asked(missing_url, "select current_database()") == "not made yet"


def test_the_policy_is_published_the_first_time_only(ledger_url: str, tmp_path: Path) -> None:
    prepare.publish_first(ledger_url, settings.ROOT / "include" / "policy")
    published = asked(ledger_url, "select count(*) from policy_in_force")
    assert isinstance(published, int)
    assert published > 0
    prepare.publish_first(ledger_url, tmp_path / "no such folder")
    assert asked(ledger_url, "select count(*) from policy_in_force") == published


def asked(url: str, query: str) -> object:
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            return connection.scalar(sa.text(query))
    finally:
        engine.dispose()
