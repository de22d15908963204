"""The nouns of the policy: frozen objects that the six YAML files become.

Predicates are parsed and type-checked once, when the policy is loaded. Durations are business
time of the tier's calendar where a name says so, wall-clock time otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any, Final, Literal

from clearlane.rules import Predicate, Type

FILES = ("scoring", "routing", "teams", "sla", "contract", "sources")
Group = Literal["fit", "engagement", "negative"]
Kind = Literal["sales", "expansion", "support", "partner", "vendor", "job", "student", "test", "spam"]
FIRST_STAGE: Final = "inquiry"
LATER_STAGES: Final = ("accepted", "sql", "opportunity", "customer")
"""set by outcomes and the source, never by a score; from first to last"""
TIME_OUT: Final = "accept time-out"
"""the reason of a decline that nobody gives: the time to accept ran out"""
Target = Literal[
    "account_owner", "parent_account_owner", "opportunity_owner", "contact_owner", "rep", "team", "pool",
    "nurture", "redirect", "hold", "disqualify", "exceptions", "close",
]  # fmt: skip


# --- scoring.yaml -----------------------------------------------------------------------------


@dataclass(frozen=True)
class ActivityTerm:
    """Which activities a rule counts, and how. Activity columns: type, occurred_at, and attributes."""

    types: tuple[str, ...]
    when: Predicate | None = None
    half_life_days: float | None = None
    counting: Literal["every", "first", "per_day"] = "every"
    at_most: int | None = None
    window_days: int | None = None


@dataclass(frozen=True)
class Measure:
    """A number about what a lead did, which conditions may name: events, UTC days with events, or days since.

    `within_days`: the UTC day in which `as_of` ends and the days before it, this many in all; None: ever.
    """

    name: str
    because: str
    types: tuple[str, ...]
    when: Predicate | None = None
    count: Literal["events", "days", "days_since"] = "events"
    within_days: int | None = None


@dataclass(frozen=True)
class Recycling:
    """When a lead starts over: at an outcome of these kinds whose reason has a cooldown.

    Engagement from before counts × `engagement`; after `cycles` the lead is closed.
    """

    outcomes: tuple[str, ...] = ()
    cooldown: Mapping[str, timedelta] = field(default_factory=dict)
    """reason -> rest before points make an MQL again; `*` is any other reason, and none; else nobody is recycled"""
    engagement: float = 0.0
    cycles: int = 3


@dataclass(frozen=True)
class Rollup:
    """How the people of an account add up: `engaged_at` points of engagement make one engaged.

    Conditions may name account_best, account_sum, account_decayed and account_engaged.
    """

    engaged_at: float = 10.0
    half_life_days: float = 30.0


Sign = Literal["plus", "minus", "either"]


@dataclass(frozen=True)
class ReviewTerms:
    """What one weight review may propose about the points, and how sure it must be (docs/review.md)."""

    most_change: int = 5
    """points by which a rule may move"""
    changes: int = 6
    """rules that may move"""
    budget: int = 20
    """points by which all rules together may move"""
    new_rules: int = 2
    level: float = 0.04
    """how often a review may propose anything where nothing is wrong"""
    least_positives: int = 60
    """leads with the outcome that it takes to learn from it"""
    locked: frozenset[str] = frozenset()
    keep: frozenset[str] = frozenset()
    """rules that may move, but never to 0"""
    signs: Mapping[str, Sign] = field(default_factory=dict)
    """rules that may change sides, or must not; a rule that is not here keeps the sign that it has"""
    bounds: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """least and most points of a rule, both included"""


@dataclass(frozen=True)
class Variant:
    """A model of its own for the leads that its `when` picks; the first that holds is in force."""

    id: str
    because: str
    when: Predicate
    scoring: Scoring


@dataclass(frozen=True)
class Rule:
    """One scoring rule: a predicate over the lead, or a count of its activities, worth points.

    `cap` bounds the magnitude of the rule's contribution, `bounds` its lowest and highest. `when` of an
    activity rule is an extra condition on the lead.
    """

    id: str
    group: Group
    because: str
    points: float
    when: Predicate | None = None
    activity: ActivityTerm | None = None
    cap: float | None = None
    bounds: tuple[float, float] | None = None

    @property
    def limits(self) -> tuple[float, float] | None:
        """The lowest and the highest contribution; None: no limits."""
        return self.bounds if self.cap is None else (-self.cap, self.cap)


@dataclass(frozen=True)
class Disqualifier:
    id: str
    because: str
    when: Predicate


@dataclass(frozen=True)
class KindRule:
    id: str
    kind: Kind
    because: str
    when: Predicate


@dataclass(frozen=True)
class Band:
    """Entered at `entry` points, left below `exit` points after `dwell`. Hottest first."""

    name: str
    entry: float
    exit: float
    dwell: timedelta = timedelta(0)


@dataclass(frozen=True)
class StageRule:
    """mql or pql; columns: score, fit, engagement, negative, band, hand_raise and the attributes."""

    name: str
    because: str
    when: Predicate


@dataclass(frozen=True)
class Grades:
    """Entry thresholds: A, B, C by fit and 1, 2, 3 by engagement; below all of them D and 4."""

    fit: tuple[float, float, float]
    engagement: tuple[float, float, float]


@dataclass(frozen=True)
class Expectation:
    """A sentence about two example leads, or one, that the model must keep; stages and bands are the better's."""

    because: str
    better: Mapping[str, object]
    worse: Mapping[str, object] | None = None
    never_stage: tuple[str, ...] = ()
    stage: str | None = None
    band: str | None = None


