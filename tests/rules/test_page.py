"""docs/rules.md tells the truth: its table is the code's, its examples are conditions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clearlane.rules import FUNCTIONS, Type, explain, function_table, parse

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rules.md"
COLUMNS = {
    **dict.fromkeys(("country", "title", "seniority", "email_domain", "city", "company", "phone"), Type.TEXT),
    **dict.fromkeys(("employees", "seats", "growth", "Company Size"), Type.NUMBER),
    **dict.fromkeys(("created_at", "as_of"), Type.TIME),
    "is_customer": Type.BOOLEAN,
}
LISTS = {"competitors": ("rival.com",)}


def test_the_table_is_that_of_the_code() -> None:
    found = re.search(r"<!-- functions:.*?-->\n(.*?)\n<!-- end of functions -->", PAGE.read_text(), re.DOTALL)
    assert found is not None
    assert found[1] == function_table()


@pytest.mark.parametrize("example", [function.example for function in FUNCTIONS])
def test_examples_of_functions_are_conditions(example: str) -> None:
    explain(parse(example, COLUMNS, LISTS), {})


def test_examples_of_the_page_are_conditions() -> None:
    examples = re.findall(r'^when: "(.*)"$', PAGE.read_text(), re.MULTILINE)
    assert len(examples) >= 3
    for example in examples:
        explain(parse(example, COLUMNS, LISTS), {})
