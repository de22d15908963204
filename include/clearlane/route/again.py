"""Decisions made again as they were made: from what they name, and from the ledger as it was before their numbers.

Only reads, whatever came later: leads' scores and profiles are those that the decision names, turns, loads and
owners those before its number. What is not kept by number is read as it is now: users of the sources, and the
companies of leads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, RowMapping

from clearlane.ledger import Batch
from clearlane.policy.model import Policy
from clearlane.route import intake
from clearlane.route.decide import decide
from clearlane.route.floor import Floor
from clearlane.route.routing import candidate_rows, facts_of
from clearlane.route.state import Known, load_floor
from clearlane.route.store import Decided


def decided_again(
    connection: Connection, policy: Policy, batch: Batch, decisions: Sequence[int]
) -> Iterator[Decided]:
    """What routing decides under this policy where it made these decisions of the batch."""
    for row, floor in known_again(connection, policy, batch, decisions):
        yield Decided(row["decision_seq"], row, decide(policy, floor, facts_of(floor, row)))


def known_again(
    connection: Connection, policy: Policy, batch: Batch, decisions: Sequence[int]
) -> Iterator[tuple[RowMapping, Floor]]:
    """What these decisions of the batch were made from: the row of each lead, and the floor before it."""
    intake.recall(connection, policy, batch, decisions)
    intake.candidates(connection)
    for row in candidate_rows(connection, policy):
        yield row, load_floor(connection, policy, batch, [row["band"]], Known(row["decision_seq"]))
