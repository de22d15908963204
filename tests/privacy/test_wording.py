"""What tells of a person is found by the quick pattern wherever the exact one finds it."""

from __future__ import annotations

import html
import json
import re
from urllib.parse import quote

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from clearlane.privacy import wording

VALUES = st.one_of(
    st.from_regex(r"[a-z.+']{1,8}@[a-z-]{1,8}\.(com|example)", fullmatch=True),
    st.text(st.sampled_from("AéßİiΣ'&<>\" -+0(.)"), min_size=1, max_size=12),
)
WRITTEN = (str, str.upper, html.escape, quote, json.dumps)
AROUND = st.text(st.sampled_from("ab.-_@ \\n<&%4\"'"), max_size=4)


@given(st.lists(VALUES, min_size=1, max_size=3), st.sampled_from(WRITTEN), AROUND, AROUND)
def test_the_hint_is_wherever_the_pattern_is(values: list[str], written, before: str, after: str) -> None:
    text = f"{before}{written(values[0])}{after}"
    if re.search(wording.pattern(values), text, re.IGNORECASE):
        assert any(re.search(hint, text, re.IGNORECASE) for hint in wording.hints(values))
        assert re.search(wording.pattern(wording.said_in(text, values)), text, re.IGNORECASE)


def test_the_hint_is_inside_anothers_too_and_the_pattern_is_not() -> None:
    inside = "xann@firm.example"
    assert re.search(*wording.hints(["ann@firm.example"]), inside)
    assert not re.search(wording.pattern(["ann@firm.example"]), inside)


def test_several_columns_are_looked_at_as_one(ledger_engine: sa.Engine) -> None:
    said = ["Anna Maria O'Neill", "anna+crm@acme.example", "+49 (30) 555-0101", "c++ {x} [y] $1 ^2 a|b \\ *?"]
    together = wording.together(("number", "said", "whole"))
    statement = f"""
        select count(*) from (values (1, cast(:text as text), jsonb_build_object('who', cast(:text as text)))) t
            (number, said, whole)
        where {together} ~* any(:hint) and said ~* :pattern and cast(whole as text) ~* :pattern"""
    with ledger_engine.connect() as connection:
        for text in said:
            asked = {"text": text, "hint": wording.hints(said), "pattern": wording.pattern(said)}
            assert connection.execute(sa.text(statement), asked).scalar_one() == 1, text