@dataclass(frozen=True)
class Scoring:
    attributes: Mapping[str, Type]
    activity_attributes: Mapping[str, Type]
    protected: frozenset[str]
    lists: Mapping[str, tuple[str, ...]]
    kinds: tuple[KindRule, ...]
    disqualifiers: tuple[Disqualifier, ...]
    rules: tuple[Rule, ...]
    group_bounds: Mapping[Group, tuple[float, float]]
    range: tuple[int, int]
    bands: tuple[Band, ...]
    grades: Grades
    stages: tuple[StageRule, ...]
    hand_raise_types: tuple[str, ...]
    hand_raise_days: float = 30.0
    inquiry_gap: timedelta = timedelta(minutes=30)
    expect: tuple[Expectation, ...] = ()
    model: str = "default"
    measures: tuple[Measure, ...] = ()
    recycling: Recycling = Recycling()
    rollup: Rollup = Rollup()
    changeable: frozenset[str] = frozenset()
    """attributes that a person can find out or correct: explain says what they would lift"""
    variants: tuple[Variant, ...] = ()
    review: ReviewTerms = ReviewTerms()
    predictive: str | None = None
    """file beside scoring.yaml with a model of probability, which is told beside the score"""

    @property
    def models(self) -> tuple[Scoring, ...]:
        """The default model and those of the variants, in their order."""
        return (self, *(variant.scoring for variant in self.variants))


# --- teams.yaml -------------------------------------------------------------------------------


def within(day: date, first: date | None, last: date | None) -> bool:
    """Whether the day lies in the span, both ends included; None: no end on that side."""
    return (first is None or first <= day) and (last is None or day <= last)


Hours = Mapping[int, tuple[tuple[time, time], ...]]  # ISO weekday (1 = Monday) -> open spans


@dataclass(frozen=True)
class TimeOff:
    """Local dates of the rep, both included."""

    first: date
    last: date
    because: str


@dataclass(frozen=True)
class Caps:
    day: int | None = None
    week: int | None = None
    open: int | None = None
    hour: int | None = None
    """by the clock of the rep's zone"""


@dataclass(frozen=True)
class Rep:
    id: str
    name: str
    email: str
    role: str
    zone: str
    hours: Hours
    holidays: str | None = None
    """ISO country, or country-subdivision ("DE", "US-CA"), of the `holidays` library."""
    time_off: tuple[TimeOff, ...] = ()
    caps: Caps = Caps()
    ramp: tuple[float, ...] = ()
    """Share of caps and weight by month since `active_from`; full after the last."""
    active_from: date | None = None
    active_until: date | None = None
    sells: bool = True
    languages: tuple[str, ...] = ()
    suits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """attribute -> the values this rep takes, where a destination asks for a match; `9*` is any that begins so"""
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Source -> external ids or names by which that source calls this rep."""
    cover: tuple[str, ...] = ()
    """who is told about this rep's leads while it is away, and takes those in contact when it leaves; first to last"""


