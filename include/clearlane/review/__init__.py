"""The review: what another policy would have done."""

from clearlane.review.artefacts import write
from clearlane.review.candidates import candidate
from clearlane.review.history import known_until
from clearlane.review.markdown import NOTHING, comment
from clearlane.review.tables import tables
from clearlane.review.whatif import HORIZON_DAYS, TOP, NothingToCompare, WhatIf, as_json, unchanged, whatif

__all__ = [
    "HORIZON_DAYS",
    "NOTHING",
    "TOP",
    "NothingToCompare",
    "WhatIf",
    "as_json",
    "candidate",
    "comment",
    "known_until",
    "tables",
    "unchanged",
    "whatif",
    "write",
]
