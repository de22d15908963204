"""The erased in what arrives: their own records, lines that nobody can read, and what others' records say of them.

A record of theirs and a line that names them are emptied; in a record of somebody else their address is written over,
and in what is no lead's or contact's record a phone that was theirs alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_WORD: Final = re.compile(r"[^\W\d_][\w'’-]*")

Said = tuple[str, str | None]
"""an address or a number as it is written, and the country in which it is dialled so"""


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
    for kind in ("email", "phone"):
        for value, seqs in _mentioned(connection, batch, keys, kind).items():
            said = {"pattern": wording.one_pattern(value), "word": tombstones.word_for(value, keys[0])}
            connection.execute(_WRITE_OVER, {**said, "seqs": seqs})


def _mentioned(
    connection: Connection, batch: Batch, keys: Sequence[Key], kind: str
) -> Mapping[str, list[int]]:
    """Address or number of an erased person, as it is written -> the batch's waiting records that mention it."""
    found: dict[str, list[int]] = {}
    after = 0
    while rows := connection.execute(_SAYING[kind], {"batch_id": batch.batch_id, "after": after}).all():
        after = int(rows[-1].seq)
        said = {int(row.seq): set(_SAID[kind](row.payload, row.country)) for row in rows}
        forms = _FORMS[kind](set().union(*said.values()))
        erased = _erased(connection, keys, [{(kind, form) for form in forms.values()}])
        for seq, values in said.items():
            for value in values & forms.keys():
                if (kind, forms[value]) in erased:
                    found.setdefault(value[0], []).append(seq)
    return found


def addresses_in(text: str, country: str | None) -> Iterator[Said]:
    """The e-mail addresses in a text."""
    yield from ((address, None) for address in _EMAIL.findall(text))


def numbers_in(text: str, country: str | None) -> Iterator[Said]:
    """What may be a phone number: with + or 00, or, where the record's country is known, as it is dialled there."""
    region = normalise.countries([country]).get(country) if country else None
    for number in _PHONE.findall(text):
        if number.startswith("+"):
            yield (number, None)
        elif number.startswith("00"):
            yield (number, "DE")  # as from any country that dials 00 abroad
        elif region and not _DATE.match(number):
            yield (number, region)


def _erased(connection: Connection, keys: Sequence[Key], told: Iterable[set[Name]]) -> set[Name]:
    names = set().union(*told)
    return tombstones.stands_any(connection, keys, sorted(names)) if names else set()


_LINES: Final = sa.text("""
select seq, coalesce(payload ->> 'raw', cast(payload as text)) as raw from inbox
where batch_id = :batch_id and state = 'quarantined' and record is null
""")
_LEAVE: Final = "delete from quarantine where seq = any(cast(:keys as bigint[]))"
_SAID: Final[Mapping[str, Callable[[str, str | None], Iterator[Said]]]] = {
    "email": addresses_in,
    "phone": numbers_in,
}
_FORMS: Final[Mapping[str, Callable[[set[Said]], Mapping[Said, str]]]] = {
    "email": lambda said: {
        (one, None): form for one, form in normalise.emails(one for one, _ in said).items()
    },
    "phone": normalise.phones,
}
# The phone of a lead or a contact is its own, whoever had the number before: an erased one counts there with its name.
_SAYING: Final = {
    kind: sa.text(f"""
        select seq, cast(payload as text) as payload, record ->> 'country' as country from inbox
        where batch_id = :batch_id and state = 'waiting' and seq > :after and {saying}
        order by seq limit {tombstones.CHUNK}
        """)
    for kind, saying in {
        "email": "object <> 'reps' and cast(payload as text) like '%@%'",
        "phone": "object not in ('reps', 'leads', 'contacts') and exists (select from tombstone where kind = 'phone')",
    }.items()
}
_WRITE_OVER: Final = sa.text("""
update inbox set payload = cast(regexp_replace(cast(payload as text), :pattern, :word, 'gi') as jsonb),
    record = cast(regexp_replace(cast(record as text), :pattern, :word, 'gi') as jsonb)
where seq = any(cast(:seqs as bigint[]))
""")
