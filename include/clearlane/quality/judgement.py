"""What becomes of each record of a chunk: typed, emptied of bad optional fields, or quarantined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from clearlane.policy.model import ObjectContract
from clearlane.quality import readings, requirements
from clearlane.quality.requirements import Requirement

Engine = Callable[[str, pd.DataFrame, Sequence[Requirement]], pd.DataFrame]


@dataclass(frozen=True)
class Judgement:
    """`typed`: seq and the fields as JSON values, of all rows. `emptied` and `quarantined`: seq, field,
    rule, found and allowed; a quarantined record is listed with every reason and not under `emptied`.
    """

    typed: pd.DataFrame
    emptied: pd.DataFrame
    quarantined: pd.DataFrame


def judged(
    name: str, rows: pd.DataFrame, contract: ObjectContract, as_of: datetime, violations: Engine
) -> Judgement:
    """The judgement on rows of text: columns seq, country, and each field of the contract."""
    text = _trimmed(rows, contract)
    typed = _typed(text, contract)
    asked = requirements.on_fields(contract, as_of)
    bad = violations(f"{name}: fields", _with_verdicts(text, typed, contract), asked)
    kept = _emptied(typed, bad)
    asked_of_records = requirements.on_records(contract)
    unusable = violations(f"{name}: records", _with_groups(kept, contract), asked_of_records)
    listed = _explained(pd.concat([bad, unusable], ignore_index=True), text, [*asked, *asked_of_records])
    out = listed["seq"].isin(unusable["seq"])
    return Judgement(_as_json(kept), listed[~out], listed[out])


def _trimmed(rows: pd.DataFrame, contract: ObjectContract) -> pd.DataFrame:
    names = dict.fromkeys([*(field.name for field in contract.fields), "country"])
    return pd.DataFrame({"seq": rows["seq"], **{name: readings.trimmed(rows[name]) for name in names}})


def _typed(text: pd.DataFrame, contract: ObjectContract) -> pd.DataFrame:
    columns = {
        field.name: readings.read(text[field.name], requirements.reading(field), text["country"])
        for field in contract.fields
    }
    return pd.DataFrame({"seq": text["seq"], **columns})


def _with_verdicts(text: pd.DataFrame, typed: pd.DataFrame, contract: ObjectContract) -> pd.DataFrame:
    verdicts = {
        requirements.readable(field.name): text[field.name].isna() | typed[field.name].notna()
        for field in contract.fields
    }
    return typed.assign(**verdicts)


def _with_groups(typed: pd.DataFrame, contract: ObjectContract) -> pd.DataFrame:
    """Whether each group is usable; of a record that its source says is deleted nothing is asked."""
    gone = typed["deleted"].isin([True]) if "deleted" in typed else False
    groups = {
        requirements.usable(group): typed[list(group)].notna().any(axis=1) | gone for group in contract.any_of
    }
    return typed.assign(**groups)


def _emptied(typed: pd.DataFrame, bad: pd.DataFrame) -> pd.DataFrame:
    emptied = {
        str(name): typed[name].mask(typed["seq"].isin(found["seq"])) for name, found in bad.groupby("field")
    }
    return typed.assign(**emptied)


def _explained(violations: pd.DataFrame, text: pd.DataFrame, asked: Sequence[Requirement]) -> pd.DataFrame:
    """The violations with the text that was found and what is allowed instead."""
    allowed = pd.DataFrame(
        [(one.field, one.rule, one.allowed) for one in asked], columns=["field", "rule", "allowed"]
    )
    found = text.melt(id_vars="seq", var_name="field", value_name="found")
    explained = violations.merge(found, on=["seq", "field"], how="left").merge(
        allowed.drop_duplicates(["field", "rule"]), on=["field", "rule"], how="left"
    )
    ordered = explained.sort_values(["seq", "field", "rule"], ignore_index=True)
    return ordered.astype(object).where(ordered.notna(), None)


def _as_json(typed: pd.DataFrame) -> pd.DataFrame:
    fields = {name: readings.json_values(typed[name]) for name in typed.columns if name != "seq"}
    return pd.DataFrame({"seq": typed["seq"], **fields}, dtype=object)
