"""From columns to conditions worth a try, found on the rows that are learnt from.

Numbers get steps (x >= t) and spans between them, at quantiles and where a tree on the column alone would cut;
categories get the frequent ones and groups in the order of their rates, drawn to the overall rate as far as chance
explains them; an empty cell is a condition of its own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from clearlane.review.learning.columns import Codes, Column, Flags, Floats, Table
from clearlane.review.learning.conditions import Condition, OneOf, Simple, Span, empty, roundest
from clearlane.review.soundness import auc

QUANTILES: Final = 8
LEAVES: Final = 9
STEPS: Final = 5
"""thresholds of a column between which spans are tried, too"""
SINGLES: Final = 15
"""categories of a column that get a condition of their own, the most frequent"""
FEW: Final = 8
"""categories that are put in order by their own rates: so few and large ones that chance has no say"""
FEWEST: Final = 12
"""rows in which a condition holds, and in which it does not, at least"""
SHARE: Final = 0.005
"""the same as a share of all rows"""
RARE: Final = 40
"""rows that are enough for a condition of one column, however many rows there are: few, but perhaps the best of all"""
_ABOUT: Final = frozenset(
    ("customer", "client", "person", "lead", "contact", "applicant", "user", "in", "of", "the", "years", "yrs", "group",
     "band", "bucket", "range", "code", "category", "at")
)  # fmt: skip
"""words around the name of a protected column that change nothing"""
LEAKS: Final = 0.985
"""a column that alone tells the outcomes apart this well (AUC) knows them"""


def fewest(rows: int) -> int:
    return max(FEWEST, int(SHARE * rows))


def fewest_alone(rows: int) -> int:
    """Of a condition of one column; pairs are so many that chance would make the best of the rare ones."""
    return min(fewest(rows), RARE)


@dataclass(frozen=True)
class Found:
    """A condition, and where it holds for learning: a group of categories as the other rows would have made it."""

    condition: Simple
    holds: Flags


def conditions(table: Table, won: Flags, weight: Floats, fold: Codes) -> list[Found]:
    """Conditions of all columns, none twice: not one that holds where another does, or where another does not.

    `fold` puts rows apart by whose rates the categories of the other rows are put in order.
    """
    found: dict[bytes, Found] = {}
    for name in sorted(table.columns):
        for each in _of_column(table.columns[name], won, weight, fold):
            true = int(each.holds.sum())
            if min(true, table.rows - true) >= fewest_alone(table.rows):
                key = np.packbits(each.holds ^ each.holds[0]).tobytes()
                found.setdefault(key, each)
    return list(found.values())


def matrix(found: Sequence[Condition], table: Table) -> NDArray[np.float32]:
    """(rows, conditions): 1 where a condition holds."""
    holds = np.empty((table.rows, len(found)), np.float32)
    for place, each in enumerate(found):
        holds[:, place] = each.holds(table)
    return holds


def _of_column(column: Column, won: Flags, weight: Floats, fold: Codes) -> Iterator[Found]:
    missing = column.missing
    alone = Table(len(won), {column.name: column})
    simple: list[Simple] = [empty(column)] if missing.any() else []
    if column.numbers is not None and not missing.all():
        simple += _of_numbers(column, won[~missing], weight[~missing])
    elif column.codes is not None:
        simple += _frequent(column)
        yield from _groups(column, won, weight, fold)
    yield from (Found(each, each.holds(alone)) for each in simple)


def _of_numbers(column: Column, won: Flags, weight: Floats) -> Iterator[Simple]:
    assert column.numbers is not None
    values = column.numbers[~column.missing]
    cut = _tree(values, won, weight)
    steps = sorted({*cut, *_quantiles(values)})
    yield from (Span(column.name, low=step) for step in steps)
    ends = [None, *sorted(cut[:STEPS]), None]
    for one, other in combinations(range(1, len(ends) - 1), 2):
        yield Span(column.name, ends[one], ends[other])


def _tree(values: Floats, won: Flags, weight: Floats) -> list[float]:
    """Thresholds where a tree on the column alone cuts, the first cuts first."""
    order, distinct = np.unique(values), len(values)
    if len(order) < 2 or won.all() or not won.any():
        return []
    tree = DecisionTreeClassifier(
        max_leaf_nodes=LEAVES, min_samples_leaf=min(max(fewest(distinct), distinct // 50), distinct // 2)
    )
    cut = tree.fit(values[:, None], won, sample_weight=weight).tree_
    at = [threshold for threshold, feature in zip(cut.threshold, cut.feature, strict=True) if feature >= 0]
    return list(dict.fromkeys(_between(order, float(threshold)) for threshold in at))


def _between(order: Floats, threshold: float) -> float:
    """A round limit with the same values on each side."""
    place = int(np.clip(np.searchsorted(order, threshold, side="right"), 1, len(order) - 1))
    return roundest(float(order[place - 1]), float(order[place]))


def _quantiles(values: Floats) -> list[float]:
    order = np.unique(values)
    if len(order) < 2:
        return []
    if len(order) <= QUANTILES + 1:
        return [roundest(float(a), float(b)) for a, b in pairwise(order)]
    asked = np.quantile(values, np.linspace(0, 1, QUANTILES + 1)[1:-1], method="higher")
    return sorted({_between(order, float(np.nextafter(each, -np.inf))) for each in asked if each > order[0]})


def _frequent(column: Column) -> Iterator[Simple]:
    codes, names = _coarse(column), [*column.categories, None]
    count = np.bincount(codes, minlength=len(names))
    frequent = sorted(
        np.flatnonzero(count >= fewest_alone(len(codes))), key=lambda code: (-count[code], code)
    )
    yield from (OneOf(column.name, (names[code],)) for code in frequent[:SINGLES])


def _groups(column: Column, won: Flags, weight: Floats, fold: Codes) -> Iterator[Found]:
    """Categories with the highest or the lowest rates, cut where a tree on the rates would."""
    codes, names = _coarse(column), [*column.categories, None]
    count = np.bincount(codes, minlength=len(names))
    usable = count >= min(5, fewest(len(codes)))
    rate = rates(codes, won, weight, len(names))
    if usable.sum() < 3 or np.ptp(rate[usable]) == 0:
        return
    told = rate[codes] if usable.sum() <= FEW else _of_others(codes, won, weight, fold, len(names))
    for limit in _tree(told, won, weight):
        above, below = ((rate >= limit) & usable, (rate < limit) & usable)
        smaller = above if above.sum() <= below.sum() else below
        holds = ((told >= limit) if smaller is above else (told < limit)) & usable[codes]
        if smaller.sum() > 1 and (won[told >= limit].mean() > won[told < limit].mean()):
            yield Found(OneOf(column.name, tuple(names[code] for code in np.flatnonzero(smaller))), holds)


def _of_others(codes: Codes, won: Flags, weight: Floats, fold: Codes, size: int) -> Floats:
    """The rate of each row's category among the rows of the other folds."""
    told = np.empty(len(codes))
    for place in np.unique(fold):
        own = fold == place
        told[own] = rates(codes[~own], won[~own], weight[~own], size)[codes[own]]
    return told


