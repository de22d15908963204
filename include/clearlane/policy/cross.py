"""What only shows when the files are read together: names that point nowhere, rules never reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from clearlane.policy.document import Document
from clearlane.policy.model import Destination, Policy
from clearlane.policy.problems import Path, nearest

MOST_RULES = 25


def across(policy: Policy, documents: Mapping[str, Document]) -> Policy:
    """The policy with its warnings; names that no other file defines are reported in their documents."""
    if "routing" in documents:
        _check_routing(policy, documents["routing"])
    if "sla" in documents:
        _check_bands(policy, documents)
    if "teams" in documents and "sources" in documents:
        _check_aliases(policy, documents["teams"])
    return replace(policy, warnings=tuple(_warnings(policy, documents)))


def _check_routing(policy: Policy, document: Document) -> None:
    for index, rule in enumerate(policy.routing.rules):
        path: Path = ("rules", index)
        if rule.tier is not None:
            _known(document, (*path, "tier"), rule.tier, policy.sla.tiers, "a tier of sla.yaml")
        for step, rung in enumerate(rule.ladder):
            _check_destination(policy, document, (*path, "send_to", step), rung)
    for step, rung in enumerate(policy.routing.fallback[: len(document.at(()).get("fallback", ()))]):  # type: ignore[arg-type]
        _check_destination(policy, document, ("fallback", step), rung)


def _check_destination(policy: Policy, document: Document, path: Path, rung: Destination) -> None:
    if rung.target in ("team", "pool"):
        known, what = policy.teams.teams.keys(), "the id of a team of teams.yaml"
        _known(document, (*path, rung.target), rung.name, known, what)
    if rung.target == "rep":
        _known(document, (*path, "rep"), rung.name, policy.teams.reps.keys(), "the id of a rep of teams.yaml")
    team = policy.teams.teams.get(rung.name or "") if rung.target == "team" else None
    if team and not team.members:
        document.report((*path, "team"), f"{team.id}, a team without members", "a team somebody is in")


def _check_bands(policy: Policy, documents: Mapping[str, Document]) -> None:
    if "scoring" not in documents:
        return
    bands = {band.name for band in policy.scoring.bands}
    for band in policy.sla.by_band:
        _known(documents["sla"], ("by_band", band), band, bands, "a band of scoring.yaml")


def _check_aliases(policy: Policy, document: Document) -> None:
    sources = policy.sources.sources
    for index, rep in enumerate(policy.teams.reps.values()):
        for source in rep.aliases:
            _known(document, ("reps", index, "known_as", source), source, sources, "a source of sources.yaml")


def _known(document: Document, path: Path, name: str | None, known: Iterable[str], what: str) -> None:
    known = set(known)
    if name is not None and name not in known:
        document.report(path, name, what, nearest(name, known))


# --- warnings ---------------------------------------------------------------------------------


def _warnings(policy: Policy, documents: Mapping[str, Document]) -> Iterator[str]:
    if "scoring" in documents:
        yield from _scoring_warnings(policy, documents["scoring"])
    if "routing" in documents:
        yield from _unreachable(policy, documents["routing"])
    if "teams" in documents:
        yield from _team_warnings(policy, documents["teams"])


def _scoring_warnings(policy: Policy, document: Document) -> Iterator[str]:
    rules = policy.scoring.rules
    if len(rules) > MOST_RULES:
        line = document.line(("rules",))
        yield f"{document.file}:{line}: {len(rules)} scoring rules; above {MOST_RULES} nobody can say why a lead is hot"
    seen: dict[tuple[object, ...], str] = {}
    for path, rule in zip(_rule_paths(document), rules, strict=True):
        line = document.line(path)
        if rule.points and (rule.points > 0) == (rule.group == "negative"):
            yield f"{document.file}:{line}: {rule.id} has points of the wrong sign for its group, {rule.group}"
        if rule.points == 0 or rule.cap == 0:
            yield f"{document.file}:{line}: {rule.id} never adds anything"
        if rule.when is not None and _constant(rule.when.text) is False:
            yield f"{document.file}:{line}: {rule.id} never fires"
        twin = seen.setdefault((rule.when and rule.when.fingerprint, rule.activity), rule.id)
        if twin != rule.id:
            yield f"{document.file}:{line}: {rule.id} overlaps {twin}: both read the same condition"


def _rule_paths(document: Document) -> Iterator[Path]:
    for group in ("fit", "engagement", "negative"):
        rules = document.at(("rules",)).get(group, []) if "rules" in document.at(()) else []
        for index in range(len(rules)):  # type: ignore[arg-type]  # a list: the shape says so
            yield ("rules", group, index)


def _unreachable(policy: Policy, document: Document) -> Iterator[str]:
    """Rules after one that always holds, or whose condition an earlier rule has already."""
    always: str | None = None
    seen: dict[str, str] = {}
    for index, rule in enumerate(policy.routing.rules):
        line = document.line(("rules", index))
        twin = seen.setdefault(rule.when.fingerprint, rule.id)
        if always or twin != rule.id:
            yield f"{document.file}:{line}: {rule.id} is never reached: {always or twin} takes its leads"
        if _constant(rule.when.text) is False:
            yield f"{document.file}:{line}: {rule.id} never fires"
        if _constant(rule.when.text) is True:
            always = always or rule.id


def _constant(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.strip().lower())


def _team_warnings(policy: Policy, document: Document) -> Iterator[str]:
    members = {rep for team in policy.teams.teams.values() for rep, _ in team.members}
    for index, rep in enumerate(policy.teams.reps.values()):
        if rep.sells and rep.id not in members:
            yield f"{document.file}:{document.line(('reps', index))}: {rep.id} sells but is in no team"
