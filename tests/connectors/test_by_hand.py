"""What an administrator has to make by hand is said field by field, until all is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from clearlane.cli import app
from clearlane.connectors import CONNECTORS, Instructs
from clearlane.policy.model import PUSHED, Source

from . import freshsales_server, insightly_server, salesforce_server
from .conftest import Serve
from .local_server import Clock

Fields = dict[str, str]


def instructed(name: str, address: str, clock: Clock, **push_fields: str) -> list[str]:
    source = Source("crm", name, "connection:crm", {}, push="clearlane", push_fields=push_fields)
    connector = CONNECTORS[name](source, lambda _: address, wait=clock.wait)  # type: ignore[call-arg]
    assert isinstance(connector, Instructs)
    return list(connector.instructions())


def fields(steps: list[str]) -> Fields:
    return dict(step.strip().split(": ", 1) for step in steps if step.startswith("  "))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "server", "key", "theirs", "number", "moment"),
    [
        (
            "freshsales", freshsales_server.Crm, freshsales_server.KEY, "cf_clearlane_{}", "number",
            "text field: a moment with its zone",
        ),
        (
            "insightly", insightly_server.Instance, insightly_server.KEY, "clearlane_{}__c", "Number",
            "Text: a moment with its zone",
        ),
    ],
    ids=["freshsales", "insightly"],
)  # fmt: skip
def test_each_missing_field_is_named_with_its_kind(
    serve: Serve, clock: Clock, name: str, server: Any, key: str, theirs: str, number: str, moment: str
) -> None:
    fake = server()
    fake.fields = {theirs.format(one) for one in PUSHED if one not in ("score", "sla_due", "because")}
    login = f"{key}@" if name == "insightly" else f":{key}@"
    address = serve(fake).address.replace("//", f"//{login}") + ("/crm/sales" if name == "freshsales" else "")
    first, *told = instructed(name, address, clock)
    assert first.endswith(":")
    found = fields(told)
    assert set(found) == {theirs.format(one) for one in ("score", "sla_due", "because")}
    assert (found[theirs.format("score")], found[theirs.format("sla_due")]) == (number, moment)
    fake.fields |= set(found)
    assert instructed(name, address, clock) == []


@pytest.fixture
def org() -> salesforce_server.Org:
    return salesforce_server.Org()


PUSH = {
    "owner": "OwnerId", "queue": "OwnerId", "score": "Clearlane_score__c", "sla_due": "Sla_due__c",
    "because": "Why__c", "band": "Clearlane_band__c",
}  # fmt: skip


def test_salesforce_tells_fields_rights_and_queues(
    serve: Serve, clock: Clock, org: salesforce_server.Org
) -> None:
    org.fields["Lead"]["Clearlane_band__c"]["updateable"] = False
    address = serve(org).address.replace("//", "//:00D!first@")
    where, *told = instructed("salesforce", address, clock, **PUSH)
    assert where.startswith("Setup, Object Manager, Lead, Fields & Relationships: make these fields")
    assert fields(told) == {"Sla_due__c": "Date/Time", "Why__c": "Long Text Area"}
    assert told[-2:] == [
        "Setup, Permission Sets, that of this user: edit access to Clearlane_band__c",
        "Setup, Queues: make queues for Lead named pool, nurture, held, disqualified, exceptions, redirected",
    ]
    assert "Partner" not in str(told)


def test_the_command_says_what_is_left_and_ends_with_yes_or_no(
    serve: Serve, tmp_path: Path, org: salesforce_server.Org
) -> None:
    local = serve(org)
    (tmp_path / "sources.yaml").write_text(
        "schema: 1\nowner: x\napprover: x\nsources:\n  crm:\n    connector: salesforce\n    address: connection:crm\n"
        "    push: Clearlane\n    push_fields: {owner: OwnerId, score: Clearlane_score__c, sla_due: Sla_due__c}\n"
        "    objects:\n      leads: {read: Lead, fields: {id: Id}}\n"
    )
    connection = json.dumps({"conn_type": "http", "host": local.address, "password": "00D!first"})
    command = ["connector", "prepare", "crm", "--policy", str(tmp_path)]

    def prepared() -> tuple[int, str]:
        done = CliRunner().invoke(app, command, env={"AIRFLOW_CONN_CRM": connection})
        return done.exit_code, done.output

    code, said = prepared()
    assert (code, said.splitlines()[1:]) == (1, ["  Sla_due__c: Date/Time"])
    org.fields["Lead"] |= salesforce_server.described("Sla_due__c")
    assert prepared() == (0, "all fields are there\n")
