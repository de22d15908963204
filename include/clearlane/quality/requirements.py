"""The contract as a list of requirements on columns: what both engines check.

Great Expectations has no check for what a parsing library decides; such verdicts are boolean columns
that are required to be true.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

import pandas as pd

from clearlane.policy.model import Check, Field, ObjectContract, Policy
from clearlane.quality.readings import Reading
from clearlane.rules import Type

Test = Literal["true", "present", "one_of", "matches", "between", "max_length"]

_MEANT: dict[Reading, str] = {
    "text": "text",
    "number": "a number",
    "boolean": "true or false",
    "time": "an ISO 8601 time",
    "email": "an e-mail address",
    "phone": "a phone number of its country",
    "not_rounded": "an id with all its digits: a spreadsheet has rounded this one",
    "whole": "a whole number, written as 1200 or 1,200",
}
_BY_CHECK: Final = ("email", "phone", "not_rounded", "whole")
"""checks that say how a text is read"""


_NO_CONTRACT = ObjectContract(())


@dataclass(frozen=True)
class Requirement:
    """`field` and `rule` name it in reasons, `allowed` says it in words; `column` is what it looks at.

    `argument` is the list, pattern, (low, high) or length of `test`. Missing values pass every test but `present`.
    """

    field: str
    rule: str
    allowed: str
    column: str
    test: Test
    argument: object = None


def widened(contract: ObjectContract, attributes: Mapping[str, Type]) -> ObjectContract:
    """The contract with the declared attributes it does not name, as optional fields of their type."""
    named = {field.name for field in contract.fields}
    more = tuple(
        Field(name, kind) for name, kind in attributes.items() if name not in named and kind is not Type.TEXT
    )
    return replace(contract, fields=contract.fields + more)


def contracts_of(policy: Policy, objects: frozenset[str]) -> dict[str, ObjectContract]:
    """The contract of each of these objects, widened by the attributes that scoring.yaml declares for it."""
    known = policy.contract.objects
    return {
        name: widened(known.get(name, _NO_CONTRACT), _attributes(policy, name)) for name in sorted(objects)
    }


def _attributes(policy: Policy, name: str) -> Mapping[str, Type]:
    if name in ("leads", "contacts", "accounts"):
        return policy.scoring.attributes
    return policy.scoring.activity_attributes if name == "activities" else {}


def reading(field: Field) -> Reading:
    """How the field's text is read: as an e-mail, a phone and so on where a check says so, else by its type."""
    for check in field.checks:
        if check.rule in _BY_CHECK:
            return check.rule
    return field.type.value


def readable(field: str) -> str:
    """The column that says whether a field's text could be read."""
    return f"{field} is readable"


def usable(group: Iterable[str]) -> str:
    """The column that says whether a field of the group is usable."""
    return f"{' or '.join(group)} is usable"


def on_fields(contract: ObjectContract, as_of: datetime) -> list[Requirement]:
    """What each value must be; an optional field that is not so is emptied."""
    return [requirement for field in contract.fields for requirement in _on_field(field, as_of)]


def on_records(contract: ObjectContract) -> list[Requirement]:
    """What a record must hold once its bad fields are emptied; else it goes to quarantine."""
    required = [
        Requirement(field.name, "required", "a value", field.name, "present")
        for field in contract.fields
        if field.required
    ]
    groups = [
        Requirement(" or ".join(group), "any_of", "at least one usable", usable(group), "true")
        for group in contract.any_of
    ]
    return required + groups


def _on_field(field: Field, as_of: datetime) -> list[Requirement]:
    read = reading(field)
    rule = read if read in _BY_CHECK else "type"
    first = (
        [Requirement(field.name, rule, _MEANT[read], readable(field.name), "true")] if read != "text" else []
    )
    rest = [_on_value(field.name, check, as_of) for check in field.checks if check.rule != rule]
    return first + rest


def _on_value(field: str, check: Check, as_of: datetime) -> Requirement:
    allowed = check.allowed
    match check.rule, allowed:
        case "one_of", list() | tuple():
            words = f"one of {', '.join(map(str, allowed))}"
            return Requirement(field, "one_of", words, field, "one_of", list(allowed))
        case "matches", str():
            return Requirement(field, "matches", f"text that matches {allowed}", field, "matches", allowed)
        case "between", (low, high):
            return Requirement(field, "between", _span(low, high), field, "between", (low, high))
        case "max_length", int():
            words = f"at most {allowed} characters"
            return Requirement(field, "max_length", words, field, "max_length", allowed)
        case "not_future", _:
            latest = pd.Timestamp(as_of)
            words = f"not after {as_of.isoformat()}"
            return Requirement(field, "not_future", words, field, "between", (None, latest))
    raise ValueError(f"{field}: {check.rule} cannot be checked with {allowed!r}")


def _span(low: object, high: object) -> str:
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"between {low} and {high}"