@dataclass(frozen=True)
class Stint:
    """A member's time in a team: local dates of the rep, both included; None: no end on that side."""

    weight: float
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True)
class Team:
    id: str
    name: str
    members: tuple[tuple[str, float], ...]
    """(rep id, weight), each once; where `stints` has the rep, the weights are those of the stints"""
    manager: str | None = None
    queue_owner: str | None = None
    queue: str | None = None
    """Name of the CRM's queue or list to which the team's pool is pushed."""
    stints: Mapping[str, tuple[Stint, ...]] = field(default_factory=dict)
    """rep -> when it is in the team, in order of time; not here: always"""
    first: date | None = None
    """UTC date from which the team takes leads"""
    last: date | None = None

    def weight(self, rep: str, today: date) -> float | None:
        """The member's weight on a local date; None: not in the team then."""
        if rep not in self.stints:
            return dict(self.members).get(rep)
        return next((one.weight for one in self.stints[rep] if within(today, one.first, one.last)), None)


@dataclass(frozen=True)
class OnCall:
    """Who answers for a team outside everybody's hours, from a moment until another, which is not included."""

    team: str
    rep: str
    first: datetime
    last: datetime


@dataclass(frozen=True)
class Teams:
    reps: Mapping[str, Rep]
    teams: Mapping[str, Team]
    on_call: tuple[OnCall, ...] = ()


# --- sla.yaml ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Span:
    """A length of time: minutes or hours or whole days of a calendar."""

    amount: float
    unit: Literal["minutes", "hours", "days"]


Told = Literal["manager", "head_of_sales"]
Waiting = Literal["pool", "held", "exceptions", "match_ask"]


@dataclass(frozen=True)
class Tier:
    """One promise: how soon, in whose hours, and what happens when it is not kept."""

    name: str
    first_touch: Span | None
    accept: Span | None
    calendar: Literal["rep", "team", "always"]
    warn_share: float = 0.6
    """share of the business time after which who owes it is warned"""
    reassign_factor: float = 2.0
    """so many times the business time after which the lead goes to somebody else"""
    escalate: tuple[Told, ...] = ("manager",)
    """who is told of a breach beside the rep, in this order"""
    lead_hours: tuple[time, time] | None = None
    """of calls: local times of the lead between which it may be called; hand-raisers always"""


@dataclass(frozen=True)
class TierChoice:
    """Leads that get a tier of their own; an empty tuple asks nothing."""

    tier: str
    band: tuple[str, ...] = ()
    stage: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    team: tuple[str, ...] = ()

    def takes(self, band: str, stage: str | None, source: str | None, team: str | None) -> bool:
        asked = ((self.band, band), (self.stage, stage), (self.source, source), (self.team, team))
        return all(found in allowed for allowed, found in asked if allowed)


@dataclass(frozen=True)
class FollowUp:
    """So many touches within so much business time after the first one, else the lead rests for the reason `then`."""

    attempts: int
    within: Span
    then: str


@dataclass(frozen=True)
class Silent:
    """After so many breaches in so long a rep takes no turns for the rest of the working day."""

    breaches: int = 3
    within: timedelta = timedelta(days=5)


@dataclass(frozen=True)
class MailRules:
    """How people are written to; hours are those of the reader's zone."""

    quiet_hours: tuple[time, time] | None = (time(20), time(7))
    """over midnight where the end is before the start; None: none"""
    digest_above: int = 5
    """more than so many that wait become one mail"""
    per_hour: int = 12
    """to one person; what never waits is not counted"""
    repeat_window: timedelta = timedelta(minutes=15)
    """how long after a sending that may have failed it is tried once more"""


RUNS: Final = MappingProxyType(
    {"lead_flow": timedelta(minutes=5), "sla_watch": timedelta(minutes=5), "outcome_sync": timedelta(hours=1)}
)


