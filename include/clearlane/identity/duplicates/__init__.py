"""Which leads of a list are one person, where nobody has said so: keys, likeness, weights of evidence, clusters.

Nothing is learnt from labels: what agreement is worth follows from how rare a value is in the list itself.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from clearlane.identity.duplicates import blocks, evidence, groups
from clearlane.identity.duplicates.persons import Persons, persons

__all__ = ["SEED", "clusters"]

SEED = 20260101
"""of the pairs drawn at random, whose agreement is chance"""


def clusters(leads: pd.DataFrame, *, seed: int = SEED) -> pd.Series:
    """The cluster of each row: the smallest id (as text) of the leads that are the same person; index as given.

    `leads` holds texts, any of the columns named in persons.FIELDS; others count for nothing. Rows in another order
    leave the same clusters. Raises persons.NothingToCompare where no column says who somebody is.
    """
    if leads.empty:
        return pd.Series([], index=leads.index, name="cluster_id", dtype=object)
    people = persons(leads)
    found = _found(people, seed)
    numbers, names = pd.factorize(people.ids, sort=True)
    told = np.empty(len(leads), dtype=object)
    told[people.rows] = names[pd.Series(numbers).groupby(found).transform("min")]
    return pd.Series(told, index=leads.index, name="cluster_id")


def _found(people: Persons, seed: int) -> np.ndarray:
    size = len(people.texts)
    left, right = blocks.pairs(people)
    if not len(left):
        return np.arange(size)
    judge = partial(evidence.judged, people, evidence.learnt(people, left, right, seed))
    return groups.coherent(size, left, right, judge(left, right), judge)
