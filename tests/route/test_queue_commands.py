"""The commands of the queues: `clearlane exceptions` and `clearlane pool`, with a published policy."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.route.conftest import World, banded
from typer.testing import CliRunner

from clearlane import policy
from clearlane.cli import app
from clearlane.route.queues import overdue

NOW = datetime.now(UTC)
HEAD = "schema: 1\nowner: a\napprover: b\n"
TEXTS = {
    "teams": f"""{HEAD}
hours: {{always: {{mon-sun: "00:00-23:59"}}}}
defaults: {{hours: always, caps: {{open: 1}}}}
reps:
  - {{id: ada, name: Ada, email: ada@vendor.example, role: sdr, zone: UTC, known_as: {{crm: [U1]}}}}
  - {{id: bob, name: Bob, email: bob@vendor.example, role: sdr, zone: UTC}}
  - {{id: cyd, name: Cyd, email: cyd@vendor.example, role: manager, zone: UTC, sells: false}}
teams: [{{id: sdr, name: SDR, members: [ada, bob], manager: cyd, queue: SDR queue}}]
""",
    "scoring": f"{HEAD}attributes: {{country: text}}\n",
    "routing": f"""{HEAD}
pool_max_age: 2 days
rules:
  - {{id: far, because: Far away, when: "country = 'NZ'", send_to: [exceptions]}}
  - {{id: near, because: Near, when: "true", send_to: [{{pool: sdr}}]}}
""",
    "sources": f"""{HEAD}
sources: {{crm: {{connector: files, address: nowhere, push: assignments, objects: {{
  leads: {{read: leads.csv, fields: {{id: Id}}}}}}}}}}
