"""What tells of a person is found by the quick pattern wherever the exact one finds it."""

from __future__ import annotations

import html
import json
import re
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from clearlane.privacy import wording

VALUES = st.one_of(
    st.from_regex(r"[a-z.+']{1,8}@[a-z-]{1,8}\.(com|example)", fullmatch=True),
    st.text(st.sampled_from("Aéß'&<>\" -+0(.)"), min_size=1, max_size=12),
)
WRITTEN = (str, str.upper, html.escape, quote, json.dumps)
AROUND = st.text(st.sampled_from("ab.-_@ \\n<&%4\"'"), max_size=4)


@given(st.lists(VALUES, min_size=1, max_size=3), st.sampled_from(WRITTEN), AROUND, AROUND)
def test_the_hint_is_wherever_the_pattern_is(values: list[str], written, before: str, after: str) -> None:
    text = f"{before}{written(values[0])}{after}"
    if re.search(wording.pattern(values), text, re.IGNORECASE):
        assert re.search(wording.hint(values), text, re.IGNORECASE)


def test_the_hint_is_inside_anothers_too_and_the_pattern_is_not() -> None:
    inside = "xann@firm.example"
    assert re.search(wording.hint(["ann@firm.example"]), inside)
    assert not re.search(wording.pattern(["ann@firm.example"]), inside)
