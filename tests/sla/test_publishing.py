"""Publishing a policy owes one mail to each whom it changes something for, and none to anybody else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.policy.conftest import DEFAULT
from tests.route.conftest import World
from tests.route.test_queue_commands import clearlane  # noqa: F401  fixture
from tests.sla.mails.desk import Box

from clearlane import policy
from clearlane.sla import mails, publishing
from clearlane.sla.mails import Post
from clearlane.sla.publishing import Published

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
CAP = ("zone: Australia/Sydney", "zone: Australia/Sydney\n    caps: {day: 9, open: 60}")


@pytest.fixture
def world(ledger_engine: Any) -> World:
    return World(ledger_engine)


def texts(**edits: tuple[str, str]) -> dict[str, str]:
    found = dict(policy.texts(DEFAULT))
    for name, (old, new) in edits.items():
        assert old in found[name]
        found[name] = found[name].replace(old, new)
    return found


def published(world: World, contents: Mapping[str, str], at: datetime = NOON) -> int:
    with world.engine.begin() as connection:
        before = policy.in_force(connection, at)
        changed = policy.publish(connection, contents, by="Ada", because="Sydney is short", in_force_from=at)
        told = Published(changed, "Ada", "Sydney is short", at + timedelta(days=1), at)
        return publishing.tell(connection, before, told)


def owed(world: World) -> dict[str, dict[str, Any]]:
    return {row["person"]: row for row in world.rows("select * from mail order by mail_id")}


def test_the_first_policy_and_an_unchanged_one_owe_nothing(world: World) -> None:
    assert published(world, texts()) == 0
    assert published(world, texts(), NOON + timedelta(hours=1)) == 0
    remark = texts(teams=("schema: 1", "schema: 1   # a remark"))
    assert published(world, remark, NOON + timedelta(hours=2)) == 0


def test_a_cap_owes_a_mail_to_the_rep_and_to_the_managers_once(world: World) -> None:
    published(world, texts())
    assert published(world, texts(teams=CAP), NOON + timedelta(hours=1)) == 3
    assert {*owed(world)} == {"jack_moran", "wei_ling_ong", "irene_clay"}
    mail = owed(world)["jack_moran"]
    assert (mail["kind"], mail["urgency"], mail["address"]) == (
        "publish",
        "quiet",
        "jack.moran@clearlane.example",
    )
    assert mail["facts"]["sections"] == [
        {"title": "You", "lines": ["You take at most: 9 a day, 60 open (was: 15 a day, 60 open)"]}
    ]
    with world.engine.begin() as connection:
        versions = policy.in_force(connection, NOON)
        again = Published({"teams": versions["teams"]}, "Ada", "x", NOON, NOON)
        first = publishing.tell(connection, versions, again)
        assert publishing.tell(connection, versions, again) == 0 == first


def test_marketing_is_written_to_at_its_address(world: World) -> None:
    published(world, texts())
    edit = texts(scoring=("{name: hot, enter: 75, exit: 70", "{name: hot, enter: 80, exit: 75"))
    published(world, edit, NOON + timedelta(hours=1))
    mail = owed(world)["marketing"]
    assert mail["address"] == "marketing@clearlane.example"
    assert mail["facts"]["sections"][0]["lines"][0].startswith("Hot: from 80 points")


def test_marketing_may_be_a_person_and_gets_one_mail_of_all(world: World) -> None:
    named = ("marketing: marketing@clearlane.example", "marketing: irene_clay")
    published(world, texts(sla=named))
    edit = texts(sla=named, scoring=("{name: hot, enter: 75, exit: 70", "{name: hot, enter: 80, exit: 75"))
    published(world, edit, NOON + timedelta(hours=1))
    assert "marketing" not in owed(world)
    titles = [section["title"] for section in owed(world)["irene_clay"]["facts"]["sections"]]
    assert titles == ["What reaches you", "What a lead is called"]


def test_the_mail_is_sent_and_says_who_since_when_and_why(world: World) -> None:
    published(world, texts())
    published(world, texts(teams=CAP), NOON + timedelta(hours=1))
    box = Box()
    loaded = policy.parse(texts(teams=CAP))
    mails.send_due(world.engine, loaded, NOON + timedelta(hours=20), Post(box))
    [letter] = [one for one in box.got if "jack.moran" in str(one["To"])]
    assert letter["Subject"] == "What changes for you: new rules for leads"
    body = letter.get_body(("plain",))
    assert body is not None
    said = re.sub(r"\s+", " ", body.get_content())
    assert "Ada published new rules, in force from Tuesday, 2 June 2026, 23:00 AEST: Sydney is short." in said
    assert "You take at most: 9 a day, 60 open (was: 15 a day, 60 open)" in said


def test_the_command_owes_the_mails(clearlane: Any, world: World, tmp_path: Any) -> None:  # noqa: F811
    def publish() -> Any:
        return clearlane("policy", "publish", str(tmp_path), "--by", "Ada", "--because", "Sydney is short")

    for name, text in texts().items():
        (tmp_path / f"{name}.yaml").write_text(text)
    assert "mails" not in publish().output
    (tmp_path / "teams.yaml").write_text(texts(teams=CAP)["teams"])
    done = publish()
    assert done.exit_code == 0, done.output
    assert "mails owed to 3 people whom it changes something for" in done.output
    assert "mails" not in publish().output
    assert len(owed(world)) == 3
