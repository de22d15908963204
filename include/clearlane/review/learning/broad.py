"""Many weak conditions at once: where rows are few, these together tell more than the strongest, taken one by one."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

STRENGTH: Final = 0.1
"""inverse of the weight of the squared log odds: strong, because the conditions of a column repeat each other"""
AGAIN: Final = 3.0
"""by how much less they are drawn to nothing once the weakest are gone"""

Floats = NDArray[np.float64]


def broad(
    holds: NDArray[np.float32], won: NDArray[np.bool_], weight: Floats, most: int, bound: int
) -> NDArray[np.int64]:
    """Whole points of the `most` strongest conditions by ridge regression, `bound` for the strongest."""
    first = _log_odds(holds, won, weight, STRENGTH)
    kept = np.sort(np.argsort(-np.abs(first) * holds.std(axis=0), kind="stable")[:most])
    worth = np.zeros(holds.shape[1])
    worth[kept] = _log_odds(holds[:, kept], won, weight, STRENGTH * AGAIN)
    return np.rint(worth * (bound / max(float(np.abs(worth).max()), 1e-9))).astype(np.int64)


def _log_odds(holds: NDArray[np.float32], won: NDArray[np.bool_], weight: Floats, strength: float) -> Floats:
    model = LogisticRegression(C=strength, max_iter=1000).fit(holds, won, sample_weight=weight)
    return np.asarray(model.coef_[0], np.float64)