@dataclass(frozen=True)
class Pipeline:
    """What the pipeline itself promises: how long what may take, and how much is too much."""

    runs: Mapping[str, timedelta] = field(default_factory=lambda: dict(RUNS))
    """DAG -> how often it runs; without a run that came to its end it is late after twice that"""
    open_for: timedelta = timedelta(hours=1)
    """from the moment of a run to its end"""
    unread: timedelta = timedelta(hours=1)
    """a source, since it was last read to its end"""
    owed: timedelta = timedelta(minutes=30)
    """a write to a source, since it could be sent"""
    mail: timedelta = timedelta(minutes=15)
    """a mail that waits for nothing, since it could be sent"""
    growth: float = 3.0
    """records quarantined in a day against a usual day of the four weeks before"""

    def late(self, dag: str) -> timedelta:
        return 2 * self.runs[dag]

    def within(self, span: timedelta) -> Pipeline:
        """The same, where DAGs that run at least so often may be silent for so long."""
        runs = {dag: span / 2 if every <= span else every for dag, every in self.runs.items()}
        return replace(self, runs=runs)


@dataclass(frozen=True)
class Sla:
    tiers: Mapping[str, Tier]
    by_band: Mapping[str, str]
    """band -> tier name"""
    hand_raise: str
    """tier name of hand-raises"""
    team_hours: Hours
    team_zone: str
    choose: tuple[TierChoice, ...] = ()
    """before `by_band`; the first that takes the lead"""
    queues: Mapping[Waiting, Span] = field(default_factory=dict)
    """how long a lead may wait where no rep owes it anything, in the team's hours; not here: as long as it takes"""
    head_of_sales: str | None = None
    """rep id"""
    revops: str | None = None
    """rep id or e-mail of who is told of the pipeline itself"""
    marketing: str | None = None
    """rep id or e-mail of who is told when what makes a lead changes"""
    silent: Silent = Silent()
    late_after: timedelta = timedelta(hours=24)
    """a touch logged so long after it happened counts, marked"""
    follow_up: Mapping[str, FollowUp] = field(default_factory=dict)
    """tier name -> what follows the first touch"""
    stage_limit: Mapping[str, Span] = field(default_factory=dict)
    """stage -> business time after which the manager is told that a lead stays in it"""
    mail: MailRules = MailRules()
    later: Mapping[str, str] = field(default_factory=dict)
    """activity type -> its attribute that says until when the lead wants to be left alone"""
    pipeline: Pipeline = Pipeline()

    def tier(self, name: str | None) -> Tier | None:
        return self.tiers.get(name or "")


# --- routing.yaml -----------------------------------------------------------------------------


Strategy = Literal["weighted_round_robin", "least_open", "best_fit"]


@dataclass(frozen=True)
class BestFit:
    """How a rung picks by what each rep made of such leads."""

    segment: tuple[str, ...] = ()
    """attributes whose values make leads alike; none: all leads are"""
    explore: float = 0.1
    """share of the leads, by a hash of their id, that goes by turns, so that everybody is measured"""
    at_most_ahead: float = 3.0
    """turns by weight: a rep more than so many above the lowest credit is not picked by fit"""
    window_days: int = 365
    """leads that were given so many days ago or later count"""


@dataclass(frozen=True)
class Destination:
    """One rung: where to send a lead and how to pick there."""

    target: Target
    name: str | None = None
    """team, pool, rep or redirect name (`support`, `partner`, `vendor`, `job`); of a hold with `until` its team"""
    pick: Strategy = "weighted_round_robin"
    hours: Literal["require", "prefer", "ignore", "on_call"] = "prefer"
    """on_call: who is in hours, else the team's rep on call, without a turn"""
    language: bool = False
    """only reps who speak the lead's `language` (no language known: any)"""
    match: tuple[str, ...] = ()
    """only reps whose list for each of these attributes has the lead's value (no value or no list: any)"""
    min_tenure_days: int | None = None
    """only reps who started at least so many days ago"""
    until: Literal["working_hours"] | None = None
    """of a hold: until the first of the team comes back; while one of them is free it is a turn like the team's"""
    fit: BestFit | None = None
    """of a pick by best_fit"""


@dataclass(frozen=True)
class RoutingRule:
    """First matching rule wins; its ladder is tried from the first destination to the last."""

    id: str
    because: str
    when: Predicate
    ladder: tuple[Destination, ...]
    tier: str | None = None


