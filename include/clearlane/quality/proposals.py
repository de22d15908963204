"""What could be asked of each field, learnt from what came: value sets, ranges, lengths, families of texts, presence.

A person accepts by editing contract.yaml and publishing it. Whatever is proposed passes on all that it was learnt
from, and is never that a person's optional field must be there: that would keep people out. Reads inbox.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy.editing import Edits, edited
from clearlane.policy.model import Check, Contract, Field, ObjectContract
from clearlane.quality import plain
from clearlane.quality.contact_points import email_verdicts
from clearlane.quality.families import family_of
from clearlane.quality.judgement import judged
from clearlane.rules import Type

FEWEST: Final = 200
"""values that a proposal is learnt from"""
SURE: Final = 1_000
"""records, all with the value, before it is proposed that it must be there"""
MOST: Final = 50_000
"""records of an object that are read, the newest"""
HISTORY: Final = timedelta(days=180)
KINDS: Final = 20
"""different values that may make a set, each seen `OFTEN` times"""
OFTEN: Final = 5
WORDS: Final = 4
TERM: Final = 40
"""a value of a set has so many words and letters at most: what is longer was written, not chosen"""
ROOM: Final = 100
"""characters that texts which people write have at least, however short those were that came"""
LENGTHS: Final = (10, 20, 50, 100, 200, 300, 400, 500, 1_000, 2_000, 5_000, 10_000, 50_000)
STRUCTURE: Final = ("id", "type", "created_at", "updated_at", "occurred_at", "kind", "stage")
"""fields of a record that say what it is: they may be asked for"""


@dataclass(frozen=True)
class Proposal:
    """One check (or, where `check` is None, presence) that every value so far passes; `because` in a sentence."""

    object: str
    field: str
    check: Check | None
    because: str

    @property
    def rule(self) -> str:
        return self.check.rule if self.check else "required"

    @property
    def named(self) -> str:
        allowed = self.check and self.check.allowed
        return f"{self.object}.{self.field} {self.rule}" + (
            f" {_shown(allowed)}" if allowed is not None else ""
        )


@dataclass(frozen=True)
class History:
    """Records of one object as text, the newest first: columns seq, source, country and the fields of its contract."""

    object: str
    contract: ObjectContract
    rows: pd.DataFrame

    def of(self, source: str | None) -> History:
        """Those of one source."""
        return self if source is None else replace(self, rows=self.rows[self.rows["source"] == source])

    def without(self, source: str) -> History:
        """Those of all others."""
        return replace(self, rows=self.rows[self.rows["source"] != source])


def histories(connection: Connection, contract: Contract, as_of: datetime) -> Sequence[History]:
    """What came of each object by `as_of` and was usable."""
    return [
        History(name, described, _rows(connection, name, described, as_of))
        for name, described in contract.objects.items()
    ]


def proposals(history: History, as_of: datetime) -> Sequence[Proposal]:
    """What could be asked of the fields of an object, field by field; each passes on the whole history."""
    found = [one for field in history.contract.fields for one in _of_field(history, field)]
    failing = failures(history, found, as_of)
    return [one for one in found if one not in failing]


def proposed(
    connection: Connection, contract: Contract, as_of: datetime, source: str | None = None
) -> Iterator[tuple[Proposal, Mapping[str, int]]]:
    """Each proposal learnt from all sources, or one, with the values of other sources that would not pass."""
    for history in histories(connection, contract, as_of):
        found = proposals(history.of(source), as_of)
        others = _others(history, found, as_of, source) if source else {}
        yield from ((one, others.get(one, {})) for one in found)


def _others(
    history: History, found: Sequence[Proposal], as_of: datetime, source: str
) -> Mapping[Proposal, Mapping[str, int]]:
    """Proposal -> other source -> values that would not pass: a contract holds for all sources."""
    told: dict[Proposal, dict[str, int]] = {}
    for other in sorted(set(history.without(source).rows["source"])):
        for one, count in failures(history.of(other), found, as_of).items():
            told.setdefault(one, {})[other] = count
    return told


def line(one: Proposal, others: Mapping[str, int]) -> str:
    """What is proposed, why, and what it would cost other sources."""
    cost = "".join(f"; {count:,} of {name} would not pass" for name, count in others.items())
    return f"{one.named}: {one.because}{cost}"


def failures(history: History, found: Sequence[Proposal], as_of: datetime) -> Mapping[Proposal, int]:
    """Proposal -> values (or records) of the history that do not pass, judged as the stage judges them."""
    if history.rows.empty or not found:
        return {}
    asked = _widened(history.contract, found)
    verdict = judged(history.object, history.rows, asked, as_of, plain.violations)
    bad = pd.concat([verdict.emptied, verdict.quarantined])
    counts = Counter(zip(bad["field"], bad["rule"], strict=True))
    return {one: counts[one.field, one.rule] for one in found if counts[one.field, one.rule]}


# --- what a column tells --------------------------------------------------------------------------


def _of_field(history: History, field: Field) -> Iterator[Proposal]:
    """`required` before checks, so that a person reads first what keeps records out."""
    column = history.rows[field.name].dropna()
    if field.name in STRUCTURE and not field.required and len(column) == len(history.rows) >= SURE:
        yield Proposal(history.object, field.name, None, f"all {len(column):,} records have it")
    if len(column) < FEWEST:
        return
    rules: set[str] = {check.rule for check in field.checks}
    for check, because in _checks(field, column.astype(str), rules):
        yield Proposal(history.object, field.name, check, because)


def _checks(field: Field, values: pd.Series[str], rules: set[str]) -> Iterator[tuple[Check, str]]:
    match field.type:
        case Type.NUMBER if "between" not in rules:
            yield from _range(values)
        case Type.TEXT if not rules & {"one_of", "email", "phone"}:
            yield from _texts(field.name, values, rules)
        case Type.TIME if field.name in STRUCTURE and not rules:
            yield Check("not_future"), f"none of {len(values):,} lies in the future"


def _texts(name: str, values: pd.Series[str], rules: set[str]) -> Iterator[tuple[Check, str]]:
    longest = int(values.str.len().max())
    told = f"{len(values):,} values"
    family = None if "matches" in rules else family_of(values)
    if not _refers(name) and (kinds := _kinds(values)):
        yield Check("one_of", kinds), f"{told} are one of {len(kinds)}, and no new one came of late"
        return
    if all(one.normal for one in email_verdicts(set(values)).values()):
        yield Check("email"), f"each of {told} is an e-mail address"
        return
    if family:
        yield Check("matches", family.pattern), f"each of {told} is {family.name}"
    if "max_length" not in rules and not (family and family.longest):
        room = longest * 1.25 if family and family.code else max(longest * 1.25, ROOM)
        length = next((one for one in LENGTHS if one >= room), None)
        if length:
            yield Check("max_length", length), f"the longest of {told} has {longest:,} characters"


def _kinds(values: pd.Series[str]) -> tuple[str, ...]:
    """The values, where they are few terms, none is rare and the newest third brought no new one; else none."""
    counts = values.value_counts()
    if len(counts) > KINDS or counts.min() < OFTEN or not all(map(_is_term, counts.index)):
        return ()
    third = len(values) // 3
    return tuple(sorted(counts.index)) if set(values[:third]) <= set(values[third:]) else ()


def _refers(name: str) -> bool:
    """Whether a field says who or what a record belongs to: of those there will be new ones."""
    return name == "owner" or name.endswith("_id")


def _is_term(value: str) -> bool:
    return len(value) <= TERM and len(value.split()) <= WORDS


def _range(values: pd.Series[str]) -> Iterator[tuple[Check, str]]:
    numbers = pd.to_numeric(values, errors="coerce")
    if numbers.isna().any():
        return
    low, high = float(numbers.min()), float(numbers.max())
    lower = 0 if low >= 0 else -_round_above(-2 * low)
    told = f"{len(values):,} values lie between {low:,.6g} and {high:,.6g}"
    yield Check("between", (lower, _round_above(2 * high) if high > 0 else 0)), told


def _round_above(amount: float) -> int:
    """The first of 1, 2, 5, 10, 20, 50 ... that is not below."""
    power = 1
    while True:
        for step in (1, 2, 5):
            if step * power >= amount:
                return step * power
        power *= 10


# --- the contract with it -------------------------------------------------------------------------


def _widened(contract: ObjectContract, found: Sequence[Proposal]) -> ObjectContract:
    fields = tuple(
        _with(field, [one for one in found if one.field == field.name]) for field in contract.fields
    )
    return replace(contract, fields=fields)


def _with(field: Field, found: Sequence[Proposal]) -> Field:
    checks = tuple(one.check for one in found if one.check)
    required = field.required or any(one.check is None for one in found)
    return replace(field, required=required, checks=field.checks + checks)


def diff(text: str, found: Sequence[Proposal], contract: Contract, name: str = "contract.yaml") -> str:
    """The change of the file as `git apply` reads it; '' of nothing."""
    lines = (text.splitlines(keepends=True), changed(text, found, contract).splitlines(keepends=True))
    return "".join(difflib.unified_diff(*lines, f"a/{name}", f"b/{name}"))


def changed(text: str, found: Sequence[Proposal], contract: Contract) -> str:
    """contract.yaml with the proposals in it; its comments, order and layout stay."""
    values: dict[Any, Any] = {}
    added: dict[Any, Any] = {}
    for described, field, asked in _by_field(found, contract):
        path = ("objects", described, "fields", field.name)
        checks = [_entry(one.check) for one in asked if one.check]
        required = any(one.check is None for one in asked)
        if not field.checks and not field.required:
            values[path] = _whole(field, required, checks)
            continue
        if required:
            values[(*path, "required")] = True
        if checks:
            added[(*path, "checks")] = checks
    return edited(text, Edits(values=values, added=added))


def _by_field(
    found: Sequence[Proposal], contract: Contract
) -> Iterator[tuple[str, Field, Sequence[Proposal]]]:
    for name, described in contract.objects.items():
        for field in described.fields:
            asked = [one for one in found if (one.object, one.field) == (name, field.name)]
            if asked:
                yield name, field, asked


def _whole(field: Field, required: bool, checks: Sequence[Any]) -> Mapping[str, Any]:
    told: dict[str, Any] = {"type": field.type.value}
    return told | ({"required": True} if required else {}) | ({"checks": checks} if checks else {})


def _entry(check: Check) -> Mapping[str, Any]:
    return {check.rule: True if check.allowed is None else check.allowed}


def _shown(allowed: object) -> str:
    return ", ".join(map(str, allowed)) if isinstance(allowed, list | tuple) else str(allowed)


# --- the ledger -----------------------------------------------------------------------------------


def _rows(connection: Connection, name: str, contract: ObjectContract, as_of: datetime) -> pd.DataFrame:
    fields = list(dict.fromkeys([*(field.name for field in contract.fields), "country"]))
    chosen = ", ".join(f"record ->> :f{number} as c{number}" for number in range(len(fields)))
    asked = {f"f{number}": field for number, field in enumerate(fields)}
    span = {"object": name, "since": as_of - HISTORY, "until": as_of, "most": MOST}
    rows = connection.execute(sa.text(_NEWEST.format(chosen=chosen)), {**asked, **span}).all()
    frame = pd.DataFrame(rows, columns=["seq", "source", *fields], dtype=object)
    return frame.astype({"seq": "int64"})


# The same number of each source, so that a large one does not hide a small one.
_NEWEST: Final = """
select seq, source, {chosen}
from (select *, row_number() over (partition by source order by source_time desc, seq desc) as place
      from inbox
      where object = :object and state in ('consumed', 'waiting') and record is not null
        and source_time >= :since and source_time < :until) newest
where place <= :most order by source_time desc, seq desc
"""
