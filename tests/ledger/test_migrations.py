"""The migrations and the models say the same, and personal columns are marked from the first one on."""

import re
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy.dialects.postgresql import JSONB
from typer.testing import CliRunner

from clearlane import steps
from clearlane.cli import app
from clearlane.ledger import NotMigrated, connect, migrate, require_migrated
from clearlane.ledger.database import MIGRATIONS
from clearlane.ledger.models import metadata


def alembic_of(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def test_migrations_make_what_the_models_say(ledger_url):
    engine = connect(ledger_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_migrating_twice_is_migrating_once(ledger_url):
    migrate(ledger_url)
    migrate(ledger_url)


def test_migrations_go_back_to_nothing(ledger_server):
    ledger_server.create("there_and_back")
    url = ledger_server.url("there_and_back")
    migrate(url)
    engine = connect(url)
    with engine.begin() as connection:
        command.downgrade(alembic_of(connection), "base")
    assert sa.inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()
    ledger_server.drop("there_and_back")


def test_a_ledger_that_was_not_migrated_says_so(ledger_server, monkeypatch):
    ledger_server.create("older")
    url = ledger_server.url("older")
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", url)
    engine = connect(url)
    told = []
    for revision in (None, "0024", "head"):
        if revision:
            migrate(url, revision)
        told.append(CliRunner().invoke(app, ["report"]))
    assert told[0].output == "this database holds no ledger yet: run `clearlane migrate`\n"
    assert re.fullmatch(
        r"the ledger is at migration 0024, this release needs 00\d\d: run `clearlane migrate`\n",
        told[1].output,
    )
    assert [one.exit_code for one in told] == [2, 2, 0]
    with engine.begin() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
        require_migrated(connection)
        connection.exec_driver_sql("update alembic_version set version_num = '0024'")
    with pytest.raises(NotMigrated, match="0024"):
        steps.open_batch(engine, as_of=datetime(2026, 3, 1, tzinfo=UTC))
    engine.dispose()
    ledger_server.drop("older")


def test_parents_that_were_attributes_move_to_their_column_and_back(ledger_engine):
    with ledger_engine.connect() as connection:
        connection.exec_driver_sql(
            "insert into inbox (source, object, record_key, payload) values ('crm', 'accounts', 'a', '{}')"
        )
        connection.exec_driver_sql(
            "insert into account_revision (account_id, source, external_id, valid_from, content_hash, attributes,"
            " parent_external_id, seq)"
            " select gen_random_uuid(), 'crm', 'a', now(), '1', '{\"x\": 1}', 'b', seq from inbox"
        )
        config = alembic_of(connection)
        command.downgrade(config, "0005")
        read = "select attributes from account_revision"
        assert connection.exec_driver_sql(read).scalar_one() == {"x": 1, "parent": "b"}
        command.upgrade(config, "head")
        row = connection.exec_driver_sql("select attributes, parent_external_id from account_revision").one()
        assert tuple(row) == ({"x": 1}, "b")


def test_names_that_were_weighed_before_are_taken_apart(ledger_engine):
    evidence = (
        '[[8.5, "same", "zimbro", "zimbro"], [-2.6, "only the lead", "spain", ""], [0.4, "same legal form"]]'
    )
    with ledger_engine.connect() as connection:
        config = alembic_of(connection)
        command.downgrade(config, "0026")
        connection.exec_driver_sql(
            "insert into alike values ('zimbro spain', 'zimbro', 5.2, %s), ('x', 'y', 4, '[]')", (evidence,)
        )
        command.upgrade(config, "head")
        rows = connection.exec_driver_sql("select weight, forms, ceiling from alike order by company").all()
    assert [tuple(round(one, 6) for one in row if one is not None) for row in rows] == [
        (4.0, 0.0),
        (5.9, 0.4, 1.9),
    ]


def test_what_can_hold_a_name_or_an_address_is_marked_personal():
    holding = {
        "inbox.payload", "inbox.record", "quarantine.reasons", "lead_revision.attributes", "lead_key.value",
        "lead_profile.attributes", "contact_revision.email", "contact_revision.phone", "owner.email",
        "activity.attributes", "suppression.value", "outbox.fields", "roster.content", "enrichment.attributes",
    }  # fmt: skip
    marked = {
        f"{c.table.name}.{c.name}"
        for t in metadata.sorted_tables
        for c in t.columns
        if c.info.get("personal")
    }
    assert holding <= marked


def test_no_reason_or_trace_may_hold_personal_values():
    reasons = [c for t in metadata.sorted_tables for c in t.columns if c.name == "because"]
    assert reasons
    assert not any(c.info.get("personal") for c in reasons)


IMPERSONAL = {
    "batch.sources", "batch.policy", "lead_profile.provenance", "score.contributions", "score.account",
    "results.content", "decision.policy", "decision.refused", "routing_event.detail",
    "sla_event.detail", "account_revision.attributes",
    "opportunity_revision.attributes", "weight_review.changes", "weight_review.bounds", "weight_review.figures",
    "weight_review.reasons", "erasure.counts", "quality_profile.shape", "joining_effect.before", "joining_effect.after",
    "person_alike.evidence",
}  # fmt: skip


def test_what_can_hold_anything_is_marked_personal_or_known_not_to_be():
    anything = {c for t in metadata.sorted_tables for c in t.columns if isinstance(c.type, JSONB)}
    unmarked = {f"{c.table.name}.{c.name}" for c in anything if not c.info.get("personal")}
    assert unmarked == IMPERSONAL


# Codes, hashes, ids and names of things; reasons, which may hold no personal values; ids that a source gave out.
_WORDS = """
    account_rule account_external_id asked_key band band_before because bucket cause code_version company_key condition
    contact_external_id content content_hash country cover_rep_id current_hash dag_id disqualified domain
    ended_because error external_id field file final_text fingerprint grade hash idempotency_key key key_id kind
    kind_rule lead_external_id mode model name_key note object owner_external_id parent_external_id paused_because
    person place policy_hash position probability_because proposed_text provider published_hash reason refusal relation
    rep_id report results_id roster_id rotation rule run_id run_type runner_up scope secret side source stage
    stage_before state status team tier to_rep_id token_hash type urgency verdict answer allowed message_id predictive
    record_key
"""
IMPERSONAL_TEXT = frozenset(_WORDS.split())
# These say the same elsewhere of people.
IMPERSONAL_NAMES = {"account_revision.name", "assignment.by", "policy_file.name", "policy_in_force.name"}


def test_a_text_is_marked_personal_or_by_its_name_known_not_to_be():
    texts = {c for t in metadata.sorted_tables for c in t.columns if isinstance(c.type, sa.Text)}
    unmarked = {c for c in texts if not c.info.get("personal") and c.name not in IMPERSONAL_TEXT}
    assert {f"{c.table.name}.{c.name}" for c in unmarked} == IMPERSONAL_NAMES
    assert {c.name for c in texts} >= IMPERSONAL_TEXT
