"""What keeps the erased away: keyed hashes of their records' ids, e-mails, and phones with names.

A record that matches one is emptied when it arrives, before anybody judges, shows or keeps it, and is counted. A
hash is HMAC-SHA256 (RFC 2104) with a secret of the connection `clearlane_privacy`, else with one that the ledger
keeps, which hides less: who can read the ledger can then try addresses against its hashes.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.identity import mail_domains, normalise
from clearlane.ledger import Batch

CONNECTION: Final = "clearlane_privacy"
CHUNK: Final = 10_000
Secrets = Callable[[str], str]
Name = tuple[str, ...]
"""what is hashed: ('record', source, object, id), ('email', address), ('email_name', key), ('phone_name', key)
or ('phone', number), which is no one's record"""


class KeyMissing(LookupError):
    """Tombstones are there, and the key that they were hashed with is not."""


@dataclass(frozen=True)
class Key:
    """A secret to hash with; `kept`: the ledger keeps it, because no connection has one."""

    secret: str = field(repr=False)
    kept: bool

    @property
    def id(self) -> str:
        return self.hash(("which key",))[:16]

    def hash(self, name: Name) -> str:
        return hmac.new(self.secret.encode(), "\x1f".join(name).encode(), "sha256").hexdigest()


def word_for(value: str, key: Key) -> str:
    """What stands where a value stood: the same for the same value, so that ids stay apart and together."""
    return f"erased-{key.hash(('word', value))[:12]}"


def key_for(connection: Connection, given: str | None, fresh: str) -> Key:
    """The key for new tombstones: the given one, else the one that the ledger keeps, else a fresh one it will keep."""
    if given:
        return Key(given, kept=False)
    kept = connection.execute(sa.text("select secret from erasure_key where secret is not null")).scalar()
    return Key(kept or fresh, kept=True)


def secret_of(address: str) -> str:
    """The password of a connection's address; KeyMissing where it has none."""
    password = urlsplit(address).password
    if not password:
        raise KeyMissing(f"connection {CONNECTION}: it has no password, which is the key of tombstones")
    return unquote(password)


def keys_in_use(connection: Connection, secrets: Secrets | None) -> Sequence[Key]:
    """The keys that stored tombstones were hashed with; asks for the connection only where one needs it."""
    rows = connection.execute(sa.text("select key_id, secret from erasure_key")).all()
    return [Key(row.secret, True) if row.secret else _given(row.key_id, secrets) for row in rows]


def _given(key_id: str, secrets: Secrets | None) -> Key:
    key = Key(secret_of(secrets(CONNECTION)), kept=False) if secrets else None
    if key is None or key.id != key_id:
        found = "none was given" if key is None else f"the one given is {key.id}"
        raise KeyMissing(
            f"tombstones were hashed with key {key_id} of the connection {CONNECTION}, and {found}:"
            " without it the erased would come back with their source"
        )
    return key


def add(connection: Connection, names: Iterable[Name], key: Key, erasure_id: int) -> int:
    """Store tombstones of these names; how many are new."""
    connection.execute(_ADD_KEY, {"id": key.id, "secret": key.secret if key.kept else None})
    rows = [
        {"hash": key.hash(name), "key": key.id, "kind": name[0], "erasure": erasure_id}
        for name in sorted(names)
    ]
    return sum(connection.execute(_ADD, row).rowcount for row in rows)


def stands(connection: Connection, keys: Sequence[Key], name: Name) -> bool:
    """Whether there is a tombstone of this name."""
    return bool(stands_any(connection, keys, [name]))


def stands_any(connection: Connection, keys: Sequence[Key], names: Sequence[Name]) -> set[Name]:
    """Those of the names of which there is a tombstone."""
    bearers = {key.hash(name): name for key in keys for name in names}
    return {bearers[one] for one in connection.execute(_FOUND, {"hashes": list(bearers)}).scalars()}


def drop(connection: Connection, batch: Batch, secrets: Secrets | None) -> int:
    """Empty the batch's waiting records that are of the erased; how many. KeyMissing where nobody can tell.

    Leads and contacts match by their id, e-mail, or phone with name; activities and outcomes by whom they name.
    """
    keys = keys_in_use(connection, secrets)
    dropped = 0
    after = 0
    while keys:
        asked = {"batch_id": batch.batch_id, "after": after, "size": CHUNK}
        rows = connection.execute(_ARRIVED, asked)
        frame = pd.DataFrame(rows.fetchall(), columns=list(rows.keys()), dtype=object)
        if frame.empty:
            break
        after = int(frame["seq"].iloc[-1])
        dropped += _dropped(connection, frame, keys)
    return dropped


