"""How the sample draws: one generator of chance, handed from hand to hand, and values that may be missing."""

from __future__ import annotations

from typing import Any

import numpy as np

Rng = np.random.Generator
Drawn = np.ndarray[Any, Any]


def given(values: Any, there: Any) -> Drawn:
    """The values where `there` holds, nothing elsewhere."""
    shown = np.asarray(there, dtype=bool)
    drawn = np.broadcast_to(np.asarray(values, dtype=object), shown.shape).copy()
    drawn[~shown] = None
    return drawn