@dataclass(frozen=True)
class Explored:
    """The share of leads that policy would nurture for want of points and that goes to sales all the same.

    Without them nobody knows what leads below the threshold are worth: the weight review learns from them, each
    standing for 1 / share leads.
    """

    share: float
    ladders: Mapping[str, tuple[Destination, ...]]
    """territory -> where to; `*` is any other, and none"""
    tier: str | None = None
    newer_than: timedelta = timedelta(days=7)
    """older leads, when they are decided for the first time, are not explored"""


@dataclass(frozen=True)
class Territory:
    """A named condition on the lead: the `territory` column holds the deepest that matches, first among siblings."""

    name: str
    when: Predicate
    within: str | None = None
    """the territory of which it is a part: its own condition is asked where that one's holds"""


@dataclass(frozen=True)
class Rerouting:
    """What happens to a lead that comes back from its owner, and what is never taken away from one."""

    returned: tuple[str, ...] = (
        "wrong territory",
        "duplicate",
        "existing customer",
        "spam",
        "bad data",
        "conflict",
    )
    """reasons of a decline that give the turn back"""
    spent: tuple[str, ...] = ("no capacity", "not interested", "no answer", TIME_OUT)
    """reasons of a decline that do not, nor does any other"""
    declines: int = 2
    """after so many the manager decides"""
    hops: int = 2
    """so often a lead is taken from a silent owner, then the manager decides"""
    protect: Span = Span(5, "days")
    """business days after the first touch in which a lead is not taken away for what it is now"""
    promotions_a_day: int = 20
    """leads a team gets at most in a day (UTC) because the model changed, or points faded"""

    @property
    def reasons(self) -> tuple[str, ...]:
        """All that a rep may give for a decline."""
        return (*self.returned, *self.spent)


@dataclass(frozen=True)
class Routing:
    territories: tuple[Territory, ...]
    rules: tuple[RoutingRule, ...]
    fallback: tuple[Destination, ...]
    """tried after a rule's own ladder; the last rung is always exceptions"""
    sticky_company: bool = True
    """people of one company follow the owner of its open leads"""
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """named lists of this file, beside those of scoring.yaml"""
    rerouting: Rerouting = Rerouting()
    exceptions_owner: str | None = None
    """the rep who answers for exceptions of no team"""
    pool_max_age: timedelta | None = None
    """how long a lead may wait in a pool before it is routed down the ladder; None: as long as it takes"""
    explored: Explored | None = None

    @property
    def terms(self) -> tuple[str, ...]:
        """The attributes and columns whose values decisions compare, in order of their names."""
        named = (
            name for rung in self.rungs for name in (*rung.match, *(rung.fit.segment if rung.fit else ()))
        )
        return tuple(sorted(set(named)))

    def destinations(self, team: str) -> list[Destination]:
        """The rungs that give turns of that team."""
        return [rung for rung in self.rungs if rung.name == team and (rung.target == "team" or rung.until)]

    @property
    def rungs(self) -> tuple[Destination, ...]:
        """Every destination of every ladder, the fallback's last."""
        explored = self.explored.ladders.values() if self.explored else ()
        ladders = (*(rule.ladder for rule in self.rules), *explored, self.fallback)
        return tuple(rung for ladder in ladders for rung in ladder)


# --- contract.yaml ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    """A check on one field; `allowed` is its argument (list, pattern, [low, high] or null)."""

    rule: Literal[
        "one_of", "matches", "between", "max_length", "email", "phone", "not_future", "not_rounded", "whole"
    ]
    allowed: object = None


@dataclass(frozen=True)
class Field:
    name: str
    type: Type
    required: bool = False
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class ObjectContract:
    """`any_of`: at least one field of each group must be usable, else the record is quarantined."""

    fields: tuple[Field, ...]
    any_of: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class BatchRule:
    """volume (ratio to the trailing median), bad_share, freshness (hours) or schema (drift)."""

    rule: Literal["volume", "bad_share", "freshness", "schema"]
    objects: tuple[str, ...]
    warn: float | None
    stop: float | None
    trailing_windows: int = 28


