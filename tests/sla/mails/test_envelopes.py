"""What goes out now: urgent mails always; the rest by quiet hours, by the hour and joined; nothing twice, none lost."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlane.policy.model import MailRules
from clearlane.sla.mails.envelopes import Envelope, Waiting, envelopes, is_quiet

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NIGHT = datetime(2026, 3, 2, 2, tzinfo=UTC)
ZONES = {"ana": "UTC", "ben": "America/New_York", "cyd": "Asia/Tokyo"}
WAITING = st.lists(
    st.builds(
        Waiting, mail_id=st.integers(1, 10_000), person=st.sampled_from(list(ZONES)),
        urgency=st.sampled_from(["now", "soon", "quiet"]), joins=st.booleans(),
    ),
    max_size=40, unique_by=lambda one: one.mail_id,
)  # fmt: skip
RULES = st.builds(MailRules, digest_above=st.integers(1, 8), per_hour=st.integers(1, 15))


DEFAULT = MailRules()


def chosen(waiting, rules=DEFAULT, at=NOON, lately=None) -> list[Envelope]:
    return list(envelopes(waiting, rules, at, zone_of=ZONES.__getitem__, lately=lately or {}))


def soon(count: int, first: int = 1, **options) -> list[Waiting]:
    return [Waiting(first + n, "ana", "soon", options.get("joins", True)) for n in range(count)]


@given(WAITING, RULES, st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)), st.integers(0, 20))
def test_nothing_twice_urgent_ones_always_and_no_more_than_the_hour_holds(waiting, rules, at, before) -> None:
    at, lately = at.replace(tzinfo=UTC), dict.fromkeys(ZONES, before)
    found = chosen(waiting, rules, at, lately)
    sent = [mail for envelope in found for mail in envelope.mails]
    assert len(sent) == len(set(sent))
    urgent = {one.mail_id for one in waiting if one.urgency == "now"}
    assert urgent <= set(sent)
    assert all(len(one.mails) == 1 for one in found if one.urgency == "now")
    owners = {one.mail_id: one.person for one in waiting}
    for person, zone in ZONES.items():
        patient = [one for one in found if one.person == person and one.urgency != "now"]
        assert len(patient) <= max(0, rules.per_hour - before)
        assert not (patient and is_quiet(rules, at, zone))
        assert {owners[mail] for one in patient for mail in one.mails} <= {person}
    kinds = [one.urgency for one in found]
    assert kinds == sorted(kinds, key=lambda urgency: urgency != "now")


@given(WAITING, RULES)
def test_by_day_all_that_joins_goes_out_unless_the_hour_is_full(waiting, rules) -> None:
    found = chosen(waiting, rules, NOON.replace(hour=15), None)  # 15 UTC: 10 in New York, midnight in Tokyo
    sent = {mail for envelope in found for mail in envelope.mails}
    owed = {one.mail_id for one in waiting if one.person != "cyd" and (one.joins or one.urgency == "now")}
    alone = sum(not one.joins and one.urgency != "now" and one.person != "cyd" for one in waiting)
    assert owed <= sent or alone


def test_few_go_alone_and_many_as_one() -> None:
    assert [one.mails for one in chosen(soon(5))] == [(1,), (2,), (3,), (4,), (5,)]
    assert [one.mails for one in chosen(soon(6))] == [(1, 2, 3, 4, 5, 6)]


def test_what_the_hour_has_no_room_for_is_joined_and_then_waits() -> None:
    assert [one.mails for one in chosen(soon(3), lately={"ana": 10})] == [(1, 2, 3)]
    assert chosen(soon(3), lately={"ana": 12}) == []


def test_mails_about_no_lead_stand_alone() -> None:
    mixed = [*soon(6), *soon(2, first=7, joins=False)]
    assert [one.mails for one in chosen(mixed)] == [(1, 2, 3, 4, 5, 6), (7,), (8,)]


def test_urgent_ones_keep_no_hours_and_join_nothing() -> None:
    urgent = [Waiting(n, "ana", "now", True) for n in range(1, 9)]
    assert [one.mails for one in chosen(urgent, at=NIGHT, lately={"ana": 99})] == [(n,) for n in range(1, 9)]


@pytest.mark.parametrize(
    ("hour", "minute", "quiet"),
    [(19, 59, False), (20, 0, True), (23, 59, True), (6, 59, True), (7, 0, False)],
)
def test_quiet_hours_are_those_of_the_readers_wall_clock(hour: int, minute: int, quiet: bool) -> None:
    for day in (datetime(2026, 3, 7), datetime(2026, 3, 8), datetime(2026, 7, 1)):  # clocks change on the 8th
        local = (day + timedelta(hours=hour, minutes=minute)).replace(tzinfo=ZoneInfo("America/New_York"))
        assert is_quiet(MailRules(), local.astimezone(UTC), "America/New_York") is quiet


def test_quiet_hours_may_lie_within_a_day_or_be_none() -> None:
    assert is_quiet(MailRules(quiet_hours=(time(11), time(13))), NOON, "UTC")
    assert not is_quiet(MailRules(quiet_hours=(time(11), time(12))), NOON, "UTC")
    assert not is_quiet(MailRules(quiet_hours=None), NIGHT, "UTC")
