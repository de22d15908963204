"""Routing: who gets a lead, when the first touch is due, and why."""

from clearlane.route.routing import chunks, run, run_chunk
from clearlane.route.trace import trace

__all__ = ["chunks", "run", "run_chunk", "trace"]
