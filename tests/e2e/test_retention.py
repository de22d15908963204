"""What is too old goes, in chunks and beside other runs; what the river and a replay need stays."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from tests.companies import END, WINDOWS
from tests.e2e.rivers import River, flowing
from tests.e2e.snapshot import KNOWLEDGE, PROFILES, ROUTING, SCORES, snapshot
from typer.testing import CliRunner

from clearlane import replay, steps
from clearlane.cli import app
from clearlane.ledger import doctor, server
from clearlane.policy.model import Retention
from clearlane.privacy import retention
from clearlane.privacy.tombstones import Key

LATER = datetime.now(UTC) + timedelta(days=2000)
EVER = Retention(*[None] * 10)
DAY = Retention(*[1] * 9, leads=None)


@pytest.fixture(scope="module")
def lived(ledger_server: server.Server, all_days: str) -> Iterator[str]:
    """The name of a ledger in which all that may be pruned is there: sent, dead, dismissed, and decided in shadow."""
    with flowing(ledger_server, "lived", all_days) as river:
        owed = "where state = 'owed' and outbox_id % 3"
        change(river, f"update outbox set state = 'sent', sent_at = owed_at, error = 'said' {owed} <> 0")
        change(river, f"update outbox set state = 'dead' {owed} = 0")
        change(river, "update mail set state = 'sent', sent_at = owed_at where mail_id % 2 = 0")
        change(river, "update quarantine set state = 'dismissed' where seq % 2 = 0")
        river.run(WINDOWS[1], run_type="backfill", mode="auto")
        river.engine.dispose()
        yield "lived"


@pytest.fixture
def river(new_river: Callable[..., River], lived: str) -> River:
    return new_river("retention", like=lived)


KEY = Key("a secret of these tests", kept=True)


def prune(engine: sa.Engine, kept: Retention, as_of: datetime, **options: Any) -> dict[str, int]:
    return retention.run(engine, kept, as_of, key=lambda _: KEY, **options)


def change(river: River, statement: str, **bound: object) -> None:
    with river.engine.begin() as connection:
        connection.execute(sa.text(statement), bound)


def ask(river: River, statement: str, **bound: object) -> list[tuple[object, ...]]:
    with river.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement), bound)]


def number(river: River, of: str) -> int:
    return int(str(ask(river, f"select count(*) from {of}")[0][0]))


def broken(river: River) -> list[str]:
    with river.engine.connect() as connection:
        return [one.check.id for one in doctor.examine(connection) if one.count]


def test_all_that_is_old_goes_once_and_the_promises_hold(river: River) -> None:
    would = prune(river.engine, DAY, LATER, dry_run=True)
    assert number(river, "inbox where state = 'consumed' and payload = '{}'") == 0
    assert prune(river.engine, DAY, LATER) == would
    kinds = {kind.name for kind in retention.KINDS}
    assert {name: would[name] > 0 for name in kinds} == dict.fromkeys(kinds, True)
    assert set(prune(river.engine, DAY, LATER).values()) == {0}
    assert broken(river) == []


def test_nothing_of_a_person_is_left_in_what_was_pruned(river: River) -> None:
    prune(river.engine, DAY, LATER)
    assert number(river, "quarantine") == 0
    assert number(river, "inbox where state = 'quarantined'") == 0
    assert number(river, "outbox where state = 'dead'") == 0
    sent = number(river, "outbox where state = 'sent' and fields <> '{}'")
    assert number(river, "outbox where error is not null") == sent
    assert number(river, "mail where state <> 'owed' and facts <> '{}'") == 0
    left = "inbox i where state = 'consumed' and record is not null"
    newest = """lead l join place p on p.lead_id = l.survivor_id cross join lateral (
        select * from inbox n where (n.source, n.object, n.external_id) = (l.source, 'leads', l.external_id)
          and n.state = 'consumed' order by source_time desc nulls last, seq desc limit 1) i
        where p.place <> 'closed' and i.record is not null"""
    assert number(river, left) == number(river, newest) > 0


def test_decisions_can_be_made_again(river: River) -> None:
    prune(river.engine, DAY, LATER)
    with river.engine.connect() as connection:
        found = replay.finding(connection)
        assert replay.newest(connection)
    assert found.count == 0, found


def business(river: River) -> dict[str, list[str]]:
    """What means something to the business, but for what retention takes by intention."""
    live = "with decision as (select * from decision where mode <> 'shadow') "
    queries = {**KNOWLEDGE, **PROFILES, **SCORES, **ROUTING, "decision": live + ROUTING["decision"]}
    return snapshot(river.engine, {**queries, "outbox": ROUTING["outbox"] + " where state = 'owed'"})


def test_the_river_goes_on_as_if_nothing_were_gone(
    river: River, new_river: Callable[..., River], lived: str
) -> None:
    """The same records count as duplicates, nobody is told again, nobody seems to be gone from the source."""
    whole = new_river("whole", like=lived)
    prune(river.engine, DAY, LATER)
    for each in (river, whole):
        each.run(WINDOWS[2], run_id="again")
    assert business(river) == business(whole)


def test_a_run_and_a_pruning_go_side_by_side(new_river: Callable[..., River], first_day: str) -> None:
    alone, pruned = new_river("alone", like=first_day), new_river("pruned", like=first_day)
    alone.run(WINDOWS[1])
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(pruned.run, WINDOWS[1])
        while not busy.done():
            prune(pruned.engine, DAY, LATER)
        busy.result()
    assert number(pruned, "inbox where state = 'consumed' and payload = '{}'") > 100
    assert business(pruned) == business(alone)
    assert broken(pruned) == []


def test_what_somebody_holds_is_left_to_the_next_run(river: River) -> None:
    first = "seq = (select min(seq) from quarantine where state = 'dismissed')"
    change(river, f"update quarantine set state = 'replayed' where {first}")
    before = LATER - timedelta(days=1)
    for kind in retention.KINDS:
        due = sa.text(f"select x.{kind.key} from {kind.table} x where {kind.due} order by 1")
        with river.engine.connect() as other, other.begin():
            held = other.execute(due, {"before": before}).scalars().first()
            other.execute(sa.text(f"select from {kind.table} where {kind.key} = {held} for update"))
            retention.prune(river.engine, kind, before, size=50)
            assert other.execute(due, {"before": before}).scalars().all() == [held]
        assert retention.prune(river.engine, kind, before) == 1


def test_an_earlier_moment_prunes_less_and_a_moment_before_all_nothing(river: River) -> None:
    moments = [END - timedelta(days=400), END, datetime.now(UTC) + timedelta(days=170), LATER]
    counts = [prune(river.engine, Retention(), moment, dry_run=True) for moment in moments]
    assert set(counts[0].values()) == {0}
    for earlier, later in pairwise(counts):
        assert all(earlier[name] <= later[name] for name in later)
    assert counts[2]["dismissed"] > 0 == counts[2]["payloads"]
    assert prune(river.engine, EVER, LATER) == {}


def test_a_backfilled_week_prunes_what_was_old_at_its_end(river: River) -> None:
    assert set(steps.retention(river.engine, END, key=lambda _: KEY).values()) == {0}


def test_pages_of_runs_and_reports_go_each_in_their_time(river: River, tmp_path: Path) -> None:
    run = ask(river, "select batch_id from batch limit 1")[0][0]
    judged, report, other = tmp_path / str(run), tmp_path / str(uuid4()), tmp_path / "somebody's notes"
    for folder in (judged, report, other):
        folder.mkdir()
        (folder / "index.html").write_text("x")
        os.utime(folder / "index.html", (0, (END - timedelta(days=120)).timestamp()))
    counts = prune(river.engine, Retention(), END, docs_dir=tmp_path, dry_run=True)
    assert (counts["data_docs"], counts["reports"]) == (1, 0)
    assert judged.exists()
    assert prune(river.engine, Retention(), END, docs_dir=tmp_path)["data_docs"] == 1
    assert set(tmp_path.iterdir()) == {report, other}
    assert prune(river.engine, Retention(reports=30), END, docs_dir=tmp_path)["reports"] == 1
    assert set(tmp_path.iterdir()) == {other}


def test_the_command_line_counts_and_then_prunes(river: River, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", river.engine.url.render_as_string(hide_password=False))
    change(river, "update quarantine set since = since - interval '400 days'")
    told, done, again = (
        CliRunner().invoke(app, ["retention", *words]).output for words in (["--dry-run"], [], [])
    )
    assert "nothing was changed" in told
    assert "quarantine" in done
    assert told.splitlines()[:-1] == done.splitlines()
    assert number(river, "quarantine") == 0
    assert "nothing is older than the policy keeps it" in again


def test_people_who_were_left_alone_are_erased_and_may_come_anew(
    river: River, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(river, "update place set place = 'closed', reason = 'recycled_out', rep_id = null, team = null"
                  " where place = 'nurture'")  # fmt: skip
    kept = replace(EVER, leads=900)
    monkeypatch.setattr(retention, "MOST", 6)
    monkeypatch.setattr(retention, "GROUP", 4)
    before = LATER - timedelta(days=900)
    alone = retention.left_alone(river.engine, before)
    assert retention.left_alone(river.engine, END - timedelta(days=9)) == []
    assert prune(river.engine, kept, LATER, dry_run=True) == {"leads": len(alone)}
    mine = "select value from lead_key where kind = 'email' and cast(lead_id as text) = any(:ids)"
    emails = ask(river, mine, ids=alone[:6])
    assert 10 < len(alone) < number(river, "lead")
    assert prune(river.engine, kept, LATER) == {"leads": 6}
    assert retention.left_alone(river.engine, before) == alone[6:]
    assert number(river, "place where place = 'closed' and reason = 'erased'") >= 6
    for (email,) in emails[:3]:
        assert number(river, f"lead_revision where attributes::text like '%{email}%'") == 0
    assert ask(river, "select distinct kind from tombstone") == [("record",)]
    assert broken(river) == []
