"""A mail is owed once for its key, whoever asks and however often; who has no address is kept and seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine
from tests.route.conftest import simple
from tests.route.firms import MONDAY_NOON

from clearlane.sla import mails
from clearlane.sla.mails import Mail

ONE = Mail("warn:1:ana", "warn", "ana", "soon", MONDAY_NOON, facts={"because": "late"})


def owe(engine: Engine, *owed: Mail) -> int:
    with engine.begin() as connection:
        return mails.owe(connection, simple(), owed)


def rows(engine: Engine) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [
            dict(row) for row in connection.execute(sa.text("select * from mail order by mail_id")).mappings()
        ]


def test_a_mail_is_owed_once_for_its_key(ledger_engine: Engine) -> None:
    other = replace(ONE, key="warn:1:ben", person="ben")
    assert owe(ledger_engine, ONE, ONE) == 1
    assert owe(ledger_engine, replace(ONE, facts={"because": "later"}), other) == 1
    assert [(row["key"], row["address"], row["state"]) for row in rows(ledger_engine)] == [
        ("warn:1:ana", "ana@clearlane.example", "owed"),
        ("warn:1:ben", "ben@clearlane.example", "owed"),
    ]
    assert rows(ledger_engine)[0]["facts"] == {"because": "late"}


def test_nobody_and_nothing_are_owed_nothing(ledger_engine: Engine) -> None:
    assert owe(ledger_engine) == 0
    assert owe(ledger_engine, replace(ONE, key="a", person="gone")) == 1
    assert owe(ledger_engine, replace(ONE, key="b", person="marketing", address="m@clearlane.example")) == 1
    assert [row["address"] for row in rows(ledger_engine)] == ["", "m@clearlane.example"]


def test_a_kind_without_a_template_is_refused(ledger_engine: Engine) -> None:
    with pytest.raises(ValueError, match="'wram' is no kind of mail; there are notice, warn"):
        owe(ledger_engine, replace(ONE, kind="wram"))  # type: ignore[arg-type]
    assert rows(ledger_engine) == []
