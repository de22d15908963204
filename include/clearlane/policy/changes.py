"""What changes for a person when one policy follows another: what each says to that person, and the difference.

What a policy says is read as lines with a name; a line that is new, gone or other makes a sentence, the rest is
silent. Reps hear of themselves, their teams, what reaches them and how fast; marketing of what makes a lead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from clearlane.policy import wording as say
from clearlane.policy.model import Policy, Rep, RoutingRule, Scoring, Stint, Team, Tier


@dataclass(frozen=True)
class Line:
    """One thing that a policy says; `key` is the same in two policies where they speak of the same thing."""

    key: str
    label: str
    value: str | tuple[str, ...] = ""
    order: bool = False
    """only the order of what both have counts"""


@dataclass(frozen=True)
class Section:
    """Sentences under a title."""

    title: str
    lines: tuple[str, ...]


Says = Callable[[Policy, str], Iterator[Line]]


def for_person(before: Policy, after: Policy, person: str) -> tuple[Section, ...]:
    """What becomes other for somebody of teams.yaml; nothing for who is not in `after`."""
    return _sections(_PERSON, before, after, person) if person in after.teams.reps else ()


def for_marketing(before: Policy, after: Policy) -> tuple[Section, ...]:
    """What becomes other in what makes a lead, and in how soon sales answers."""
    return _sections(_MARKETING, before, after, "")


def _sections(said: Mapping[str, Says], before: Policy, after: Policy, person: str) -> tuple[Section, ...]:
    found = (
        Section(title, tuple(differences([*says(before, person)], [*says(after, person)])))
        for title, says in said.items()
    )
    return tuple(section for section in found if section.lines)


def differences(before: Sequence[Line], after: Sequence[Line]) -> Iterator[str]:
    """A sentence for each line that is new, other or gone; where nothing was said before, the lines themselves."""
    old, new = ({line.key: line for line in lines} for lines in (before, after))
    for key, line in new.items():
        if key not in old:
            yield from _added(line, bool(old))
        elif line != old[key]:
            yield from _changed(old[key], line)
    gone = (line for key, line in old.items() if key not in new and not line.order)
    yield from (f"No longer: {_text(line)}" for line in gone)


def _added(line: Line, known: bool) -> Iterator[str]:
    """Where nothing was known before, all of it is new, and only the line itself is worth saying."""
    if not line.order:
        yield f"New: {_text(line)}" if known else _text(line)


def _text(line: Line) -> str:
    value = say.names(line.value) if isinstance(line.value, tuple) else line.value
    return f"{line.label}: {value}" if value else line.label


def _changed(old: Line, new: Line) -> Iterator[str]:
    if not isinstance(old.value, tuple) or not isinstance(new.value, tuple):
        yield f"{_text(new)} (was: {_text(old) if old.label != new.label else old.value})"
    elif new.order:
        kept = [[one for one in a if one in b] for a, b in ((old.value, new.value), (new.value, old.value))]
        yield from [f"{new.label}: now in another order"] if kept[0] != kept[1] else []
    else:
        added = [f"with {one}" for one in new.value if one not in old.value]
        gone = [f"without {one}" for one in old.value if one not in new.value]
        yield f"{new.label}: now {say.names([*added, *gone]) or 'in another order'}"


def _known(key: str, label: str, value: str | tuple[str, ...]) -> Iterator[Line]:
    """The line, where there is something to say."""
    if value:
        yield Line(key, label, value)


# --- to a person of teams.yaml ----------------------------------------------------------------


def _self(policy: Policy, person: str) -> Iterator[Line]:
    rep = policy.teams.reps.get(person)
    if rep is None:
        return
    yield from _known("takes", "You take at most", say.caps(rep.caps) if rep.sells else "")
    yield Line("hours", "You work", f"{say.hours(rep.hours)}, {rep.zone}")
    yield from _known("holidays", "Public holidays of", rep.holidays or "")
    yield from _known("off", "Time off", tuple(f"{off.first} to {off.last}" for off in rep.time_off))
    yield from _known("dates", "You take leads", say.dates(rep.active_from, rep.active_until).strip())
    yield from _known("ramp", "Your share, month by month", say.names(f"{one:.0%}" for one in rep.ramp))
    yield from _known("cover", "While you are away covers", _people(policy, rep.cover))
    yield from _known("languages", "Languages", rep.languages)
    for attribute, values in rep.suits.items():
        yield Line(f"suits {attribute}", f"Leads whose {attribute} is", values)
    zone = ZoneInfo(rep.zone)
    calls = (one for one in policy.teams.on_call if one.rep == person)
    spans = ((c.team, c.first.astimezone(zone), c.last.astimezone(zone)) for c in calls)
    yield from _known(
        "on call", "On call", tuple(f"{t} {a:%Y-%m-%d %H:%M} to {b:%Y-%m-%d %H:%M}" for t, a, b in spans)
    )


def _people(policy: Policy, reps: Iterable[str]) -> str:
    return say.names(_name(policy, rep) for rep in reps)


def _name(policy: Policy, rep: str) -> str:
    return policy.teams.reps[rep].name if rep in policy.teams.reps else rep


def _teams(policy: Policy, person: str) -> Iterator[Line]:
    for team in _teams_of(policy, person):
        stints = team.stints.get(person, (Stint(dict(team.members).get(person, 0.0)),))
        roles = [_stint(stint) for stint in stints if person in dict(team.members)]
        roles += ["you manage it"] if team.manager == person else []
        roles += ["you answer for its queue"] if team.queue_owner == person else []
        roles += [f"managed by {_name(policy, team.manager)}"] if team.manager not in (person, None) else []
        yield Line(team.id, team.name + say.dates(team.first, team.last), say.names(roles))


def _stint(stint: Stint) -> str:
    return f"you take turns{_share(stint.weight)}{say.dates(stint.first, stint.last)}"


def _teams_of(policy: Policy, person: str) -> list[Team]:
    """Those that the person is in, manages, or whose queue it answers for."""
    return [
        team
        for team in policy.teams.teams.values()
        if person in (*dict(team.members), team.manager, team.queue_owner)
    ]


def _staff(policy: Policy, person: str) -> Iterator[Line]:
    """Whom a manager has, and what each takes and when."""
    managed = [team for team in policy.teams.teams.values() if team.manager == person]
    for team in managed:
        for name, weight in team.members:
            share = _share(weight).removeprefix(" for ") or "a full share"
            yield Line(f"{team.id} {name}", f"{_name(policy, name)} in {team.name}", share)
    for name in dict.fromkeys(name for team in managed for name, _ in team.members):
        yield from _member(policy.teams.reps.get(name))


def _share(weight: float) -> str:
    return "" if weight == 1 else f" for {weight:g} of a share"


def _member(rep: Rep | None) -> Iterator[Line]:
    if rep is None:
        return
    yield from _known(f"{rep.id} takes", f"{rep.name} takes at most", say.caps(rep.caps) if rep.sells else "")
    yield Line(f"{rep.id} hours", f"{rep.name} works", f"{say.hours(rep.hours)}, {rep.zone}")
    yield from _known(
        f"{rep.id} off", f"{rep.name} is off", tuple(f"{off.first} to {off.last}" for off in rep.time_off)
    )
    dates = say.dates(rep.active_from, rep.active_until).strip()
    yield from _known(f"{rep.id} dates", f"{rep.name} takes leads", dates)


def _reaching(policy: Policy, person: str) -> Iterator[Line]:
    teams = {team.id for team in _teams_of(policy, person)}
    rules = [rule for rule in policy.routing.rules if _steps(rule, teams, person)]
    for rule in rules:
        yield Line(rule.id, rule.because, f"when {_plain(rule.when.text)}")
        yield Line(f"{rule.id} to", f"{rule.because} ({rule.id}), you are asked", _rungs(rule, teams, person))
        yield from _known(f"{rule.id} tier", f"{rule.because} ({rule.id}), promise", rule.tier or "")
    yield from _explored(policy, teams)
    if rules:
        yield Line(
            "order", "Rules, of which the first that holds wins", _ids(policy.routing.rules), order=True
        )
        yield from _places(policy)


def _explored(policy: Policy, teams: set[str] | None = None) -> Iterator[Line]:
    """Of leads below the threshold that come to sales; with `teams`, to one of them."""
    explored = policy.routing.explored
    ladders = explored.ladders.values() if explored else ()
    if explored and (teams is None or any(rung.name in teams for ladder in ladders for rung in ladder)):
        yield Line("explored", "Of leads below the threshold come to sales", say.percent(explored.share))


def _ids(rules: Iterable[RoutingRule]) -> tuple[str, ...]:
    return tuple(rule.id for rule in rules)


def _steps(rule: RoutingRule, teams: set[str], person: str) -> list[int]:
    """Which rungs of the ladder can give the lead to the person or its teams."""
    return [
        number
        for number, rung in enumerate(rule.ladder, 1)
        if rung.name in teams or (rung.target, rung.name) == ("rep", person)
    ]


def _rungs(rule: RoutingRule, teams: set[str], person: str) -> tuple[str, ...]:
    steps = _steps(rule, teams, person)
    return tuple(f"no. {step}: {_plain(say.rung(rule.ladder[step - 1]))}" for step in steps)


def _plain(text: str) -> str:
    return " ".join(text.replace("`", "").split())


def _places(policy: Policy) -> Iterator[Line]:
    """What the conditions of rules speak of."""
    for band in policy.scoring.bands:
        yield Line(f"band {band.name}", f"A lead is {band.name}", f"from {band.entry:g} points")
    for territory in policy.routing.territories:
        yield Line(f"territory {territory.name}", f"Territory {territory.name}", _plain(territory.when.text))
    for name, values in policy.routing.lists.items():
        yield Line(f"list {name}", f"List {name}", values)
    yield Line(
        "sticky", "People of one company follow its owner", "yes" if policy.routing.sticky_company else "no"
    )
    oldest = policy.routing.pool_max_age
    yield from _known("pool", "A lead waits in a pool for at most", say.length(oldest) if oldest else "")


def _promises(policy: Policy, person: str) -> Iterator[Line]:
    sla = policy.sla
    teams = {team.id for team in _teams_of(policy, person)}
    if not teams and sla.head_of_sales != person:
        return
    yield from _tiers(policy)
    for choice in sla.choose:
        if not choice.team or teams & set(choice.team):
            asked = [*choice.band, *choice.stage, *choice.source, *choice.team]
            yield Line(f"choose {say.names(asked)}", f"Leads of {say.names(asked)}", f"promise {choice.tier}")
    for tier, follow_up in sla.follow_up.items():
        told = f"{follow_up.attempts} touches within {say.span(follow_up.within)}, else it rests: {follow_up.then}"
        yield Line(f"follow up {tier}", f"After the first touch of a {tier} lead", told)
    for stage, span in sla.stage_limit.items():
        yield Line(f"stage {stage}", f"In the stage {stage} at most", say.span(span))
    for place, span in sla.queues.items():
        yield Line(f"queue {place}", f"Waiting in {place.replace('_', ' ')} at most", say.span(span))
    silent = f"after {sla.silent.breaches} breaches within {say.length(sla.silent.within)}"
    yield Line("silent", "No turns for the rest of the working day", silent)
    yield Line("late", "A touch counts as late when logged after", say.length(sla.late_after))
    quiet = sla.mail.quiet_hours
    yield from _known("quiet", "No mails that can wait between", say.between(quiet) if quiet else "")


def _tiers(policy: Policy) -> Iterator[Line]:
    """How soon, by the names that bands and hand-raises give to promises."""
    sla = policy.sla
    for tier in sla.tiers.values():
        if tier.first_touch or tier.accept:
            yield from _promise(tier)
    for band, name in sla.by_band.items():
        yield Line(f"by band {band}", f"Leads that are {band}", f"promise {name}")
    yield Line("hand-raise", "Leads that ask for sales", f"promise {sla.hand_raise}")


def _promise(tier: Tier) -> Iterator[Line]:
    told = {
        "first touch within": say.span(tier.first_touch),
        "taken or declined within": say.span(tier.accept),
        "counted in": _WHOSE[tier.calendar],
        "local hours of the lead": say.between(tier.lead_hours) if tier.lead_hours else "",
        "warned at": f"{tier.warn_share:.0%} of the time",
        "given to somebody else at": f"{tier.reassign_factor:g} times the time",
        "told of a breach": say.names(who.replace("_", " ") for who in tier.escalate),
    }
    for label, value in told.items():
        yield from _known(f"tier {tier.name} {label}", f"Promise {tier.name}, {label}", value)


_WHOSE: Final = {"rep": "the rep's hours", "team": "the team's hours", "always": "all hours"}


def _answers(policy: Policy, person: str) -> Iterator[Line]:
    rep, again = policy.teams.reps.get(person), policy.routing.rerouting
    if rep is None or not _teams_of(policy, person):
        return
    yield Line("returned", "Reasons for a decline that give the turn back", again.returned)
    yield Line("spent", "Reasons for a decline that do not", again.spent)
    yield Line(
        "declines", "The manager decides after", f"{again.declines} declines or {again.hops} silent owners"
    )
    yield Line("protect", "After a first touch a lead stays with its owner for", say.span(again.protect))


_PERSON: Final[Mapping[str, Says]] = {
    "You": _self,
    "Your teams": _teams,
    "Your people": _staff,
    "What reaches you": _reaching,
    "How fast": _promises,
    "What you may answer": _answers,
}


# --- to marketing -----------------------------------------------------------------------------


def _meaning(policy: Policy, _: str) -> Iterator[Line]:
    for name, model in _models(policy):
        for band in model.bands:
            stays = (
                f", left below {band.exit:g} and not before {say.length(band.dwell)}" if band.dwell else ""
            )
            yield Line(
                f"{name}band {band.name}",
                f"{name}{band.name.capitalize()}",
                f"from {band.entry:g} points{stays}",
            )
        for stage in model.stages:
            yield Line(
                f"{name}stage {stage.name}",
                f"{name}{stage.name.upper()}",
                f"{stage.because}: {_plain(stage.when.text)}",
            )
    scoring = policy.scoring
    yield from _known("asks", "Asks for sales who does", scoring.hand_raise_types)
    yield Line("asked for", "Asking for sales counts for", f"{scoring.hand_raise_days:g} days")


def _models(policy: Policy) -> Iterator[tuple[str, Scoring]]:
    """The default model without a name, and those of the variants with theirs."""
    yield "", policy.scoring
    yield from ((f"{variant.id}: ", variant.scoring) for variant in policy.scoring.variants)


def _points(policy: Policy, _: str) -> Iterator[Line]:
    for name, model in _models(policy):
        shared = policy.scoring.rules if name else ()
        for rule in (rule for rule in model.rules if rule not in shared):
            yield Line(f"{name}{rule.id}", f"{name}{rule.because}", say.points(rule))
            counted = _plain(say.evidence(rule))
            yield Line(f"{name}{rule.id} counted", f"{name}{rule.because}, counted", counted)
        for group, (least, most) in model.group_bounds.items():
            yield Line(
                f"{name}{group}", f"{name}{group.capitalize()} altogether", f"{least:g} to {most:g} points"
            )


def _never(policy: Policy, _: str) -> Iterator[Line]:
    for rule in policy.scoring.disqualifiers:
        yield Line(rule.id, rule.because, f"when {_plain(rule.when.text)}")
    for kind in policy.scoring.kinds:
        yield Line(
            f"kind {kind.id}", f"{kind.because}, taken as {kind.kind}", f"when {_plain(kind.when.text)}"
        )
    for name, values in policy.scoring.lists.items():
        yield Line(f"list {name}", f"List {name}", values)


def _again(policy: Policy, _: str) -> Iterator[Line]:
    again = policy.scoring.recycling
    for reason, rest in again.cooldown.items():
        yield Line(
            reason,
            "Rest after any other reason" if reason == "*" else f"Rest after {reason}",
            say.length(rest),
        )
    if again.outcomes:
        yield Line("cycles", "Starts over at most", f"{again.cycles} times")
        yield Line("engagement", "Of earlier engagement counts", f"{again.engagement:.0%}")


def _sales(policy: Policy, _: str) -> Iterator[Line]:
    yield from _tiers(policy)
    for rule in policy.routing.rules:
        if any(rung.target == "nurture" for rung in rule.ladder):
            yield Line(rule.id, f"To nurture: {rule.because}", f"when {_plain(rule.when.text)}")
    yield from _explored(policy)


_MARKETING: Final[Mapping[str, Says]] = {
    "What a lead is called": _meaning,
    "What gives points": _points,
    "What is no lead": _never,
    "Starting over": _again,
    "What sales does with it": _sales,
}