def rates(codes: NDArray[np.int64], won: Flags, weight: Floats, size: int) -> Floats:
    """The rate of each category, drawn to that of all by as many cases as chance alone would explain."""
    total = np.bincount(codes, weight, size)
    happened = np.bincount(codes, weight * won, size)
    base = happened.sum() / total.sum()
    seen = total > 0
    spread = base * (1 - base)
    raw = np.where(seen, happened / np.where(seen, total, 1), base)
    room = float(total.sum() - (total @ total) / total.sum())
    between = (total @ (raw - base) ** 2 - spread * (seen.sum() - 1)) / max(room, 1e-9)
    pull = spread / between if between > 1e-9 else np.inf
    if np.isinf(pull):
        return np.full(size, base)
    drawn: Floats = (happened + pull * base) / (total + pull)
    return drawn


# --- what is not learnt from ---


def usable(
    table: Table,
    won: Flags,
    protected: Collection[str],
    reserved: Collection[str],
    key: NDArray[np.uint64],
) -> Table:
    """Without the columns that must not or cannot be learnt from; `left_out` says why of each.

    `key` is a number of each row that its content gives: in its order every other row is in one half, and what leaks
    is found by telling each half by the other, in whatever order the rows come.
    """
    half = np.empty(table.rows, np.bool_)
    half[np.argsort(key, kind="stable")] = np.arange(table.rows) % 2 == 0
    kept, left_out = {}, dict(table.left_out)
    seen: dict[str, str] = {}
    for name, column in table.columns.items():
        reason = _refused(column, won, protected, reserved, half) or _alike(name, seen)
        if reason:
            left_out[name] = reason
        else:
            kept[name] = column
    return Table(table.rows, kept, left_out)


