"""The review: what another policy would have done, and what the points should be."""

from clearlane.review.answers import Answer, NotAllowed, decide
from clearlane.review.artefacts import write, write_review
from clearlane.review.candidates import candidate
from clearlane.review.history import known_until
from clearlane.review.markdown import NOTHING, comment
from clearlane.review.recorded import diff as diff_of
from clearlane.review.register import NotPossible, refused
from clearlane.review.tables import tables
from clearlane.review.whatif import HORIZON_DAYS, TOP, NothingToCompare, WhatIf, as_json, unchanged, whatif

__all__ = [
    "HORIZON_DAYS",
    "NOTHING",
    "TOP",
    "Answer",
    "NotAllowed",
    "NotPossible",
    "NothingToCompare",
    "WhatIf",
    "as_json",
    "candidate",
    "comment",
    "decide",
    "diff_of",
    "known_until",
    "refused",
    "tables",
    "unchanged",
    "whatif",
    "write",
    "write_review",
]
