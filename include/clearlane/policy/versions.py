"""Which version of each policy file was in force when: an append-only log beside the stored contents.

An edited file is not in force until it is published; the first version of a file also covers all
time before it; an earlier version can come back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text

from clearlane.policy.checking import check
from clearlane.policy.loading import beside, content_name, hashes, parse, texts
from clearlane.policy.model import FILES, Policy
from clearlane.policy.problems import PolicyErrors, Problem

_IN_FORCE = text("""
    select distinct on (name) name, hash from policy_in_force
    where in_force_from is null or in_force_from <= :at
    order by name, in_force_from desc nulls last, entry desc
""")
_STORED = text("select name, content from policy_file where hash = any(:hashes)")
_STORE = text("""
    insert into policy_file (hash, name, content) values (:hash, :name, :content) on conflict do nothing
""")
_BESIDE = text("select content from policy_file where name = :name")
_LOG = text("""
    select distinct on (in_force_from) hash, in_force_from from policy_in_force where name = :name
    order by in_force_from nulls first, entry desc
""")
_ENTER = text("""
    insert into policy_in_force (name, hash, in_force_from, by, because)
    select :name, :hash,
           case when exists (select from policy_in_force where name = :name)
                then cast(:in_force_from as timestamptz) end,
           :by, :because
