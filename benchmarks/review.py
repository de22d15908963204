"""Points learnt from a file against other learners, out of sample, on the same rows and columns in one run.

FasterRisk and optbinning's scorecard run in environments of their own, which are made where they are not named
(CLEARLANE_FASTERRISK_PYTHON, CLEARLANE_OPTBINNING_PYTHON); what cannot be made is said, not passed over.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from clearlane import policy
from clearlane.policy.checking import EXPECTED_AT
from clearlane.review import from_file
from clearlane.score import score_files

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = {"fasterrisk": "fasterrisk", "optbinning": "optbinning"}
DATA = "CLEARLANE_BENCH_DATA"
Result = Mapping[str, float]


def main() -> None:
    """Of the data sets that lie in the folder CLEARLANE_BENCH_DATA."""
    if (named := os.environ.get(DATA)) is None:
        print(f"review: {DATA} names no folder with bank_marketing or olist")
        return
    data = Path(named)
    protected = policy.load(ROOT / "include" / "policy").scoring.protected
    with tempfile.TemporaryDirectory(prefix="clearlane-") as folder:
        for name, asked in _sets(data, Path(folder)):
            _one(name, asked, protected, Path(folder))


def _sets(data: Path, folder: Path) -> Iterator[tuple[str, from_file.Asked]]:
    bank = data / "bank_marketing" / "bank-full.csv"
    if bank.is_file():
        yield "bank-full, random", from_file.Asked(bank, "y", drop=("duration",))
        frame = pd.read_csv(bank, sep=";", dtype=str)
        frame["place"] = range(len(frame))
        frame.to_csv(folder / "bank.csv", index=False)
        yield (
            "bank-full, by order",
            from_file.Asked(folder / "bank.csv", "y", time="place", drop=("duration",)),
        )
    leads = data / "olist" / "olist_marketing_qualified_leads_dataset.csv"
    if leads.is_file():
        _olist(leads, leads.with_name("olist_closed_deals_dataset.csv")).to_csv(
            folder / "olist.csv", index=False
        )
        yield (
            "olist, by time",
            from_file.Asked(folder / "olist.csv", "won", time="first_contact_date", id="mql_id"),
        )
    if not bank.is_file() and not leads.is_file():
        print(f"review: neither bank_marketing nor olist is in {data}")


def _olist(leads: Path, deals: Path) -> pd.DataFrame:
    """Leads of 2018, and whether each was won within 90 days."""
    frame = pd.read_csv(leads).merge(pd.read_csv(deals)[["mql_id", "won_date"]], on="mql_id", how="left")
    first = pd.to_datetime(frame["first_contact_date"], format="%d-%m-%Y")
    frame["first_contact_date"] = first
    frame["won"] = ((pd.to_datetime(frame["won_date"]) - first).dt.days <= 90).astype(int)
    return frame[first >= "2018-01-01"].drop(columns="won_date")


def _one(name: str, asked: from_file.Asked, protected: frozenset[str], folder: Path) -> None:
    out = folder / "out"
    metrics = from_file.review(asked, out, protected=protected, clock=time.perf_counter)
    _check_score(out, folder, metrics)
    train, test = _same_rows(asked, out, folder, protected)
    rules = int(metrics["n_rules"] or 0)
    print(f"{name}: {metrics['n_train']:,} rows learnt from, {metrics['n_test']:,} judged on")
    _print(f"clearlane, {rules} rules", {**metrics, "lift": metrics["lift_top_decile"]})
    _print("logistic regression", _linear(train, test))
    _print("gradient boosting", _boosted(train, test))
    for reference in ENVIRONMENTS:
        _print(reference, _elsewhere(reference, folder, rules))


def _check_score(out: Path, folder: Path, metrics: Mapping[str, float | int | None]) -> None:
    """`clearlane score` with the policy that was written has the AUC of the metrics."""
    score_files(out, out / "leads.csv", None, None, EXPECTED_AT, folder / "scored.csv")
    leads = pd.read_csv(out / "leads.csv")
    apart = (leads["review_part"] == "test").to_numpy()
    again = roc_auc_score(leads["review_target"][apart], pd.read_csv(folder / "scored.csv")["score"][apart])
    assert abs(again - float(metrics["auc"] or 0)) < 1e-9, (again, metrics["auc"])


def _same_rows(
    asked: from_file.Asked, out: Path, folder: Path, protected: frozenset[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows learnt from and those judged on, with the columns that were learnt from; also as files."""
    rows = from_file.taken(asked, protected, seed=7)
    frame = pd.DataFrame({column: from_file.cells(each) for column, each in rows.table.columns.items()})
    frame = frame.replace("", np.nan).assign(target=rows.won.astype(int))
    parts = frame[~rows.apart], frame[rows.apart]
    for part, file in zip(parts, ("train.csv", "test.csv"), strict=True):
        part.to_csv(folder / file, index=False)
    return parts