@dataclass(frozen=True)
class Retention:
    """Days for which each kind of thing is kept as it is; None: for ever. docs/privacy.md says what is left of each."""

    payloads: int | None = 180
    """records that were used, as they came, and what was wrong with their fields"""
    dismissed: int | None = 90
    """records in quarantine that a person dismissed, counted from when they were set aside"""
    quarantine: int | None = 365
    """records in quarantine that nobody decided about"""
    mails: int | None = 180
    """what mails said that are no longer owed"""
    writes: int | None = 180
    """what was written to a source, but for what it is compared with"""
    dead_writes: int | None = 180
    """writes that failed and that nobody tried again"""
    shadow: int | None = 540
    """what shadow runs decided"""
    data_docs: int | None = 90
    reports: int | None = 730
    """pages of the weight review and of replays, on disk"""
    leads: int | None = None
    """leads that are closed or disqualified, and of whom nothing was heard since: they are erased"""


@dataclass(frozen=True)
class Contract:
    objects: Mapping[str, ObjectContract]
    batch_rules: tuple[BatchRule, ...]
    retention: Retention = Retention()


# --- sources.yaml -----------------------------------------------------------------------------

OBJECTS = ("leads", "contacts", "accounts", "opportunities", "activities", "reps", "outcomes")
PUSHED = (
    "owner", "queue", "place", "team", "score", "band", "grade", "stage", "because", "tier", "sla_due",
)  # fmt: skip
"""what a write to a source may set"""
FEEDBACK = ("stage_since", "outcome", "outcome_at", "decline_reason")
"""what became of a lead: written to a source that names it under `push_fields`"""
MERGING = ("hubspot",)
"""connectors that can merge two records of their system"""
OWNERSHIP = ("owner", "queue")
"""what is also written to the master of owners: routing proposes there, and a person's choice stands"""
CLEARLANE = "clearlane"
"""the master of a field that no source has"""
GOVERNED = ("owner",)
"""attributes of a lead that are never taken from another source than their master"""


@dataclass(frozen=True)
class Lookup:
    """A value found in another file or table of the source: the `take` of the row there whose `match`
    equals this record's column `by`. What stands there more than once is ambiguous, so never taken.
    """

    read: str
    match: str
    by: str
    take: str


@dataclass(frozen=True)
class ObjectMapping:
    """How one object of a source maps to our names.

    `fields`: our name -> column of the source, or `= literal`. `time_formats`: strptime formats (or
    `epoch_seconds`, `epoch_milliseconds`, `excel_days`) tried in turn before ISO 8601. Unmapped columns are kept as
    attributes unless `extras` is off or `drop` names them.
    """

    object: str
    read: str
    """path or glob for files; table name or a select statement for sql"""
    fields: Mapping[str, str]
    time_formats: tuple[str, ...] = ()
    zone: str = "UTC"
    cursor: str | None = None
    """column (ours) that orders changes: updated_at, occurred_at ..."""
    extras: bool = True
    drop: tuple[str, ...] = ()
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """our field -> {value of the source: our value}"""
    numbers: tuple[str, ...] = ("amount",)
    """our fields that may be written as money: `$342.09K` becomes 342090"""
    decimal: Literal[".", ","] = "."
    """of `numbers`: with a comma `1.234,56` is a thousand and more"""
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    """our field -> where its value is found"""
    encoding: str = "utf-8"
    """of text files; a byte order mark overrules it"""
    delimiter: str | None = None
    """of CSV files; None: found from the header"""
    lookback: timedelta = timedelta(hours=1)
    """how far before its watermark a live run reads again, for records that were written late"""
    link: str | None = None
    """address of a record's page for people, with `{external_id}` in it"""
    lag: timedelta = timedelta(0)
    """of outcomes: how long after a touch the source may show it; promises are judged that much later"""

    @property
    def reads_back(self) -> timedelta:
        """How far before its watermark a live run reads again."""
        return max(self.lookback, self.lag)


@dataclass(frozen=True)
class Rate:
    """So many requests in so many seconds."""

    requests: int
    seconds: float

    @property
    def spacing(self) -> timedelta:
        """Between the starts of two requests: so no span of that length holds more than it may."""
        return timedelta(seconds=self.seconds / self.requests)


