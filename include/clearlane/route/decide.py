"""From a lead's facts and the floor to a decision: first matching rule, its ladder, the fallback, exceptions.

Pure: nothing is read but the arguments and nothing is changed; `Floor.take` books the result.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Final, NamedTuple

from clearlane.policy.model import Destination, Policy, Routing, RoutingRule, Sla, Tier, within
from clearlane.route.decisions import NOBODY, Decision, Facts, Pick, Way
from clearlane.route.eligibility import OUT_OF_HOURS, is_cap, not_in_team, refusal, unsuited
from clearlane.route.exploring import explored
from clearlane.route.floor import Floor
from clearlane.route.handover import handed_over
from clearlane.route.pick import pick

PROMISED: Final = frozenset({"owned", "pool", "exceptions", "held"})
"""places where somebody owes the lead a first touch"""
SHARED: Final = frozenset({"account_owner", "parent_account_owner", "team", "pool"})
"""targets that give way to the owner of the company's open leads; a named person does not"""
WAYS: Final[Mapping[Way, str]] = {
    "turn": "is next of {free}",
    "fit": "fits best of {free}",
    "learning": "is next of {free}, picked by turn to keep learning",
    "unmeasured": "is next of {free}, by turn for want of results to fit by",
}
"""how a pick of a rep is told"""
EXCEPTIONS: Final = Destination("exceptions")


class Spot(NamedTuple):
    """Where a rung puts the lead, and why there."""

    place: str
    why: str
    reason: str | None = None
    team: str | None = None
    rep: str | None = None
    pick: Pick | None = None
    until: datetime | None = None
    opener: str | None = None
    """who comes back at `until`"""


@dataclass
class Attempt:
    """One walk down a ladder; collects why each rep met on the way could not take the lead."""

    facts: Facts
    floor: Floor
    sticky: bool = True
    refused: Mapping[str, str] = field(default_factory=lambda: NOBODY)

    def accept(self, reps: Collection[str]) -> None:
        """These can take it, whatever was said of them before."""
        if self.refused:
            self.refused = {rep: why for rep, why in self.refused.items() if rep not in reps}

    def refuse(self, refused: Mapping[str, str]) -> None:
        """The last rung's word, but for hours after a cap: caps hold on each rung, hours where they are asked for."""
        if self.refused:
            capped = {
                rep: why
                for rep, why in self.refused.items()
                if is_cap(why) and refused.get(rep, "").startswith(OUT_OF_HOURS)
            }
            refused = {**self.refused, **refused, **capped}
        self.refused = refused


def decide(policy: Policy, floor: Floor, facts: Facts) -> Decision:
    """The one place of the lead at the floor's moment."""
    if facts.stopped:
        return Decision(
            facts.lead_id, "disqualified", facts.stopped, f"nobody may contact this lead: {facts.stopped}"
        )
    rule = handed_over(first_rule(policy.routing, facts), facts)
    if facts.owned:
        return (
            _reconsidered(policy, floor, facts, rule)
            if facts.reconsidered
            else _told_again(policy, floor, facts)
        )
    if facts.given_up and not facts.disqualified:
        return _given_up(policy, floor, facts, facts.given_up)
    if facts.disqualified and rule is None:
        because = f"disqualified by {facts.disqualified}"
        return Decision(facts.lead_id, "disqualified", facts.disqualified, because)
    return _explored(policy, floor, facts, rule) or _walked(policy, floor, facts, rule)


def first_rule(routing: Routing, facts: Facts) -> RoutingRule | None:
    """The first rule that held and may take this lead."""
    at = facts.matched.find("1")
    while at >= 0 and not _may_take(routing.rules[at], facts):
        at = facts.matched.find("1", at + 1)
    return routing.rules[at] if at >= 0 else None


def _may_take(rule: RoutingRule, facts: Facts) -> bool:
    """Disqualified leads go only where a rule asks for them, hand-raises never to nurture."""
    target = rule.ladder[0].target
    if facts.disqualified:
        return target in ("redirect", "close") or "disqualified" in rule.when.columns
    return not (facts.hand_raise and target == "nurture")