def _alike(name: str, seen: dict[str, str]) -> str | None:
    other = seen.setdefault(name.casefold(), name)
    return None if other == name else f"differs from {other} in capitals only"


def _refused(
    column: Column, won: Flags, protected: Collection[str], reserved: Collection[str], half: Flags
) -> str | None:
    if _is_protected(column.name, protected):
        return "protected: people are not to be preferred or passed over by what they are"
    if column.name.casefold() in reserved:
        return "scoring uses this name itself: rename the column to learn from it"
    if len(column.name.encode()) > 63:
        return "its name is longer than 63 bytes"
    if column.missing.all():
        return "it is empty"
    return _shape(column) or _leak(column, won, half)


def _is_protected(name: str, protected: Collection[str]) -> bool:
    """Whether the column is named like a protected one: `Customer_Age`, `birthDate`, `marital` of `marital_status`."""
    words = [word.casefold() for word in re.findall(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+", name)]
    bare = tuple(word for word in words if word not in _ABOUT) or tuple(words)
    listed = [tuple(each.casefold().split("_")) for each in protected]
    return bare in listed or bare in [each[:1] for each in listed if each[1:] == ("status",)]


def _shape(column: Column) -> str | None:
    known = ~column.missing
    filled = int(known.sum())
    if column.numbers is not None:
        values = column.numbers[known]
        if not column.missing.any() and np.all(values == values[0]):
            return "it says the same of all rows"
        distinct = np.unique(values)
        whole = bool(np.all(distinct == np.floor(distinct)))
        named = re.search(
            r"(^|[^a-z])(id|nr|no|number|key|code|index|unnamed)([^a-z]|$)|Id$|ID$", column.name, re.I
        )
        consecutive = whole and len(distinct) == filled and np.ptp(distinct) <= 1.01 * filled
        if filled > 50 and len(distinct) == filled and whole and (named or consecutive):
            return "every row has its own: it is an identifier"
        return None
    assert column.codes is not None
    count = np.bincount(column.codes[known], minlength=len(column.categories))
    if not column.missing.any() and (count > 0).sum() <= 1:
        return "it says the same of all rows"
    if filled > 50 and (count > 0).sum() > 0.5 * filled:
        return "nearly every row has its own text: an identifier, a name or free text"
    return None


def _leak(column: Column, won: Flags, half: Flags) -> str | None:
    """Whether the column knows the outcome: it tells it nearly perfectly, or is filled only where it is known."""
    known = ~column.missing
    some = 0.02 <= known.mean() <= 0.98
    if some:
        for outcome, word in ((won, "reached the target"), (~won, "did not")):
            pure = outcome[known].mean() if known.any() else 0
            share = known[outcome].mean()
            if pure > 0.99 and share > 0.9 and outcome.mean() < 0.9:
                return f"it leaks the outcome: it is filled only for rows that {word}"
    alone = _alone(column, won, half)
    if alone >= LEAKS:
        return f"it leaks the outcome: alone it tells nearly all rows apart (AUC {alone:.3f})"
    return None


def _alone(column: Column, won: Flags, half: Flags) -> float:
    """AUC of the column alone, each half of the rows told by the rates of the other half."""
    codes = _coarse(column)
    told = np.empty(len(won))
    for learnt in (half, ~half):
        ones = np.ones(int(learnt.sum()))
        told[~learnt] = rates(codes[learnt], won[learnt], ones, int(np.max(codes)) + 1)[codes[~learnt]]
    return auc(told, won)


def _coarse(column: Column) -> NDArray[np.int64]:
    if column.codes is not None:
        return np.where(column.missing, len(column.categories), column.codes).astype(np.int64)
    assert column.numbers is not None
    known = ~column.missing
    edges = np.unique(np.quantile(column.numbers[known], np.linspace(0, 1, 51)))
    place = np.searchsorted(edges, np.where(known, column.numbers, 0), side="right")
    return np.where(known, place, len(edges) + 1).astype(np.int64)
