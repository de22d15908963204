"""Scorecards by other people's learners, in an environment of their own: reads two CSV files, prints one line of JSON.

Run by `python -m benchmarks review` with the python of that environment; imports nothing of this project.
`python references.py fasterrisk|optbinning TRAIN TEST RULES`: the column `target` is the outcome.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score

STEPS = 8
"""thresholds of a column for FasterRisk, which asks for columns of 0 and 1"""
SEARCHED = 15_000
"""rows for FasterRisk: it takes minutes for more, and gains little"""


def read(path: str) -> tuple[pd.DataFrame, np.ndarray]:
    frame = pd.read_csv(path, keep_default_na=True)
    return frame.drop(columns="target"), frame["target"].to_numpy()


def binary(train: pd.DataFrame, other: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Columns of 0 and 1: steps at quantiles, each frequent category, empty."""
    made: list[tuple[np.ndarray, np.ndarray]] = []
    for name in train.columns:
        one, two = train[name], other[name]
        made.append((one.isna().to_numpy(), two.isna().to_numpy()))
        if pd.api.types.is_numeric_dtype(one):
            limits = np.unique(one.dropna().quantile(np.linspace(0, 1, STEPS + 2)[1:-1]))
            made += [((one >= at).to_numpy(), (two >= at).to_numpy()) for at in limits]
        else:
            frequent = one.value_counts()
            made += [((one == value).to_numpy(), (two == value).to_numpy()) for value in frequent.index[:25]]
    kept = [pair for pair in made if 10 <= pair[0].sum() <= len(train) - 10]
    return tuple(np.stack([pair[side] for pair in kept], axis=1).astype(float) for side in (0, 1))


def fasterrisk(train: pd.DataFrame, won: np.ndarray, other: pd.DataFrame, rules: int) -> np.ndarray:
    from fasterrisk.fasterrisk import RiskScoreClassifier, RiskScoreOptimizer

    columns, asked = binary(train, other)
    rows = np.random.default_rng(0).permutation(len(won))[:SEARCHED]
    optimizer = RiskScoreOptimizer(X=columns[rows], y=np.where(won[rows] == 1, 1, -1), k=rules, lb=-20, ub=20)
    optimizer.optimize()
    multiplier, intercept, points = optimizer.get_models(model_index=0)
    return RiskScoreClassifier(multiplier, intercept, points).predict_prob(asked)


def optbinning(train: pd.DataFrame, won: np.ndarray, other: pd.DataFrame, rules: int) -> np.ndarray:
    from optbinning import BinningProcess, Scorecard
    from sklearn.linear_model import LogisticRegression

    texts = [name for name in train.columns if not pd.api.types.is_numeric_dtype(train[name])]
    binning = BinningProcess(variable_names=list(train.columns), categorical_variables=texts)
    card = Scorecard(binning_process=binning, estimator=LogisticRegression(max_iter=1000))
    card.fit(train, won)
    return card.predict_proba(other)[:, 1]


def main() -> None:
    name, train, other, rules = sys.argv[1:5]
    (columns, won), (asked, hit) = read(train), read(other)
    began = time.perf_counter()
    told = {"fasterrisk": fasterrisk, "optbinning": optbinning}[name](columns, won, asked, int(rules))
    seconds = time.perf_counter() - began
    told = np.clip(told, 1e-6, 1 - 1e-6)
    top = hit[np.argsort(-told, kind="stable")[: max(1, len(hit) // 10)]].mean() / hit.mean()
    print(
        json.dumps(
            {
                "auc": roc_auc_score(hit, told),
                "log_loss": log_loss(hit, told),
                "lift": top,
                "seconds": seconds,
            }
        )
    )


if __name__ == "__main__":
    main()