""")
# one publisher at a time: what is changed is judged against what is in force
_LOCK = text("select pg_advisory_xact_lock(hashtext('clearlane policy'))")
_EVER = text("select exists (select from policy_in_force)")
SHORTEST: Final = 6
"""characters of a hash that name a version"""


def publish(
    connection: Connection,
    source: Path | Mapping[str, str],
    *,
    by: str,
    because: str,
    in_force_from: datetime | None = None,
) -> Mapping[str, str]:
    """Put the changed files of a folder (or contents by name) in force; returns their hashes by name.

    What would then be in force together is checked first: PolicyErrors with every error. `in_force_from`
    is ignored for a file's first version, which covers all earlier time, and needed for any later one.
    The model of probability that scoring.yaml names lies in the folder, among the contents, or is stored already;
    its name holds its hash, so that a version of scoring.yaml says which model it means.
    """
    given = dict(texts(source)) if isinstance(source, Path) else dict(source)
    contents = {name: content for name, content in given.items() if name in FILES}
    connection.execute(_LOCK)
    present = in_force(connection, in_force_from) if _published(connection) else {}
    changed = {name: new for name, new in hashes(contents).items() if present.get(name) != new}
    model = _model(connection, source, contents["scoring"]) if "scoring" in changed else {}
    new_contents = {**{name: contents[name] for name in changed}, **model}
    _check_together(connection, present, new_contents)
    for name, content in new_contents.items():
        _store(connection, name, content)
    _enter(connection, changed, present, by, because, in_force_from)
    return changed


def _store(connection: Connection, name: str, content: str) -> None:
    (digest,) = hashes({name: content}).values()
    connection.execute(_STORE, {"hash": digest, "name": name, "content": content})


def _model(connection: Connection, source: Path | Mapping[str, str], scoring: str) -> Mapping[str, str]:
    """File name -> content of the model that a scoring.yaml names; empty: it names none, or is no policy."""
    try:
        name = parse({"scoring": scoring}).scoring.predictive
    except PolicyErrors:
        return {}
    if name is None:
        return {}
    here = beside(source, name) if isinstance(source, Path) else source.get(name)
    content = here or attached(connection, name)
    if content is None:
        raise PolicyErrors(
            [Problem(name, 0, "the file", "no such file", "the model that scoring.yaml names")]
        )
    if name != (own := content_name("predictive", content)):
        allowed = f"{own}, which holds its hash: rename it, there and in predictive of scoring.yaml"
        raise PolicyErrors([Problem(name, 0, "the file", f"the name {name}", allowed)])
    return {name: content}


def attached(connection: Connection, name: str) -> str | None:
    """The stored content of a file that a policy file names, by a name that holds its hash; None: not stored."""
    content: str | None = connection.execute(_BESIDE, {"name": name}).scalar()
    return content


@dataclass(frozen=True)
class Undone:
    """A version of a file that is in force again, from when, and the versions that were taken back."""

    version: str
    in_force_from: datetime
    versions: tuple[str, ...]
    """hashes, the newest last"""


def rollback(
    connection: Connection,
    name: str,
    to: str | None = None,
    *,
    by: str,
    because: str,
    in_force_from: datetime,
) -> Undone:
    """Put an earlier version of a file in force again: the one before the newest, or the one that `to` begins.

    A newest version that is still to come is taken back at its own moment. LookupError where there is none to go back
    to; PolicyErrors where it does not fit the other files any more.
    """
    connection.execute(_LOCK)
    log = list(connection.execute(_LOG, {"name": name}))
    place = _place(name, [row.hash for row in log], to)
    at = max(filter(None, (in_force_from, log[-1].in_force_from)))
    version, present = log[place].hash, in_force(connection, at)
    _check_together(connection, present, contents(connection, {name: version}))
    _enter(connection, {name: version}, present, by, because, at)
    return Undone(version, at, tuple(dict.fromkeys(row.hash for row in log[place + 1 :])))


def newest(connection: Connection, name: str) -> str | None:
    """The hash of the version of a file that holds once all that is published is in force."""
    return next((row.hash for row in reversed(list(connection.execute(_LOG, {"name": name})))), None)


def _place(name: str, log: Sequence[str], to: str | None) -> int:
    """Where in the log the version to go back to stands last, before the newest."""
    if not log:
        raise LookupError(f"{name}.yaml was never published")
    if to is None:
        if not (first := log.index(log[-1])):
            raise LookupError(f"{name}.yaml {log[-1][:12]} is the first version: there is none before it")
        return first - 1
    meant = {one for one in log if one.startswith(to)}
    if len(meant) != 1 or len(to) < SHORTEST:
        raise LookupError(
            f"{to!r} begins {len(meant)} versions of {name}.yaml that were in force; give one's hash"
        )
    if meant == {log[-1]}:
        raise LookupError(f"{name}.yaml {log[-1][:12]} is the newest version already")
    return max(place for place, one in enumerate(log) if one in meant)


def in_force(connection: Connection, at: datetime | None) -> Mapping[str, str]:
    """File name -> hash of the version in force at a moment; `at` None: the first versions."""
    return {row.name: row.hash for row in connection.execute(_IN_FORCE, {"at": at})}


def stored(connection: Connection, versions: Mapping[str, str]) -> Policy:
    """The policy of these versions (file name -> hash); LookupError names a version that is not stored."""
    return parse(contents(connection, versions))


def contents(connection: Connection, versions: Mapping[str, str]) -> Mapping[str, str]:
    """File name -> content of these versions; LookupError names a version that is not stored."""
    rows = connection.execute(_STORED, {"hashes": list(versions.values())})
    found = {row.name: row.content for row in rows}
    missing = sorted(versions.keys() - found.keys())
    if missing:
        raise LookupError("not stored: " + ", ".join(f"{name} {versions[name][:12]}" for name in missing))
    return found


def unpublished(connection: Connection, directory: Path, at: datetime) -> tuple[str, ...]:
    """Names of the files whose content in the folder differs from what is in force at a moment."""
    present = in_force(connection, at)
    return tuple(name for name, new in hashes(texts(directory)).items() if present.get(name) != new)


def _published(connection: Connection) -> bool:
    return bool(connection.execute(_EVER).scalar_one())


def _check_together(connection: Connection, present: Mapping[str, str], changed: Mapping[str, str]) -> None:
    if not changed:
        return
    report = check({**contents(connection, present), **changed})
    if report.errors:
        raise PolicyErrors(report.errors)


def _enter(
    connection: Connection,
    changed: Mapping[str, str],
    present: Mapping[str, str],
    by: str,
    because: str,
    in_force_from: datetime | None,
) -> None:
    if in_force_from is None and changed.keys() & present.keys():
        raise ValueError("a later version needs the moment from which it is in force")
    for name, new in changed.items():
        entry = {"name": name, "hash": new, "in_force_from": in_force_from, "by": by, "because": because}
        connection.execute(_ENTER, entry)
