"""`clearlane connector test`: what a new user sees of a source, and what nobody sees."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from clearlane import policy
from clearlane.cli import app
from clearlane.connectors import Interval, SourceFailed
from clearlane.connectors.files import Files
from clearlane.connectors.trial import tried
from clearlane.policy.model import ObjectMapping

from .conftest import Serve, mapping, moment, no_secret, source
from .hubspot_server import TOKEN, HubSpotServer
from .local_server import Asked, Local, Reply

NOW = moment("2026-01-31")
HEADER = "Id,Mail,Changed,Shoe\n"
NO_MOMENT = "are no moment, written as 99. aaaaaa 9999: `time_formats` says how to read them"
FIELDS = {"id": "Id", "email": "Mail", "updated_at": "Changed"}


@pytest.fixture
def told(tmp_path: Path) -> Callable[..., list[tuple[bool | None, str]]]:
    """Write a file, try it: [(good, what is said)]."""

    def told(content: str, **options: Any) -> list[tuple[bool | None, str]]:
        (tmp_path / "leads.csv").write_text(content)
        wanted = mapping("leads.csv", **{"fields": FIELDS, "cursor": "updated_at"} | options)
        described = source(tmp_path, wanted)
        return [(one.good, one.said) for one in tried(Files(described, no_secret), described, NOW)]

    return told


def test_a_page_that_fits(told: Any) -> None:
    assert told(HEADER + "1,a@x.com,2026-01-30,44\n2,,2026-01-30,44\n") == [
        (True, "2 records of the last 30 days on the first page; filled: id 2, email 1, updated_at 2"),
        (None, "not mapped, become attributes: Shoe"),
    ]


def test_what_does_not_fit_is_said_without_a_value(told: Any) -> None:
    found = told(HEADER + ",a@x.com,30. Jänner 2026,1\n2,,,1\n", drop=("Shoe",))
    assert found[1:] == [
        (False, "1 of 2 records have no id: `fields: id` names its column"),
        (False, f"1 of 2 values of updated_at {NO_MOMENT}"),
        (None, "1 of 2 records have no updated_at: they always count as new"),
    ]  # fmt: skip
    assert "a@x.com" not in str(found)
    assert told(HEADER + '1,a@x.com,"2026\n')[0][0] is False


def test_columns_that_are_nowhere_and_objects_without_a_cursor(told: Any) -> None:
    found = told(HEADER + "1,a,2026-01-30,1\n", fields=FIELDS | {"phone": "Fon"}, cursor=None, extras=False)
    assert found[1:] == [
        (None, "in no record of the page: Fon"),
        (None, "not mapped, are left out (`extras: false`): Shoe"),
        (None, "without a `cursor` all is read each time"),
    ]


def test_records_that_were_not_asked_for(told: Any) -> None:
    assert (
        None,
        "not of the days asked for: 1 of them; each run reads such records and leaves them",
    ) in told(HEADER + "1,a,2020-01-30,1\n2,a,2026-01-30,1\n")


def test_an_empty_object_is_a_note_and_a_missing_file_is_wrong(told: Any, tmp_path: Path) -> None:
    assert told(HEADER) == [(None, "no record")]
    wanted = mapping("other.csv")
    described = source(tmp_path, wanted)
    (one,) = tried(Files(described, no_secret), described, NOW)
    assert (one.good, one.said) == (False, "source crm: there is no file other.csv")


def test_only_one_page_is_read(tmp_path: Path) -> None:
    class Endless:
        read_pages = 0

        def read(self, object: ObjectMapping, interval: Interval) -> Any:
            for _ in range(5):
                self.read_pages += 1
                if interval.start is None:
                    yield from Files(described, no_secret).read(object, interval)

        write: Any = None

    (tmp_path / "leads.csv").write_text(HEADER + "1,a,2026-01-30,1\n")
    described, connector = (
        source(tmp_path, mapping("leads.csv", fields=FIELDS, cursor="updated_at")),
        Endless(),
    )
    assert "1 record of all times on" in next(iter(tried(connector, described, NOW))).said
    assert connector.read_pages == 6


@pytest.mark.parametrize(
    ("content", "push", "good", "said"),
    [
        ("U1,x\nU2,BO@x.com\n", None, True, "all 2 reps of teams.yaml are known here"),
        (
            "U1,x\n",
            None,
            None,
            "1 of 2 reps of teams.yaml are nobody here: bo; `known_as` says what they are called",
        ),
        (
            "U2,ana@x.com\n",
            "out",
            False,
            "2 of 2 reps of teams.yaml are nobody here: ana, bo; `known_as` says",
        ),
    ],
)
def test_reps_whom_the_source_does_not_know(
    tmp_path: Path, content: str, push: str | None, good: bool | None, said: str
) -> None:
    (tmp_path / "users.csv").write_text("Id,Mail\n" + content)
    described = source(
        tmp_path, mapping("users.csv", "reps", fields={"id": "Id", "email": "Mail"}), push=push
    )
    reps = [{"id": "ana", "known_as": {"crm": ["u1"]}}, {"id": "bo"}]
    head = (
        "schema: 1\nowner: a\napprover: b\nhours: {all: {mon-sun: '00:00-23:59'}}\ndefaults: {hours: all}\n"
    )
    common = {"role": "sdr", "zone": "UTC"}
    people = [{"name": rep["id"], "email": f"{rep['id']}@x.com", **common, **rep} for rep in reps]
    teams = policy.parse({"teams": f"{head}reps: {json.dumps(people)}"}).teams
    found = list(tried(Files(described, no_secret), described, NOW, teams))[-1]
    assert found.good is good
    assert found.said.startswith(said)


# --- the command ----------------------------------------------------------------------------------

YAML = """
schema: 1
owner: data
approver: revops
sources:
  acme:
    connector: rest
    address: connection:acme_crm
    objects:
      leads: {{read: leads, cursor: updated_at, fields: {{id: id, email: email, updated_at: updated}}}}
    rest:
      auth: {{by: bearer}}
      check: /me
      reads:
        leads: {{path: {path}, records: data}}
