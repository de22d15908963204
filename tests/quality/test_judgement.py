"""Rows of text are typed, emptied or quarantined; Great Expectations and the plain checks judge alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.profiles import examples

from clearlane.policy.model import Check, Field, ObjectContract
from clearlane.quality import bare_pages, plain
from clearlane.quality.expectations import ExpectationFailed, Expectations
from clearlane.quality.judgement import Judgement, judged
from clearlane.quality.requirements import Requirement, widened
from clearlane.rules import Type

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
CONTRACT = ObjectContract(
    fields=(
        Field("id", Type.TEXT, required=True, checks=(Check("not_rounded"), Check("max_length", 8))),
        Field("email", Type.TEXT, checks=(Check("email"), Check("max_length", 20))),
        Field("phone", Type.TEXT, checks=(Check("phone"),)),
        Field("status", Type.TEXT, checks=(Check("one_of", ["new", "open", "Ünï"]),)),
        Field("postcode", Type.TEXT, checks=(Check("matches", r"^\d+$"), Check("max_length", 5))),
        Field("employees", Type.NUMBER, checks=(Check("between", [1, 1000]),)),
        Field("rating", Type.NUMBER, checks=(Check("one_of", [1.0, 2.5]),)),
        Field("seats", Type.NUMBER, checks=(Check("whole"), Check("between", [1, 2000]))),
        Field("opt_out", Type.BOOLEAN),
        Field("created_at", Type.TIME, required=True, checks=(Check("not_future"),)),
    ),
    any_of=(("email", "phone"),),
)
NAMES = [field.name for field in CONTRACT.fields] + ["country"]
GOOD = {"id": "1", "email": "jane@acme.com", "created_at": "2026-01-01T10:00:00+00:00"}


def rows(*records: dict[str, str | None]) -> pd.DataFrame:
    values = [[number, *(record.get(name) for name in NAMES)] for number, record in enumerate(records)]
    return pd.DataFrame(values, columns=["seq", *NAMES], dtype=object).astype({"seq": "int64"})


def plainly(*records: dict[str, str | None]) -> Judgement:
    return judged("leads", rows(*records), CONTRACT, AS_OF, plain.violations)


def reasons(frame: pd.DataFrame) -> list[tuple[str, str]]:
    return list(frame[["field", "rule"]].itertuples(index=False, name=None))


def test_a_good_record_is_typed() -> None:
    record = GOOD | {
        "employees": "1,000", "opt_out": "Yes", "rating": "2.5", "phone": "504-621-8927", "country": "USA",
        "created_at": "2026-02-01 12:30:00.25+01:00", "status": " new ",
    }  # fmt: skip
    judgement = plainly(record)
    assert reasons(judgement.emptied) == reasons(judgement.quarantined) == []
    assert judgement.typed.drop(columns="seq").to_dict("records") == [
        {
            "id": "1", "email": "jane@acme.com", "phone": "+15046218927", "status": "new", "postcode": None,
            "employees": 1000, "rating": 2.5, "seats": None, "opt_out": True,
            "created_at": "2026-02-01T11:30:00.250000+00:00",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("phone", "504-621-8927", "phone"),
        ("status", "NEW", "one_of"),
        ("postcode", "12a", "matches"),
        ("postcode", "123456", "max_length"),
        ("employees", "many", "type"),
        ("employees", "12,5", "type"),
        ("employees", "1e999", "type"),
        ("employees", "0", "between"),
        ("rating", "2", "one_of"),
        ("seats", "1.200", "whole"),
        ("seats", "1.000", "whole"),
        ("seats", "12.5", "whole"),
        ("seats", "51-200", "whole"),
        ("seats", "1,234,567", "between"),
        ("opt_out", "maybe", "type"),
    ],
)
def test_a_bad_optional_field_is_emptied(field: str, value: str, rule: str) -> None:
    judgement = plainly(GOOD | {field: value})
    assert reasons(judgement.emptied) == [(field, rule)]
    assert judgement.emptied["found"].tolist() == [value]
    assert judgement.typed[field].tolist() == [None]
    assert judgement.quarantined.empty


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"id": None}, [("id", "required")]),
        ({"id": "   "}, [("id", "required")]),
        ({"id": "123456789"}, [("id", "max_length"), ("id", "required")]),
        ({"id": "1.23E+17"}, [("id", "not_rounded"), ("id", "required")]),
        ({"id": "1,5e+17"}, [("id", "not_rounded"), ("id", "required")]),
        ({"id": "5E+17"}, [("id", "not_rounded"), ("id", "required")]),
        ({"created_at": "yesterday"}, [("created_at", "required"), ("created_at", "type")]),
        ({"created_at": "2026-03-01T00:00:01Z"}, [("created_at", "not_future"), ("created_at", "required")]),
        ({"email": "n/a"}, [("email", "email"), ("email or phone", "any_of")]),
        (
            {"email": None, "phone": "12", "opt_out": "?"},
            [("email or phone", "any_of"), ("opt_out", "type"), ("phone", "phone")],
        ),
    ],
)
def test_what_cannot_be_used_is_quarantined_with_every_reason(
    changes: dict[str, str | None], expected: list[tuple[str, str]]
) -> None:
    judgement = plainly(GOOD | changes)
    assert reasons(judgement.quarantined) == expected
    assert judgement.emptied.empty
    assert judgement.quarantined["allowed"].notna().all()


@pytest.mark.parametrize("written", ["1200", "1,200", "1200.0", " 1200 "])
def test_a_whole_number_may_group_its_thousands_by_commas(written: str) -> None:
    assert plainly(GOOD | {"seats": written}).typed["seats"].tolist() == [1200]


@pytest.mark.parametrize("id_", ["1E5", "5e17", "00E00001", "12E+4", "E+12"])
def test_an_id_that_only_looks_like_a_number_is_kept(id_: str) -> None:
    assert plainly(GOOD | {"id": id_}).typed["id"].tolist() == [id_]


def test_a_way_of_contact_is_enough() -> None:
    judgement = plainly(GOOD | {"email": "n/a", "phone": "+1 504 621 8927"})
    assert reasons(judgement.emptied) == [("email", "email")]


def test_a_deleted_record_needs_no_way_of_contact() -> None:
    contract = replace(CONTRACT, fields=(*CONTRACT.fields, Field("deleted", Type.BOOLEAN)))
    silent = {name: value for name, value in GOOD.items() if name != "email"}
    frame = rows(silent, silent, silent).assign(deleted=["true", "no", None])
    judgement = judged("leads", frame, contract, AS_OF, plain.violations)
    assert list(judgement.quarantined["seq"]) == [1, 2]


def test_judging_what_was_judged_changes_nothing() -> None:
    first = plainly(GOOD | {"employees": "1,000", "opt_out": "N", "phone": "(504) 621-8927", "country": "us"})
    record = {
        str(k): None if v is None else str(v) for k, v in first.typed.drop(columns="seq").iloc[0].items()
    }
    assert plainly(record).typed.to_dict("records") == first.typed.to_dict("records")


def test_no_rows_are_judged_too() -> None:
    assert plainly().typed.empty


def test_declared_attributes_widen_the_contract() -> None:
    wider = widened(CONTRACT, {"opt_out": Type.TEXT, "trial_days": Type.NUMBER, "color": Type.TEXT})
    assert wider.fields == (*CONTRACT.fields, Field("trial_days", Type.NUMBER))


# -- the two engines -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def expectations() -> Iterator[Expectations]:
    return Expectations()


TRICKY = st.sampled_from(
    ["", " ", "0", "1", "7", "1000", "1,000", "1.5", "-3", "2.5", "1e3", "1e999", "nan", "inf", "None", "NaN",
     "null", "true", "No", "new", "open", "Ünï", "Ünï", "ünï", "٣", "12\n", "12 34", "ß" * 5, "😀" * 5, "a" * 21,
     "jane@acme.com", "JANE@ACME.COM", "jane@", "jörg@müller.de", "504-621-8927", "+15046218927", "us", "GB",
     "2026-01-01", "2026-02-29", "2026-03-01T00:00:00Z", "2026-03-01T00:00:01Z", "2027-01-01T00:00:00+14:00",
     "9999-12-31T23:59:59Z", "1000-01-01", "0001-01-01", "20260101", "2026-01-01 10:00:00.123456789"]
)  # fmt: skip
CELLS = (
    st.none()
    | TRICKY
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
)
RECORDS = st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, CELLS)), max_size=40)


@settings(
    max_examples=examples(8, 100), phases=[Phase.explicit, Phase.generate]
)  # a failure is costly to shrink here
@given(RECORDS)
def test_both_engines_judge_alike(expectations: Expectations, records: list[dict[str, str | None]]) -> None:
    by_plain = plainly(*records)
    by_expectations = judged("leads", rows(*records), CONTRACT, AS_OF, expectations.violations)
    assert by_expectations.typed.to_dict("records") == by_plain.typed.to_dict("records")
    assert by_expectations.emptied.to_dict("records") == by_plain.emptied.to_dict("records")
    assert by_expectations.quarantined.to_dict("records") == by_plain.quarantined.to_dict("records")


@settings(max_examples=examples(20, 300))
@given(RECORDS)
def test_every_row_is_kept_and_no_bad_value_stays(records: list[dict[str, str | None]]) -> None:
    judgement = plainly(*records)
    assert judgement.typed["seq"].tolist() == list(range(len(records)))
    for bad in judgement.emptied.itertuples():
        assert judgement.typed.set_index("seq").at[bad.seq, bad.field] is None
    good = judgement.typed[~judgement.typed["seq"].isin(judgement.quarantined["seq"])]
    assert good["id"].notna().all()
    assert good[["email", "phone"]].notna().any(axis=1).all()


def test_an_expectation_that_cannot_be_evaluated_is_an_error(expectations: Expectations) -> None:
    requirement = Requirement("age", "between", "between 1 and 2", "age", "between", (1, 2))
    with pytest.raises(ExpectationFailed, match="age, between"):
        expectations.violations("broken", rows(GOOD), [requirement])


@settings(max_examples=examples(10, 100))
@given(
    st.lists(st.sampled_from([None, "0", "2", "1.5", "1,000", "n/a"]), min_size=1, max_size=5),
    st.sampled_from(["employees", "rating"]),
)
def test_a_record_is_typed_alike_beside_any_others(found: list[str | None], field: str) -> None:
    together = plainly(*(GOOD | {field: value} for value in found)).typed[field]
    alone = [plainly(GOOD | {field: value}).typed[field].iloc[0] for value in found]
    assert [(type(value), value) for value in together] == [(type(value), value) for value in alone]


# -- the pages that Great Expectations writes ----------------------------------------------------------

LOADS = re.compile(r"<script|<link|<img|@import|url\(|\bsrc=|https?://", re.IGNORECASE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is written of two leads, one of whom cannot be reached."""
    folder = tmp_path_factory.mktemp("site")
    engine = Expectations()
    judged("leads", rows(GOOD, {**GOOD, "email": "nowhere"}), CONTRACT, AS_OF, engine.violations)
    engine.write_docs(folder)
    return folder


