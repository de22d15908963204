"""Are the records of a batch usable? The contract, its two engines, batch rules and quarantine."""

from clearlane.quality.stage import Counts, Stopped, Verdict, passed, run

__all__ = ["Counts", "Stopped", "Verdict", "passed", "run"]
