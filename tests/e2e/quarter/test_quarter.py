"""A simulated time: people come, reps answer, late, never, decline or leave; what the watch told of it is true.

Touches are shown up to ninety minutes late and out of order, systems do not answer for hours, nothing runs for a while.
`-s` shows the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date

import pytest
from tests.e2e.quarter.crm import Systems
from tests.e2e.quarter.simulation import Simulation, Size
from tests.e2e.quarter.truth import Truth
from tests.sla.mails.desk import Box
from tests.sla.mails.sink import Sink, serving

from clearlane import ledger
from clearlane.ledger import doctor, server
from clearlane.sla.mails import Post
from clearlane.sla.mails.smtp import mail_server, sender

CLOCKS_CHANGE = date(2025, 10, 27)
"""Monday of the week that ends with the change of clocks in America"""
Begin = Callable[[Size, Post], Simulation]


@pytest.fixture
def begin(ledger_server: server.Server, ledger_template: str) -> Iterator[Begin]:
    """Makes a simulation on a ledger and two systems of its own."""
    with ExitStack() as stack:

        def made(size: Size, post: Post) -> Simulation:
            for name, like in (("quarter", ledger_template), ("quarter_systems", None)):
                ledger_server.create(name, *([like] if like else []))
                stack.callback(ledger_server.drop, name)
            engine = ledger.connect(ledger_server.url("quarter"))
            systems = Systems.at(ledger_server.url("quarter_systems"))
            stack.callback(engine.dispose)
            stack.callback(systems.engine.dispose)
            return Simulation(engine, systems, size, post)

        yield made


def check(simulation: Simulation) -> Truth:
    """Let it run, then hold what the ledger says against what happened."""
    simulation.run()
    truth = Truth(simulation)
    print(simulation.figures())
    wrong = truth.wrong()
    assert not wrong, "\n".join(wrong)
    with simulation.engine.connect() as connection:
        broken = [(one.check.promise, one.offenders) for one in doctor.examine(connection) if one.count]
    assert broken == []
    return truth


def test_a_day_of_promises(begin: Begin) -> None:
    box = Box()
    truth = check(begin(Size(CLOCKS_CHANGE, days=1, leads=4, seed=10), Post(box)))
    assert {"warn", "breach"} <= {event["kind"] for event in truth.events}
    assert truth.told_twice([str(one["Message-ID"]) for one in box.got]) == []
    assert truth.simulation.given


@pytest.mark.full
def test_a_week_of_promises(begin: Begin) -> None:
    with serving(Sink()) as sink:
        post = Post(sender(mail_server(f"smtp://127.0.0.1:{sink.port}?from=sales@clearlane.example")))
        truth = check(begin(Size(CLOCKS_CHANGE, days=7, leads=10), post))
    told = {event["kind"] for event in truth.events}
    assert {"warn", "breach"} <= told
    assert truth.told_twice([str(one["Message-ID"]) for one in sink.got]) == []
    assert {"reassign", "exhausted"} <= told
    assert truth.simulation.given
    taken = [str(one["Subject"]) for one in sink.got if str(one["Subject"]).startswith("Taken over")]
    assert taken
    assert all("now with" in subject for subject in taken)


@pytest.mark.full
def test_a_quarter_of_promises(begin: Begin) -> None:
    box = Box()
    truth = check(begin(Size(date(2025, 9, 1), days=91, leads=260), Post(box)))
    assert truth.told_twice([str(one["Message-ID"]) for one in box.got]) == []