def _explored(policy: Policy, floor: Floor, facts: Facts, rule: RoutingRule | None) -> Decision | None:
    """In sales although below the threshold, where it is one of those; None also where nobody there is free."""
    routing = policy.routing
    lifted = explored(routing, rule, facts)
    decision = _walked(policy, floor, facts, lifted) if lifted else None
    if decision is None or decision.place == "nurture" or routing.explored is None:
        return None
    return decision._replace(reason="explored", explored=routing.explored.share)


def _told_again(policy: Policy, floor: Floor, facts: Facts) -> Decision:
    tier = policy.sla.tiers.get(policy.sla.hand_raise)
    return Decision(
        facts.lead_id,
        "owned",
        "asked_again",
        "asked for sales again; stays with its owner"
        + (f", who is away: {facts.cover} covers" if facts.cover else ""),
        tier=tier.name if tier else None,
        team=floor.team_of(facts.owner) if facts.owner else None,
        rep=facts.owner,
        due=floor.due(tier, facts.cover or facts.owner, facts.zone),
        cover=facts.cover,
        keeps_owner=True,
    )


def _given_up(policy: Policy, floor: Floor, facts: Facts, why: str) -> Decision:
    """In the exceptions of the last owner's team: its manager decides."""
    team = facts.team or (floor.team_of(facts.owner) if facts.owner else None)
    tier = tier_of(policy, facts, first_rule(policy.routing, facts), team)
    return Decision(
        facts.lead_id,
        "exceptions",
        "manager_decides",
        f"the manager decides: {why}",
        tier=tier.name if tier else None,
        team=team,
        due=floor.due(tier, None, facts.zone),
        refused=facts.barred,
    )


def _reconsidered(policy: Policy, floor: Floor, facts: Facts, rule: RoutingRule | None) -> Decision:
    """By rule, as if nobody owned it; the owner keeps what the rule might have given to that rep."""
    decision = _walked(policy, floor, facts, rule)
    if decision.place in PROMISED and (decision.rep == facts.owner or _accepts(policy, facts, rule)):
        because = (
            f"{rule.because if rule else 'no rule matched'}; stays with its owner, whom the rule accepts"
        )
        return decision._replace(
            place="owned", reason="stays", because=because, team=facts.team, rep=facts.owner,
            due=floor.due(policy.sla.tier(decision.tier), facts.owner, facts.zone), eligible=(), refused={},
            pick=None, until=None, keeps_owner=True,
        )  # fmt: skip
    return decision


def _accepts(policy: Policy, facts: Facts, rule: RoutingRule | None) -> bool:
    """Whether the rule's ladder may lead to the owner: as its member, by name or as owner of the account."""
    return any(facts.owner in _asked(policy, facts, rung) for rung in (rule.ladder if rule else ()))


def _asked(policy: Policy, facts: Facts, rung: Destination) -> tuple[str | None, ...]:
    if rung.target == "team" or rung.until:
        return tuple(rep for rep, _ in policy.teams.teams[rung.name or ""].members)
    if rung.target == "rep":
        return (rung.name,)
    return (getattr(facts, rung.target),) if rung.target.endswith("_owner") else ()


def _walked(policy: Policy, floor: Floor, facts: Facts, rule: RoutingRule | None) -> Decision:
    attempt = Attempt(facts, floor, policy.routing.sticky_company)
    spot = _spot(attempt, rule, policy.routing.fallback)
    eligible = _eligible(spot)
    tier = tier_of(policy, facts, rule, spot.team) if spot.place in PROMISED else None
    due = _due(floor, tier, spot, facts.zone)
    promised = f", first touch due {due:%Y-%m-%d %H:%M}Z" if spot.until and due else ""
    return Decision(
        facts.lead_id,
        spot.place,
        spot.reason or (rule.id if rule else "no_rule"),
        f"{rule.because if rule else 'no rule matched'}; {spot.why}{promised}",
        rule.id if rule else None,
        tier.name if tier else None,
        spot.team,
        spot.rep,
        due,
        eligible,
        attempt.refused,
        spot.pick,
        until=spot.until,
    )


