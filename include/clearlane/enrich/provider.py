"""What a provider of attributes is: a name, what it needs, what it provides, and one function over a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import pandas as pd

CONFIDENCE: Final = "confidence"
"""An optional column of the answer: 0 to 1, 1 where it is missing."""


class Skip(Exception):
    """The provider has nothing to say this time: the run goes on without it, and a later run asks again."""


class Abort(Exception):
    """The provider cannot be used before a person has acted: a provider of this machine stops the run.

    One that is paid is left alone, and stops the run only where policy says that it is `required`.
    """


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


@dataclass(frozen=True)
class Found:
    """What a paid provider says: attributes, none where it knows nothing, and how sure it is (0 to 1)."""

    attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)
    confidence: float = 1.0


class Paid(Protocol):
    """Asks over the network about one lead or company. What surrounds an ask (budget, age, breaker) is not its own."""

    @property
    def needs(self) -> Sequence[str]:
        """Attributes that it sends where they are known, beside those it is asked by."""
        ...

    def ask(self, known: Mapping[str, str], key: str) -> Found:
        """What it says of who has these attributes; `key` is the same whenever the same ask is tried again.

        Raises SourceFailed where it does not answer as it should, Skip where this one must wait, Abort where none
        can be asked; no text names a person or a secret.
        """
        ...
