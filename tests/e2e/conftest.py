"""A small generated company for the tests that let the river run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.e2e.rivers import DAYS, END, River

from clearlane import policy, sample
from clearlane.ledger import connect, server

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exports of a small default company, three days of them."""
    folder = tmp_path_factory.mktemp("company")
    sample.write(folder, end=END, seed=11, days=DAYS, leads=240)
    return folder


@pytest.fixture
def texts(company: Path) -> dict[str, str]:
    """The default policy, reading that company."""
    files = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "include/policy").glob("*.yaml")}
    files["sources"] = files["sources"].replace("data/sample", str(company))
    assert policy.parse(files)
    return files


@pytest.fixture
def new_river(
    ledger_server: server.Server, ledger_template: str, texts: dict[str, str]
) -> Iterator[Callable[[str], River]]:
    """Makes rivers by name, each on a ledger of its own with the policy published."""
    made: list[sa.Engine] = []

    def make(name: str) -> River:
        ledger_server.create(name, ledger_template)
        engine = connect(ledger_server.url(name))
        made.append(engine)
        river = River(engine)
        river.publish(texts)
        return river

    yield make
    for engine in made:
        engine.dispose()
        ledger_server.drop(str(engine.url.database))
