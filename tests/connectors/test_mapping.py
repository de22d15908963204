"""From the source's columns to our names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlane.connectors.mapping import Mapper, number, unambiguous
from clearlane.policy.model import Lookup

from .conftest import mapping


def mapped(payload: dict[str, Any], **options: Any) -> dict[str, str]:
    return Mapper(mapping("leads.csv", **options))(payload)


def test_columns_get_our_names_and_the_others_stay_as_attributes() -> None:
    payload = {"LEADID": " 7 ", "E-Mail": "a@b.com", "Shoe Size": "44", "Empty": " "}
    fields = {"id": "LEADID", "email": "E-Mail", "source": "= web form", "phone": "Missing"}
    expected = {"id": "7", "email": "a@b.com", "source": "web form"}
    assert mapped(payload, fields=fields) == expected | {"Shoe Size": "44"}
    assert mapped(payload, fields=fields, extras=False) == expected
    assert mapped(payload, fields=fields, drop=("Shoe Size",)) == expected


def test_columns_reach_into_nested_objects() -> None:
    payload = {
        "id": 7, "properties": {"email": "a@b.com", "hs.x": 1, "deep": {"tier": "A"}}, "mails": [{"to": "x"}],
        "no. of staff": "12", "note": {"k": "v"},
    }  # fmt: skip
    fields = {
        "id": "id",
        "email": "properties.email",
        "first": "mails.0.to",
        "staff": "no. of staff",
        "gone": "mails.1.to",
    }
    assert mapped(payload, fields=fields, drop=("mails",)) == {
        "id": "7", "email": "a@b.com", "first": "x", "staff": "12",
        "properties.hs.x": "1", "properties.deep.tier": "A", "note": '{"k": "v"}',
    }  # fmt: skip
    assert "properties.deep.tier" not in mapped(payload, fields=fields, drop=("properties.deep.tier",))
    times = Mapper(mapping("leads", fields={"updated_at": "meta.at"}, cursor="updated_at"))
    assert times.cursor({"meta": {"at": "2026-01-02"}}) == datetime(2026, 1, 2, tzinfo=UTC)


def test_columns_that_have_our_names_need_no_mapping() -> None:
    assert mapped({"id": "7", "created_at": "2026-01-02"}) == {
        "id": "7",
        "created_at": "2026-01-02T00:00:00+00:00",
    }


def test_a_mapped_column_wins_over_one_that_has_our_name() -> None:
    assert mapped({"owner": "by hand", "Owner Id": ""}, fields={"owner": "Owner Id"}) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15 Apr, 2021 00:03:00", "2021-04-14T22:03:00+00:00"),
        ("2021-04-15 00:03:00", "2021-04-14T22:03:00+00:00"),
        ("2021-01-15", "2021-01-14T23:00:00+00:00"),
        ("2021-04-15T00:03:00Z", "2021-04-15T00:03:00+00:00"),
        ("2021-04-15T00:03:00-07:00", "2021-04-15T07:03:00+00:00"),
        ("04/15/2021", "04/15/2021"),
        ("0001-01-01", "0001-01-01"),
        ("soon", "soon"),
    ],
)
def test_moments_become_utc_or_stay_as_found(text: str, expected: str) -> None:
    found = mapped({"created_at": text}, time_formats=("%d %b, %Y %H:%M:%S",), zone="Europe/Berlin")
    assert found == {"created_at": expected}


def test_a_format_of_the_mapping_comes_before_iso() -> None:
    assert mapped({"updated_at": "20210304"}, time_formats=("%Y%d%m",))["updated_at"].startswith("2021-04-03")


def test_epochs_are_formats() -> None:
    seconds = mapped({"updated_at": "1618444980"}, time_formats=("epoch_seconds",))
    milliseconds = mapped({"updated_at": 1618444980000}, time_formats=("epoch_milliseconds",))
    assert seconds == milliseconds == {"updated_at": "2021-04-15T00:03:00+00:00"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$342.09K", "342090"),
        ("$1,117.10K", "1117100"),
        ("$22,700.00", "22700"),
        ("-$5", "-5"),
        ("€ 1.5 M", "1500000"),
        ("1234567", "1234567"),
        ("100", "100"),
        ("0.000001", "0.000001"),
        ("0", "0"),
        ("1.234,50", "1.234,50"),
        ("12,34", "12,34"),
        ("a lot", "a lot"),
        ("", ""),
    ],
)
def test_money_becomes_a_number_or_stays_as_found(text: str, expected: str) -> None:
    assert number(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.200", "1200"),
        ("1.234,56", "1234.56"),
        ("€ 1.234.567", "1234567"),
        ("1 200", "1200"),
        ("1\u202f234,5", "1234.5"),
        ("12,5", "12.5"),
        ("1200", "1200"),
        ("1,200.5", "1,200.5"),
        ("1.5", "1.5"),
        ("a lot", "a lot"),
    ],
)
def test_a_decimal_comma_is_read_where_the_mapping_says_so(text: str, expected: str) -> None:
    assert number(text, ",") == expected
    given = mapped({"Size": text}, fields={"size": "Size"}, numbers=("size",), decimal=",")
    assert given["size"] == expected


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("46296", "2026-10-01T00:00:00+00:00"),
        ("46308.5", "2026-10-13T12:00:00+00:00"),
        ("7", "7"),
        ("1e9", "1e9"),
    ],
)
def test_days_of_excel_are_a_format(text: str, moment: str) -> None:
    assert mapped({"updated_at": text}, time_formats=("excel_days",))["updated_at"] == moment


@given(st.decimals(min_value=-(10**15), max_value=10**15, places=4, allow_nan=False))
def test_a_number_stays_the_number_it_is(value: Any) -> None:
    assert float(number(f"{value:,f}")) == float(value)


def test_values_are_translated_and_an_empty_one_is_no_value() -> None:
    values = {"type": {"Responded": "form", "": "unknown"}, "lead_id": {"0": ""}}
    fields = {"type": "Status", "lead_id": "LEADID"}
    assert mapped({"Status": "Responded", "LEADID": "0"}, fields=fields, values=values) == {"type": "form"}
    assert mapped({"Status": "", "LEADID": "5"}, fields=fields, values=values)["type"] == "unknown"
    assert mapped({"Status": "Other"}, fields=fields, values=values)["type"] == "Other"


def test_json_values_become_text() -> None:
    payload = {"id": 4563.0, "ok": True, "score": 1.5, "tags": ["ä"], "none": None}
    assert mapped(payload) == {"id": "4563", "ok": "true", "score": "1.5", "tags": '["ä"]'}


def test_a_look_up_takes_only_what_stands_there_once() -> None:
    lookup = Lookup(read="Leads.csv", match="Name", by="Lead", take="LEADID")
    rows = [{"Name": "Ada", "LEADID": "1"}, {"Name": "Bob", "LEADID": "2"}, {"Name": "Bob", "LEADID": "3"}]
    found = {"lead_id": unambiguous(lookup, rows)}
    mapper = Mapper(mapping("Touches.csv", lookups={"lead_id": lookup}), found)
    assert mapper({"Lead": " Ada"})["lead_id"] == "1"
    assert "lead_id" not in mapper({"Lead": "Bob"})
    assert "lead_id" not in mapper({})


def test_the_cursor_is_read_from_its_column_and_needs_to_be_readable() -> None:
    mapper = Mapper(mapping("x.csv", fields={"occurred_at": "When"}, cursor="occurred_at"))
    assert mapper.cursor({"When": "2026-01-02"}) == datetime(2026, 1, 2, tzinfo=UTC)
    assert mapper.cursor({"When": "soon"}) is None
    assert Mapper(mapping("x.csv")).cursor({"updated_at": "2026-01-02"}) is None


def test_the_source_time_is_the_best_moment_there_is() -> None:
    mapper = Mapper(mapping("x.csv"))
    assert mapper.source_time({"created_at": "2026-01-02", "updated_at": "2026-01-03"}) == datetime(
        2026, 1, 3, tzinfo=UTC
    )
    assert mapper.source_time({"updated_at": "soon", "created_at": "2026-01-02"}) == datetime(
        2026, 1, 2, tzinfo=UTC
    )
    assert mapper.source_time({}) is None
