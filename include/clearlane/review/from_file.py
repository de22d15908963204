"""The review in file mode: a points table from any export with a target column, judged on rows set apart.

Writes scoring.yaml, which `clearlane score` reads like any other, the page report.html, metrics.json, and leads.csv:
the same rows as `score` reads them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clearlane.policy.columns import RESERVED, ROUTING
from clearlane.review import artefacts, written
from clearlane.review.cases import Finding, Interval
from clearlane.review.judgement.performance import Outcomes, losses, ordering
from clearlane.review.judgement.resampling import Resamples, rate
from clearlane.review.learning import binning, choosing, columns
from clearlane.review.learning.choosing import Learned
from clearlane.review.learning.columns import Column, Flags, Floats, Table
from clearlane.review.report.learnt import Learnt, LearntRule, page
from clearlane.sheets import Unreadable

TEST: Final = 0.3
FEWEST_ROWS: Final = 60
FEWEST_EACH: Final = 10
"""rows of each outcome that are needed to learn from"""
MANY: Final = 20_000
"""rows beyond which three folds do"""
TEST_WORDS: Final = frozenset(
    ("1", "1.0", "true", "t", "yes", "y", "test", "holdout", "valid", "validation", "oot")
)
TRAIN_WORDS: Final = frozenset(("0", "0.0", "false", "f", "no", "n", "train", "training", "learn", "dev", ""))
OWN_NAMES: Final = frozenset((*ROUTING, *RESERVED, "account_id", "row", "wrong", "model", "total", "reached",
                              "entered_at", "contributions", "account_key",
        "own domain", "own account_id", "own kind", "own source")) - {"source"}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What to learn from: names of columns of the file."""

    data: Path
    target: str
    time: str | None = None
    id: str | None = None
    drop: tuple[str, ...] = ()
    split: str | None = None


@dataclass(frozen=True)
class Rows:
    """The file as it is learnt from: `apart` are the rows to judge on, `how` says which these are."""

    table: Table
    won: Flags
    apart: Flags
    how: str
    key: NDArray[np.uint64]
    ids: pd.Series
    moment: Floats | None = None


def review(
    asked: Asked, out: Path, *, protected: Collection[str], clock: Callable[[], float], seed: int = 7
) -> Mapping[str, float | int | None]:
    """Learn, judge and write; the metrics. `clock` gives seconds. Raises Unreadable for what cannot be learnt from."""
    began = clock()
    rows = taken(asked, protected, seed)
    taught = ~rows.apart
    learnt = choosing.part(rows.table, taught)
    given = choosing.Taught(
        learnt, rows.won[taught], np.ones(learnt.rows), rows.key[taught], _of(rows.moment, taught)
    )
    card = choosing.learned(given, 3 if learnt.rows > MANY else 5)
    judged = choosing.part(rows.table, rows.apart)
    score, probability = card.scores(judged).astype(np.float64), card.probabilities(judged)
    metrics = _metrics(card, rows, score, probability)
    metrics["seconds"] = round(clock() - began, 3)
    shown = _learnt(asked, card, rows, score, probability, metrics)
    contents = {
        "scoring.yaml": written.scoring(card, rows.table, shown.rules, protected, asked.target),
        "report.html": page(shown),
        "metrics.json": json.dumps(metrics, indent=1) + "\n",
        "leads.csv": _leads(asked, card, rows),
    }
    artefacts.written(out, contents)
    return metrics


def taken(asked: Asked, protected: Collection[str], seed: int) -> Rows:
    """The file as it is learnt from. Raises Unreadable."""
    frame = columns.read(asked.data)
    roles = [name for name in (asked.time, asked.id, asked.split) if name]
    columns.named(frame.columns, [asked.target, *roles, *asked.drop], asked.data)
    won = columns.target(frame[asked.target], asked.target, str(asked.data))
    key = _keys(frame, seed)
    apart, how = _apart(asked, frame, won, key)
    _check(asked, won, apart)
    aside = {asked.target: "the target", **dict.fromkeys(asked.drop, "dropped by wish")}
    aside |= dict.fromkeys(roles, "says which row, when, or which part")
    given = {name: columns.typed(name, frame[name]) for name in frame.columns if name not in aside}
    times = _times(given, frame)
    lasting = {name: column for name, column in given.items() if name not in times}
    table = Table(len(frame), lasting, dict.fromkeys(times, "a moment: it will not come again"))
    taught = binning.usable(choosing.part(table, ~apart), won[~apart], protected, OWN_NAMES, key[~apart])
    kept = {name: column for name, column in table.columns.items() if name in taught.columns}
    moment = _moment(asked, frame[asked.time]) if asked.time else None
    ids = frame[asked.id] if asked.id and frame[asked.id].is_unique else pd.Series(range(1, len(frame) + 1))
    return Rows(Table(len(frame), kept, taught.left_out), won, apart, how, key, ids, moment)


def _times(given: Mapping[str, Column], frame: pd.DataFrame) -> set[str]:
    texts = (name for name, column in given.items() if column.numbers is None)
    return {name for name in texts if columns.times(frame[name]) is not None}


def _of(moment: Floats | None, taught: Flags) -> Floats | None:
    return None if moment is None else moment[taught]


def _keys(frame: pd.DataFrame, seed: int) -> NDArray[np.uint64]:
    """A number for each row, from what it says: whatever the order of rows and columns, equal rows get equal ones."""
    total = np.zeros(len(frame), np.uint64)
    for name in frame.columns:
        salt = blake2b(f"{seed} {name}".encode(), digest_size=8).hexdigest()
        total += pd.util.hash_array(frame[name].to_numpy(dtype=object), hash_key=salt)
    return total * np.uint64(0x9E3779B97F4A7C15)


