"""Promises to leads: which clocks are met, what fell due, and what follows."""

from clearlane.sla.met import meet
from clearlane.sla.watch import Swept, outrun, sweep

__all__ = ["Swept", "meet", "outrun", "sweep"]
