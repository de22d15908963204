"""Runs again, in another order, and two at once: the same knowledge, one owner each, no cap exceeded."""

from __future__ import annotations

import sqlalchemy as sa
from tests.companies import WINDOWS
from tests.e2e.processes import ended, forked
from tests.e2e.rivers import River
from tests.e2e.snapshot import EVERYTHING, KNOWLEDGE, PROFILES, differences, snapshot

from clearlane.ledger import doctor

SAME = {**KNOWLEDGE, **PROFILES}
AGAIN = {name: query for name, query in EVERYTHING.items() if name not in {"delivery", "work"}}
"""All but what a run looked at: read again, a source may answer with records from before the window too, and
the list of leads grows by those of the window that came in with a later run."""


def _healthy(river: River) -> None:
    with river.engine.connect() as connection:
        findings = doctor.examine(connection)
    assert {f.check.id: f.offenders for f in findings if f.count} == {}


def test_a_second_pass_changes_nothing(new_river, all_days):
    river = new_river("twice", all_days)
    first = snapshot(river.engine, AGAIN)
    for window in WINDOWS:
        river.run(window)
    assert differences(first, snapshot(river.engine, AGAIN)) == {}
    _healthy(river)


def test_any_order_of_the_windows_leaves_the_same_knowledge(new_river, all_days):
    forwards, backwards = new_river("forwards", all_days), new_river("backwards")
    for window in reversed(WINDOWS):
        backwards.run(window)
    assert differences(snapshot(forwards.engine, SAME), snapshot(backwards.engine, SAME)) == {}
    _healthy(forwards)
    _healthy(backwards)


def test_two_at_once_assign_nobody_twice(new_river, all_days):
    calm, busy = new_river("one_by_one", all_days), new_river("two_at_once")
    url = busy.engine.url.render_as_string(hide_password=False)
    busy.engine.dispose()
    children = [
        forked(lambda engine, name=name: _run_all(River(engine), name), url) for name in ("one", "other")
    ]
    assert [ended(child) for child in children] == [0, 0]
    assert differences(snapshot(calm.engine, SAME), snapshot(busy.engine, SAME)) == {}
    _healthy(busy)
    # Where one run decided before the other had read a record, it decided on less: who got a lead may differ,
    # that somebody has each lead once may not.
    open_ones = "select count(*), count(distinct lead_id) from assignment where ended_at is null"
    placed = "select lead_id::text from place where place <> 'waiting'"
    with busy.engine.connect() as connection, calm.engine.connect() as other:
        assigned, leads = connection.execute(sa.text(open_ones)).one()
        assert assigned == leads > 0
        seen, expected = (set(c.execute(sa.text(placed)).scalars()) for c in (connection, other))
        assert seen == expected


def _run_all(river: River, name: str) -> None:
    for window in WINDOWS:
        river.run(window, run_id=f"{name}__{window[1].isoformat()}")


def test_a_backfill_decides_in_shadow_and_live_releases_what_it_held(new_river):
    river = new_river("backfill")
    for window in WINDOWS:
        river.run(window, run_type="backfill", mode="auto")
    counts = "select place, count(*) from place p join lead l using (lead_id) where survivor_id = lead_id group by 1"
    with river.engine.connect() as connection:
        held = dict(connection.execute(sa.text(counts)).all())  # type: ignore[arg-type]
        for silent in ("assignment where by = 'clearlane'", "turn", "sla_clock", "outbox"):
            assert connection.execute(sa.text(f"select count(*) from {silent}")).scalar_one() == 0, silent
        assert (
            connection.execute(sa.text("select count(*) from decision where mode = 'shadow'")).scalar_one()
            > 0
        )
    assert held["held"] > 0
    for window in WINDOWS:
        river.run(window, run_type="backfill", mode="live", run_id=f"release__{window[1].isoformat()}")
    with river.engine.connect() as connection:
        after = connection.execute(
            sa.text("select count(*) from place where place = 'held' and reason = 'backfill'")
        ).scalar_one()
    assert after == 0
    _healthy(river)
