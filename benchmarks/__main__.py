"""Runs every benchmark and prints its ratios."""

from benchmarks import scoring

scoring.main()
