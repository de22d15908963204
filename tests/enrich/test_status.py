"""How paid providers stand, as the command says it; and that an erased person leaves no ask behind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from tests.connectors.local_server import Reply
from tests.enrich.conftest import River
from tests.enrich.paid import AT, KEY, Office, lead, office

from clearlane.enrich import status
from clearlane.privacy import erasing
from clearlane.privacy.tombstones import Key
from clearlane.sla import pipeline

DAY = timedelta(days=1)


@pytest.fixture
def desk(river: River) -> Iterator[Office]:
    with office(river) as made:
        yield made


def told(desk: Office, at=AT) -> status.Status:  # type: ignore[no-untyped-def]
    with desk.river.engine.connect() as connection:
        [found] = status.statuses(connection, desk.river.policy, at)
    return found


def findings(desk: Office) -> list[str]:
    with desk.river.engine.connect() as connection:
        found = pipeline.findings(connection, desk.river.policy, AT)
    return [pipeline.told(one) for one in found if one.kind == "provider"]


def test_before_anything_was_asked(desk: Office) -> None:
    found = told(desk)
    assert (found.asked, found.left, found.open_asks, found.answers, found.median_age) == (0, 100, 0, 0, None)
    assert status.cells(found)[3] == "closed"


def test_budget_answers_and_their_age(desk: Office) -> None:
    desk.set("budget: 3\nage: 30 days\nunknown_age: 5 days")
    desk.register.failing["/firms/beta.com"] = Reply({}, status=404)
    desk.run(*(lead(str(n), f"ann@{name}.com") for n, name in enumerate(["acme", "beta", "gamma", "delta"])))
    found = told(desk)
    assert (found.asked, found.known, found.unknown, found.left, found.open_asks) == (3, 2, 1, 0, 1)
    assert found.oldest == AT
    assert list(status.notes([found])) == ["firms: the day's budget is spent, 1 requests wait for tomorrow"]
    later = told(desk, AT + 10 * DAY)
    assert (later.asked, later.answers, later.median_age, later.stale) == (0, 3, 10 * DAY, 1)
    assert later.answered == pytest.approx(2 / 3)
    assert status.as_json(later)["median_age"] == 10


def test_an_open_breaker_is_shown_and_found_until_an_answer_comes(desk: Office) -> None:
    desk.run(lead("1", "ann@acme.com"), key="wrong")
    found = told(desk)
    assert found.held_until
    assert timedelta(0) <= found.held_until - AT - timedelta(hours=1) < timedelta(minutes=1)
    assert "it failed too often" in status.cells(found)[3]
    [note] = status.notes([found])
    [finding] = findings(desk)
    for text in (note, finding):
        assert "answered 401: the credentials are not accepted" in text
        assert not any(hidden in text for hidden in ("wrong", "acme", "ann"))
    desk.run(at=AT + timedelta(hours=2), key=KEY)
    assert (findings(desk), told(desk, AT + timedelta(hours=2)).stopped) == ([], False)


def test_an_erased_person_leaves_neither_ask_nor_answer(desk: Office) -> None:
    desk.set("budget: 1\nconcurrent: 1")
    desk.run(lead("1", "ann@acme.com", created_at="2026-02-01T00:00:00Z"), lead("2", "bob@beta.com"))
    left = "select count(*) from enrichment_ask union all select count(*) from enrichment where asked_key is not null"
    assert desk.river.all(left) == [(1,), (1,)]
    with desk.river.engine.begin() as connection:
        for address in ("ann@acme.com", "bob@beta.com"):
            erasing.erase(
                connection, address, by="dpo", because="asked", at=AT, key=Key("of these tests", kept=True)
            )
    assert desk.river.all(left) == [(0,), (0,)]
    desk.run(at=AT + DAY)
    assert len(desk.register.asked) == 1
