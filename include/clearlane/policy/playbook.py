"""One page each for rep, manager and marketer: what the policy means for their day, with its own numbers.

Written for people who do not read YAML. What the code does whatever the policy says (what a touch is, what happens
to a lead of somebody who is away) stands here as text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final

from clearlane.policy import wording as say
from clearlane.policy.model import TIME_OUT, Band, Policy, RoutingRule, Span, Team, Tier


def playbooks(policy: Policy) -> Mapping[str, str]:
    """Reader -> page in Markdown."""
    return {name: "\n\n".join(page(policy)) + "\n" for name, page in _PAGES.items()}


# --- rep ----------------------------------------------------------------------------------------


def _rep(policy: Policy) -> Iterator[str]:
    yield "# For reps"
    yield "What reaches you, how fast you answer, what happens if you do not, and what you may answer."
    yield "## What reaches you"
    yield (
        "A lead is yours when the first rule that fits it sends it to your team and it is your turn: turns go round by "
        f"each one's share, for {_bands(policy)} leads apart. {_sticky(policy)}The mail says why it is you."
    )
    yield say.table(("team", "first", "when others cannot"), _reaching(policy))
    yield from _explored(policy)
    yield f"{_taking(policy)} Your own hours, caps and teams are in [teams](../policy/teams.md)."
    yield "## How fast"
    yield _speed(policy)
    yield " ".join((*_counted(policy), "Both zones, yours and the lead's, are in the mail."))
    yield from _touches(policy)
    yield "## If you are late"
    yield _bullets(_late(policy))
    yield "## What you may answer"
    yield from _answers(policy)
    yield from _after(policy)
    yield "## When you are away"
    yield _bullets(_away())
    yield from _mails(policy)
    yield from _change(policy, _REP_CHANGES)


def _explored(policy: Policy) -> Iterator[str]:
    explored = policy.routing.explored
    if explored:
        yield (
            f"{say.percent(explored.share)} of the new leads below the threshold come to sales by chance, and say so."
            " Work them like any other: they are how we find out whether the points are right."
        )


def _bands(policy: Policy) -> str:
    return " and ".join(band.name for band in policy.scoring.bands[:2])


def _sticky(policy: Policy) -> str:
    return "People of one company go to whoever has its open leads. " if policy.routing.sticky_company else ""


def _reaching(policy: Policy) -> Iterator[tuple[str, str, str]]:
    """Teams with the same leads in one row."""
    alike: dict[tuple[str, str], list[str]] = {}
    for team in policy.teams.teams.values():
        first = _because(rule for rule in _rules_of(policy, team) if rule.ladder[0].name == team.id)
        other = _because(rule for rule in _rules_of(policy, team) if rule.ladder[0].name != team.id)
        if first or other:
            alike.setdefault((first, other), []).append(team.name)
    yield from ((say.names(teams), *leads) for leads, teams in alike.items())


def _because(rules: Iterable[RoutingRule]) -> str:
    return "; ".join(dict.fromkeys(rule.because for rule in rules))


def _rules_of(policy: Policy, team: Team) -> list[RoutingRule]:
    return [rule for rule in policy.routing.rules if any(rung.name == team.id for rung in rule.ladder)]


def _taking(policy: Policy, whom: str = "You are") -> str:
    caps = Counter(say.caps(rep.caps) for rep in policy.teams.reps.values() if rep.sells)
    (usual, _), *others = caps.most_common() or [("", 0)]
    if not usual:
        return "Nobody has a cap." if not others else "Most people have no cap."
    return f"{whom} given at most {usual}" + (", if nothing else is agreed." if others else ".")


def _speed(policy: Policy) -> str:
    heads = (
        "leads",
        "first touch within",
        "take or decline within",
        "you are warned after",
        "somebody else after",
    )
    return say.table(heads, _promises(policy))


def _promises(policy: Policy) -> Iterator[tuple[str, ...]]:
    for tier in policy.sla.tiers.values():
        if tier.first_touch:
            yield (
                _whose(policy, tier), say.span(tier.first_touch), say.span(tier.accept),
                _times(tier.first_touch, tier.warn_share), _times(tier.first_touch, tier.reassign_factor),
            )  # fmt: skip


def _whose(policy: Policy, tier: Tier) -> str:
    """The leads of a promise, to stand after "leads": hot or asking for sales."""
    bands = [band for band, name in policy.sla.by_band.items() if name == tier.name]
    asks = ["asking for sales"] if policy.sla.hand_raise == tier.name else []
    return " or ".join([*bands, *asks]) or tier.name


def _times(span: Span, factor: float) -> str:
    """A multiple of a length, in words."""
    if span.unit == "days":
        whole = (span.amount * factor).is_integer()
        return (
            say.span(Span(span.amount * factor, "days")) if whole else f"{round(factor * 100)} % of the time"
        )
    minutes = timedelta(**{span.unit: span.amount}) * factor / timedelta(minutes=1)
    hours, rest = divmod(round(minutes), 60)
    parts = [say.span(Span(hours, "hours"))] if hours else []
    return " ".join([*parts, *([say.span(Span(rest, "minutes"))] if rest or not hours else [])])


def _counted(policy: Policy) -> Iterator[str]:
    """In whose hours time counts."""
    said = {
        "rep": "Time counts in your own hours and zone, holidays and time off left out: a lead that comes while you "
        "are closed is due so long after you open",
        "team": f"Time counts in the team's hours, {say.hours(policy.sla.team_hours)}, {policy.sla.team_zone}",
        "always": "Time counts round the clock",
    }
    for calendar, sentence in said.items():
        tiers = [tier for tier in _promised(policy) if tier.calendar == calendar]
        only = f" ({'; '.join(_whose(policy, tier) for tier in tiers)})" if tiers != _promised(policy) else ""
        yield from [f"{sentence}{only}."] if tiers else []


def _touches(policy: Policy) -> Iterator[str]:
    yield (
        "**A first touch is** a call you tried, a mail you wrote to this one person, a chat in which both wrote, or "
        "a meeting: by you or your team, after the lead came, and logged in the CRM. A booked meeting counts, and "
        "whoever holds it becomes the owner."
    )
    yield (
        "**No touch is** an automatic answer, a sequence or bulk mail, a changed status or owner, or a mail from the "
        f"lead. Log it at once: a touch logged more than {say.length(policy.sla.late_after)} later counts, and is "
        "marked as late."
    )


def _late(policy: Policy) -> Iterator[str]:
    again, silent = policy.routing.rerouting, policy.sla.silent
    yield "You are warned before it is due, by mail."
    yield f"When it is due and untouched, you are told, and so {_told(policy)}."
    yield (
        "Then it goes to somebody else, and the turn stays yours: it counts as if you had worked it. After "
        f"{again.hops} owners who were silent the manager decides."
    )
    yield (
        f"After {silent.breaches} leads that were late within {say.length(silent.within)} you get no new ones for the "
        "rest of your working day."
    )
    yield "If we could not read the CRM past the due moment, nobody is late and nothing is taken away."


def _told(policy: Policy) -> str:
    managers = [_whose(policy, tier) for tier in _promised(policy) if "manager" in tier.escalate]
    heads = [_whose(policy, tier) for tier in _promised(policy) if "head_of_sales" in tier.escalate]
    told = [f"is your manager ({'; '.join(managers)})"] if managers else []
    told += [f"the head of sales ({'; '.join(heads)})"] if heads else []
    return " and ".join(told) or "is nobody else"


def _promised(policy: Policy) -> list[Tier]:
    return [tier for tier in policy.sla.tiers.values() if tier.first_touch]


def _answers(policy: Policy) -> Iterator[str]:
    again = policy.routing.rerouting
    yield (
        "Take it or decline it by the links in the mail ([how they work](../answers.md)); RevOps can decline for you "
        "(`clearlane decline`), and an accept in the CRM counts as well. Silence is not a no: it is late."
    )
    rows = (
        ("it was no lead for you: your turn comes back", again.returned),
        ("your turn is spent", again.spent),
    )
    yield say.table(
        ("what it means", "reasons"), [(what, say.names(_given_by_people(of))) for what, of in rows]
    )
    yield (
        f"A lead that you declined never comes back to you by itself. After {again.declines} declines the manager "
        "decides."
    )


def _given_by_people(reasons: Iterable[str]) -> list[str]:
    return [reason for reason in reasons if reason != TIME_OUT]


def _after(policy: Policy) -> Iterator[str]:
    kept = say.span(policy.routing.rerouting.protect)
    yield "## After the first touch"
    yield f"The lead stays with you for {kept} of work at least, whatever it turns into meanwhile."
    yield _bullets(_followed(policy))


def _followed(policy: Policy) -> Iterator[str]:
    sla = policy.sla
    for name, one in sla.follow_up.items():
        yield (
            f"A lead that is {_whose(policy, sla.tiers[name])}: {one.attempts} touches within "
            f"{say.span(one.within)}, or a next step; without an answer it rests (`{one.then}`)."
        )
    for stage, span in sla.stage_limit.items():
        yield f"Nothing stays in `{stage}` for more than {say.span(span)} without your manager hearing of it."


def _away() -> Iterator[str]:
    yield "Tell whoever keeps teams.yaml your days off before they begin; you get no leads in them."
    yield "What you have not touched and would be due meanwhile goes to others on your first day off."
    yield "What you are in contact about stays yours; one colleague covers for you and gives it back when you return."


def _mails(policy: Policy) -> Iterator[str]:
    mail = policy.sla.mail
    quiet = mail.quiet_hours
    yield "## Your mails"
    yield (
        f"A hot lead comes at once. More than {mail.digest_above} others that wait come as one mail, and never more "
        f"than {mail.per_hour} an hour."
        + (
            f" In the quiet hours ({say.between(quiet)} of your zone) only what is urgent comes."
            if quiet
            else ""
        )
        + " There is nothing to unsubscribe from: they are your work."
    )


# --- manager ------------------------------------------------------------------------------------


def _manager(policy: Policy) -> Iterator[str]:
    yield "# For managers"
    yield "What comes to you, what you decide, and what you can change. What your people owe is in [For reps](rep.md)."
    yield "## Who answers for what"
    rows = [
        (team.name, _person(policy, team.manager), _person(policy, team.queue_owner), team.queue)
        for team in policy.teams.teams.values()
    ]
    yield say.table(("team", "manager", "answers for its queue", "queue in the CRM"), rows)
    owner = policy.routing.exceptions_owner
    yield from [f"What no team answers for is {_person(policy, owner)}'s."] if owner else []
    yield "## When you hear of a lead"
    yield _bullets(_heard(policy))
    yield "## Where no rep has it"
    yield from _queues(policy)
    yield "## What your people are given"
    yield _bullets(_given(policy))
    yield from _change(policy, _MANAGER_CHANGES)


def _person(policy: Policy, rep: str | None) -> str:
    known = policy.teams.reps.get(rep or "")
    return known.name if known else rep or "nobody"


def _heard(policy: Policy) -> Iterator[str]:
    again = policy.routing.rerouting
    for tier in _promised(policy):
        if tier.escalate:
            told = " and ".join(who.replace("_", " ") for who in tier.escalate)
            within = f"had no first touch within {say.span(tier.first_touch)}"
            yield f"A lead that is {_whose(policy, tier)} {within}: {told}."
    yield f"After {again.declines} declines or {again.hops} silent owners it waits in exceptions for you to place."
    for stage, span in policy.sla.stage_limit.items():
        yield f"A lead has been in `{stage}` for more than {say.span(span)}."
    silent = policy.sla.silent
    yield (
        f"One of yours was late {silent.breaches} times within {say.length(silent.within)}, and gets no leads for the "
        "rest of the day."
    )
    yield "Somebody asked for sales in a form that we could not use: it waits in quarantine."


def _queues(policy: Policy) -> Iterator[str]:
    names = {
        "pool": ("pool", "a queue from which reps pull: `clearlane pool list`, `claim`, `release`"),
        "held": ("held", "until somebody is back in hours, or until it may be worked"),
        "exceptions": ("exceptions", "nobody could take it; `clearlane exceptions list` says why and what frees it"),
        "match_ask": ("match to confirm", "it may belong to a company that we know; a person says yes or no"),
    }  # fmt: skip
    rows = [(*names[place], say.span(span)) for place, span in policy.sla.queues.items()]
    yield say.table(("place", "what it is", "answered within"), rows)
    oldest = policy.routing.pool_max_age
    aged = f" After {say.length(oldest)} unclaimed in a pool it is routed on." if oldest else ""
    yield (
        f"Place a lead of the exceptions with `clearlane exceptions assign LEAD --rep … --by … --because …`: caps and "
        f"absences are told, and you may overrule them. `retry` has the next run try again.{aged}"
    )


def _given(policy: Policy) -> Iterator[str]:
    yield (
        "Turns go to whoever has had the fewest for their share; how far two people can drift apart is in "
        "[fairness](../fairness.md)."
    )
    yield f"{_taking(policy, 'Each is')} `ramp` gives somebody new a part of that, month by month."
    yield (
        "`time_off` stops leads for those days and hands over what is due; `cover` names who stands in; `active_until` "
        "says when somebody leaves, and what they were in contact about goes to their cover."
    )
    yield "A change of owner that you make in the CRM stands: we never take it back."
    yield (
        f"At most {policy.routing.rerouting.promotions_a_day} leads a day come to a team only because the rules of "
        "scoring changed or points faded."
    )


# --- marketer -----------------------------------------------------------------------------------


def _marketer(policy: Policy) -> Iterator[str]:
    yield "# For marketers"
    yield "What makes a lead hot, what sales does with it, and what comes back to you."
    yield "## What makes a lead hot"
    yield from _meaning(policy)
    yield "## What gives points, and what takes them"
    yield from _points(policy)
    yield "## What is no lead"
    yield _bullets(_never(policy))
    yield "## What sales does with it"
    yield say.table(("leads", "first touch within"), [row[:2] for row in _promises(policy)])
    yield _bullets(_sales(policy))
    yield from _rests(policy)
    yield "## Before a campaign"
    yield _bullets(_campaign(policy))
    yield from _change(policy, _MARKETER_CHANGES)


def _meaning(policy: Policy) -> Iterator[str]:
    scoring = policy.scoring
    low, high = scoring.range
    yield (
        f"A lead has {low} to {high} points: for who they are (fit), for what they did (engagement, which fades), less "
        "what speaks against them. The points put it into a band:"
    )
    rows = [(band.name, f"{band.entry:g} points", _leaving(band)) for band in scoring.bands]
    yield say.table(("band", "from", "stays until"), rows)
    yield _bullets(f"**{stage.name.upper()}**: {stage.because}." for stage in scoring.stages)
    yield (
        f"**Who asks for sales** ({_words(scoring.hand_raise_types)}) goes to sales at once, whatever the score; fit "
        f"only chooses the team. Two within {say.length(scoring.inquiry_gap)} are one, and it counts for "
        f"{scoring.hand_raise_days:g} days."
    )
    for variant in scoring.variants:
        yield f"A model of its own holds for *{variant.id}*: {variant.because}."


def _leaving(band: Band) -> str:
    dwell = f", and not before {say.length(band.dwell)}" if band.dwell else ""
    return f"below {band.exit:g}{dwell}" if band.exit > 0 else "it rises"


def _words(names: Iterable[str]) -> str:
    return say.names(name.replace("_", " ") for name in names)


def _points(policy: Policy) -> Iterator[str]:
    scoring = policy.scoring
    for group, (least, most) in scoring.group_bounds.items():
        rules = [rule for rule in scoring.rules if rule.group == group]
        yield f"**{group.capitalize()}**, {least:g} to {most:g} points altogether:"
        yield say.table(
            ("what", "points", "half after"), [(r.because, say.points(r), _half(r.activity)) for r in rules]
        )
    yield (
        "What exactly counts is in [scoring](../policy/scoring.md). Points never come from "
        f"{say.names(sorted(scoring.protected))}: people are not preferred for what they are."
    )


def _half(activity: object) -> str:
    days = getattr(activity, "half_life_days", None)
    return f"{days:g} days" if days else ""


def _never(policy: Policy) -> Iterator[str]:
    yield from (f"{rule.because}." for rule in policy.scoring.disqualifiers)
    kinds = dict.fromkeys(rule.kind for rule in policy.scoring.kinds)
    yield f"Whoever wants something else is known before scoring and sent elsewhere: {say.names(kinds)}."


def _sales(policy: Policy) -> Iterator[str]:
    nurtured = [
        rule.because for rule in policy.routing.rules if any(one.target == "nurture" for one in rule.ladder)
    ]
    yield from (f"{because}." for because in nurtured)
    if policy.routing.explored:
        share = say.percent(policy.routing.explored.share)
        yield f"{share} of new leads below the threshold go to sales by chance, so that the review learns from them."
    again = policy.routing.rerouting
    yield f"A rep may decline it: {say.names(_given_by_people(again.reasons))}."
    back = {"stage", "outcome", "decline_reason"}
    told = [s.name for s in policy.sources.sources.values() if back & set(s.push_fields)]
    yield (
        f"Stage, outcome and the reason of a decline go back to {say.names(told)}."
        if told
        else "Where the marketing system has fields for them, stage, outcome and the reason of a decline go back to it."
    )
    yield "A changed score, rule or fading alone never takes a lead from its owner."


def _rests(policy: Policy) -> Iterator[str]:
    again = policy.scoring.recycling
    if again.outcomes:
        counts = f"counts {again.engagement:.0%}" if again.engagement else "counts no longer"
        yield "## When it comes back"
        yield (
            f"A lead that rests starts over: what it did before {counts}, points make it an MQL again only after the "
            f"rest and new activity, asking for sales does so at once. After {again.cycles} times it is closed."
        )
        rests = [
            ("any other" if reason == "*" else reason, say.length(rest))
            for reason, rest in again.cooldown.items()
        ]
        yield say.table(("given back because of", "rests for"), rests)


def _campaign(policy: Policy) -> Iterator[str]:
    yield "Test entries from our own domains are closed and count nowhere; use them to try a form."
    yield "An opt-out stops nurture and marketing mail, not sales; do-not-contact stops everything."
    for since, names in _live(policy).items():
        yield f"Leads of {names} from before {since} are scored and never sent to sales, until they ask."
    yield "A record without a usable e-mail or phone goes to quarantine, not to sales: check a new form with one entry."
    yield "Want to know what a change of rules would do? `clearlane whatif` plays the past with it."


def _live(policy: Policy) -> Mapping[str, str]:
    """Day -> the sources whose leads go to sales since then."""
    found: dict[str, list[str]] = {}
    for source in policy.sources.sources.values():
        if source.live_from:
            found.setdefault(f"{source.live_from:%-d %B %Y}", []).append(say.code(source.name))
    return {day: say.names(names) for day, names in found.items()}


# --- what people can change ---------------------------------------------------------------------

Changes = Mapping[str, str]
_REP_CHANGES: Final[Changes] = {
    "your hours, days off, cover, caps, languages": "teams",
    "which leads your team gets, reasons of a decline": "routing",
    "how fast, warnings, quiet hours": "sla",
}
_MANAGER_CHANGES: Final[Changes] = {
    "who is in a team, shares, caps, absences, on call": "teams",
    "rules, ladders, declines, who answers for exceptions": "routing",
    "promises, who is told, how long queues may wait": "sla",
}
_MARKETER_CHANGES: Final[Changes] = {
    "points, bands, MQL and PQL, what asks for sales, rests": "scoring",
    "what may come in, and what is quarantined": "contract",
    "systems, fields, who is master of which": "sources",
}


def _change(policy: Policy, changes: Changes) -> Iterator[str]:
    yield "## How to change it"
    rows = []
    for what, file in changes.items():
        section = policy.sections.get(file)
        asked = (section.owner, section.approver) if section else ("", "")
        rows.append((what, f"[{file}.yaml](../policy/{file}.md)", *asked))
    yield say.table(("what", "written in", "ask", "approved by"), rows)
    yield (
        "An edit is in force once it is published (`clearlane policy publish`), and then a mail tells you what changes "
        "for you, if anything does."
    )


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


_PAGES: Final[Mapping[str, Callable[[Policy], Iterator[str]]]] = {
    "rep": _rep,
    "manager": _manager,
    "marketer": _marketer,
}
