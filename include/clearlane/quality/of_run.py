"""What the stage said of one run, as the ledger has it now: what came, was kept out or emptied, which rules warned.

Reads batch, inbox, quarantine, quality_note and quality_result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger import Batch, batch_of
from clearlane.policy.model import Sources
from clearlane.quality import batch_rules, reasons
from clearlane.quality.batch_rules import Finding
from clearlane.quality.quarantine import Chosen
from clearlane.quality.reasons import Reason


@dataclass(frozen=True)
class Delivered:
    """Records of one object of a source that the run works on; `erased`: of people who had been erased."""

    source: str
    object: str
    records: int
    quarantined: int
    hand_raises: int
    erased: int


@dataclass(frozen=True)
class Emptied:
    """Values of one field that a rule refused; their records went on without them."""

    source: str
    object: str
    field: str
    rule: str
    values: int


@dataclass(frozen=True)
class OfRun:
    """`findings`: the verdicts of the batch rules, those that stop first. `reasons` hold values that were found."""

    batch: Batch
    delivered: Sequence[Delivered]
    findings: Sequence[Finding]
    reasons: Sequence[Reason]
    emptied: Sequence[Emptied]

    @property
    def records(self) -> int:
        return sum(one.records for one in self.delivered)

    @property
    def quarantined(self) -> int:
        return sum(one.quarantined for one in self.delivered)

    @property
    def told(self) -> Sequence[Finding]:
        """The verdicts that are no pass."""
        return [one for one in self.findings if one.verdict != "pass"]


def of_run(connection: Connection, batch_id: UUID, sources: Sources) -> OfRun:
    """What quality said of a run; LookupError where no run is called that."""
    bound = {"batch_id": batch_id}
    return OfRun(
        batch_of(connection, batch_id),
        [Delivered(*row) for row in connection.execute(_DELIVERED, bound)],
        batch_rules.kept(connection, batch_id),
        reasons.reasons(connection, sources, Chosen(batch_id=batch_id)),
        [Emptied(*row) for row in connection.execute(_EMPTIED, bound)],
    )


_DELIVERED: Final = sa.text("""
    select i.source, i.object, count(*), count(*) filter (where i.state = 'quarantined'),
           count(*) filter (where i.state = 'quarantined' and q.hand_raise),
           count(*) filter (where i.state = 'erased')
    from inbox i left join quarantine q on q.seq = i.seq and q.state = 'open'
    where i.batch_id = :batch_id
    group by i.source, i.object order by i.source, i.object
""")
_EMPTIED: Final = sa.text("""
    select i.source, i.object, n.field, n.rule, count(*) as times
    from quality_note n join inbox i using (seq)
    where i.batch_id = :batch_id
    group by i.source, i.object, n.field, n.rule order by times desc, i.source, i.object, n.field, n.rule
""")
