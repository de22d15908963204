"""The chance that a lead converts, beside its score: tables of log-odds, added up, so that every part can be told.

A model is a base and, for each rule and attribute it looks at, what each span or value adds to the log-odds of an
average lead. The weight review learns it (`review.learning.predictive`); `additive_file` stores it, `additive_sql`
compiles it, here it is looked up with pandas.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import exp
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from clearlane.policy.model import Rule

Floats = npt.NDArray[np.float64]
TOLD: Final = 3
"""parts that are told of each lead, the largest first"""
NOTABLE: Final = 0.05
"""log-odds that are told at all: some 5 % of the odds"""
ODDS: Final = 30.0
"""log-odds beyond which nobody is"""


@dataclass(frozen=True)
class Numbers:
    """What a number adds: `worth[i]` where it is below `edges[i]` and no earlier one, the last above all."""

    edges: tuple[float, ...]
    worth: tuple[float, ...]
    missing: float


@dataclass(frozen=True)
class Names:
    """What a text or a truth (`true`, `false`) adds."""

    worth: Mapping[str, float]
    other: float
    missing: float


@dataclass(frozen=True)
class Part:
    """A rule, by its evidence (contribution / points), or an attribute, and what it adds."""

    of: Literal["rule", "attribute"]
    name: str
    table: Numbers | Names

    @property
    def spans(self) -> tuple[tuple[str, float], ...]:
        """Every value in words, and what it adds; `not known` is the last."""
        if isinstance(self.table, Names):
            return (*self.table.worth.items(), ("another value", self.table.other), _unknown(self.table))
        unit = " × its points" if self.of == "rule" else ""
        holds = self.of == "rule" and len(self.table.edges) == 1
        ranges = ("does not hold", "holds") if holds else tuple(_ranges(self.table.edges, unit))
        return (*zip(ranges, self.table.worth, strict=True), _unknown(self.table))

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is said of each span: `employees 50 to below 250: odds × 1.9`."""
        return tuple(f"{self.name} {span}: odds × {exp(worth):.2g}" for span, worth in self.spans)


@dataclass(frozen=True)
class Additive:
    """A stored model: probability = 1 / (1 + exp(-(base + what its parts add)))."""

    target: str
    kind: str
    """how it was learnt: logistic or boosting"""
    learnt: Mapping[str, Any]
    """from what: leads, hits, since, until, horizon_days"""
    base: float
    parts: tuple[Part, ...]
    meanings: Mapping[str, str]
    """rule -> hash of what it meant when it was learnt from"""


def meaning(rule: Rule) -> str:
    """What a rule's evidence is: everything of it but its points, cap and words."""
    when = rule.when.fingerprint if rule.when else ""
    return hashlib.sha256(f"{when}|{rule.activity!r}".encode()).hexdigest()


def _unknown(table: Numbers | Names) -> tuple[str, float]:
    return "not known", table.missing


def _ranges(edges: tuple[float, ...], unit: str) -> Iterator[str]:
    if not edges:
        yield "known"
        return
    yield f"below {edges[0]:g}{unit}"
    yield from (f"{low:g} to below {high:g}{unit}" for low, high in pairwise(edges))
    yield f"from {edges[-1]:g}{unit}"


# --- looked up ------------------------------------------------------------------------------------


def places(table: Numbers | Names, values: pd.Series[Any]) -> npt.NDArray[np.intp]:
    """Which of its spans each value lies in."""
    if isinstance(table, Numbers):
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        found = np.searchsorted(table.edges, numbers, side="right")
        return np.where(np.isfinite(numbers), found, len(table.worth))
    codes, names = named(values)
    number = {name: n for n, name in enumerate(table.worth)}
    found = np.array([*(number.get(name, len(number)) for name in names), len(number) + 1], np.intp)
    return found[codes]


def named(values: pd.Series[Any]) -> tuple[npt.NDArray[np.intp], list[str]]:
    """Which name each value has, -1 for missing ones, and the names: texts, and truths as `true` and `false`."""
    codes, distinct = pd.factorize(values.astype(object), use_na_sentinel=True)
    return codes, [_text(value) for value in distinct]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)


def added(model: Additive, evidence: pd.DataFrame, attributes: pd.DataFrame) -> Floats:
    """What each part adds for each lead, in log-odds: (leads, parts)."""
    found = np.zeros((len(evidence), len(model.parts)))
    for n, (part, at) in enumerate(_located(model, evidence, attributes)):
        found[:, n] = np.array([worth for _, worth in part.spans])[at]
    return found


def probabilities(model: Additive, evidence: pd.DataFrame, attributes: pd.DataFrame) -> Floats:
    """(leads,)"""
    from scipy.special import expit  # few policies have such a model, and everything imports this module

    odds = model.base + added(model, evidence, attributes).sum(axis=1)
    return np.asarray(expit(np.clip(odds, -ODDS, ODDS)))


def because(model: Additive, evidence: pd.DataFrame, attributes: pd.DataFrame) -> list[str]:
    """The largest parts of each lead in words."""
    sizes = np.abs(added(model, evidence, attributes))
    order = np.argsort(-sizes, axis=1, kind="stable")[:, :TOLD]
    said = [np.array(part.sentences, dtype=object)[at] for part, at in _located(model, evidence, attributes)]
    return [
        "; ".join(said[n][row] for n in largest if sizes[row, n] >= NOTABLE)
        for row, largest in enumerate(order.tolist())
    ]


def _located(
    model: Additive, evidence: pd.DataFrame, attributes: pd.DataFrame
) -> Iterator[tuple[Part, npt.NDArray[np.intp]]]:
    frames = {"rule": evidence, "attribute": attributes}
    return ((part, places(part.table, frames[part.of][part.name])) for part in model.parts)