@dataclass(frozen=True)
class Limits:
    """What writing may ask of a system, by all processes together."""

    rate: Rate | None = None
    concurrent: int = 4
    """batches in flight"""
    batch: int = 500
    """records in one request"""
    failures: int = 5
    """in a row, after which the system is left alone for `rest`, longer after each further failure"""
    rest: timedelta = timedelta(minutes=5)


@dataclass(frozen=True)
class RestAuth:
    """How a JSON interface is told who asks; the secrets themselves are the connection's.

    `bearer`, `header` and `query` send its password, `basic` its login and password; `oauth2` takes these as client id
    and secret, and the extra `refresh_token` where there is one.
    """

    by: Literal["none", "bearer", "basic", "header", "query", "oauth2"] = "none"
    name: str = ""
    """of the header or the parameter"""
    prefix: str = ""
    """before the key in its header"""
    token_address: str = ""
    """whole, or a path of the source"""
    scope: str | None = None
    basic: bool = False
    """client id and secret go into the Authorization header, not into the form"""


@dataclass(frozen=True)
class RestPages:
    """How one page leads to the next: see connectors/pages.py."""

    by: Literal["none", "offset", "number", "token", "link", "last"] = "none"
    name: str = ""
    """of the parameter that says which page"""
    limit: int | None = None
    limit_name: str = "limit"
    at: str | None = None
    """where the answer holds the total, the number of pages, the token or the link"""
    first: int = 1
    key: str = ""
    """of a record, by which the next page is asked for"""


@dataclass(frozen=True)
class RestRead:
    """One list of records. `{start}` and `{end}` in `params` and `body` are the moments that changes lie between."""

    path: str
    records: str = ""
    """where the answer holds the list; empty: the answer is the list"""
    method: Literal["GET", "POST"] = "GET"
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    pages: RestPages = RestPages()
    moments: str = "iso"
    """how moments are written: `iso`, `epoch_seconds`, `epoch_milliseconds`, or strftime"""
    zone: str = "UTC"


@dataclass(frozen=True)
class RestWrite:
    """One write of one record. Texts may hold `{external_id}`, `{idempotency_key}`, `{fields}` and names of PUSHED."""

    path: str
    method: Literal["POST", "PUT", "PATCH"] = "PATCH"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = "{fields}"
    read_back: str | None = None
    """path of the record as it is now"""
    record: str = ""
    """where the answer holds that record"""


@dataclass(frozen=True)
class Rest:
    """A JSON interface, described: what objects' `read` and the source's `push` name is found here."""

    auth: RestAuth = RestAuth()
    headers: Mapping[str, str] = field(default_factory=dict)
    check: str | None = None
    """path that answers whoever has valid credentials"""
    reads: Mapping[str, RestRead] = field(default_factory=dict)
    writes: Mapping[str, RestWrite] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    name: str
    connector: str
    address: str
    """folder or fsspec address, or `connection:<name>` resolved outside the library"""
    objects: Mapping[str, ObjectMapping]
    live_from: datetime | None = None
    existing_owner: Literal["keep", "ignore"] = "keep"
    push: str | None = None
    """where assignments go back to; null: this source is not written to"""
    push_fields: Mapping[str, str] = field(default_factory=dict)
    """what is written (PUSHED) -> what the source calls it; what is not named is not sent. Empty: the connector's
    own names"""
    rest: Rest | None = None
    """of the connector `rest`"""
    limits: Limits = Limits()
    merge: Literal["by hand", "push"] = "by hand"
    """who merges two of its records that are one person: somebody there, or we, which cannot be undone"""
    score_step: float | None = 5.0
    """points by which a score moves before it is pushed without a decision; bands, grades and stages always
    are. None: scores go with decisions only."""


@dataclass(frozen=True)
class Matching:
    """When a company is taken for an account whose name is alike, by probability, and when a person is asked.

    `companies` is how many companies a lead may come from for each of which there is an account: the more, the
    more alike names must be. A `match` of 1 takes none without asking.
    """

    match: float = 0.9
    ask: float = 0.3
    companies: int = 2_000


ProviderKind = Literal["sixsense", "apollo_person", "apollo_company", "json"]


