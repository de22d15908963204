"""Which rep an owner named by a source is, and whether that rep sells.

A source may call a rep by an external id, a name or an e-mail address: teams.yaml says so (`known_as`), or the
source's own list of users joins them by e-mail. Users known to be inactive, and reps who do not sell, are no
owners; a name that nobody knows is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from clearlane.policy.model import Rep, Teams
from clearlane.route.eligibility import sells

Key = tuple[str, str]
ANY_SOURCE = "*"


@dataclass(frozen=True)
class User:
    """A user of a source system."""

    source: str
    external_id: str
    name: str | None = None
    email: str | None = None
    active: bool = True


def owner_names(
    teams: Teams, users: Iterable[User], sources: Iterable[str], at: datetime
) -> Mapping[Key, str | None]:
    """(source, name in lower case) -> rep id, or None for one who is known and does not sell at `at`.

    Under ANY_SOURCE stand the names that mean the same rep in every source that knows them.
    """
    users = tuple(users)
    aliased = (source for rep in teams.reps.values() for source in rep.aliases)
    named = dict(_of_reps(teams, {*sources, *aliased, *(user.source for user in users)}))
    for user in users:
        rep = next((named[key] for key in _keys(user) if key in named), None)
        named |= dict.fromkeys(_keys(user), rep if user.active else None)
    sell = {rep.id for rep in teams.reps.values() if sells(rep, at)}
    selling = {key: rep if rep in sell else None for key, rep in named.items()}
    return {**selling, **_anywhere(selling)}


def _anywhere(named: Mapping[Key, str | None]) -> dict[Key, str | None]:
    meant: dict[str, set[str | None]] = {}
    for (_, name), rep in named.items():
        meant.setdefault(name, set()).add(rep)
    return {(ANY_SOURCE, name): rep for name, reps in meant.items() if len(reps) == 1 for rep in reps}


def _of_reps(teams: Teams, sources: set[str]) -> Iterator[tuple[Key, str | None]]:
    """Names of reps; what comes later wins: names, then ids and e-mail addresses, then what teams.yaml says."""
    reps = teams.reps.values()
    yield from ((key, rep.id) for rep in reps for key in _everywhere(sources, rep.name))
    yield from ((key, rep.id) for rep in reps for key in _everywhere(sources, rep.id, rep.email))
    yield from ((key, rep.id) for rep in reps for key in _aliases(rep))


def _everywhere(sources: set[str], *names: str) -> Iterator[Key]:
    return ((source, folded(name)) for source in sources for name in names)


def _aliases(rep: Rep) -> Iterator[Key]:
    return ((source, folded(name)) for source, names in rep.aliases.items() for name in names)


def _keys(user: User) -> tuple[Key, ...]:
    names = (user.external_id, user.email, user.name)
    return tuple((user.source, folded(name)) for name in names if name)


def folded(name: str) -> str:
    return name.strip().lower()
