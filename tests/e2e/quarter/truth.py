"""What the log of the watch has to say, worked out from what really happened; plain loops, nothing of the watch.

From the ledger come the promises (start, due moment, who owed it) and who owned a lead when. Touches, and when a system
could be read, are the simulation's own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from math import ceil
from typing import Any, Final

import sqlalchemy as sa
from tests.e2e.quarter import people
from tests.e2e.quarter.crm import LAG
from tests.e2e.quarter.firm import FOLLOW_UP
from tests.e2e.quarter.simulation import STEP, Simulation

from clearlane.policy.model import TIME_OUT
from clearlane.sla.figures import Offers, offers, reasons
from clearlane.sla.speed import Window, speed

SKEW: Final = timedelta(minutes=5)
"""so much earlier than its promise a touch may be dated"""
NEVER: Final = datetime.max.replace(tzinfo=UTC)
_CLOCKS: Final = """
select k.*, l.survivor_id, d.as_of as decided_at, d.team as decided_team, d.mode as decided_by
from sla_clock k join lead l using (lead_id) left join decision d on d.decision_seq = k.decision_seq
order by k.clock_id
"""
_ENDS: Final = {"time_out": TIME_OUT, "reassign": "taken", "exhausted": "no answer"}
"""what the watch told -> what became of the lead for its rep"""
ORDER: Final = ("warn", "breach", "reassign", "escalate_manager", "escalate_head")


@dataclass(frozen=True)
class Truth:
    """What is to be found in the ledger of a simulation that has come to its end."""

    simulation: Simulation

    def rows(self, query: str) -> list[Mapping[str, Any]]:
        with self.simulation.engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.text(query)).mappings()]

    @cached_property
    def clocks(self) -> list[Mapping[str, Any]]:
        return self.rows(_CLOCKS)

    @cached_property
    def events(self) -> list[Mapping[str, Any]]:
        return self.rows("select * from sla_event order by event_id")

    @cached_property
    def members(self) -> Mapping[Any, list[tuple[str, str]]]:
        """Surviving lead -> (system, lead) of all its records."""
        found: dict[Any, list[tuple[str, str]]] = defaultdict(list)
        for row in self.rows("select survivor_id, source, external_id from lead"):
            found[row["survivor_id"]].append((row["source"], row["external_id"]))
        return found

    @cached_property
    def owners(self) -> Mapping[Any, list[Mapping[str, Any]]]:
        return _by(self.rows("select * from assignment"), "lead_id")

    @cached_property
    def _deeds(self) -> Mapping[tuple[str, str], list[people.Deed]]:
        found: dict[tuple[str, str], list[people.Deed]] = defaultdict(list)
        for deed in self.simulation.deeds:
            found[deed.system, deed.lead].append(deed)
        return found

    @cached_property
    def _team(self) -> Mapping[str, set[str]]:
        return self.simulation.teams()

    # --- what happened ------------------------------------------------------------------------

    def first_touch(
        self, clock: Mapping[str, Any], *, shown: bool = False, known: datetime = NEVER
    ) -> datetime:
        """When the promise was kept while it stood, by whoever may keep it; NEVER where nobody did.

        `shown`: a touch that came late counts only where a system showed it before the promise was called off.
        `known`: only what had been read by then counts.
        """
        kinds = {"first_touch", "meeting"} | ({"accepted"} if clock["kind"] == "accept" else set())
        ended = clock["ended_at"] or NEVER
        found = (
            max(deed.at, clock["started_at"])
            for deed in self._of(clock["survivor_id"])
            if deed.kind in kinds
            and clock["started_at"] - SKEW <= deed.at < ended
            and self._counts(deed, clock)
            and self._read(deed) <= known
            and not (shown and self._read(deed) > ended and deed.at > clock["due_at"])
        )
        return min(found, default=NEVER)

    def _read(self, deed: people.Deed) -> datetime:
        """The first run of the watch that can have read what a rep logged."""
        runs, outages = self.simulation.watched, self.simulation.outages[deed.system]
        later = runs[bisect_right(runs, deed.shown) :]
        return next((run for run in later if not people.within(outages, run)), NEVER)

    def _of(self, survivor: Any) -> Iterator[people.Deed]:
        for member in self.members[survivor]:
            yield from self._deeds.get(member, ())

    def _counts(self, deed: people.Deed, clock: Mapping[str, Any]) -> bool:
        if deed.rep == clock["rep_id"] or deed.rep in self._team.get(clock["decided_team"], ()):
            return True
        return any(
            owned["rep_id"] == deed.rep and owned["started_at"] <= deed.at + SKEW
            and (owned["ended_at"] is None or owned["ended_at"] > deed.at)
            for owned in self.owners.get(clock["survivor_id"], ())
        )  # fmt: skip

    def readable(self, clock: Mapping[str, Any], moment: datetime) -> datetime | None:
        """The first run of the watch at which all touches of before a moment could be known; None: not yet."""
        runs = self.simulation.watched
        systems = {system for system, _ in self.members[clock["survivor_id"]]}
        return next(
            (run for run in runs[bisect_right(runs, moment + LAG) :]
             if not any(people.within(self.simulation.outages[one], run) for one in systems)),
            None,
        )  # fmt: skip

    def falls(self, clock: Mapping[str, Any], moment: datetime | None) -> bool:
        """Whether the promise was not kept at a moment, and still stood."""
        if moment is None or self.first_touch(clock) <= moment:
            return False
        return clock["ended_at"] is None or clock["ended_at"] > moment

    # --- what is wrong ------------------------------------------------------------------------

    def wrong(self) -> list[str]:
        """Where the log says otherwise than what happened."""
        found = (
            self._told_otherwise,
            self._late,
            self._taken_wrongly,
            self._out_of_order,
            self._unplaced,
            self._unmailed,
            self._miscounted,
            self._misjudged,
            self._overruled,
            self._followed_otherwise,
        )
        return [said for one in found for said in one()]

    def _told_otherwise(self) -> Iterator[str]:
        told = {(event["clock_id"], event["kind"]) for event in self.events}
        for clock in self.clocks:
            if clock["kind"] in ("arrival", "assignment", "accept") and clock["paused_at"] is None:
                for kind, moment in _moments(clock):
                    expected = self.falls(clock, moment) and self.readable(clock, moment) is not None
                    if expected != ((clock["clock_id"], kind) in told):
                        yield f"{kind} {'missing' if expected else 'not true'}: {self._said(clock)}"

    def _late(self) -> Iterator[str]:
        of = {clock["clock_id"]: clock for clock in self.clocks}
        for event in self.events:
            clock = of[event["clock_id"]]
            if event["kind"] in ("breach", "time_out", "warn") and clock["kind"] not in (
                "queue",
                "follow_up",
            ):
                at = self.readable(clock, event["occurred_at"])
                known = max(at, clock["decided_at"] + STEP) if at else None
                early = at is None or event["noted_at"] < at
                if early or known is None or event["noted_at"] > known:
                    merged = len(self.members[clock["survivor_id"]]) > 1
                    if not merged:
                        yield f"{event['kind']} noted {event['noted_at']}, readable {at}: {self._said(clock)}"

    def _taken_wrongly(self) -> Iterator[str]:
        of = {clock["clock_id"]: clock for clock in self.clocks}
        for event in self.events:
            clock = of[event["clock_id"]]
            if event["kind"] == "reassign" and self.first_touch(clock) <= clock["reassign_at"]:
                yield f"taken away though touched: {self._said(clock)}"
            if event["kind"] == "reassign" and clock["decided_by"] == "hand":
                yield f"taken from whom a person chose: {self._said(clock)}"

    def _out_of_order(self) -> Iterator[str]:
        """But for leads that routing gave up, for a reason: of these the manager is told at once."""
        for clock, events in _by(self.events, "clock_id").items():
            steps = [event for event in events if event["kind"] in ORDER and "because" not in event["detail"]]
            kinds = [one["kind"] for one in steps]
            if kinds != sorted(set(kinds), key=ORDER.index):
                yield f"out of order, or twice: {clock} {kinds}"
            if [one["occurred_at"] for one in steps] != sorted(one["occurred_at"] for one in steps):
                yield f"moments out of order: {clock} {[(one['kind'], one['occurred_at']) for one in steps]}"

    def _unplaced(self) -> Iterator[str]:
        """Nobody is left without an owner or a queue, nor has both; nobody waits for a run any more."""
        places = {row["lead_id"]: row for row in self.rows("select * from place")}
        for lead in self.members:
            place = places.get(lead)
            owners = [one for one in self.owners.get(lead, ()) if one["ended_at"] is None]
            if place is None or place["place"] == "waiting":
                yield f"nowhere: {self.members[lead]} {place}"
            elif [place["rep_id"]] * (place["place"] == "owned") != [one["rep_id"] for one in owners]:
                yield f"in two places: {self.members[lead]} {place} {owners}"
        if len(self.simulation.arrived) != sum(map(len, self.members.values())):
            yield f"{len(self.simulation.arrived)} came, {self.members} are known"

    def _unmailed(self) -> Iterator[str]:
        """Of each breach its rep and whoever is above are told, by one mail about that lead and owner."""
        told = self.rows("select lead_id, person from mail where kind in ('breach', 'queue')")
        owed = {(row["lead_id"], row["person"]) for row in told}
        for event in self.events:
            if event["kind"] == "breach":
                for person in {event["rep_id"], event["to_rep_id"]} - {None}:
                    if (event["lead_id"], person) not in owed:
                        yield f"{person} is not told: {event}"
        for row in self.rows("select kind, state, error from mail where state in ('dead', 'refused')"):
            yield f"not sent: {row}"

    def _miscounted(self) -> Iterator[str]:
        """The figures of each week of what fell due in it, all together and by rep."""
        begin, end = self.simulation.size.begin, self.simulation.size.end
        while begin < end:
            window = Window(begin, min(begin + timedelta(days=7), end), self.simulation.watched[-1])
            with self.simulation.engine.begin() as connection:
                told = speed(connection, self.simulation.pinned(connection), window)
            for one in told:
                if one.by in ("all", "rep", "tier"):
                    expected = self._figures(one.promise, one.by, one.name, window)
                    found = one.kept, one.late, one.unjudged, one.called_off, one.median, one.p90
                    if found != expected:
                        yield f"{one.promise} {one.by} {one.name} of {begin}: {found}, not {expected}"
            begin = window.until

    def _figures(self, promise: str, by: str, name: str | None, window: Window) -> tuple[Any, ...]:
        counts, took = Counter[str](), list[timedelta]()
        for clock in self.clocks:
            whose = {"all": None, "rep": clock["rep_id"], "tier": clock["tier"]}[by]
            if clock["kind"] == promise and whose == name and window.since <= clock["due_at"] < window.until:
                touch = self.first_touch(clock, shown=True)
                if touch <= clock["due_at"]:
                    counts["kept"] += 1
                elif clock["ended_at"] and clock["ended_at"] <= clock["due_at"]:
                    counts["called off"] += 1
                    continue
                elif self.readable(clock, clock["due_at"]) is None:
                    counts["unjudged"] += 1
                    continue
                else:
                    counts["late"] += 1
                took.append(touch - clock["started_at"] if touch < NEVER else timedelta.max)
        counted = (counts[state] for state in ("kept", "late", "unjudged", "called off"))
        return *counted, _percentile(took, 0.5), _percentile(took, 0.9)

    # --- what was made of leads ---------------------------------------------------------------

    def _misjudged(self) -> Iterator[str]:
        """Acceptance and the reasons of declines of what was given in each week, all together and by rep."""
        begin, end = self.simulation.size.begin, self.simulation.size.end
        while begin < end:
            window = Window(begin, min(begin + timedelta(days=7), end), self.simulation.watched[-1])
            with self.simulation.engine.begin() as connection:
                returned = self.simulation.pinned(connection).routing.rerouting.returned
                told = offers(connection, returned, window)
                why = reasons(connection, window)
            verdicts = list(self._verdicts(window))
            found = {(one.by, one.name): _answers(one) for one in told if one.by in ("all", "rep")}
            expected = _counted(verdicts, {reason.lower() for reason in returned})
            said = {(one.by, one.name, one.reason): one.count for one in why if one.by in ("all", "rep")}
            declined = _reasons(verdicts)
            if (found, said) != (expected, declined):
                differ = [(key, found.get(key), expected.get(key)) for key in {*found, *expected}]
                why_not = [(key, said.get(key), declined.get(key)) for key in {*said, *declined}]
                yield f"{begin}: {[one for one in (*differ, *why_not) if one[1] != one[2]]}"
            begin = window.until

    def _verdicts(self, window: Window) -> Iterator[tuple[str, str]]:
        """(rep, what was made of it) of each lead given: accepted, taken, open, or the reason of the decline."""
        everyone = {
            row["decision_seq"] for row in self.rows("select decision_seq from decision where mode = 'live'")
        }
        persons = _by([dict(row, person=self._person[row["lead_id"]]) for row in self._assignments], "person")
        for person, held in persons.items():
            given = sorted(held, key=lambda one: (one["started_at"], one["assignment_id"]))
            for one, after in zip(given, [*given[1:], None], strict=True):
                until = after["started_at"] if after else window.as_of
                mine = one["by"] == "clearlane" and one["decision_seq"] in everyone and one["rep_id"]
                if mine and window.since <= one["started_at"] < window.until:
                    yield one["rep_id"], self._verdict(person, one, until)

    def _verdict(self, person: Any, given: Mapping[str, Any], until: datetime) -> str:
        def during(moment: datetime) -> bool:
            return bool(given["started_at"] <= moment < until)

        told = [one for one in self.events if self._decision[one["clock_id"]] == given["decision_seq"]]
        ends = [one for one in told if one["kind"] in _ENDS and during(one["occurred_at"])]
        first = min(filter(self._in_force, ends), key=_told_first, default=None)
        ended = {_ENDS[first["kind"]]} if first else set()
        members = self.members[person]
        said = {
            str(deed.reason) for deed in self.simulation.declined
            if (deed.system, deed.lead) in members and deed.rep == given["rep_id"] and during(deed.at)
        }  # fmt: skip
        worked = any(
            deed.kind != "decline" and during(deed.at) and self._read(deed) < NEVER
            for deed in self._of(person)
        )
        refused = said | ended - {"taken"}
        return min(refused) if refused else "taken" if ended else "accepted" if worked else "open"

    def _in_force(self, event: Mapping[str, Any]) -> bool:
        """Whether what was not accepted in time was still owed when that was told."""
        clock = self._clock[event["clock_id"]]
        return event["kind"] != "time_out" or (
            self.first_touch(clock, known=event["noted_at"]) >= event["noted_at"]
            and (clock["ended_at"] or NEVER) >= event["noted_at"]
        )

    @cached_property
    def _clock(self) -> Mapping[Any, Mapping[str, Any]]:
        return {clock["clock_id"]: clock for clock in self.clocks}

    @cached_property
    def _assignments(self) -> list[Mapping[str, Any]]:
        return self.rows("select * from assignment order by assignment_id")

    @cached_property
    def _person(self) -> Mapping[Any, Any]:
        return {
            row["lead_id"]: row["survivor_id"] for row in self.rows("select lead_id, survivor_id from lead")
        }

    @cached_property
    def _decision(self) -> Mapping[Any, Any]:
        return {clock["clock_id"]: clock["decision_seq"] for clock in self.clocks}

    # --- what people changed ------------------------------------------------------------------

    def _overruled(self) -> Iterator[str]:
        """Whom a person chose has the lead from that moment on, and owes it the touch that nobody made before."""
        of = {member: person for person, members in self.members.items() for member in members}
        for system, lead, rep, at in self.simulation.given:
            person = of[system, lead]
            known = self._next_reading(system, at)
            again = [one for one in self.simulation.given if one[1] == lead and at < one[3] < known]
            if again or known == NEVER or len(self.members[person]) > 1:
                continue
            held = self.owners.get(person, ())
            there = [one for one in held if one["started_at"] < known and (one["ended_at"] or NEVER) >= at]
            mine = [one for one in there if one["rep_id"] == rep]
            if there and not mine:
                yield f"{rep} does not have {lead} of {at}, read at {known}: {held}"
            if any(one["by"] == "person" and one["started_at"] == at for one in mine):
                yield from self._owed_otherwise(person, rep, at)

    def _owed_otherwise(self, person: Any, rep: str, at: datetime) -> Iterator[str]:
        mine = [clock for clock in self.clocks if clock["survivor_id"] == person]
        arrivals = [one for one in mine if one["kind"] == "arrival" and one["started_at"] <= at]
        if not arrivals or arrivals[-1]["ended_at"] is not None:
            return
        expected = self.first_touch(max(arrivals, key=lambda one: one["started_at"])) >= at
        owed = any(
            (one["kind"], one["rep_id"], one["started_at"]) == ("assignment", rep, at)
            and one["ended_at"] != one["started_at"]
            for one in mine
        )
        if owed != expected:
            yield f"{rep} {'owes nothing' if expected else 'owes what was made'} of {at}: {self._said(arrivals[-1])}"

    def _next_reading(self, system: str, at: datetime) -> datetime:
        runs, outages = self.simulation.watched, self.simulation.outages[system]
        later = runs[bisect_right(runs, at) :]
        return next((run for run in later if not people.within(outages, run)), NEVER)

    # --- follow-ups ---------------------------------------------------------------------------

    def _followed_otherwise(self) -> Iterator[str]:
        """Too few attempts are told to the manager; all in vain, and the lead rests for the reason."""
        told = _by(self.events, "clock_id")
        ended = {one["decision_seq"]: one["ended_at"] for one in self._assignments}
        for clock in self.clocks:
            if clock["kind"] == "follow_up" and clock["place"] is None:
                found = {one["kind"] for one in told.get(clock["clock_id"], ())} - {
                    "warn",
                    "unverified",
                    "verified",
                }
                expected = self._follow_up(clock)
                if found != expected:
                    yield f"follow-up {found}, not {expected}: {self._said(clock)}"
                if "exhausted" in found and ended[clock["decision_seq"]] is None:
                    yield f"does not rest: {self._said(clock)}"
        for event in self.events:
            follow_up = event["kind"] in ("exhausted", "breach") and event["detail"]["clock"] == "follow_up"
            if follow_up and event["to_rep_id"] is None:
                yield f"no manager is told: {event}"

    def _follow_up(self, clock: Mapping[str, Any]) -> set[str]:
        known, due = self.readable(clock, clock["due_at"]), clock["due_at"]
        deeds = [one for one in self._of(clock["survivor_id"]) if one.at >= clock["started_at"]]
        made = sorted(one.at for one in deeds if one.kind == "first_touch")
        results = [one for one in deeds if one.kind == "meeting"]
        attempts = FOLLOW_UP[clock["tier"]]["attempts"]
        full = made[attempts - 1] if len(made) >= attempts else NEVER
        if known is None or (clock["ended_at"] or NEVER) <= due:
            return set()
        if min([full, *(one.at for one in results)]) > due:
            return {"breach"}
        came = any(one.at < known and self._read(one) <= known for one in results)
        return set() if came or (clock["ended_at"] or NEVER) < known else {"exhausted"}

    def told_twice(self, messages: Iterable[str]) -> list[str]:
        """Numbers of messages that came more than once."""
        return [message for message, times in Counter(messages).items() if times > 1]

    def _said(self, clock: Mapping[str, Any]) -> str:
        shown = {
            name: str(clock[name])
            for name in ("clock_id", "kind", "tier", "rep_id", "started_at", "due_at", "met_at", "ended_at")
        }
        deeds = [
            (deed.kind, deed.rep, str(deed.at), str(deed.shown)) for deed in self._of(clock["survivor_id"])
        ]
        return f"{shown} touched {self.first_touch(clock)} {self.members[clock['survivor_id']]} {deeds}"


def _told_first(event: Mapping[str, Any]) -> tuple[datetime, bool]:
    """Of what one run told a lead taken away is not declined any more."""
    return event["noted_at"], event["kind"] != "reassign"


def _answers(one: Offers) -> tuple[int, ...]:
    return one.offered, one.accepted, one.declined, one.returned, one.timed_out, one.taken, one.open


def _counted(
    verdicts: list[tuple[str, str]], returned: set[str]
) -> dict[tuple[str, str | None], tuple[int, ...]]:
    """`_answers` by ("rep", name), and of all."""
    found: dict[tuple[str, str | None], list[int]] = {}
    for rep, verdict in verdicts:
        declined = verdict not in ("accepted", "taken", "open", TIME_OUT)
        row = [
            1, verdict == "accepted", declined, verdict in returned, verdict == TIME_OUT, verdict == "taken",
            verdict == "open",
        ]  # fmt: skip
        for key in (("all", None), ("rep", rep)):
            found[key] = [a + int(b) for a, b in zip(found.get(key, [0] * 7), row, strict=True)]
    return {key: tuple(counts) for key, counts in found.items()}


def _reasons(verdicts: list[tuple[str, str]]) -> dict[tuple[str, str | None, str], int]:
    answers = ("accepted", "taken", "open", TIME_OUT)
    declined = [(rep, verdict) for rep, verdict in verdicts if verdict not in answers]
    whose = [("all", None, reason) for _, reason in declined] + [("rep", *one) for one in declined]
    return dict(Counter(whose))


def _moments(clock: Mapping[str, Any]) -> Iterator[tuple[str, datetime | None]]:
    yield "warn", clock["warn_at"]
    yield "time_out" if clock["kind"] == "accept" else "breach", clock["due_at"]


def _percentile(values: list[timedelta], share: float) -> timedelta | None:
    """The value number share x n of those in order; None where that one took for ever, or there is none."""
    found = sorted(values)[ceil(share * len(values)) - 1] if values else timedelta.max
    return None if found == timedelta.max else found


def _by(rows: list[Mapping[str, Any]], name: str) -> dict[Any, list[Mapping[str, Any]]]:
    found: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row[name]].append(row)
    return found