""",
}


@pytest.fixture
def clearlane(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", ledger_url)
    monkeypatch.setenv("COLUMNS", "240")
    return lambda *words: CliRunner().invoke(app, list(words))


@pytest.fixture
def waiting(world: World) -> tuple[UUID, UUID, UUID]:
    """Two leads in the pool and one in exceptions."""
    since = NOW - timedelta(hours=3)
    near = [world.lead(name, created_at=since, country="DE") for name in ("N1", "N2")]
    far = world.lead("F1", created_at=since, country="NZ")
    with world.engine.begin() as connection:
        policy.publish(connection, TEXTS, by="ada", because="first", in_force_from=since)
    world.run(banded(policy.parse(TEXTS)), [*near, far], as_of=since)
    return near[0], near[1], far


def test_covers_are_listed_and_doctored(clearlane: Any, world: World, waiting) -> None:
    assert clearlane("pool", "claim", "crm:N1", "--rep", "ada").exit_code == 0
    insert = """
     insert into cover (lead_id, rep_id, cover_rep_id, because, began_at, until)
     values (:lead, 'ada', 'bob', 'named in teams.yaml', :at, :at + interval '3 days')
    """
    with world.engine.begin() as connection:
        connection.execute(sa.text(insert), {"lead": waiting[0], "at": NOW})
    [one] = json.loads(clearlane("covers", "--json").output)
    assert (one["rep"], one["cover"], one["leads"]) == ("ada", "bob", 1)
    assert "bob" in clearlane("covers").output
    told = json.loads(clearlane("doctor", "--json").output)
    assert {one["check"]: one["count"] for one in told["checks"]}["covers_are_there"] == 0
    assert told["push"] == []


def test_the_doctor_names_a_source_that_nothing_is_sent_to(clearlane: Any, world: World, waiting) -> None:
    failed = (
        "insert into push_state (source, failures, open_until, error) values ('crm', 5, :until, 'crm: 503')"
    )
    with world.engine.begin() as connection:
        connection.execute(sa.text(failed), {"until": datetime.now(UTC) + timedelta(hours=1)})
    [told] = json.loads(clearlane("doctor", "--json").output)["push"]
    assert told.startswith("nothing is sent to crm until")
    assert told.endswith("it failed too often (crm: 503); 0 writes are owed")


def _age() -> float:
    """Seconds since the leads came."""
    return (datetime.now(UTC) - NOW + timedelta(hours=3)).total_seconds()


def test_a_claim_is_owed_to_the_source_and_can_be_given_back(clearlane: Any, world: World, waiting) -> None:
    least = _age()
    listed = json.loads(clearlane("pool", "list", "sdr", "--json").output)
    assert {one["lead"] for one in listed} == {"crm:N1", "crm:N2"}
    assert least - 1 <= listed[0]["age"] <= _age() + 1
    assert "crm:N1" in clearlane("pool", "list").output

    done = clearlane("pool", "claim", "crm:N1", "--rep", "ada")
    assert done.exit_code == 0, done.output
    assert "crm:N1 is ada's" in done.output
    [write] = world.rows("select * from outbox")
    assert (write["external_id"], write["fields"]["owner"], write["state"]) == ("N1", "U1", "owed")

    back = clearlane("pool", "release", "crm:N1", "--rep", "ada", "--because", "no time")
    assert back.exit_code == 0, back.output
    writes = world.rows("select fields ->> 'queue' as queue, state from outbox order by outbox_id")
    assert writes == [{"queue": None, "state": "superseded"}, {"queue": "SDR queue", "state": "owed"}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pool", "claim", "crm:N2", "--rep", "ada"), "ada cannot claim: open cap of 1 reached"),
        (("pool", "claim", "crm:N1", "--rep", "bob"), "is owned by ada already"),
        (("pool", "claim", "crm:F1", "--rep", "bob"), "is in exceptions"),
        (("pool", "claim", "crm:X", "--rep", "bob"), "no lead goes by"),
        (("pool", "list", "sales"), "no team 'sales'"),
        (("pool", "release", "crm:N1", "--rep", "bob", "--because", "x"), "owned by ada, not by bob"),
        (("exceptions", "retry", "crm:N2", "--by", "cyd"), "not in exceptions"),
    ],
)
def test_what_is_not_possible_is_a_sentence(
    clearlane: Any, waiting, words: tuple[str, ...], said: str
) -> None:
    assert clearlane("pool", "claim", "crm:N1", "--rep", "ada").exit_code == 0
    told = clearlane(*words)
    assert told.exit_code == 1
    assert isinstance(told.exception, SystemExit)
    assert said in told.output


def test_exceptions_are_listed_assigned_and_tried_again(clearlane: Any, world: World, waiting) -> None:
    [one] = json.loads(clearlane("exceptions", "list", "--json").output)
    assert (one["lead"], one["reason"], one["owner"], one["refused"]) == (
        "crm:F1",
        "no_destination",
        None,
        {},
    )
    assert "crm:F1" in clearlane("exceptions", "list").output

    again = clearlane("exceptions", "retry", "--by", "cyd")
    assert again.exit_code == 0, again.output
    assert "1 leads wait for the next run" in again.output

    assert clearlane("pool", "claim", "crm:N1", "--rep", "ada").exit_code == 0
    given = clearlane(
        "exceptions", "assign", "crm:F1", "--rep", "ada", "--by", "cyd", "--because", "speaks it"
    )
    assert given.exit_code == 0, given.output
    assert "warning: ada: open cap of 1 reached" in given.output
    assert world.place(waiting[2]) == ("owned", "assigned", "ada")
    assert json.loads(clearlane("exceptions", "list", "--json").output) == []


def test_the_doctor_counts_caps_again_and_notes_who_waits_too_long(
    clearlane: Any, world: World, waiting
) -> None:
    with world.engine.connect() as connection:
        published = policy.stored(connection, policy.in_force(connection, NOW))
        assert overdue(connection, published, NOW) == []
        late = overdue(connection, published, NOW + timedelta(days=3))
    since = f"the oldest since {NOW - timedelta(hours=3):%Y-%m-%d %H:%M}Z"
    assert late == [f"pool: 2 longer than a pool may keep them; {since}"]

    told = json.loads(clearlane("doctor", "--json").output)
    assert {check["check"]: check["count"] for check in told["checks"]}["caps_are_kept"] == 0
    assert told["overdue"] == []


def test_who_is_held_past_the_hour_or_unanswered_is_noted(world: World, waiting) -> None:
    with world.engine.begin() as connection:
        connection.execute(
            sa.text("update place set place = 'held', until = since where lead_id = :far"),
            {"far": waiting[2]},
        )
        connection.execute(
            sa.text(
                "insert into sla_clock (lead_id, kind, tier, started_at, due_at)"
                " select lead_id, 'arrival', 'warm', since, since from place where lead_id = :near"
            ),
            {"near": waiting[0]},
        )
        told = overdue(connection, policy.parse(TEXTS), NOW)
    assert [line.partition(";")[0] for line in told] == [
        "held: 1 past the moment from which they are routed again",
        "pool: 1 past the promised first touch",
    ]


def test_the_doctor_of_an_empty_ledger_finds_nothing(clearlane: Any) -> None:
    told = clearlane("doctor")
    assert told.exit_code == 0, told.output
    assert "nobody was given a lead over a cap in force" in told.output


def test_promises_to_a_lead_are_paused_and_go_on(clearlane: Any, world: World, waiting) -> None:
    about = ("crm:F1", "--by", "ada", "--because", "asked for May", "--until")
    nothing = clearlane("sla", "pause", *about, "2999-05-01")
    assert (nothing.exit_code, "is owed nothing" in nothing.output) == (1, True)
    promised = (
        "insert into sla_clock (lead_id, kind, tier, started_at, due_at)"
        " values (:lead, 'arrival', 'warm', :at, :at)"
    )
    with world.engine.begin() as connection:
        connection.execute(sa.text(promised), {"lead": waiting[2], "at": NOW})
    done = clearlane("sla", "pause", *about, "2999-05-01")
    assert (done.exit_code, done.output) == (0, "1 clocks of crm:F1 stand still until 2999-05-01 00:00Z\n")
    assert clearlane("sla", "resume", "crm:F1").output == "1 clocks of crm:F1 run again\n"
    for words, said, code in (
        (("pause", *about, "2020-01-01"), "is past", 1),
        (("pause", *about, "May"), "not a moment", 2),
        (("resume", "crm:F1"), "is not paused", 1),
    ):
        wrong = clearlane("sla", *words)
        assert (wrong.exit_code, said in wrong.output) == (code, True), wrong.output
