"""Matching leads to accounts by likeness: names, places and domains weighed against chance.

`match_files` is the way without a ledger; the pieces are names → keys → likeness → judgement.
"""

from clearlane.identity.matching.files import COLUMNS, match_files
from clearlane.identity.matching.judgement import Outcome, Thresholds

__all__ = ["COLUMNS", "Outcome", "Thresholds", "match_files"]
