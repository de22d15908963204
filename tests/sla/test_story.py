"""What `explain` and `doctor` tell of promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.route.firms import MONDAY_NOON
from tests.sla.promises import MINUTE, Watch
from tests.sla.test_suspensions import TWICE, silent
from tests.sla.test_watch import DUE, POLICY, TAKEN, given

from clearlane import ledger
from clearlane.ledger import doctor
from clearlane.sla import story


@pytest.fixture
def world(ledger_url: str) -> Iterator[Watch]:
    engine = ledger.connect(ledger_url)
    yield Watch(engine)
    engine.dispose()


def test_the_story_of_a_lead_tells_what_was_promised_and_what_became_of_it(world: Watch) -> None:
    lead = given(world, "L")
    first = world.owner(lead)
    world.watch(POLICY, TAKEN + MINUTE)
    world.touched(lead, TAKEN + 2 * MINUTE)
    world.watch(POLICY, TAKEN + 5 * MINUTE)
    with world.engine.connect() as connection:
        told = story.of_lead(connection, lead)
    texts = [text for _, text in told]
    assert f"promised: a first touch by its owner by 2026-03-02 13:00Z, warm, owed by {first}" in " ".join(
        texts
    )
    assert ("2026-03-02 13:00", "not kept: a first touch by its owner (its owner was silent)") in told
    assert f"taken from {first}, who was silent for too long" in texts
    assert any(text.endswith("late, on 2026-03-02 13:32Z") for text in texts)
    assert [at for at, _ in told] == sorted(at for at, _ in told)


def test_doctor_says_what_cannot_be_judged_and_who_is_out(world: Watch) -> None:
    silent(world)
    world.read(DUE - MINUTE)
    given(world, "L")
    crm = TWICE.sources.sources["crm"]
    with world.engine.begin() as connection:
        connection.exec_driver_sql("update sla_clock set unverified_since = due_at where kind = 'arrival'")
        said = list(story.notes(connection, TWICE, DUE + 2 * MINUTE))
        leads = {name: one for name, one in crm.objects.items() if name == "leads"}
        blind = replace(TWICE, sources=replace(TWICE.sources, sources={"crm": replace(crm, objects=leads)}))
        without = list(story.notes(connection, blind, MONDAY_NOON))
    assert said == [
        "crm: 3 promises fell due since 2026-03-02 13:00Z and wait for it to be read",
        "ana takes no turns until 2026-03-02 17:00Z: silent 2 times in 5 days",
    ]
    assert any("it tells no touches" in line for line in without)


def test_the_log_and_the_clocks_agree_and_doctor_finds_where_they_do_not(world: Watch) -> None:
    given(world, "L")
    world.watch(POLICY, TAKEN + MINUTE)

    def broken() -> int:
        with world.engine.connect() as connection:
            found = {one.check.id: one.count for one in doctor.examine(connection)}
            return found["promises_are_told_once"]

    assert broken() == 0
    with world.engine.begin() as connection:
        connection.exec_driver_sql("delete from sla_event where kind = 'breach'")
    assert broken() >= 2
