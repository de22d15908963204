"""Which of several answers counts: rows of (attribute, layer, priority), the smallest priority wins.

A layer is `lead` (any record), the name of a source (records of that source), `account`, or a provider. What
sources.yaml says of an attribute comes before its default order (`*`); the master of a field before both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from clearlane.policy.model import Sources

EVERY: Final = "*"
MASTER: Final = -1
AFTER_OWN_ORDER: Final = 100
LAST: Final = 1000
"""of a layer that no order names"""

Priority = tuple[str, str, int]


def priorities(sources: Sources, providers: Sequence[str]) -> list[Priority]:
    """All rows; without a default order: records, account, then the providers as they are asked."""
    default = sources.precedence.get(EVERY, ("lead", "account", *providers))
    rows = {(attribute, layer): priority for attribute, layer, priority in _ordered(sources, default)}
    masters = dict.fromkeys(sources.masters.items(), MASTER)
    return [(*key, priority) for key, priority in (rows | masters).items()]


def _ordered(sources: Sources, default: Sequence[str]) -> Iterator[Priority]:
    for place, layer in enumerate(default):
        yield EVERY, layer, AFTER_OWN_ORDER + place
    for attribute, order in sources.precedence.items():
        if attribute != EVERY:
            for place, layer in enumerate(order):
                yield attribute, layer, place
