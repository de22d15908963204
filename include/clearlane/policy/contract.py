"""contract.yaml: what each object must hold to be usable, what a whole delivery must look like, how long it is kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, model_validator
from pydantic import Field as ShapeField

from clearlane.policy.document import Document
from clearlane.policy.model import OBJECTS, BatchRule, Check, Contract, Field, ObjectContract, Retention
from clearlane.policy.problems import Path, nearest, shown
from clearlane.policy.shapes import FileShape, Shape, whole_days
from clearlane.rules import Type

ObjectName = Literal["leads", "contacts", "accounts", "opportunities", "activities", "reps", "outcomes"]


class CheckShape(Shape):
    """`email`, or `{between: [1, 100]}`, `{one_of: [a, b]}`, `{matches: "^A"}`, `{max_length: 80}`."""

    email: bool | None = None
    phone: bool | None = None
    not_future: bool | None = None
    not_rounded: bool | None = None
    whole: bool | None = None
    one_of: list[str | float] | None = None
    matches: str | None = None
    between: list[float] | None = ShapeField(default=None, min_length=2, max_length=2)
    max_length: int | None = ShapeField(default=None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {value: True} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_check(self) -> CheckShape:
        if len(self.model_fields_set) != 1:
            raise ValueError("exactly one check an entry")
        return self


class FieldShape(Shape):
    """`text`, or `{type: text, required: true, checks: [email]}`."""

    type: Literal["text", "number", "boolean", "time"] = "text"
    required: bool = False
    checks: list[CheckShape] = ShapeField(default=[])

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {"type": value} if isinstance(value, str) else value


class ObjectShape(Shape):
    fields: dict[str, FieldShape]
    any_of: list[list[str]] = ShapeField(default=[])


class BatchRuleShape(Shape):
    rule: Literal["volume", "bad_share", "freshness", "schema"]
    objects: list[ObjectName]
    warn: float | None = None
    stop: float | None = None
    trailing_windows: int = ShapeField(default=28, ge=1)


NEVER: Final = "never"


def kept_for(value: object) -> int | None:
    """`180 days`, `26 weeks`; `never`: nothing of it goes."""
    try:
        return None if value == NEVER else whole_days(value)
    except ValueError:
        raise ValueError("a number of whole days such as '180 days' or '26 weeks', or 'never'") from None


Kept = Annotated[int | None, BeforeValidator(kept_for)]


class RetentionShape(Shape):
    payloads: Kept = ShapeField(default=Retention.payloads)
    dismissed: Kept = ShapeField(default=Retention.dismissed)
    quarantine: Kept = ShapeField(default=Retention.quarantine)
    mails: Kept = ShapeField(default=Retention.mails)
    writes: Kept = ShapeField(default=Retention.writes)
    dead_writes: Kept = ShapeField(default=Retention.dead_writes)
    shadow: Kept = ShapeField(default=Retention.shadow)
    data_docs: Kept = ShapeField(default=Retention.data_docs)
    reports: Kept = ShapeField(default=Retention.reports)
    leads: Kept = ShapeField(default=Retention.leads)


class ContractShape(FileShape):
    objects: dict[ObjectName, ObjectShape] = ShapeField(default={})
    batch_rules: list[BatchRuleShape] = ShapeField(default=[])
    retention: RetentionShape = RetentionShape()


EMPTY = Contract({}, ())


def built(document: Document, shape: ContractShape) -> Contract:
    """The contract by object, in the order in which objects are read."""
    objects = {
        str(name): _object(document, ("objects", name), described)
        for name, described in sorted(shape.objects.items(), key=lambda item: OBJECTS.index(item[0]))
    }
    rules = (
        BatchRule(rule.rule, tuple(rule.objects), rule.warn, rule.stop, rule.trailing_windows)
        for rule in shape.batch_rules
    )
    kept = {one.name: getattr(shape.retention, one.name) for one in fields(Retention)}
    return Contract(objects, tuple(rules), Retention(**kept))


def _object(document: Document, path: Path, shape: ObjectShape) -> ObjectContract:
    for index, group in enumerate(shape.any_of):
        for name in group:
            if name not in shape.fields:
                known = "a field of this object"
                document.report((*path, "any_of", index), name, known, nearest(name, shape.fields))
    fields = (_field(document, (*path, "fields", name), name, field) for name, field in shape.fields.items())
    return ObjectContract(tuple(fields), tuple(map(tuple, shape.any_of)))


def _field(document: Document, path: Path, name: str, shape: FieldShape) -> Field:
    return Field(name, Type(shape.type), shape.required, tuple(_checks(document, path, shape)))


def _checks(document: Document, path: Path, shape: FieldShape) -> Iterator[Check]:
    for index, check in enumerate(shape.checks):
        rule = next(iter(check.model_fields_set))
        allowed = getattr(check, rule)
        here: Path = (*path, "checks", index)
        if rule == "matches":
            _check_pattern(document, here, allowed)
        if rule == "between" and allowed[0] > allowed[1]:
            document.report(here, shown(allowed), "the lower bound first")
        _check_type(document, here, rule, shape.type)
        yield Check(rule, None if allowed is True else allowed)  # type: ignore[arg-type]  # a field's name


def _check_pattern(document: Document, path: Path, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        document.report(path, shown(pattern), f"a regular expression: {error}")


_TYPE_OF = {"between": "number", "whole": "number", "not_future": "time"}


def _check_type(document: Document, path: Path, rule: str, kind: str) -> None:
    wanted = _TYPE_OF.get(rule, "text")
    if rule != "one_of" and kind != wanted:
        document.report(path, f"{rule} on a {kind}", f"{rule} checks a {wanted}")
