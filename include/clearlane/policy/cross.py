"""What only shows when the files are read together: names that point nowhere, rules never reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from clearlane.policy.document import Document
from clearlane.policy.model import FIRST_STAGE, LATER_STAGES, Destination, Policy, Rule, Scoring
from clearlane.policy.problems import Path, nearest
from clearlane.policy.routing import terms
from clearlane.policy.scoring import vocabulary
from clearlane.rules import Predicate

MOST_RULES = 25


def across(policy: Policy, documents: Mapping[str, Document]) -> Policy:
    """The policy with its warnings; names that no other file defines are reported in their documents."""
    if "routing" in documents:
        _check_routing(policy, documents["routing"])
    if "sla" in documents:
        _check_promises(policy, documents)
    if "teams" in documents and "scoring" in documents:
        _check_suits(policy, documents["teams"])
    if "teams" in documents and "sources" in documents:
        _check_aliases(policy, documents["teams"])
    return replace(policy, warnings=tuple(_warnings(policy, documents)))


def _check_routing(policy: Policy, document: Document) -> None:
    owner = policy.routing.exceptions_owner
    _known(document, ("exceptions_owner",), owner, policy.teams.reps, "the id of a rep of teams.yaml")
    for index, rule in enumerate(policy.routing.rules):
        path: Path = ("rules", index)
        if rule.tier is not None:
            _known(document, (*path, "tier"), rule.tier, policy.sla.tiers, "a tier of sla.yaml")
        for step, rung in enumerate(rule.ladder):
            _check_destination(policy, document, (*path, "send_to", step), rung)
    _check_explored(policy, document)
    for step, rung in enumerate(policy.routing.fallback[: len(document.at(()).get("fallback", ()))]):  # type: ignore[arg-type]
        _check_destination(policy, document, ("fallback", step), rung)


def _check_explored(policy: Policy, document: Document) -> None:
    explored = policy.routing.explored
    if explored is None:
        return
    _known(document, ("explored", "tier"), explored.tier, policy.sla.tiers, "a tier of sla.yaml")
    for territory, ladder in explored.ladders.items():
        for step, rung in enumerate(ladder):
            _check_destination(policy, document, ("explored", "send_to", territory, step), rung)


def _check_destination(policy: Policy, document: Document, path: Path, rung: Destination) -> None:
    if rung.target in ("team", "pool") or rung.until:
        known, what = policy.teams.teams.keys(), "the id of a team of teams.yaml"
        _known(document, (*path, "team" if rung.until else rung.target), rung.name, known, what)
    if rung.target == "rep":
        _known(document, (*path, "rep"), rung.name, policy.teams.reps.keys(), "the id of a rep of teams.yaml")
    team = policy.teams.teams.get(rung.name or "") if rung.target == "team" else None
    if team and not team.members:
        document.report((*path, "team"), f"{team.id}, a team without members", "a team somebody is in")


def _check_promises(policy: Policy, documents: Mapping[str, Document]) -> None:
    """Names in sla.yaml against the files that define them, where these are there."""
    for needed, path, name, known, what in _promised_names(policy):
        if needed in documents:
            _known(documents["sla"], path, name, known, what)


_Name = tuple[str, Path, str | None, Iterable[str], str]


def _promised_names(policy: Policy) -> Iterator[_Name]:
    """(the file that defines it, where it stands in sla.yaml, the name, what is known, what it has to be)"""
    sla, reps = policy.sla, policy.teams.reps
    bands = [band.name for band in policy.scoring.bands]
    yield from (("scoring", ("by_band", band), band, bands, _BAND) for band in sla.by_band)
    yield from (
        ("scoring", ("stage_limit", stage), stage, _stages(policy), _STAGE) for stage in sla.stage_limit
    )
    yield "teams", ("head_of_sales",), sla.head_of_sales, reps, "the id of a rep of teams.yaml"
    for role, name in (("revops", sla.revops), ("marketing", sla.marketing)):
        rep = None if name and "@" in name else name
        yield "teams", (role,), rep, reps, "an e-mail, or the id of a rep of teams.yaml"
    reasons = policy.scoring.recycling.cooldown
    for tier, follow_up in sla.follow_up.items():
        reason = None if "*" in reasons or not reasons else follow_up.then
        yield (
            "scoring",
            ("follow_up", tier, "then"),
            reason,
            reasons,
            "a reason with a cooldown of scoring.yaml",
        )
    for index, choice in enumerate(sla.choose):
        path = ("choose", index)
        yield from (("scoring", (*path, "band"), name, bands, _BAND) for name in choice.band)
        yield from (("scoring", (*path, "stage"), name, _stages(policy), _STAGE) for name in choice.stage)
        sources, teams = policy.sources.sources, policy.teams.teams
        yield from (
            ("sources", (*path, "source"), name, sources, "a source of sources.yaml")
            for name in choice.source
        )
        yield from (
            ("teams", (*path, "team"), name, teams, "the id of a team of teams.yaml") for name in choice.team
        )


_BAND = "a band of scoring.yaml"
_STAGE = "a stage of scoring.yaml, or one that people set"


def _stages(policy: Policy) -> tuple[str, ...]:
    named = (stage.name for model in policy.scoring.models for stage in model.stages)
    return tuple(dict.fromkeys((FIRST_STAGE, *named, *LATER_STAGES)))


def _check_suits(policy: Policy, document: Document) -> None:
    known = terms(vocabulary(policy.scoring))
    for index, rep in enumerate(policy.teams.reps.values()):
        for name in rep.suits:
            what = "a text attribute of scoring.yaml that is not protected"
            _known(document, ("reps", index, "suits", name), name, known, what)


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
    scoring = policy.scoring
    yield from _model_warnings(scoring.rules, document, ())
    yield from _never(scoring, document)
    taken = _Taken()
    for index, variant in enumerate(scoring.variants):
        path: Path = ("variants", index)
        own = [rule for rule in variant.scoring.rules if rule not in scoring.rules]
        yield from _model_warnings(variant.scoring.rules, document, path, own)
        yield from taken.warnings(f"{document.file}:{document.line(path)}", variant.id, variant.when)


def _model_warnings(
    rules: Sequence[Rule], document: Document, path: Path, told: Sequence[Rule] | None = None
) -> Iterator[str]:
    """What is odd about the rules of a model, those `told` alone; the others stand in the default."""
    at, seen = f"{document.file}:{document.line((*path, 'rules'))}", dict[tuple[object, ...], str]()
    places = rule_lines(document, path)
    if len(rules) > MOST_RULES and (told is None or told):
        yield f"{at}: {len(rules)} scoring rules; above {MOST_RULES} nobody can say why a lead is hot"
    for rule in rules:
        twin = seen.setdefault((rule.when and rule.when.fingerprint, rule.activity), rule.id)
        if told is None or rule in told:
            where = f"{document.file}:{places.get(rule.id, document.line(path))}"
            yield from (f"{where}: {rule.id} {said}" for said in _oddities(rule))
            if twin != rule.id:
                yield f"{where}: {rule.id} overlaps {twin}: both read the same condition"


def _oddities(rule: Rule) -> Iterator[str]:
    if rule.points and (rule.points > 0) == (rule.group == "negative"):
        yield f"has points of the wrong sign for its group, {rule.group}"
    low, high = rule.limits or (-abs(rule.points), abs(rule.points))
    if (high if rule.points > 0 else low) == 0:
        yield "never adds anything"
    if rule.when is not None and _constant(rule.when.text) is False:
        yield "never fires"


def _never(scoring: Scoring, document: Document) -> Iterator[str]:
    """Kinds, disqualifiers and stages that never hold, or that an earlier one has already."""
    for section in ("kinds", "disqualifiers", "stages"):
        taken = _Taken()
        for index, rule in enumerate(getattr(scoring, section)):
            name = getattr(rule, "id", None) or rule.name
            yield from taken.warnings(f"{document.file}:{document.line((section, index))}", name, rule.when)


def rule_lines(document: Document, path: Path) -> Mapping[str, int]:
    """Rule id -> line, of the rules written under a path."""
    written = document.at(path).get("rules", {})
    return {
        str(rule["id"]): document.line((*path, "rules", group, index))
        for group, rules in (written.items() if isinstance(written, Mapping) else ())
        for index, rule in enumerate(rules)
    }


class _Taken:
    """Of rules of which the first that holds wins: those that can never be the first."""

    def __init__(self) -> None:
        self.always: str | None = None
        self.seen: dict[str, str] = {}

    def warnings(self, where: str, name: str, when: Predicate) -> Iterator[str]:
        twin = self.seen.setdefault(when.fingerprint, name)
        if self.always or twin != name:
            yield f"{where}: {name} is never reached: {self.always or twin} takes its leads"
        if _constant(when.text) is False:
            yield f"{where}: {name} never fires"
        if _constant(when.text) is True:
            self.always = self.always or name


def _unreachable(policy: Policy, document: Document) -> Iterator[str]:
    """Rules after one that always holds, or whose condition an earlier rule has already."""
    taken = _Taken()
    for index, rule in enumerate(policy.routing.rules):
        yield from taken.warnings(f"{document.file}:{document.line(('rules', index))}", rule.id, rule.when)


def is_constant(when: Predicate) -> bool:
    """Whether the condition is `true` or `false`, whatever the lead."""
    return _constant(when.text) is not None


def _constant(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.strip().lower())


def _team_warnings(policy: Policy, document: Document) -> Iterator[str]:
    members = {rep for team in policy.teams.teams.values() for rep, _ in team.members}
    for index, rep in enumerate(policy.teams.reps.values()):
        if rep.sells and rep.id not in members:
            yield f"{document.file}:{document.line(('reps', index))}: {rep.id} sells but is in no team"
