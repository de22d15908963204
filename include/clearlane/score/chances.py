"""The chance of conversion in the ledger: told beside the points of each row that is written, by the model in force.

The model is stored with the policy: scoring.yaml names it by its content, so a version of scoring.yaml says which.
Chances are kept to the millionth: computed again they are the same on every machine.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from clearlane.policy.model import Scoring
from clearlane.policy.versions import attached
from clearlane.rules import Dialect
from clearlane.rules.sql import text_literal
from clearlane.score.additive import Additive
from clearlane.score.additive_file import loaded
from clearlane.score.additive_sql import relation
from clearlane.score.units import MILLION, number

COLUMNS: Final = ("probability", "probability_because")
"""of the table `score`; null where no model is in force, for disqualified leads and for those of variants"""


def in_force(connection: Connection, scoring: Scoring) -> Additive | None:
    """The stored model that scoring.yaml names; None: it names none. Raises UnknownModel for a file altered since."""
    name = scoring.predictive
    text = attached(connection, name) if name else None
    return loaded(text, name or "") if text else None


def told(model: Additive | None, scoring: Scoring, scored: str, profiles: str) -> str:
    """A select with lead_id and COLUMNS, of those who have a chance at all: without a model nobody.

    `scored`: a relation with lead_id, model, disqualified and contributions (jsonb); `profiles`: lead_id and
    attributes (jsonb).
    """
    if model is None:
        nothing = "cast(null as double precision) as probability, cast(null as text) as probability_because"
        return f"select lead_id, {nothing} from {scored} as scored where false"
    default = text_literal(scoring.model, Dialect.POSTGRES)
    own = f"(select * from {scored} as scored where disqualified is null and model = {default})"
    million = number(MILLION)
    millionth = f"floor(probability * {million} + {number(0.5)}) / {million}"
    found = relation(model, scoring, own, profiles, Dialect.POSTGRES)
    return f"select lead_id, {millionth} as probability, probability_because from ({found}) as found"