"""


def answer(asked: Asked) -> Reply:
    if asked.headers["Authorization"] != "Bearer s3cret":
        return Reply({"error": "s3cret ann@x.com"}, status=401)
    limits = {"X-RateLimit-Limit": "100"}
    lead = {"id": 1, "email": "ann@x.com", "updated": "2026-01-30T00:00:00Z"}
    return Reply({"data": [lead]} if asked.path == "/leads" else {}, headers=limits)


def run(tmp_path: Path, *arguments: str, path: str = "/leads", **environment: str) -> Result:
    (tmp_path / "sources.yaml").write_text(YAML.format(path=path))
    command = ["connector", "test", *arguments, "--policy", str(tmp_path)]
    return CliRunner().invoke(
        app, command, env={"COLUMNS": "200", "AIRFLOW_CONN_ACME_CRM": None, **environment}
    )


def connection(local: Local, password: str = "s3cret") -> str:
    return json.dumps({"conn_type": "http", "host": local.address, "password": password, "extra": {"a": 1}})


def test_a_source_that_works(serve: Serve, tmp_path: Path) -> None:
    result = run(tmp_path, "acme", AIRFLOW_CONN_ACME_CRM=connection(serve(answer)))
    assert result.exit_code == 0, result.output
    assert "accepted (GET /me)" in result.output
    assert result.output.splitlines()[-1].startswith("in order; ")
    assert "X-RateLimit-Limit 100" in result.output
    assert "filled: id 1, email 1, updated_at 1" in result.output
    assert "s3cret" not in result.output
    assert "ann@x.com" not in result.output


def test_a_source_that_does_not(serve: Serve, tmp_path: Path) -> None:
    local = serve(answer)
    result = run(tmp_path, "acme", "--json", AIRFLOW_CONN_ACME_CRM=connection(local, "wr0ng"))
    assert result.exit_code == 1
    told = json.loads(result.output)
    assert [(one["what"], one["good"]) for one in told] == [("login", False), ("leads", False)]
    assert "answered 401: the credentials are not accepted" in told[1]["said"]
    assert "wr0ng" not in result.output
    assert "ann@x.com" not in result.output
    result = run(tmp_path, "acme", path="/other", AIRFLOW_CONN_ACME_CRM=connection(local))
    assert result.exit_code == 1
    assert "without a list at data" in result.output
    assert result.output.splitlines()[-1].startswith("1 wrong: read or written, this fails")


def test_all_that_is_said_of_one_thing_stands_together(serve: Serve, tmp_path: Path) -> None:
    server = HubSpotServer()
    server.add("contacts", "1", email="zoë@customer.example")
    local = serve(server)
    (tmp_path / "sources.yaml").write_text(
        "schema: 1\nowner: x\napprover: x\nsources:\n  hs:\n    connector: hubspot\n    address: connection:hs\n"
        "    objects:\n      leads:\n        read: contacts\n        cursor: updated_at\n"
        "        fields: {id: id, updated_at: updatedAt, a: b}\n"
        "      reps: {read: owners, fields: {id: id}}\n"
    )
    connected = json.dumps({"conn_type": "http", "host": local.address, "password": TOKEN})
    command = ["connector", "test", "hs", "--policy", str(tmp_path)]
    result = CliRunner().invoke(app, command, env={"COLUMNS": "200", "AIRFLOW_CONN_HS": connected})
    lines = [line.split() for line in result.output.splitlines()]
    told = [line[1] for line in lines if line and line[0] in ("good", "wrong", "note")]
    assert [name for name, _ in groupby(told)] == list(dict.fromkeys(told))
    assert {"leads", "reps", "login"} <= set(told)


def test_who_is_unknown(tmp_path: Path) -> None:
    result = run(tmp_path, "acne")
    assert (result.exit_code, "sources.yaml names acme" in result.output) == (2, True)


@pytest.mark.parametrize("known", [True, False])
def test_a_connection_that_only_airflow_knows(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    local = serve(answer)
    uri = local.address.replace("http://", "http://:s3cret@")
    said = json.dumps([{"conn_id": "acme_crm", "get_uri": uri}])
    airflow = tmp_path / "airflow"
    airflow.write_text(f"#!/bin/sh\n{'echo' if known else 'exit 1;'} '{said}'\n")
    airflow.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    result = run(tmp_path, "acme")
    assert result.exit_code == (0 if known else 1), result.output
    assert known or "no connection acme_crm: set AIRFLOW_CONN_ACME_CRM" in result.output
    assert "s3cret" not in result.output


def test_a_failure_of_the_source_is_told_to_the_end(serve: Serve) -> None:
    class Broken:
        def read(self, object: ObjectMapping, interval: Interval) -> Any:
            raise SourceFailed(f"source crm: {object.read} is away")

        write: Any = None

    described = source("x", mapping("a"), mapping("b"))
    assert [one.said for one in tried(Broken(), described, NOW)] == [
        "source crm: a is away",
        "source crm: b is away",
    ]
