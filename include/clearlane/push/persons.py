"""What a person says of two records, with what the sources are to be told of it, in one transaction."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection

from clearlane.policy.model import Policy
from clearlane.push import merges
from clearlane.push.outbox import owe_standing
from clearlane.route import persons
from clearlane.route.persons import NotPossible, Said, Word

__all__ = ["NotPossible", "Said", "Word", "say"]


def say(connection: Connection, policy: Policy, act: str, word: Word, *records: UUID) -> Said:
    """Merge or part the records (an act of `persons.ACTS`), and owe the sources the merge and the owners.

    Raises persons.NotPossible.
    """
    said = persons.ACTS[act](connection, policy, word, *records)
    if said.batch is not None:
        owe_standing(connection, policy, said.batch, said.records, by_hand=True)
        merges.owe(connection, policy, said.batch, said.records)
    return said