def _spot(attempt: Attempt, rule: RoutingRule | None, fallback: Sequence[Destination]) -> Spot:
    """Where the first rung puts it that can."""
    for rung in (*(rule.ladder if rule else ()), *fallback, EXCEPTIONS):
        spot = _owner_of_company(attempt, rung) or RUNGS[rung.target](attempt, rung)
        if spot:
            return spot
    raise AssertionError("exceptions take every lead")


def _due(floor: Floor, tier: Tier | None, spot: Spot, zone: str | None) -> datetime | None:
    if spot.until and spot.opener:
        return floor.due_after(tier, spot.opener, spot.until, zone)
    return floor.due(tier, spot.rep, zone)


def _eligible(spot: Spot) -> tuple[str, ...]:
    if spot.pick:
        return spot.pick.eligible
    return (spot.rep,) if spot.rep else ()


def tier_of(policy: Policy, facts: Facts, rule: RoutingRule | None, team: str | None = None) -> Tier | None:
    """Hand-raises have their own; else the rule's, else that of the first choice that takes it, else the band's."""
    sla = policy.sla
    if facts.hand_raise:
        return sla.tier(sla.hand_raise)
    return sla.tier((rule and rule.tier) or _chosen(sla, facts, team) or sla.by_band.get(facts.band))


def _chosen(sla: Sla, facts: Facts, team: str | None) -> str | None:
    about = facts.band, facts.stage, facts.source, team
    return next((choice.tier for choice in sla.choose if choice.takes(*about)), None)


def _owner_of_company(attempt: Attempt, rung: Destination) -> Spot | None:
    """Before the first rung that gives way to one: the owner of the company's open leads."""
    if not attempt.sticky or rung.target not in SHARED:
        return None
    attempt.sticky = False
    facts = attempt.facts
    for rep in attempt.floor.owners(facts):
        if rep == facts.owner and facts.reconsidered and not facts.owns_company:
            continue
        spot = _direct(attempt, _anybody(rung), rep, "owns the open leads of the same company")
        if spot:
            return spot
    return None


def _direct(attempt: Attempt, rung: Destination, rep: str, why: str) -> Spot | None:
    """One named rep, without a turn."""
    reason = attempt.facts.barred.get(rep) or _cannot(attempt, rung, rep)
    if reason is None:
        attempt.accept([rep])
        return Spot("owned", f"{rep} {why}", team=attempt.floor.team_of(rep), rep=rep)
    attempt.refuse({rep: reason})
    return None


def _anybody(rung: Destination) -> Destination:
    """The rung without match: one owner for all people of a company goes before it."""
    return replace(rung, language=False, match=(), min_tenure_days=None)


def _cannot(attempt: Attempt, rung: Destination, rep: str) -> str | None:
    there = attempt.floor.present.get(rep)
    if there is None:
        return "not in teams.yaml"
    return refusal(there, attempt.floor.load(rep), rung) or unsuited(there, rung, attempt.facts)


def _owner(attempt: Attempt, rung: Destination) -> Spot | None:
    rep: str | None = getattr(attempt.facts, rung.target)
    return _direct(attempt, rung, rep, f"is the {rung.target.replace('_', ' ')}") if rep else None


def _named(attempt: Attempt, rung: Destination) -> Spot | None:
    return _direct(attempt, rung, rung.name, "is named by the rule") if rung.name else None


def _rotation(attempt: Attempt, rung: Destination) -> Spot | None:
    team = attempt.floor.policy.teams.teams[rung.name or ""]
    turn, refused = pick(team, rung, attempt.facts, attempt.floor)
    if turn:
        attempt.accept(turn.eligible)
    attempt.refuse(refused)
    if turn:
        why = f"{turn.rep} {WAYS[turn.way].format(free=f'{len(turn.eligible)} free in {team.id}')}"
        return Spot("owned", why, team=team.id, rep=turn.rep, pick=turn)
    return _on_call(attempt, rung, team.id) if rung.hours == "on_call" else None


