"""What routing decided goes back to the source systems: an outbox of owed writes, and its draining."""

from clearlane.push.outbox import Drained, Owed, drain, owe

__all__ = ["Drained", "Owed", "drain", "owe"]
