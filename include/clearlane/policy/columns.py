"""The columns that predicates may name beside the declared attributes, by where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from clearlane.rules import Type

Columns = Mapping[str, Type]

PROFILE: Final[Columns] = {"source": Type.TEXT}
"""what is known before the kind of a lead is"""

SCORING: Final[Columns] = {**PROFILE, "as_of": Type.TIME, "kind": Type.TEXT}

ROLLUP: Final[Columns] = dict.fromkeys(
    ("account_best", "account_sum", "account_decayed", "account_engaged"), Type.NUMBER
)
"""what the other people of the account come to, without rules that ask for it: rules, disqualifiers, stages"""

RESERVED: Final = frozenset(
    {"lead_id", "own", "band_before", "band_since", "stage_before", "cycle_since", "quiet_until",
     "override_score", "override_band", "raised_at", "counted", *ROLLUP}
)  # fmt: skip
"""names that the statement uses itself: no attribute and no measure may have them"""

STAGE: Final[Columns] = {
    **SCORING,
    "score": Type.NUMBER,
    "fit": Type.NUMBER,
    "engagement": Type.NUMBER,
    "negative": Type.NUMBER,
    "band": Type.TEXT,
    "hand_raise": Type.BOOLEAN,
}

TERRITORY: Final[Columns] = {
    **STAGE,
    "grade": Type.TEXT,
    "stage": Type.TEXT,
    "disqualified": Type.TEXT,
    "has_account": Type.BOOLEAN,
    "account_owner_sells": Type.BOOLEAN,
    "parent_account_owner_sells": Type.BOOLEAN,
    "opportunity_owner_sells": Type.BOOLEAN,
    "contact_owner_sells": Type.BOOLEAN,
}

ROUTING: Final[Columns] = {**TERRITORY, "territory": Type.TEXT, "territory_path": Type.TEXT}

ACTIVITY: Final[Columns] = {"type": Type.TEXT, "occurred_at": Type.TIME}
