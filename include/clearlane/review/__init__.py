"""The review: what another policy would have done."""

from clearlane.review.artefacts import write
from clearlane.review.tables import tables
from clearlane.review.whatif import HORIZON_DAYS, TOP, NothingToCompare, WhatIf, as_json, unchanged, whatif

__all__ = [
    "HORIZON_DAYS",
    "TOP",
    "NothingToCompare",
    "WhatIf",
    "as_json",
    "tables",
    "unchanged",
    "whatif",
    "write",
]
