"""A link says what was signed, until it expires; whatever else somebody sends says nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlane.sla import links
from clearlane.sla.links import Answer

NEW, OLD, FOREIGN = "n" * 32, "o" * 32, "f" * 32
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
LEAD = UUID("6b0f2a5e-0000-5000-8000-000000000001")


def token(secrets: str | tuple[str, ...] = NEW, answer: Answer = "accept", until: datetime = NOON) -> str:
    return links.signed(secrets, LEAD, 7, "ana", answer, until)


@given(
    st.uuids(),
    st.integers(1, 2**62),
    st.text(min_size=1, max_size=40),
    st.sampled_from(["accept", "decline"]),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),
)
def test_what_is_signed_is_read_until_it_expires(
    lead: UUID, seq: int, rep: str, answer: Answer, until: datetime
) -> None:
    until = until.replace(tzinfo=UTC, microsecond=0)
    made = links.signed(NEW, lead, seq, rep, answer, until)
    assert links.read(NEW, made, until - timedelta(seconds=1)) == links.Link(lead, seq, rep, answer, until)
    with pytest.raises(links.Expired):
        links.read(NEW, made, until)


@given(st.data())
def test_no_change_of_a_link_is_taken(data: st.DataObject) -> None:
    made = token(until=NOON + timedelta(days=1))
    place = data.draw(st.integers(0, len(made) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda one: one != made[place]))
    changed = made[:place] + other + made[place + 1 :]
    try:
        found = links.read(NEW, changed, NOON)
    except links.NotValid:
        return
    # The last character of base64 carries bits that mean nothing.
    assert found == links.read(NEW, made, NOON)


@given(st.text(max_size=80) | st.text("abcXYZ019-_.", max_size=80))
def test_what_anybody_makes_up_is_not_valid(made_up: str) -> None:
    with pytest.raises(links.NotValid):
        links.read((NEW, OLD), made_up, NOON)


def test_secrets_are_changed_without_breaking_what_was_sent() -> None:
    later = NOON + timedelta(hours=1)
    sent = token(OLD, until=later)
    assert links.read((NEW, OLD), sent, NOON).rep_id == "ana"
    assert token((NEW, OLD), until=later) == token(NEW, until=later)
    with pytest.raises(links.NotValid):
        links.read(NEW, sent, NOON)


def test_other_secrets_none_and_overlong_text_are_not_valid() -> None:
    sent = token(FOREIGN, until=NOON + timedelta(hours=1))
    for secrets, said in ((NEW, sent), ((), sent), (FOREIGN, sent + "A" * 1_000)):
        with pytest.raises(links.NotValid):
            links.read(secrets, said, NOON)


def test_the_address_is_below_where_airflow_is_reached_and_shows_no_name() -> None:
    made = token()
    assert links.url("https://air.example/", made) == f"https://air.example/clearlane/answers/?token={made}"
    assert made not in links.digest(made)
    assert len(links.digest(made)) == 64


def test_a_setting_names_several_secrets_and_a_short_one_is_refused_unseen() -> None:
    assert links.secrets_of(f" {NEW}, {OLD}\n") == (NEW, OLD)
    assert links.secrets_of("") == ()
    with pytest.raises(ValueError, match="fewer than 32") as refused:
        links.secrets_of(f"{NEW} hunter2")
    assert "hunter2" not in str(refused.value)
