"""A model of probability as a JSON file beside the policy, and whether it still fits that policy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from clearlane.policy import PolicyErrors, Problem
from clearlane.policy.loading import beside
from clearlane.policy.model import Scoring
from clearlane.rules import Type
from clearlane.score.additive import Additive, Names, Numbers, Part, meaning


class UnknownModel(ValueError):
    """A stored model that cannot be used, with the reason."""


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _PartShape(_Shape):
    of: Literal["rule", "attribute"]
    name: str
    edges: list[float] | None = None
    worth: list[float] = []
    values: dict[str, float] | None = None
    other: float = 0.0
    missing: float = 0.0

    @model_validator(mode="after")
    def _fits(self) -> _PartShape:
        if (self.edges is None) == (self.values is None):
            raise ValueError("allowed are either edges and worth, or values")
        if self.edges is not None and len(self.worth) != len(self.edges) + 1:
            raise ValueError("worth has one entry more than edges")
        if self.edges is not None and sorted(set(self.edges)) != self.edges:
            raise ValueError("edges rise")
        return self

    def part(self) -> Part:
        if self.edges is not None:
            return Part(self.of, self.name, Numbers(tuple(self.edges), tuple(self.worth), self.missing))
        return Part(self.of, self.name, Names(self.values or {}, self.other, self.missing))


class _ModelShape(_Shape):
    version: Literal[1] = Field(alias="schema")
    target: str
    kind: str
    learnt: dict[str, Any]
    base: float
    meanings: dict[str, str]
    parts: list[_PartShape]


def saved(model: Additive) -> str:
    """JSON text, the same for the same model."""
    shape = {
        "schema": 1, "target": model.target, "kind": model.kind, "learnt": dict(model.learnt), "base": model.base,
        "meanings": dict(sorted(model.meanings.items())), "parts": [_saved(part) for part in model.parts],
    }  # fmt: skip
    return json.dumps(shape, ensure_ascii=False, indent=1) + "\n"


def _saved(part: Part) -> dict[str, Any]:
    table = part.table
    if isinstance(table, Numbers):
        own: dict[str, Any] = {"edges": list(table.edges), "worth": list(table.worth)}
    else:
        own = {"values": dict(table.worth), "other": table.other}
    return {"of": part.of, "name": part.name, **own, "missing": table.missing}


def loaded(text: str, name: str = "predictive.json") -> Additive:
    """The model of a JSON text. Raises UnknownModel, naming the file, the place and what is wrong there."""
    try:
        shape = _ModelShape.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise UnknownModel(f"{name}: {place}: {first['msg']}") from None
    parts = tuple(part.part() for part in shape.parts)
    return Additive(shape.target, shape.kind, shape.learnt, shape.base, parts, shape.meanings)


def predictive_model(directory: Path, scoring: Scoring) -> Additive | None:
    """The model beside the policy that scoring.yaml names; None: it names none. Raises PolicyErrors."""
    name = scoring.predictive
    return None if name is None else fitting(beside(directory, name), name, scoring)


def fitting(text: str, name: str, scoring: Scoring) -> Additive:
    """The model of a file's text, which fits the policy. Raises PolicyErrors."""
    try:
        model = loaded(text, name)
    except UnknownModel as unknown:
        raise PolicyErrors([_problem(name, str(unknown).removeprefix(f"{name}: "))]) from None
    found = [_problem(name, problem) for problem in problems(model, scoring)]
    if found:
        raise PolicyErrors(found)
    return model


def _problem(name: str, found: str) -> Problem:
    return Problem(
        name, 0, "the model", found, "a model that was learnt under this scoring.yaml: learn it again"
    )


def problems(model: Additive, scoring: Scoring) -> Iterator[str]:
    """Everything by which the model no longer fits the policy."""
    known = {rule.id: meaning(rule) for rule in scoring.rules}
    for part in model.parts:
        if part.of == "rule" and part.name not in known:
            yield f"scoring.yaml has no rule {part.name}"
        elif part.of == "rule" and known[part.name] != model.meanings.get(part.name):
            yield f"the rule {part.name} is not what it was when the model was learnt"
        elif part.of == "attribute" and part.name in scoring.protected:
            yield f"{part.name} is protected: no model may look at it"
        elif part.of == "attribute" and scoring.attributes.get(part.name) not in _types(part):
            yield f"scoring.yaml declares no {part.name} of the model's type"


def _types(part: Part) -> tuple[Type, ...]:
    return (Type.NUMBER,) if isinstance(part.table, Numbers) else (Type.TEXT, Type.BOOLEAN)
