"""The quarantine replayed in bulk, after a mapping or the contract was mended: chunk by chunk, each judged at once.

What is good now waits for the next run; what is still wrong stays, with the reasons of now. A chunk is one
transaction: stopped in the middle, or run twice or by two at once, each record is handed over once and none is lost.
Reads and writes `quarantine` and `inbox`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, Final

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from clearlane.ledger import keep_from_erasing, stage_rows
from clearlane.ledger.models import quarantine as quarantine_table
from clearlane.policy.model import ObjectContract, Policy
from clearlane.quality import plain, quarantine
from clearlane.quality.judgement import judged
from clearlane.quality.quarantine import Chosen, Mapped, Quarantined
from clearlane.quality.requirements import contracts_of
from clearlane.quality.waiting import reasons_by_record

CHUNK: Final = 2_000


@dataclass(frozen=True)
class Replayed:
    """Records that wait for the next run, that are `still` wrong, that never were readable, that nothing maps.

    `reasons`: reason -> records that are still wrong by it.
    """

    waiting: int = 0
    still: int = 0
    unreadable: int = 0
    unmapped: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def looked_at(self) -> int:
        return self.waiting + self.still + self.unreadable + self.unmapped

    def __add__(self, other: Replayed) -> Replayed:
        return Replayed(
            self.waiting + other.waiting,
            self.still + other.still,
            self.unreadable + other.unreadable,
            self.unmapped + other.unmapped,
            Counter(self.reasons) + Counter(other.reasons),
        )


def replay(
    engine: Engine,
    policy: Policy,
    chosen: Chosen,
    *,
    by: str,
    because: str,
    as_of: datetime,
    dry_run: bool = False,
    chunk: int = CHUNK,
) -> Replayed:
    """Replay the chosen open records by `policy`, in transactions of `chunk` records; what became of them.

    A dry run tells what would become of them and writes nothing.
    """
    total, after = Replayed(), 0
    while True:
        with engine.begin() as connection:
            keep_from_erasing(connection)
            records = quarantine.locked_next(connection, chosen, after, chunk)
            if not records:
                return total
            total += _replayed(connection, policy, records, by, because, as_of, write=not dry_run)
            after = records[-1].seq


def lines(done: Replayed, *, dry_run: bool) -> Iterator[str]:
    """What became, or in a dry run would become, of the records."""
    yield f"{done.waiting:,} records {'would wait' if dry_run else 'wait'} for the next run"
    if done.still:
        told = ", ".join(f"{name} ({count:,})" for name, count in done.reasons.items())
        yield f"{done.still:,} are still wrong: {told}"
    if done.unmapped:
        yield f"{done.unmapped:,} have no mapping in sources.yaml"
    if done.unreadable:
        yield f"{done.unreadable:,} could never be read: deliver them again, mended"
    if not done.looked_at:
        yield "nothing in quarantine is chosen by that"


def _replayed(
    connection: Connection,
    policy: Policy,
    records: Sequence[Quarantined],
    by: str,
    because: str,
    as_of: datetime,
    *,
    write: bool,
) -> Replayed:
    readable = [one for one in records if one.readable]
    mappable = [one for one in readable if quarantine.mapping_of(one, policy.sources)]
    again = quarantine.mapped(mappable, policy.sources)
    bad = _bad(policy, mappable, again, as_of)
    wrong = frozenset(bad["seq"])
    good = [one for one in again if one.seq not in wrong]
    if write:
        quarantine.hand_over(connection, good)
        quarantine.closed(connection, [one.seq for one in good], "replayed", by, because)
        quarantine.keep(connection, [one for one in again if one.seq in wrong])
        _explain(connection, bad)
    return Replayed(
        len(good), len(wrong), len(records) - len(readable), len(readable) - len(mappable), _counted(bad)
    )


def _bad(
    policy: Policy, records: Sequence[Quarantined], again: Sequence[Mapped], as_of: datetime
) -> pd.DataFrame:
    """What is still wrong with them: seq, field, rule, found, allowed."""
    asked = contracts_of(policy, frozenset(one.object for one in records))
    objects = {one.seq: one.object for one in records}
    ordered = sorted(again, key=lambda one: objects[one.seq])
    found = [
        judged(name, _rows(list(group), asked[name]), asked[name], as_of, plain.violations).quarantined
        for name, group in groupby(ordered, key=lambda one: objects[one.seq])
    ]
    return pd.concat([plain.listed([]).assign(found=None, allowed=None), *found], ignore_index=True)


def _rows(records: Sequence[Mapped], contract: ObjectContract) -> pd.DataFrame:
    """The records as text, as the stage reads them out of the inbox."""
    names = dict.fromkeys([*(one.name for one in contract.fields), "country"])
    columns = {name: [_text(one.record.get(name)) for one in records] for name in names}
    return pd.DataFrame({"seq": [one.seq for one in records], **columns}, dtype=object).astype(
        {"seq": "int64"}
    )


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _counted(bad: pd.DataFrame) -> Mapping[str, int]:
    named = bad["field"].astype(str) + " " + bad["rule"].astype(str)
    return {str(name): int(count) for name, count in named.value_counts().items()}


def _explain(connection: Connection, bad: pd.DataFrame) -> None:
    rows: Iterator[tuple[Any, ...]] = reasons_by_record(bad)
    stage_rows(connection, "replayed_reasons", quarantine_table, ["seq", "reasons"], rows)
    connection.execute(_EXPLAINED)


# It stays as long in quarantine as it has been: a replay in vain is no new trouble.
_EXPLAINED: Final = sa.text("""
    update quarantine q set reasons = told.reasons from replayed_reasons told
    where q.seq = told.seq and q.reasons is distinct from told.reasons
""")