def _linear(train: pd.DataFrame, test: pd.DataFrame) -> Result:
    texts, numbers = _kinds(train)
    prepared = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", min_frequency=10), texts),
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
    )
    return _judged(make_pipeline(prepared, LogisticRegression(max_iter=2000)), train, test)


def _boosted(train: pd.DataFrame, test: pd.DataFrame) -> Result:
    """Categories as numbers in the order of their frequency; as such where there are few enough."""
    texts, _ = _kinds(train)
    coded, asked = train.copy(), test.copy()
    for name in texts:
        codes = {value: place for place, value in enumerate(train[name].value_counts().index)}
        coded[name], asked[name] = train[name].map(codes), test[name].map(codes)
    few = [name for name in texts if coded[name].max() < 250]
    columns = list(coded.columns.drop("target"))
    model = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=200, early_stopping=True, random_state=0,
        categorical_features=[columns.index(name) for name in few],
    )  # fmt: skip
    return _judged(model, coded, asked)


def _kinds(train: pd.DataFrame) -> tuple[list[str], list[str]]:
    columns = train.drop(columns="target")
    numbers = list(columns.select_dtypes("number").columns)
    return [name for name in columns if name not in numbers], numbers


def _judged(model, train: pd.DataFrame, test: pd.DataFrame) -> Result:
    began = time.perf_counter()
    model.fit(train.drop(columns="target"), train["target"])
    told = model.predict_proba(test.drop(columns="target"))[:, 1]
    hit = test["target"].to_numpy()
    top = hit[np.argsort(-told, kind="stable")[: len(hit) // 10]].mean() / hit.mean()
    return {
        "auc": roc_auc_score(hit, told), "log_loss": log_loss(hit, told), "lift": top,
        "seconds": time.perf_counter() - began,
    }  # fmt: skip


def _elsewhere(reference: str, folder: Path, rules: int) -> Result | str:
    python = os.environ.get(f"CLEARLANE_{reference.upper()}_PYTHON") or _environment(reference)
    if python is None:
        return "could not run: its environment could not be made"
    command = [
        python,
        ROOT / "benchmarks" / "references.py",
        reference,
        folder / "train.csv",
        folder / "test.csv",
    ]
    ended = subprocess.run(
        [*map(str, command), str(rules)], capture_output=True, text=True, timeout=1800, check=False
    )
    if ended.returncode:
        return f"could not run: {(ended.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    return json.loads(ended.stdout.strip().splitlines()[-1])


def _environment(reference: str) -> str | None:
    """Python of an environment of its own, made where it is not there yet; None where that fails."""
    python = ROOT / f".venv-{reference}" / "bin" / "python"
    if python.is_file():
        return str(python)
    uv = str(ROOT / ".venv" / "bin" / "uv")
    steps = (
        [uv, "venv", "-q", "--python", sys.executable, str(python.parents[1])],
        [uv, "pip", "install", "-q", "--python", str(python), ENVIRONMENTS[reference]],
    )
    made = all(subprocess.run(step, capture_output=True, check=False).returncode == 0 for step in steps)
    return str(python) if made else None


def _print(name: str, result: Result | str) -> None:
    if isinstance(result, str):
        print(f"  {name:28} {result}")
        return
    figures = "  ".join(f"{each} {result[each]:.4f}" for each in ("auc", "log_loss", "lift"))
    print(f"  {name:28} {figures}  {result['seconds']:.1f} s", flush=True)
