"""One page for each policy file, for the people who live by it: every number comes from the policy itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Final

from clearlane.policy import wording as say
from clearlane.policy.model import (
    Check,
    Contract,
    Enrichment,
    Explored,
    Field,
    Group,
    ObjectMapping,
    Policy,
    Rep,
    Rerouting,
    Rest,
    Routing,
    Rule,
    Scoring,
    Sla,
    Source,
    Sources,
    Stint,
    Team,
    Teams,
    Tier,
    TierChoice,
)


def pages(policy: Policy) -> Mapping[str, str]:
    """File name -> its page in Markdown."""
    return {name: "\n\n".join(_page(policy, name, sections)) + "\n" for name, sections in _PAGES.items()}


def _page(policy: Policy, name: str, sections: Callable[[Policy], Iterator[str]]) -> Iterator[str]:
    yield f"# {name}.yaml"
    if name in policy.sections:
        section = policy.sections[name]
        yield f"Answered for by {section.owner}, approved by {section.approver}."
    yield from sections(policy)


# --- scoring ----------------------------------------------------------------------------------


def _scoring(policy: Policy) -> Iterator[str]:
    scoring = policy.scoring
    low, high = scoring.range
    yield (
        f"Model `{scoring.model}`: score = fit + engagement + negative, within {low} and {high}. "
        "A lead that is not disqualified shows at least 1."
    )
    for group in scoring.group_bounds:
        yield from _group(scoring, group, "##")
    yield from _meaning(scoring)
    yield from _lives(scoring)
    yield from _variants(scoring)
    yield from _conditions(scoring)
    yield from _columns(scoring)
    yield from _review(scoring)
    yield from _predictive(scoring)
    yield from _expectations(scoring)


def _review(scoring: Scoring) -> Iterator[str]:
    """What the weight review may propose."""
    terms = scoring.review
    yield "## What the weight review may propose"
    yield (
        f"At most {terms.changes} rules by at most {terms.most_change} points each and {terms.budget} points together, "
        f"and {terms.new_rules} new rules; where nothing is wrong it proposes something in {terms.level:.0%} of "
        f"reviews at most. It takes {terms.least_positives} leads with an outcome to learn from it. "
        "A rule keeps its sign."
    )
    rows = [(name, "stays as it is") for name in sorted(terms.locked)]
    rows += [(name, "never 0") for name in sorted(terms.keep)]
    rows += [(name, f"sign: {sign}") for name, sign in terms.signs.items()]
    rows += [(name, f"{low} to {high} points") for name, (low, high) in terms.bounds.items()]
    if rows:
        yield say.table(("rule", "limit"), rows)


def _predictive(scoring: Scoring) -> Iterator[str]:
    if scoring.predictive:
        yield "## Chance of conversion"
        yield (
            f"It stands beside each score, with its largest reasons, by the model in `{scoring.predictive}`. "
            "Bands, stages and routing do not look at it."
        )


def _group(scoring: Scoring, group: Group, level: str) -> Iterator[str]:
    least, most = scoring.group_bounds[group]
    yield f"{level} {group.capitalize()}: {least:g} to {most:g} points"
    rules = [_rule(rule) for rule in scoring.rules if rule.group == group]
    yield say.table(("rule", "points", "why", "when"), rules)


def _rule(rule: Rule) -> Sequence[object]:
    return rule.id, say.points(rule), rule.because, say.evidence(rule)


def _meaning(scoring: Scoring) -> Iterator[str]:
    yield "## Bands"
    yield _bands(scoring)
    yield "## Grades"
    yield _grades(scoring)
    yield "## Stages"
    yield _stages(scoring)
    yield "## Hand-raises"
    yield (
        f"{say.names(map(say.code, scoring.hand_raise_types))}: counts for {scoring.hand_raise_days:g} days; "
        f"two within {say.length(scoring.inquiry_gap)} are one inquiry."
    )


def _bands(scoring: Scoring) -> str:
    rows = [(band.name, band.entry, band.exit, say.length(band.dwell)) for band in scoring.bands]
    return say.table(("band", "entered at", "left below", "not before"), rows)


def _grades(scoring: Scoring) -> str:
    fit, engagement = scoring.grades.fit, scoring.grades.engagement
    return say.table(
        ("fit", "at least", "engagement", "at least"),
        zip("ABCD", (*fit, None), "1234", (*engagement, None), strict=True),
    )


def _stages(scoring: Scoring) -> str:
    rows = [(stage.name.upper(), stage.because, say.code(stage.when.text)) for stage in scoring.stages]
    return say.table(("stage", "why", "when"), rows)


def _lives(scoring: Scoring) -> Iterator[str]:
    """How a lead starts over, and what the people of its company add."""
    recycling, rollup = scoring.recycling, scoring.rollup
    if recycling.outcomes:
        yield "## Recycling"
        yield (
            f"A lead that is {say.names(map(say.code, recycling.outcomes))} for one of these reasons starts a new "
            f"cycle: its earlier engagement counts × {recycling.engagement:g}, and points make it an MQL again only "
            f"after the rest and after it did something; asking for sales does so at once. "
            f"After {recycling.cycles} cycles it is closed."
        )
        rests = [
            ("any other" if name == "*" else name, say.length(rest))
            for name, rest in recycling.cooldown.items()
        ]
        yield say.table(("reason", "rest"), rests)
    yield "## People of one account"
    yield (
        "Conditions may name what the *other* people of the account come to, by the rules that do not ask this: "
        "`account_best` (the highest score), `account_sum`, `account_decayed` (the sum, each half after "
        f"{rollup.half_life_days:g} days without activity) and `account_engaged` (how many have "
        f"{rollup.engaged_at:g} points of engagement or more). Disqualified people count nothing."
    )


def _variants(scoring: Scoring) -> Iterator[str]:
    """Of each variant what differs from the default."""
    if not scoring.variants:
        return
    yield "## Variants"
    yield "The first whose condition holds is in force for a lead, else the default; of each, what differs from it."
    for variant in scoring.variants:
        yield f"### {variant.id}"
        yield f"{variant.because}: {say.code(variant.when.text)}."
        yield from _differences(scoring, variant.scoring)


def _differences(default: Scoring, model: Scoring) -> Iterator[str]:
    if model.range != default.range:
        yield f"Within {model.range[0]} and {model.range[1]}."
    for group, bounds in model.group_bounds.items():
        own, theirs = ([r for r in each.rules if r.group == group] for each in (model, default))
        if own != theirs or bounds != default.group_bounds[group]:
            yield from _group(model, group, "####")
    for name, section in (("bands", _bands), ("grades", _grades), ("stages", _stages)):
        if getattr(model, name) != getattr(default, name):
            yield section(model)


def _conditions(scoring: Scoring) -> Iterator[str]:
    if scoring.measures:
        yield "## Measures"
        yield "Numbers about what a lead did; conditions name them like an attribute."
        measures = [(m.name, m.because, say.measure(m)) for m in scoring.measures]
        yield say.table(("measure", "what", "counts"), measures)
    yield "## Disqualifiers"
    rows = [(rule.id, rule.because, say.code(rule.when.text)) for rule in scoring.disqualifiers]
    yield say.table(("rule", "why", "when"), rows)
    yield "## Kinds"
    yield "Decided before the score; the first that holds, else `sales`."
    kinds = [(rule.id, rule.kind, rule.because, say.code(rule.when.text)) for rule in scoring.kinds]
    yield say.table(("rule", "kind", "why", "when"), kinds)
    yield "## Lists"
    yield say.table(("list", "holds"), [(name, say.names(values)) for name, values in scoring.lists.items()])


def _columns(scoring: Scoring) -> Iterator[str]:
    yield "## Attributes"
    yield "What people can find out or correct is marked: explanations say what it would lift."
    changeable = dict.fromkeys(scoring.changeable, "changeable")
    rows = [(name, kind.value, changeable.get(name)) for name, kind in scoring.attributes.items()]
    yield say.table(("attribute", "type", ""), rows)
    yield "Of activities: " + say.names(
        f"{say.code(name)} ({kind.value})" for name, kind in scoring.activity_attributes.items()
    )
    yield "## Protected"
    yield (
        f"{say.names(map(say.code, sorted(scoring.protected)))}: refused in every condition, of scoring and of "
        "routing, and never learned from. People are not preferred or passed over by what they are."
    )


def _expectations(scoring: Scoring) -> Iterator[str]:
    yield "## What the model must keep true"
    yield "\n".join(f"- {expected.because}." for expected in scoring.expect)


# --- routing ----------------------------------------------------------------------------------


def _rerouting(again: Rerouting) -> Iterator[str]:
    yield (
        f"A decline gives the turn back for {', '.join(again.returned)}, and spends it for {', '.join(again.spent)} or"
        f" anything else. The lead is never offered to that rep again; after {again.declines} declines, or when more"
        f" than {again.hops} owners were silent, the manager decides."
    )
    yield (
        f"After a first touch a lead stays with its owner for {say.span(again.protect)}, in working time, whatever it"
        f" becomes. A team gets at most {again.promotions_a_day} leads a day that rose because the model changed or"
        " points faded."
    )


def _explored(explored: Explored | None) -> Iterator[str]:
    if explored is None:
        return
    tier = f" under the promise {say.code(explored.tier)}" if explored.tier else ""
    yield (
        f"Of leads not older than {say.length(explored.newer_than)} that a rule would nurture for want of points,"
        f" {say.percent(explored.share)} go to sales all the same{tier}, by a hash of their id: the weight review"
        " learns from them what leads below the threshold are worth. They go, by territory:"
    )
    rows = (
        ("any other" if name == "*" else name, say.ladder(rungs)) for name, rungs in explored.ladders.items()
    )
    yield say.table(("territory", "goes to"), rows)


def _routing(policy: Policy) -> Iterator[str]:
    routing: Routing = policy.routing
    yield "The first rule whose condition holds wins; its ladder is tried from left to right."
    if routing.sticky_company:
        yield "People of one company follow the owner of its open leads."
    if routing.pool_max_age:
        yield f"A lead waits at most {say.length(routing.pool_max_age)} in a pool, then goes down the ladder."
    yield from _rerouting(routing.rerouting)
    if routing.exceptions_owner:
        yield f"Exceptions that no team answers for are {say.code(routing.exceptions_owner)}'s."
    yield from _explored(routing.explored)
    rows = [
        (rule.id, rule.because, say.code(rule.when.text), say.ladder(rule.ladder), rule.tier)
        for rule in routing.rules
    ]
    yield "## Rules"
    yield say.table(("rule", "why", "when", "goes to", "tier"), rows)
    yield f"Then, for all of them: {say.ladder(routing.fallback)}."
    yield "## Territories"
    yield "The deepest that matches counts, and among siblings the first."
    yield say.table(
        ("territory", "within", "when"),
        [(each.name, each.within, say.code(each.when.text)) for each in routing.territories],
    )
    yield "## Lists"
    yield say.table(("list", "holds"), [(name, say.names(values)) for name, values in routing.lists.items()])


# --- teams ------------------------------------------------------------------------------------


def _teams(policy: Policy) -> Iterator[str]:
    teams: Teams = policy.teams
    yield "## Teams"
    yield say.table(
        ("team", "name", "members", "manager", "queue"), [_team(team) for team in teams.teams.values()]
    )
    yield "## Reps"
    yield say.table(
        ("rep", "role", "zone", "hours", "holidays", "takes", "remarks"),
        [_rep(rep) for rep in teams.reps.values()],
    )
    yield from _on_call(teams)


def _on_call(teams: Teams) -> Iterator[str]:
    if teams.on_call:
        yield "## On call"
        yield "Where a rule asks for it, outside everybody's hours; what comes on call is no turn."
        rows = [
            (o.team, o.rep, f"{o.first:%Y-%m-%d %H:%M}Z", f"{o.last:%Y-%m-%d %H:%M}Z") for o in teams.on_call
        ]
        yield say.table(("team", "rep", "from", "until"), rows)


def _team(team: Team) -> Sequence[object]:
    members = say.names(
        say.member(rep, stint)
        for rep, weight in team.members
        for stint in team.stints.get(rep, (Stint(weight),))
    )
    return team.id, team.name + say.dates(team.first, team.last), members, team.manager, team.queue


def _rep(rep: Rep) -> Sequence[object]:
    takes = say.caps(rep.caps) if rep.sells else "nothing"
    return rep.name, rep.role, rep.zone, say.hours(rep.hours), rep.holidays, takes, _remarks(rep)


def _remarks(rep: Rep) -> str:
    remarks = [f"off {off.first} to {off.last}: {off.because}" for off in rep.time_off]
    remarks += [f"covered by {say.names(rep.cover)}"] if rep.cover else []
    remarks += [f"suits {name} {say.names(values)}" for name, values in rep.suits.items()]
    remarks += [f"since {rep.active_from}"] if rep.active_from else []
    remarks += [f"until {rep.active_until}"] if rep.active_until else []
    remarks += ["ramp by month " + say.names(f"{share:.0%}" for share in rep.ramp)] if rep.ramp else []
    return "; ".join(remarks)


# --- sla, contract, sources -------------------------------------------------------------------


def _sla(policy: Policy) -> Iterator[str]:
    sla: Sla = policy.sla
    heads = (
        "tier", "bands", "first touch within", "accepted within", "hours of", "warn at", "reassign at",
        "told of a breach",
    )  # fmt: skip
    yield say.table(heads, [_tier(sla, tier) for tier in sla.tiers.values()])
    yield f"Hand-raises have the tier {say.code(sla.hand_raise)}."
    if sla.choose:
        yield "Before its band says so, the first of these that takes a lead gives it its tier:"
        yield say.table(
            ("tier", "bands", "stages", "sources", "teams"), [_chosen(choice) for choice in sla.choose]
        )
    yield f"The team's hours: {say.hours(sla.team_hours)}, {sla.team_zone}."
    yield from _waiting(sla)
    yield from _followed(sla)
    for activity, attribute in sla.later.items():
        yield f"A lead's {say.code(activity)} lets all promises to it stand still, until its {say.code(attribute)}."
    yield from _told(sla)
    yield from _watched(sla)


def _tier(sla: Sla, tier: Tier) -> Sequence[object]:
    bands = (band for band, name in sla.by_band.items() if name == tier.name)
    return (
        tier.name, say.names(bands), say.span(tier.first_touch), say.span(tier.accept), _whose(tier),
        f"{tier.warn_share:.0%}", f"{tier.reassign_factor:g} ×",
        say.names(told.replace("_", " ") for told in tier.escalate),
    )  # fmt: skip


def _whose(tier: Tier) -> str:
    lead = f", and {say.between(tier.lead_hours)} at the lead" if tier.lead_hours else ""
    return tier.calendar + lead


def _chosen(choice: TierChoice) -> Sequence[object]:
    return choice.tier, *map(say.names, (choice.band, choice.stage, choice.source, choice.team))


def _waiting(sla: Sla) -> Iterator[str]:
    if sla.queues:
        yield "## Where no rep owes anything"
        yield "In the team's hours, from the moment a lead comes there:"
        yield say.table(
            ("place", "answered within"), [(name, say.span(span)) for name, span in sla.queues.items()]
        )


def _followed(sla: Sla) -> Iterator[str]:
    if sla.follow_up:
        yield "## After the first touch"
        rows = [(tier, f.attempts, say.span(f.within), f.then) for tier, f in sla.follow_up.items()]
        yield say.table(("tier", "touches", "within", "else it rests for"), rows)
    if sla.stage_limit:
        limits = [(stage, say.span(span)) for stage, span in sla.stage_limit.items()]
        yield say.table(("stage", "at most"), limits)


def _told(sla: Sla) -> Iterator[str]:
    silent, mail = sla.silent, sla.mail
    quiet = f"Quiet hours are {say.between(mail.quiet_hours)} of the reader. " if mail.quiet_hours else ""
    yield "## Who is told"
    yield (
        f"After {silent.breaches} breaches within {say.length(silent.within)} a rep takes no turns for the rest of the "
        f"working day. A touch logged more than {say.length(sla.late_after)} after it happened counts, and is marked."
    )
    yield (
        f"{quiet}More than {mail.digest_above} mails that wait become one; nobody gets more than {mail.per_hour} an "
        f"hour. A mail that may have failed is sent once more within {say.length(mail.repeat_window)}, marked."
    )
    people = {
        "The head of sales": sla.head_of_sales,
        "Who answers for the pipeline": sla.revops,
        "Who hears of changes for marketing": sla.marketing,
    }
    yield from (f"{role}: {name}." for role, name in people.items() if name)


def _watched(sla: Sla) -> Iterator[str]:
    pipeline = sla.pipeline
    yield "## The pipeline itself"
    rows = [(dag, say.length(every), say.length(pipeline.late(dag))) for dag, every in pipeline.runs.items()]
    yield say.table(("DAG", "runs every", "late without a run for"), rows)
    yield (
        f"Also found: a run that is open for {say.length(pipeline.open_for)}, a source that is not read for "
        f"{say.length(pipeline.unread)}, a write that could be sent and waits for {say.length(pipeline.owed)}, "
        f"a mail that does for {say.length(pipeline.mail)}, and {pipeline.growth:g} times as many quarantined in a day "
        "as usual."
    )


def _contract(policy: Policy) -> Iterator[str]:
    contract: Contract = policy.contract
    for name, described in contract.objects.items():
        yield f"## {name.capitalize()}"
        yield say.table(
            ("field", "type", "required", "checks"), [_field(field) for field in described.fields]
        )
        for group in described.any_of:
            yield f"At least one of {say.names(map(say.code, group))} must be usable."
    yield "## Deliveries"
    yield say.table(
        ("rule", "objects", "warn", "stop", "windows before"),
        [(r.rule, say.names(r.objects), r.warn, r.stop, r.trailing_windows) for r in contract.batch_rules],
    )
    yield "## How long it is kept"
    kept = ((one.name, getattr(contract.retention, one.name)) for one in fields(contract.retention))
    yield say.table(("what", "days"), [(say.code(name), days or "for ever") for name, days in kept])


def _field(field: Field) -> Sequence[object]:
    return field.name, field.type.value, "yes" if field.required else "", "; ".join(map(_check, field.checks))


def _check(check: Check) -> str:
    allowed = check.allowed
    shown = (
        say.names(map(say.cell, allowed))
        if isinstance(allowed, list)
        else ""
        if allowed is None
        else str(allowed)
    )
    return f"{check.rule} {shown}".strip()


def _sources(policy: Policy) -> Iterator[str]:
    sources: Sources = policy.sources
    for source in sources.sources.values():
        yield f"## {source.name}"
        yield _source(source)
        if source.push_fields:
            yield say.table(
                ("we write", "as"), [(ours, say.code(name)) for ours, name in source.push_fields.items()]
            )
        if source.rest:
            yield _rest(source.rest)
        for mapping in source.objects.values():
            yield f"### {source.name}: {mapping.object}"
            yield _mapping(mapping)
    yield "## Masters"
    yield say.table(("field", "whose word counts"), list(sources.masters.items()))
    yield "## Matching"
    yield say.table(
        (
            "a company is taken for an account from",
            "a person is asked from",
            "companies a lead may come from",
        ),
        [(f"{sources.matching.match:.0%}", f"{sources.matching.ask:.0%}", f"{sources.matching.companies:,}")],
    )
    yield "## People"
    yield say.table(
        ("records that are alike are merged from", "a person is asked from", "records a person may be among"),
        [(_from(sources.people.merge), _from(sources.people.ask), f"{sources.people.records:,}")],
    )
    yield "## Precedence"
    yield say.table(
        ("attribute", "best first"), [(name, say.names(order)) for name, order in sources.precedence.items()]
    )
    if sources.enrichment.providers:
        yield from _paid(sources.enrichment)


def _paid(enrichment: Enrichment) -> Iterator[str]:
    """The providers that cost money."""
    yield "## Paid providers"
    yield (
        f"A run waits for them no longer than {enrichment.deadline.total_seconds():g} seconds: who is not known by "
        "then is routed on what is known, and again when the answer is there."
    )
    rows = [
        (say.code(one.name), one.kind, say.names(one.by), f"{one.budget:,} requests", f"{one.age.days} days")
        for one in enrichment.providers.values()
    ]
    yield say.table(("provider", "kind", "asked by", "budget a day", "asked again after"), rows)


def _from(probability: float) -> str:
    return f"{probability:.0%}" if probability < 1 else "never"


def _source(source: Source) -> str:
    live = (
        f"live from {source.live_from:%Y-%m-%d %H:%M} UTC"
        if source.live_from
        else "live from its first record"
    )
    back = f"assignments go back to {say.code(source.push)}{_limits(source)}" if source.push else _NOT_PUSHED
    owners = {"keep": "stand", "ignore": "are not looked at"}[source.existing_owner]
    if source.push:
        back += f"; records that are one person are merged there {_MERGED[source.merge]}"
    return (
        f"Connector `{source.connector}` at `{source.address}`; {live}; owners found there {owners}; {back}."
    )


_MERGED: Final = {"by hand": "by hand", "push": "by Clearlane, where a person or `people.merge` said so"}
_NOT_PUSHED: Final = "nothing is written back"


def _limits(source: Source) -> str:
    """How fast it is written to, and which scores go without a decision."""
    rate = source.limits.rate
    paced = f", at most {rate.requests} requests in {rate.seconds:g} s" if rate else ""
    batches = f"{paced}, {source.limits.batch} records a request, {source.limits.concurrent} at once"
    return batches + (
        "" if source.score_step is None else f"; so do scores that moved by {source.score_step:g} points"
    )


def _rest(rest: Rest) -> str:
    reads = [
        (name, f"{read.method} {read.path}", say.names(sorted(read.params)), read.pages.by)
        for name, read in rest.reads.items()
    ]
    writes = [(name, f"{write.method} {write.path}", "", "") for name, write in rest.writes.items()]
    asked = say.table(("name", "request", "parameters", "pages by"), [*reads, *writes])
    return f"Credentials by {rest.auth.by}.\n\n{asked}"


def _mapping(mapping: ObjectMapping) -> str:
    order = f", in order of {say.code(mapping.cursor)}" if mapping.cursor else ""
    fields = say.table(
        ("ours", "theirs"), [(ours, say.code(theirs)) for ours, theirs in mapping.fields.items()]
    )
    return f"Read from {say.code(mapping.read)}{order}.\n\n{fields}"


_PAGES: Final[Mapping[str, Callable[[Policy], Iterator[str]]]] = {
    "scoring": _scoring,
    "routing": _routing,
    "teams": _teams,
    "sla": _sla,
    "contract": _contract,
    "sources": _sources,
}
