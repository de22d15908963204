"""`policy check`: all errors, all warnings, and the expectations run through the model itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import pandas as pd

from clearlane.policy import probing
from clearlane.policy.document import Document, read
from clearlane.policy.loading import parse, texts
from clearlane.policy.model import FILES, Expectation, Scoring
from clearlane.policy.problems import PolicyErrors, Problem

EXPECTED_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""the moment the examples of `expect:` speak for; their activities are so many days before it"""


@dataclass(frozen=True)
class Report:
    """What `policy check` found; the policy may be published when there are no errors."""

    errors: tuple[Problem, ...]
    warnings: tuple[str, ...]


def check(source: Path | Mapping[str, str], *overlays: Path, run_expectations: bool = True) -> Report:
    """The report on a folder, or on contents by file name. Never raises for what an author wrote."""
    try:
        contents = texts(source, *overlays) if isinstance(source, Path) else source
        policy = parse({name: content for name, content in contents.items() if name in FILES})
    except PolicyErrors as errors:
        return Report(errors.errors, ())
    model = tuple(_misfits(source, policy.scoring))
    if "scoring" not in contents:
        return Report(model, policy.warnings)
    broken = _unkept(contents["scoring"]) if run_expectations else ()
    return Report((*model, *broken), (*policy.warnings, *_odd(contents["scoring"])))


def _misfits(source: Path | Mapping[str, str], scoring: Scoring) -> Iterator[Problem]:
    """By what the model of probability that scoring.yaml names does not fit it; contents may come without it."""
    # the score stage reads the policy: import it when it is needed
    from clearlane.score.additive_file import fitting, predictive_model

    name = scoring.predictive
    try:
        if isinstance(source, Path):
            predictive_model(source, scoring)
        elif name and name in source:
            fitting(source[name], name, scoring)
    except PolicyErrors as errors:
        yield from errors.errors


@lru_cache(maxsize=16)
def _odd(text: str) -> tuple[str, ...]:
    """The warnings on the conditions of a scoring.yaml that has no error."""
    return tuple(probing.warnings(parse({"scoring": text}).scoring, read("scoring", text)))


@lru_cache(maxsize=16)
def _unkept(text: str) -> tuple[Problem, ...]:
    """The expectations of a scoring.yaml that has no error which its model does not keep."""
    scoring = parse({"scoring": text}).scoring
    return tuple(_broken(scoring, read("scoring", text))) if scoring.expect else ()


def _broken(scoring: Scoring, document: Document) -> Iterator[Problem]:
    scored = _scored(scoring)
    for index, expected in enumerate(scoring.expect):
        for found, allowed in _differences(expected, scored, index):
            line = document.line(("expect", index))
            yield Problem(document.file, line, f"expect[{index}]", found, f"{allowed}: {expected.because}")


def _differences(
    expected: Expectation, scored: Mapping[str, Mapping[str, Any]], index: int
) -> Iterator[tuple[str, str]]:
    better = scored[f"{index} better"]
    if expected.worse is not None:
        worse = scored[f"{index} worse"]
        if not better["score"] > worse["score"]:
            yield (
                f"{better['score']} for the better lead, {worse['score']} for the worse",
                "the better one above",
            )
    if better["stage"] in expected.never_stage:
        yield f"the stage {better['stage']}", "never " + " or ".join(expected.never_stage)
    for name, wanted in (("stage", expected.stage), ("band", expected.band)):
        if wanted is not None and better[name] != wanted:
            yield f"the {name} {better[name]} with {better['score']} points", f"the {name} {wanted}"


def _scored(scoring: Scoring) -> Mapping[str, Mapping[str, Any]]:
    """Example -> its row of the score, all examples in one pass."""
    from clearlane.score import score_frame  # the score stage reads the policy: import it when it is needed

    examples = dict(_examples(scoring))
    leads = pd.DataFrame([_lead(name, example["lead"]) for name, example in examples.items()])
    happened = [row for name, example in examples.items() for row in _happened(name, example)]
    activities = pd.DataFrame(happened) if happened else None
    frame = score_frame(scoring, leads, activities, None, EXPECTED_AT)
    return {str(row["lead_id"]): dict(row) for _, row in frame.iterrows()}


def _examples(scoring: Scoring) -> Iterator[tuple[str, Any]]:
    for index, expected in enumerate(scoring.expect):
        yield f"{index} better", expected.better
        if expected.worse is not None:
            yield f"{index} worse", expected.worse


def _lead(name: str, attributes: Mapping[str, object]) -> dict[str, object]:
    """An example is alone in its company: others that share its domain do not add up with it."""
    return {"lead_id": name, "account_id": name, **attributes}


def _happened(name: str, example: Any) -> Iterator[dict[str, object]]:
    """One row an activity; several times means a minute apart, the last one so many days ago."""
    for activity in example["activities"]:
        last = EXPECTED_AT - timedelta(days=activity["days_ago"], seconds=1)
        for turn in range(activity["times"]):
            moment = last - timedelta(minutes=turn)
            yield {"lead_id": name, "type": activity["type"], "occurred_at": moment, **activity["with"]}
