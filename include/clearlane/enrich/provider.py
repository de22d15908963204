"""What a provider of attributes is: a name, what it needs, what it provides, and one function over a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import pandas as pd

CONFIDENCE: Final = "confidence"
"""An optional column of the answer: 0 to 1, 1 where it is missing."""


class Skip(Exception):
    """The provider has nothing to say this time: the run goes on without it, and a later run asks again."""


class Abort(Exception):
    """The run must stop: going on would score leads by half of what is known."""


class Provider(Protocol):
    """Adds attributes to a lead revision.

    `enrich` is given the distinct combinations of the attributes it `needs` (text, None where unknown; at
    least one is known) and answers with the attributes it `provides`, on the same index; None where it knows
    nothing. It is asked once per revision; about a row that it leaves out of its answer again, by a later run.
    What earlier providers filled counts as known.
    """

    @property
    def name(self) -> str: ...

    @property
    def needs(self) -> Sequence[str]: ...

    @property
    def provides(self) -> Sequence[str]: ...

    def enrich(self, frame: pd.DataFrame) -> pd.DataFrame: ...