def _on_call(attempt: Attempt, rung: Destination, team: str) -> Spot | None:
    """The first rep on call who can, whatever the hours: no turn."""
    whenever = replace(rung, hours="ignore")
    asked = (_direct(attempt, whenever, rep, f"is on call for {team}") for rep in attempt.floor.on_call(team))
    spot = next(filter(None, asked), None)
    return spot and spot._replace(team=team)


def _hold(attempt: Attempt, rung: Destination) -> Spot | None:
    if rung.until is None:
        return Spot("held", "held until it is routed again")
    there = _at_work(rung)
    return _owner_of_company(attempt, there) or _rotation(attempt, there) or _until_back(attempt, rung)


@cache
def _at_work(rung: Destination) -> Destination:
    """The team of a hold, for those of it who are in hours."""
    return replace(rung, target="team", hours="require", until=None)


def _until_back(attempt: Attempt, rung: Destination) -> Spot | None:
    back = _back(attempt, rung)
    if back is None:
        return None
    until, opener = back
    why = f"out of hours: held until {rung.name} is back at {until:%Y-%m-%d %H:%M}Z"
    return Spot("held", why, reason="out_of_hours", team=rung.name, until=until, opener=opener)


def _back(attempt: Attempt, rung: Destination) -> tuple[datetime, str] | None:
    """When the first rep of the team comes back, and who; None where none comes."""
    floor = attempt.floor
    coming: list[tuple[datetime, str]] = []
    for rep, _ in floor.policy.teams.teams[rung.name or ""].members:
        if _never_takes(attempt, rung, rep):
            continue
        there = floor.present[rep]
        if there.opening and not there.in_hours:
            coming.append((there.opening, rep))
    return min(coming, default=None)


def _never_takes(attempt: Attempt, rung: Destination, rep: str) -> bool:
    """Not this lead, or no lead before somebody closes one; caps of an hour, a day or a week end by themselves."""
    floor, facts = attempt.floor, attempt.facts
    there, held = floor.present[rep], floor.load(rep).open
    team = floor.policy.teams.teams[rung.name or ""]
    away = there.absent or not_in_team(team, rep, floor.as_of, there.today)
    full = there.caps.open is not None and held >= there.caps.open
    return bool(away or full or rep in facts.barred or unsuited(there, rung, facts))


def _pool(attempt: Attempt, rung: Destination) -> Spot | None:
    if rung.name in attempt.facts.outgrown or not _takes_leads(attempt.floor, rung.name):
        return None
    return Spot("pool", f"waits in the pool {rung.name}", team=rung.name)


def _takes_leads(floor: Floor, name: str | None) -> bool:
    team = floor.policy.teams.teams.get(name or "")
    return team is None or within(floor.as_of.astimezone(UTC).date(), team.first, team.last)


def _nurture(attempt: Attempt, rung: Destination) -> Spot | None:
    return None if attempt.facts.hand_raise else Spot("nurture", "kept in touch until it is ready")


def _exceptions(attempt: Attempt, rung: Destination) -> Spot:
    reason = "nobody_free" if attempt.refused else "no_destination"
    return Spot("exceptions", _nobody(attempt.refused), reason=reason)


def _nobody(refused: Mapping[str, str]) -> str:
    if not refused:
        return "no destination could take it"
    said = "; ".join(f"{rep}: {why}" for rep, why in sorted(refused.items())[:5])
    return f"nobody could take it ({said}{'; …' if len(refused) > 5 else ''})"


def _redirect(attempt: Attempt, rung: Destination) -> Spot:
    return Spot("redirected", f"goes to {rung.name}", team=rung.name)


Rung = Callable[[Attempt, Destination], Spot | None]
RUNGS: Final[Mapping[str, Rung]] = {
    "account_owner": _owner,
    "parent_account_owner": _owner,
    "opportunity_owner": _owner,
    "contact_owner": _owner,
    "rep": _named,
    "team": _rotation,
    "pool": _pool,
    "nurture": _nurture,
    "redirect": _redirect,
    "hold": _hold,
    "disqualify": lambda attempt, rung: Spot("disqualified", "the rule disqualifies it"),
    "close": lambda attempt, rung: Spot("closed", "the rule closes it"),
    "exceptions": _exceptions,
}
