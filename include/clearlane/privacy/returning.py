"""The erased in what arrives: their own records, lines that nobody can read, and what others' records say of them.

A record of theirs and a line that names them are emptied; in a record of somebody else their address is written over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.identity import normalise
from clearlane.ledger import Batch
from clearlane.privacy import tombstones, wording
from clearlane.privacy.tombstones import Key, Name, Secrets

_EMAIL: Final = re.compile(r"[\w.+%'-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE: Final = re.compile(r"\+?\d[\d ()./-]{5,20}\d")
_WORD: Final = re.compile(r"[^\W\d_][\w'’-]*")


def keep_away(connection: Connection, batch: Batch, secrets: Secrets | None) -> int:
    """Empty what is of the erased among the batch's records, before anything looks at them; how many records.

    KeyMissing where nobody can tell.
    """
    dropped = tombstones.drop(connection, batch, secrets)
    keys = tombstones.keys_in_use(connection, secrets)
    if keys:
        _write_over(connection, batch, keys)
        dropped += _empty_lines(connection, batch, keys)
    return dropped


# --- lines that nobody can read -------------------------------------------------------------------------


def _empty_lines(connection: Connection, batch: Batch, keys: Sequence[Key]) -> int:
    lines = connection.execute(_LINES, {"batch_id": batch.batch_id}).all()
    told = {int(row.seq): set(names_in(str(row.raw))) for row in lines}
    erased = _erased(connection, keys, told.values())
    seqs = [seq for seq, names in told.items() if names & erased]
    if seqs:
        for statement in (_LEAVE, tombstones.EMPTY):
            connection.execute(sa.text(statement), {"keys": seqs})
    return len(seqs)


def names_in(line: str) -> Iterator[Name]:
    """What a line may say of a person: addresses, and each number with each two words that stand together."""
    yield from (("email", address) for address in normalise.emails(_EMAIL.findall(line)).values())
    numbers = normalise.phones((number, None) for number in _PHONE.findall(line)).values()
    pairs = [f"{one} {other}" for one, other in pairwise(_WORD.findall(line))] if numbers else []
    turned = [" ".join(reversed(pair.split())) for pair in pairs]
    people = set(normalise.people([*pairs, *turned]).values())
    yield from (("phone_name", f"{number}|{person}") for number in numbers for person in people)


# --- what others' records say ---------------------------------------------------------------------------


def _write_over(connection: Connection, batch: Batch, keys: Sequence[Key]) -> None:
    for address, seqs in _mentioned(connection, batch, keys).items():
        said = {"pattern": wording.one_pattern(address), "word": tombstones.word_for(address, keys[0])}
        connection.execute(_WRITE_OVER, {**said, "seqs": seqs})


def _mentioned(connection: Connection, batch: Batch, keys: Sequence[Key]) -> Mapping[str, list[int]]:
    """Address of an erased person -> numbers of the batch's waiting records that mention it."""
    found: dict[str, list[int]] = {}
    after = 0
    while rows := connection.execute(_SAYING, {"batch_id": batch.batch_id, "after": after}).all():
        after = int(rows[-1].seq)
        said = [(int(row.seq), set(_EMAIL.findall(row.payload))) for row in rows]
        forms = normalise.emails(set().union(*(addresses for _, addresses in said)))
        erased = _erased(connection, keys, [{("email", form) for form in forms.values()}])
        for seq, addresses in said:
            for address in addresses & forms.keys():
                if ("email", forms[address]) in erased:
                    found.setdefault(address, []).append(seq)
    return found


def _erased(connection: Connection, keys: Sequence[Key], told: Iterable[set[Name]]) -> set[Name]:
    names = set().union(*told)
    return tombstones.stands_any(connection, keys, sorted(names)) if names else set()


_LINES: Final = sa.text("""
select seq, coalesce(payload ->> 'raw', cast(payload as text)) as raw from inbox
where batch_id = :batch_id and state = 'quarantined' and record is null
""")
_LEAVE: Final = "delete from quarantine where seq = any(cast(:keys as bigint[]))"
_SAYING: Final = sa.text(f"""
select seq, cast(payload as text) as payload from inbox
where batch_id = :batch_id and state = 'waiting' and object <> 'reps' and seq > :after
  and cast(payload as text) like '%@%'
order by seq limit {tombstones.CHUNK}
""")
_WRITE_OVER: Final = sa.text("""
update inbox set payload = cast(regexp_replace(cast(payload as text), :pattern, :word, 'gi') as jsonb),
    record = cast(regexp_replace(cast(record as text), :pattern, :word, 'gi') as jsonb)
where seq = any(cast(:seqs as bigint[]))
""")
