"""Why a rule's points should change, or nothing is said of it, in the words of the report."""

from __future__ import annotations

from clearlane.review.cases import Interval, Worth

CALLED = {
    "won": "were won",
    "opportunity": "became an opportunity",
    "sql": "became an SQL",
    "accepted": "were accepted",
}
WHO = {
    "won": "the leads won",
    "opportunity": "the opportunities",
    "sql": "the SQLs",
    "accepted": "the accepted leads",
}


def of_change(worth: Worth, after: int, outcome: str, stage: str | None) -> str:
    """For a rule of the model; `stage`: the earlier stage that showed it first."""
    told = [
        f"{fared(worth.rate_with, worth.rate_without, outcome)}: worth {points(worth.points)}, not {worth.before}."
    ]
    if stage:
        told.append(f"Seen first in {WHO[stage]}; {WHO[outcome]}, which are fewer, agree.")
    if after == 0:
        told.append("It tells nothing that the other rules do not say: it goes.")
    elif worth.points and abs(worth.points.value - after) >= 1:
        told.append("The limits of one review let it move no further.")
    return " ".join(told)


def of_unconfirmed(outcome: str, stage: str) -> str:
    return (
        f"{WHO[stage]} say that its points are wrong; {WHO[outcome]}, which are fewer, do not confirm it yet"
    )


def of_half_life(days: float, seen: Interval, before: float) -> str:
    return f"Counts half after {days:g} days ({seen.low:.0f} to {seen.high:.0f}), not {before:g}."


def of_new(said: str, with_it: Interval, without: Interval, outcome: str) -> str:
    """`because` of a new rule."""
    rates = f"{percent(with_it.value)} of its leads {CALLED[outcome]}, {percent(without.value)} of the others"
    return f"{said}: {rates}, and no rule says so yet"


def of_rare(fired: int, positives: int, leads: int, outcome: str) -> str:
    if fired == 0:
        return f"holds for none of {leads:,} leads: it cannot be judged"
    if fired == leads:
        return f"holds for all of {leads:,} leads: it cannot be judged"
    return (
        f"holds for {fired:,} of {leads:,} leads, of which {positives} {CALLED[outcome]}: it cannot be judged"
    )


def fared(with_it: Interval, without: Interval | None, outcome: str) -> str:
    """Of leads like them: of those that a rule's leads are like in all else."""
    told = f"{percent(with_it.value)} of its leads {CALLED[outcome]}"
    return told if without is None else f"{told}, {percent(without.value)} of leads like them without it"


def points(worth: Interval | None) -> str:
    if worth is None:
        return "an unknown number of points"
    return f"{worth.value:.0f} points ({worth.low:.0f} to {worth.high:.0f})"


def percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"
