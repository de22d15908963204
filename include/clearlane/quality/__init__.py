"""Are the records of a batch usable? The contract, its two engines, and quarantine."""
