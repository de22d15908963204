"""Pairs into clusters that hang together: who is like one member and unlike the rest stays out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from clearlane.identity.duplicates.evidence import Judged

SURE: Final = 4.0
"""bits from which a pair is taken for one person: 16 to 1"""
LARGEST: Final = 100
"""leads of a cluster; what hangs together by more is held together by too little"""
_STRICTER: Final = 4.0
_FAR: Final = 40.0
"""bits beyond which a pair is no surer"""

Judge = Callable[[np.ndarray, np.ndarray], Judged]


def coherent(size: int, left: np.ndarray, right: np.ndarray, known: Judged, judge: Judge) -> np.ndarray:
    """The number of the cluster of each of `size` places; `judge` tells of pairs that shared no key."""
    sure = known.allowed & (known.bits >= SURE)
    left, right, bits = left[sure], right[sure], known.bits[sure]
    parts = _parts(size, left, right)
    threshold = SURE
    while np.max(sizes := np.bincount(parts), initial=0) > LARGEST and threshold < _FAR:
        threshold += _STRICTER
        kept = (sizes[parts[left]] <= LARGEST) | (bits >= threshold)
        left, right, bits = left[kept], right[kept], bits[kept]
        parts = _parts(size, left, right)
    return _split(parts, sizes, judge)


# Scipy is imported where it is needed: every command and task imports this module, and few group anybody.
def _parts(size: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1])


def _split(parts: np.ndarray, sizes: np.ndarray, judge: Judge) -> np.ndarray:
    """Parts of three and more, taken apart by average linkage where the average pair speaks against."""
    order = np.argsort(parts, kind="stable")
    ends = np.cumsum(sizes)
    members = [order[ends[part] - sizes[part] : ends[part]] for part in np.flatnonzero(sizes > 2)]
    corners = [np.triu_indices(len(places), 1) for places in members]
    if not members:
        return parts
    from scipy.cluster.hierarchy import fcluster, linkage

    told = judge(
        np.concatenate([places[one] for places, (one, _) in zip(members, corners, strict=True)]),
        np.concatenate([places[two] for places, (_, two) in zip(members, corners, strict=True)]),
    )
    far = _FAR - np.where(told.allowed, np.clip(told.bits, -_FAR, _FAR), -_FAR)
    cuts = np.cumsum([len(one) for one, _ in corners])[:-1]
    clusters, new = parts.copy(), int(parts.max()) + 1
    for places, distances in zip(members, np.split(far, cuts), strict=True):
        groups = fcluster(linkage(distances, "average"), _FAR, "distance")
        clusters[places] = new + groups
        new += int(groups.max()) + 1
    return clusters
