"""Two small companies with the same leads: one under the default policy, one under a bolder candidate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.companies import WINDOWS, policy_for
from tests.e2e.rivers import flowing

from clearlane import policy, review
from clearlane.ledger import connect, server
from clearlane.policy.model import Policy

DEFAULT = Path(__file__).resolve().parents[2] / "include" / "policy"
SINCE, UNTIL = WINDOWS[0][0], WINDOWS[-1][1]


GROUP = """    - id: buying_group
      because: "A colleague is engaged"
      when: "account_engaged >= 1"
      points: 9
"""


@dataclass(frozen=True)
class Company:
    """A ledger after three days, and the texts of the policy it lived by."""

    engine: sa.Engine
    texts: Mapping[str, str]

    def whatif(self, candidate: Policy, **options: object) -> review.WhatIf:
        with self.engine.begin() as connection:
            span = {"since": SINCE, "until": UNTIL}
            return review.whatif(connection, candidate, **{**span, **options})  # type: ignore[arg-type]


def edited(texts: Mapping[str, str], name: str, old: str, new: str) -> dict[str, str]:
    """The texts with one passage of one file replaced; it must be there."""
    assert texts[name].count(old) == 1, old
    return {**texts, name: texts[name].replace(old, new)}


@pytest.fixture(scope="session")
def texts(exports: Path) -> dict[str, str]:
    return policy_for(exports)


@pytest.fixture(scope="session")
def decidable(ledger_server: server.Server, ledger_template: str) -> Iterator[sa.Engine]:
    """A ledger with the default policy in force since ever, for tests that commit nothing."""
    ledger_server.create("review_decidable", ledger_template)
    engine = connect(ledger_server.url("review_decidable"))
    with engine.begin() as connection:
        policy.publish(connection, DEFAULT, by="setup", because="first")
    yield engine
    engine.dispose()
    ledger_server.drop("review_decidable")


@pytest.fixture
def undecided(decidable: sa.Engine) -> Iterator[sa.Connection]:
    """A connection to that ledger; what a test writes is gone afterwards."""
    with decidable.connect() as connection:
        yield connection


@pytest.fixture(scope="session")
def default_texts() -> Mapping[str, str]:
    return policy.texts(DEFAULT)


@pytest.fixture(scope="session")
def bold_texts(texts: dict[str, str]) -> dict[str, str]:
    """More for looking at prices, less for those who only recommend, and something for a company's buying group."""
    price = "activity: pricing_page_view\n      points: "
    manages = "seniority in ('manager', 'head')\"\n      points: "
    dearer = edited(texts, "scoring", f"{price}8", f"{price}12")
    lower = edited(dearer, "scoring", f"{manages}6", f"{manages}1")
    return edited(lower, "scoring", "  fit:   # who they are\n", f"  fit:\n{GROUP}")


@pytest.fixture(scope="session")
def bold(bold_texts: dict[str, str]) -> Policy:
    return policy.parse(bold_texts)


@pytest.fixture(scope="session")
def company(ledger_server: server.Server, all_days: str, texts: dict[str, str]) -> Iterator[Company]:
    """One for all tests: what they write they take back."""
    with flowing(ledger_server, "review_old", all_days) as river:
        yield Company(river.engine, texts)


@pytest.fixture(scope="session")
def bold_company(
    ledger_server: server.Server, ledger_template: str, bold_texts: dict[str, str]
) -> Iterator[Company]:
    with flowing(ledger_server, "review_new", ledger_template) as river:
        river.publish(bold_texts)
        for window in WINDOWS:
            river.run(window)
        yield Company(river.engine, bold_texts)
