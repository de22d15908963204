"""Are the records of a batch usable? The contract, its two engines, batch rules and quarantine."""

from clearlane.quality.stage import Counts, Verdict, run

__all__ = ["Counts", "Verdict", "run"]