def _apart(asked: Asked, frame: pd.DataFrame, won: Flags, key: NDArray[np.uint64]) -> tuple[Flags, str]:
    if asked.split:
        return _named_apart(asked, frame[asked.split]), f"marked as test in {asked.split}"
    if asked.time:
        moment = _moment(asked, frame[asked.time])
        order = np.lexsort((key, moment))
        return _last(order, TEST), f"the newest 30 % by {asked.time}"
    apart = np.zeros(len(frame), np.bool_)
    for outcome in (won, ~won):
        own = np.flatnonzero(outcome)
        apart[own[_last(np.argsort(key[own], kind="stable"), TEST)]] = True
    return apart, "30 % drawn by chance"


def _last(order: NDArray[np.intp], share: float) -> Flags:
    chosen = np.zeros(len(order), np.bool_)
    chosen[order[len(order) - round(share * len(order)) :]] = True
    return chosen


def _named_apart(asked: Asked, texts: pd.Series) -> Flags:
    small = texts.str.strip().str.casefold()
    unknown = np.flatnonzero(~small.isin(TEST_WORDS | TRAIN_WORDS).to_numpy())
    if len(unknown):
        line = int(unknown[0])
        allowed = "allowed for test: test, 1, true, yes; for training: train, 0, false, no"
        raise Unreadable(
            str(asked.data), f"found {texts.iloc[line]!r}, {allowed}", line=line + 2, column=asked.split
        )
    return small.isin(TEST_WORDS).to_numpy(dtype=np.bool_)


def _moment(asked: Asked, texts: pd.Series) -> Floats:
    moment = columns.moments(texts)
    if moment is None:
        at = columns.not_a_time(texts)
        raise Unreadable(
            str(asked.data), f"found {texts.iloc[at]!r}: no format of time fits all cells", line=at + 2,
            column=asked.time,
        )  # fmt: skip
    missing = np.flatnonzero(np.isnan(moment))
    if len(missing):
        at = int(missing[0])
        raise Unreadable(
            str(asked.data), f"found {texts.iloc[at]!r}, needed is a time", line=at + 2, column=asked.time
        )
    return moment


def _check(asked: Asked, won: Flags, apart: Flags) -> None:
    if len(won) < FEWEST_ROWS:
        raise Unreadable(str(asked.data), f"found {len(won)} rows, needed are at least {FEWEST_ROWS}")
    for rows, word in ((~apart, "to learn from"), (apart, "set apart to judge on")):
        for outcome, name in ((won, "reached the target"), (~won, "did not")):
            found, needed = int((outcome & rows).sum()), FEWEST_EACH if word == "to learn from" else 1
            if found < needed:
                raise Unreadable(
                    str(asked.data),
                    f"of the {int(rows.sum())} rows {word}, {found} {name}; needed are at least {needed}",
                    column=asked.target,
                )


def _metrics(card: Learned, rows: Rows, score: Floats, probability: Floats) -> dict[str, Any]:
    outcomes = Outcomes(rows.won[rows.apart], np.ones(len(score)))
    once = Resamples(np.ones((1, len(score)), np.uint8))
    auc, lift = ordering(outcomes, score, once, [0.1])
    log_loss, brier = losses(outcomes.target, probability).mean(axis=0)
    return {
        "auc": float(auc[0]),
        "log_loss": float(log_loss),
        "brier": float(brier),
        "lift_top_decile": float(lift[0, 0]),
        "n_rules": len(card.rules),
        "n_train": int((~rows.apart).sum()),
        "n_test": len(score),
        "seconds": 0.0,
        "intercept": card.intercept,
        "scale": card.scale,
    }


def _learnt(
    asked: Asked, card: Learned, rows: Rows, score: Floats, probability: Floats, metrics: Mapping[str, Any]
) -> Learnt:
    taught = choosing.part(rows.table, ~rows.apart)
    won = rows.won[~rows.apart]
    findings = [Finding("left out", name, why) for name, why in rows.table.left_out.items()]
    return Learnt(
        file=asked.data.name,
        target=asked.target,
        split=rows.how,
        rules=tuple(_rules(card, taught, won)),
        train=len(won),
        train_hits=int(won.sum()),
        hit=rows.won[rows.apart],
        score=score,
        probability=probability,
        findings=tuple(findings),
        metrics=metrics,
    )


def _rules(card: Learned, taught: Table, won: Flags) -> Iterator[LearntRule]:
    for name, (condition, points) in zip(written.ids(card), card.rules, strict=True):
        holds = condition.holds(taught)
        with_, without = (_rate(won[each]) for each in (holds, ~holds))
        yield LearntRule(name, condition.because, condition.when, points, int(holds.sum()), with_, without)


def _rate(hit: Flags) -> Interval:
    return rate(hit, np.ones(len(hit))) or Interval(0.0, 0.0, 1.0)


def _leads(asked: Asked, card: Learned, rows: Rows) -> str:
    """The rows as `score` reads them: plain numbers, exact texts, an id each, and which were set apart."""
    used = sorted({name for condition, _ in card.rules for name in condition.columns})
    frame = pd.DataFrame({"lead_id": rows.ids.to_numpy()})
    for name in used:
        frame[name] = cells(rows.table.columns[name])
    frame["review_target"] = np.where(rows.won, 1, 0)
    frame["review_part"] = np.where(rows.apart, "test", "train")
    return str(frame.to_csv(index=False))


def cells(column: Column) -> Sequence[Any] | NDArray[Any]:
    if column.numbers is not None:
        return column.numbers
    names = np.array([*column.categories, ""], dtype=object)
    assert column.codes is not None
    return names[column.codes]