def test_no_page_loads_anything(site: Path) -> None:
    pages = [page.read_text(encoding="utf-8") for page in site.rglob("*.html")]
    assert [LOADS.findall(page) for page in pages] == [[]] * 5
    assert {file.suffix for file in site.rglob("*") if file.is_file()} == {".html"}


def test_the_index_leads_to_every_page_and_says_what_was_not_kept(site: Path) -> None:
    index = (site / "index.html").read_text(encoding="utf-8")
    addresses = re.findall(r'href="([^"]*)"', index)
    assert {site / unquote(one) for one in addresses} == set(site.rglob("*.html")) - {site / "index.html"}
    assert re.search(r"leads: fields, checked \d\d:\d\d:\d\d UTC</a>: 1 not kept", index)


def test_results_stay_readable_without_their_icons(site: Path) -> None:
    page = next((site / "validations" / "leads: fields").rglob("*.html")).read_text(encoding="utf-8")
    assert "email is readable" in page
    assert page.count('<i class="fas fa-times') == 2
    assert ".fa-times::before{content:" in page


def test_what_would_run_is_taken_out_and_what_is_said_stays() -> None:
    page = (
        '<head><LINK rel="x" href="https://a.example/b.css"><style>p{background:url(https://a.example)}</style></head>'
        '<body><img\nsrc="https://a.example/b.png"><p onclick="go()">said</p><script>let a = "<p>";\n</script></body>'
    )
    kept = bare_pages.bare(page)
    assert LOADS.findall(kept) == []
    assert "onclick" not in kept
    assert kept.endswith("<body><p>said</p></body>")
