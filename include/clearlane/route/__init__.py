"""Routing: who gets a lead, when the first touch is due, and why."""

from clearlane.route.files import route_files, route_frame
from clearlane.route.notices import note
from clearlane.route.owner_changes import note_owner_changes
from clearlane.route.routing import chunks, run, run_chunk
from clearlane.route.trace import trace

__all__ = ["chunks", "note", "note_owner_changes", "route_files", "route_frame", "run", "run_chunk", "trace"]
