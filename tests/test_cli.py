"""The command line on data nobody expected, and on questions that have no answer."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from clearlane.cli import app

ODD = "[/b] [red] :100:"


@pytest.fixture
def clearlane(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", ledger_url)
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *words: CliRunner().invoke(app, list(words))


def test_found_values_are_shown_as_they_are(ledger_engine: sa.Engine, clearlane: Any) -> None:
    statements = (
        "insert into inbox (source, object, record_key, external_id, payload, state)"
        " values ('crm', 'leads', 'k', :odd, '{}', 'quarantined')",
        "insert into quarantine (seq, reasons, since) select seq, jsonb_build_array(jsonb_build_object('field',"
        " 'email', 'rule', 'valid', 'found', cast(:odd as text), 'allowed', 'an address')), now() from inbox",
    )
    with ledger_engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement), {"odd": ODD})
    told = clearlane("quarantine", "list")
    assert told.exit_code == 0, told.output
    assert told.output.count(ODD) == 3


@pytest.mark.parametrize("words", [("show", "7"), ("dismiss", "7", "--by", "ada", "--because", "spam")])
def test_a_record_that_is_not_there_is_a_sentence(clearlane: Any, words: tuple[str, ...]) -> None:
    told = clearlane("quarantine", *words)
    assert told.exit_code == 1
    assert isinstance(told.exception, SystemExit)
    assert "7" in told.output


def test_help_shows_the_commands_by_stage() -> None:
    told = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "120"}).output
    heads = [line.split()[1] for line in told.splitlines() if line.startswith("╭─")]
    assert heads[1:] == [
        *("Policy", "Ledger", "Connectors", "Quality", "Identity", "Enrich", "Score", "Route", "Push"),
        *("SLA", "Review", "Privacy", "Project"),
    ]
