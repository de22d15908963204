"""What routing decided and scoring found goes back to the sources: an outbox of owed writes, and its draining."""

from clearlane.push.draining import Drained, drain
from clearlane.push.outbox import Owed, owe, owe_outcomes, owe_scores

__all__ = ["Drained", "Owed", "drain", "owe", "owe_outcomes", "owe_scores"]
