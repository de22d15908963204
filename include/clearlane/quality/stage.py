"""The stage: batch rules hold back what looks wrong as a whole, every other row is typed, emptied or quarantined.

Reads inbox, batch, delivery; writes inbox, quality_note, quarantine, quality_result, and Data Docs. The first
scheduled run of a day also counts what the day before was like (`profiles`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection

from clearlane.ledger import Batch
from clearlane.policy.model import ObjectContract, Policy
from clearlane.quality import batch_rules, plain, profiles, requirements, waiting
from clearlane.quality.batch_rules import Finding
from clearlane.quality.judgement import Engine, judged

Forget = Callable[[Connection, Batch], int]
"""empties the waiting records of a batch that are of people who were erased; how many"""


def nobody(connection: Connection, batch: Batch) -> int:
    """Where nobody was ever erased."""
    return 0


@dataclass(frozen=True)
class Counts:
    """Rows `claimed` beyond those pulled, rows `checked`, fields `emptied`, rows `quarantined`, rules that warned.

    `held` rows are usable by themselves, but not the delivery that they came with: they are in quarantine, too.
    `erased` rows were of people who had been erased: they were emptied before anything looked at them.
    """

    claimed: int
    checked: int
    emptied: int
    quarantined: int
    warnings: int
    erased: int = 0
    held: int = 0


@dataclass(frozen=True)
class Verdict:
    """What the stage found."""

    counts: Counts
    findings: tuple[Finding, ...]
    docs: Path | None = None


def run(
    connection: Connection,
    policy: Policy,
    batch: Batch,
    docs_dir: Path | None = None,
    engine: Literal["gx", "plain"] = "gx",
    forget: Forget = nobody,
) -> Verdict:
    """Judge what the batch works on. Good rows stay `waiting`, typed; run again, it changes nothing.

    Where a rule says stop, the rows of that object from that source are held in quarantine; the others go on. What
    a person has handed back from there is never held again. With `gx` Data Docs go into a folder of their own
    under `docs_dir`.
    """
    claimed = waiting.claim(connection, batch)
    erased = forget(connection, batch)
    rules = policy.contract.batch_rules
    before = batch_rules.before_reading(connection, rules, batch)
    held = waiting.hold(connection, batch, before)
    judged_rows, docs = _judge(connection, policy, batch, docs_dir, engine)
    after = batch_rules.after_judging(connection, rules, batch)
    held += waiting.hold(connection, batch, after)
    waiting.mark_hand_raises(connection, batch, policy.scoring.hand_raise_types)
    findings = (*before, *after)
    batch_rules.save(connection, batch, findings)
    if engine == "gx" and batch.takes_inbox:
        profiles.refresh(connection, policy, batch.as_of)
    warnings = sum(finding.verdict == "warn" for finding in findings)
    counts = Counts(
        claimed, judged_rows.checked, judged_rows.emptied, judged_rows.quarantined, warnings, erased, held
    )
    return Verdict(counts, findings, docs)


@dataclass
class _Tally:
    checked: int = 0
    emptied: int = 0
    quarantined: int = 0


def _judge(
    connection: Connection, policy: Policy, batch: Batch, docs_dir: Path | None, engine: str
) -> tuple[_Tally, Path | None]:
    contracts = requirements.contracts_of(policy, waiting.objects(connection, batch))
    if engine == "plain" or not contracts:
        return _judge_with(plain.violations, connection, contracts, batch), None
    from clearlane.quality.expectations import Expectations

    expectations = Expectations()
    tally = _judge_with(expectations.violations, connection, contracts, batch)
    docs = _docs_folder(docs_dir, batch) if docs_dir else None
    if docs:
        expectations.write_docs(docs)
    return tally, docs


def _judge_with(
    engine: Engine, connection: Connection, contracts: Mapping[str, ObjectContract], batch: Batch
) -> _Tally:
    tally = _Tally()
    for name, contract in contracts.items():
        fields = [field.name for field in contract.fields]
        for rows in waiting.chunks(connection, batch, name, fields):
            judgement = judged(name, rows, contract, batch.as_of, engine)
            waiting.save(connection, batch, judgement)
            tally.checked += len(rows)
            tally.emptied += len(judgement.emptied)
            tally.quarantined += judgement.quarantined["seq"].nunique()
    return tally


def _docs_folder(docs_dir: Path, batch: Batch) -> Path:
    """The batch's folder; a later try of the run gets one of its own, so that earlier pages are kept."""
    tries = (f"-{number}" if number > 1 else "" for number in count(1))
    folders = (docs_dir / f"{batch.batch_id}{suffix}" for suffix in tries)
    return next(folder for folder in folders if not folder.exists())
