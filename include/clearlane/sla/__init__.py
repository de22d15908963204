"""Promises to leads: which clocks are met, and when."""

from clearlane.sla.met import meet

__all__ = ["meet"]