def _dropped(connection: Connection, frame: pd.DataFrame, keys: Sequence[Key]) -> int:
    bearers: dict[str, set[int]] = {}
    for seq, name in _names(frame):
        for key in keys:
            bearers.setdefault(key.hash(name), set()).add(seq)
    found = connection.execute(_FOUND, {"hashes": list(bearers)}).scalars()
    seqs = sorted(set().union(*(bearers[one] for one in found)))
    return connection.execute(sa.text(EMPTY), {"keys": seqs}).rowcount if seqs else 0


def _names(frame: pd.DataFrame) -> Iterator[tuple[int, Name]]:
    """Each record's number with every name that a tombstone may hold of it."""
    email = frame["email"].map(normalise.emails(frame["email"].dropna().unique()))
    known = normalise.countries(frame["country"].dropna().unique())
    country = [known.get(one) for one in frame["country"]]
    full = (frame["first_name"].fillna("") + " " + frame["last_name"].fillna("")).str.strip()
    full = full.where(full != "", frame["name"])
    person = full.map(normalise.people(full.dropna().unique()))
    numbers = pd.Series(list(zip(frame["phone"], country, strict=True)), dtype=object)
    phone = numbers.map(normalise.phones(numbers[frame["phone"].notna()].unique()))
    told = zip(frame["seq"], _records(frame), email, phone, person, strict=True)
    for seq, records, address, number, who in told:
        for name in (*records, *person_names(_known(address), _known(number), _known(who))):
            yield int(seq), name


def _records(frame: pd.DataFrame) -> Iterator[list[Name]]:
    columns = zip(
        frame["source"], frame["object"], frame["id"], frame["lead_id"], frame["contact_id"], strict=True
    )
    for source, object, own, lead, contact in columns:
        named = (("leads", lead), ("contacts", contact))
        if object in ("leads", "contacts"):
            named = ((object, own),)  # type: ignore[assignment]
        yield [("record", source, noun, str(id)) for noun, id in named if id is not None]


def person_names(email: str | None, phone: str | None, person: str | None) -> list[Name]:
    """The names by which identity takes two records for one person: an address of many counts with the name only."""
    desk = email is not None and mail_domains.is_desk(email.rpartition("@")[0])
    return [
        *([("email", email)] if email else []),
        *([("email_name", f"{email}|{person}")] if desk and person else []),
        *([("phone_name", f"{phone}|{person}")] if phone and person else []),
    ]


def _known(value: object) -> str | None:
    return value if isinstance(value, str) else None


_TEXTS: Final[Mapping[str, str]] = {
    name: f"nullif(btrim(record ->> '{name}'), '') as {name}"
    for name in ("email", "phone", "country", "first_name", "last_name", "name", "lead_id", "contact_id")
}
_ARRIVED: Final = sa.text(f"""
select seq, source, object, coalesce(external_id, record_key) as id, {", ".join(_TEXTS.values())}
from inbox
where batch_id = :batch_id and state = 'waiting' and object in ('leads', 'contacts', 'activities', 'outcomes')
  and seq > :after
order by seq limit :size
""")
_FOUND: Final = sa.text("select hash from tombstone where hash = any(cast(:hashes as text[]))")
EMPTY: Final = """
update inbox set state = 'erased', payload = '{}', record = null,
       external_id = case when not telling then external_id end,
       record_key = case when telling then 'erased:' || inbox.seq else record_key end
from (
    select seq, record_key like '%@%' or coalesce(external_id in (record ->> 'email', record ->> 'phone'), false)
           as telling
    from inbox where seq = any(cast(:keys as bigint[]))
) told
where inbox.seq = told.seq
"""
"""The key of a record stays, so that it counts as a duplicate when it comes again; one that is an address goes."""
_ADD_KEY: Final = sa.text(
    "insert into erasure_key (key_id, secret) values (:id, :secret) on conflict (key_id) do nothing"
)
_ADD: Final = sa.text("""
insert into tombstone (hash, key_id, kind, erasure_id) values (:hash, :key, :kind, :erasure)
on conflict (hash) do nothing
""")