@dataclass(frozen=True)
class JsonValue:
    """Where a JSON answer holds one attribute, and what it must be; another type counts as unknown."""

    at: str
    """dotted path"""
    type: Literal["text", "number", "boolean"] = "text"
    values: Mapping[str, str] = field(default_factory=dict)
    """their word -> ours"""


@dataclass(frozen=True)
class JsonAsk:
    """One request about one lead or company, and where its answer holds what. Texts may hold `{attribute}`."""

    path: str
    attributes: Mapping[str, JsonValue]
    method: Literal["GET", "POST"] = "GET"
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """may hold `{idempotency_key}` too"""
    body: Any = None
    auth: RestAuth = RestAuth()
    record: str = ""
    """where the answer holds the record; nothing there: not known"""
    unknown: tuple[int, ...] = (404,)
    """statuses that mean: not known"""
    confidence: str | float = 1.0
    """from 0 to 1, or the path of a number that is"""


@dataclass(frozen=True)
class PaidProvider:
    """A provider that is asked over the network, a request for each key: what `by` says, known of the lead."""

    name: str
    kind: ProviderKind
    address: str
    by: tuple[str, ...]
    """attributes that must be known; those who share their values share the answer"""
    budget: int = 1_000
    """requests a day (UTC), by all processes together"""
    age: timedelta = timedelta(days=90)
    """after which a lead that is worked on is asked about again"""
    unknown_age: timedelta = timedelta(days=30)
    """the same where nothing was known"""
    ages: Mapping[str, timedelta] = field(default_factory=dict)
    """attribute -> its own age, where that is less"""
    missing: tuple[str, ...] = ()
    """it is asked only where one of these is not known by record and machine; empty: always"""
    timeout: timedelta = timedelta(seconds=5)
    """of one request, from its beginning to the end of the answer"""
    least: float = 0.0
    """an answer of less confidence counts as unknown"""
    required: bool = False
    """a run stops where it cannot be used; else the run goes on, and the runbook says what to do"""
    limits: Limits = Limits()
    """`batch` has no meaning here"""
    json: JsonAsk | None = None


@dataclass(frozen=True)
class Enrichment:
    """How long a run waits for the providers that are paid, and who they are."""

    deadline: timedelta = timedelta(seconds=20)
    """of a run, for all providers together: whoever is not known by then is routed on what is known"""
    providers: Mapping[str, PaidProvider] = field(default_factory=dict)


@dataclass(frozen=True)
class People:
    """From which probability a person is asked whether two records are one person, and from which nobody is.

    Exact keys merge whatever is here. `records` is among how many others a record's person is looked for at least,
    where the ledger holds fewer: the more, the more alike two must be. A `merge` of 1 merges nothing that is merely
    alike, an `ask` of 1 asks about nothing.
    """

    merge: float = 1.0
    ask: float = 0.9
    records: int = 100_000


@dataclass(frozen=True)
class Sources:
    sources: Mapping[str, Source]
    precedence: Mapping[str, tuple[str, ...]]
    """attribute -> providers, best first; the default order is under `*`"""
    masters: Mapping[str, str] = field(default_factory=dict)
    """field -> the source whose word on it counts, or CLEARLANE"""
    matching: Matching = Matching()
    enrichment: Enrichment = Enrichment()
    people: People = People()

    def tells(self, source: str, name: str) -> bool:
        """Whether the source's word on the field counts: it is the master, or no source is."""
        return self.masters.get(name, CLEARLANE) in (source, CLEARLANE)

    def written(self, source: Source) -> tuple[str, ...]:
        """What is written to the source: what it takes, but for fields whose master it is."""
        taken = tuple(source.push_fields) or (*PUSHED, "cover")
        return tuple(name for name in taken if name in OWNERSHIP or self.masters.get(name) != source.name)


# --- the whole --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Section:
    """Who answers for a file and who approves its changes."""

    owner: str
    approver: str


@dataclass(frozen=True)
class Policy:
    scoring: Scoring
    routing: Routing
    teams: Teams
    sla: Sla
    contract: Contract
    sources: Sources
    hashes: Mapping[str, str]
    """file name -> sha256 of its content"""
    sections: Mapping[str, Section] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
