"""Publishing on a real ledger: which version was in force when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text
from tests.profiles import examples

from clearlane import policy

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WHO = {"by": "ana", "because": "tests"}
SLA = """\
schema: 1
owner: a
approver: b
tiers: {none: {calendar: always}}
hand_raise: none
team_calendar: {zone: UTC, hours: {}}
"""


def sla(version: int) -> dict[str, str]:
    return {"sla": f"{SLA}# version {version}\n"}


@pytest.fixture
def connection(ledger_engine: Engine) -> Iterator[Connection]:
    with ledger_engine.connect() as connection:
        yield connection


def entries(connection: Connection) -> int:
    return int(connection.execute(text("select count(*) from policy_in_force")).scalar_one())


def test_the_first_version_covers_all_earlier_time(connection: Connection, folder: Path) -> None:
    published = policy.publish(connection, folder, **WHO, in_force_from=START)
    assert published == policy.hashes(policy.texts(folder))
    assert policy.in_force(connection, START - 3650 * DAY) == published
    assert policy.stored(connection, published) == policy.load(folder)


def test_publishing_again_changes_nothing(connection: Connection, folder: Path) -> None:
    policy.publish(connection, folder, **WHO)
    before = entries(connection)
    assert policy.publish(connection, folder, **WHO) == {}
    assert policy.publish(connection, folder, **WHO, in_force_from=START) == {}
    assert entries(connection) == before


def test_only_the_changed_file_has_a_new_version(connection: Connection, texts: dict[str, str]) -> None:
    policy.publish(connection, texts, **WHO)
    changed = {**texts, "teams": texts["teams"] + "# a remark\n"}
    assert set(policy.publish(connection, changed, **WHO, in_force_from=START)) == {"teams"}
    assert policy.in_force(connection, START - DAY) == policy.hashes(texts)
    assert policy.in_force(connection, START) == policy.hashes(changed)


def test_one_file_may_be_published_alone(connection: Connection, texts: dict[str, str]) -> None:
    policy.publish(connection, texts, **WHO)
    alone = {"sla": texts["sla"] + "# a remark\n"}
    assert set(policy.publish(connection, alone, **WHO, in_force_from=START)) == {"sla"}
    assert set(policy.in_force(connection, START)) == set(policy.FILES)


def test_a_later_version_needs_its_moment(connection: Connection) -> None:
    policy.publish(connection, sla(1), **WHO)
    with pytest.raises(ValueError, match="needs the moment"):
        policy.publish(connection, sla(2), **WHO)


def test_what_breaks_the_rest_is_not_published(connection: Connection, texts: dict[str, str]) -> None:
    policy.publish(connection, texts, **WHO)
    without = {"teams": texts["teams"].replace("id: channel\n", "id: chanel\n")}
    with pytest.raises(policy.PolicyErrors, match="did you mean chanel"):
        policy.publish(connection, without, **WHO, in_force_from=START)
    assert policy.in_force(connection, START) == policy.hashes(texts)


def test_a_model_that_breaks_an_expectation_is_not_published(
    connection: Connection, texts: dict[str, str]
) -> None:
    worse = texts["scoring"].replace("kind = 'student' or seniority = 'student'", "false")
    assert worse != texts["scoring"]
    with pytest.raises(policy.PolicyErrors, match=r"stage mql; never mql"):
        policy.publish(connection, {"scoring": worse}, **WHO)


def published(connection: Connection, *versions: int) -> list[str]:
    """Version by version a day apart, from START on; their hashes."""
    return [
        policy.publish(connection, sla(version), **WHO, in_force_from=START + number * DAY)["sla"]
        for number, version in enumerate(versions)
    ]


def test_an_earlier_version_comes_back(connection: Connection) -> None:
    first, second = published(connection, 1, 2)
    back = policy.rollback(connection, "sla", **WHO, in_force_from=START + 2 * DAY)
    assert (back.version, back.in_force_from, back.versions) == (first, START + 2 * DAY, (second,))
    assert policy.in_force(connection, START + 1.5 * DAY) == {"sla": second}
    assert policy.in_force(connection, START + 2 * DAY) == {"sla": first}


def test_going_back_again_goes_further_back_and_ends_at_the_first(connection: Connection) -> None:
    first, second, _ = published(connection, 1, 2, 3)
    for number, version in ((3, second), (4, first)):
        back = policy.rollback(connection, "sla", **WHO, in_force_from=START + number * DAY)
        assert back.version == version == policy.newest(connection, "sla")
    with pytest.raises(LookupError, match="is the first version: there is none before it"):
        policy.rollback(connection, "sla", **WHO, in_force_from=START + 5 * DAY)


def test_a_version_that_is_still_to_come_never_comes(connection: Connection) -> None:
    first, second = published(connection, 1, 2)
    back = policy.rollback(connection, "sla", **WHO, in_force_from=START)
    assert (back.version, back.in_force_from, back.versions) == (first, START + DAY, (second,))
    assert [policy.in_force(connection, START + n * DAY)["sla"] for n in range(3)] == [first] * 3


def test_a_named_version_comes_back_over_several(connection: Connection) -> None:
    first, second, third = published(connection, 1, 2, 3)
    back = policy.rollback(connection, "sla", first[:8], **WHO, in_force_from=START + 3 * DAY)
    assert (back.version, back.versions) == (first, (second, third))


@pytest.mark.parametrize(
    ("name", "to", "said"),
    [
        ("sla", "0123456789", "begins 0 versions of sla.yaml"),
        ("sla", "", "begins 2 versions"),
        ("teams", None, "teams.yaml was never published"),
    ],
)
def test_what_cannot_come_back_is_named(connection: Connection, name: str, to: str | None, said: str) -> None:
    _, second = published(connection, 1, 2)
    with pytest.raises(LookupError, match=said):
        policy.rollback(connection, name, to, **WHO, in_force_from=START + 2 * DAY)
    with pytest.raises(LookupError, match="is the newest version already"):
        policy.rollback(connection, "sla", second, **WHO, in_force_from=START + 2 * DAY)
    assert policy.newest(connection, "sla") == second


def test_edits_that_are_not_in_force_are_named(
    connection: Connection, texts: dict[str, str], tmp_path: Path
) -> None:
    for name, content in texts.items():
        (tmp_path / f"{name}.yaml").write_text(content, encoding="utf-8")
    assert set(policy.unpublished(connection, tmp_path, START)) == set(texts)
    policy.publish(connection, tmp_path, **WHO)
    assert policy.unpublished(connection, tmp_path, START) == ()
    (tmp_path / "sla.yaml").write_text(texts["sla"] + "# edited\n", encoding="utf-8")
    assert policy.unpublished(connection, tmp_path, START) == ("sla",)


def test_a_version_that_is_not_stored_is_named(connection: Connection) -> None:
    with pytest.raises(LookupError, match="sla 0123456789ab"):
        policy.stored(connection, {"sla": "0123456789abcdef"})


@settings(max_examples=examples(15, 150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10)), min_size=1, max_size=8))
def test_the_log_says_what_a_list_would(ledger_engine: Engine, published: list[tuple[int, int]]) -> None:
    """(version, day from which it holds), in the order of publishing."""
    with ledger_engine.connect() as connection:
        log: list[tuple[int, int]] = []
        for version, day in published:
            policy.publish(connection, sla(version), **WHO, in_force_from=START + day * DAY)
            if not log or _held(log, day) != version:
                log.append((version, day if log else -1))
        for day in range(12):
            expected = policy.hashes(sla(_held(log, day)))
            assert policy.in_force(connection, START + day * DAY) == expected
        connection.rollback()


def _held(log: list[tuple[int, int]], day: int) -> int:
    """The version of the latest start up to a day; of equal starts, the one published last."""
    return max((start, place, version) for place, (version, start) in enumerate(log) if start <= day)[2]
