"""The demo's company looks like a company: shares of bands and places as the business expects them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from tests.companies import END, policy_for
from tests.e2e.rivers import River

from clearlane import report, sample
from clearlane.ledger import connect, doctor, server

EXPECTED = {
    "hot": (0.05, 0.08),
    "warm": (0.15, 0.20),
    "cool": (0.25, 0.35),
    "quarantined": (0.01, 0.02),
    "redirected": (0.05, 0.08),
    "exceptions": (0.0, 0.01),
}


@pytest.fixture(
    scope="module", params=[800, pytest.param(3000, marks=pytest.mark.full)], ids="{} people".format
)
def shares(
    request: pytest.FixtureRequest,
    ledger_server: server.Server,
    ledger_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, float]]:
    """Share of every band and place after the demo's week: its seed, its four runs; the demo has 3,000 people."""
    folder = tmp_path_factory.mktemp("week")
    sample.write(folder, end=END, seed=7, leads=request.param)
    ledger_server.create("company", ledger_template)
    river = River(connect(ledger_server.url("company")))
    river.publish(policy_for(folder))
    for first, last in ((7, 3), (3, 2), (2, 1), (1, 0)):
        river.run((END - timedelta(days=first), END - timedelta(days=last)))
    with river.engine.connect() as connection:
        assert [finding.check.id for finding in doctor.examine(connection) if finding.count] == []
        told = report.figures(connection)
    yield {share.name: share.share for share in (*told.bands, *told.places)}
    river.engine.dispose()
    ledger_server.drop("company")


@pytest.mark.parametrize("figure", EXPECTED)
def test_the_figure_is_that_of_a_company(shares: dict[str, float], figure: str) -> None:
    low, high = EXPECTED[figure]
    assert low <= shares.get(figure, 0.0) <= high


def test_nobody_is_left_waiting(shares: dict[str, float]) -> None:
    assert "waiting" not in shares
