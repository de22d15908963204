"""File mode from end to end: any export in, a policy out that scores the same rows the same; else a clear error."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from clearlane import policy
from clearlane.cli import app
from clearlane.review import from_file
from clearlane.review.learning import binning
from clearlane.review.learning.columns import Column, Table
from clearlane.score import Unreadable, score_files

SECONDS = itertools.count()
FIGURES = ("auc", "log_loss", "brier", "lift_top_decile", "n_rules", "n_train", "n_test", "seconds")


def export(rows=700, seed=1):
    """Leads whose outcome depends on size, source and whether a budget is named."""
    dice = np.random.default_rng(seed)
    size = np.exp(dice.normal(4, 1.5, rows)).round()
    source = dice.choice(["web", "Trade show", "partner's", "unknown"], rows)
    budget = np.where(dice.random(rows) < 0.4, dice.integers(1, 90, rows) * 1000.0, np.nan)
    odds = -2 + 1.5 * (size > 60) + 1.4 * (source == "partner's") + 1.2 * ~np.isnan(budget)
    return pd.DataFrame(
        {
            "Lead No": np.arange(rows) + 1000,
            "Company Size": size,
            "source of lead": source,
            "budget": budget,
            "age": dice.integers(18, 80, rows),
            "came": pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(rows), "h"),
            "Converted": np.where(dice.random(rows) < 1 / (1 + np.exp(-odds)), "Yes", "No"),
        }
    )


def learnt(tmp_path, frame, sep=",", **asked):
    data = tmp_path / "leads.csv"
    frame.to_csv(data, index=False, sep=sep, na_rep=asked.pop("na_rep", ""))
    asked = from_file.Asked(data, **{"target": "Converted", "id": "Lead No", **asked})
    out = tmp_path / "out"
    metrics = from_file.review(asked, out, protected={"age"}, clock=lambda: float(next(SECONDS)))
    return metrics, out


def again(out, tmp_path):
    """The rows that were learnt from, scored by the policy that was written."""
    from datetime import UTC, datetime

    scored = tmp_path / "scored.csv"
    score_files(out, out / "leads.csv", None, None, datetime(2026, 1, 1, tzinfo=UTC), scored)
    return pd.read_csv(scored), pd.read_csv(out / "leads.csv")


def auc(score, hit):
    ranks = pd.Series(score).rank()
    hits = int(hit.sum())
    return (ranks[hit].sum() - hits * (hits + 1) / 2) / (hits * (len(hit) - hits))


def test_score_with_what_was_written_gives_the_figures_of_the_metrics(tmp_path):
    metrics, out = learnt(tmp_path, export())
    assert policy.check(out).errors == ()
    scored, leads = again(out, tmp_path)
    apart = (leads.review_part == "test").to_numpy()
    hit = (leads.review_target == 1).to_numpy()[apart]
    score = scored.score.to_numpy()[apart]
    assert auc(score, hit) == pytest.approx(metrics["auc"])
    told = 1 / (1 + np.exp(-(metrics["intercept"] + metrics["scale"] * score)))
    assert ((told - hit) ** 2).mean() == pytest.approx(metrics["brier"])
    assert set(FIGURES) <= set(json.loads((out / "metrics.json").read_text()))
    assert metrics["n_train"] + metrics["n_test"] == 700
    assert metrics["auc"] > 0.7
    assert scored.score.between(1, 100).all()


def test_what_was_planted_is_in_the_rules_and_the_protected_column_is_not(tmp_path):
    _, out = learnt(tmp_path, export(1200))
    rules = policy.load(out).scoring.rules
    used = set().union(*(rule.when.columns for rule in rules))
    assert used <= {"Company Size", "source of lead", "budget"}
    assert {"Company Size", "budget"} <= used
    assert "protected" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("sep", "yes", "no"),
    [
        (";", "1", "0"),
        pytest.param("\t", "True", "False", marks=pytest.mark.full),
        pytest.param("|", "Converted", "Not Converted", marks=pytest.mark.full),
    ],
)
def test_separators_and_words_of_the_outcome(tmp_path, sep, yes, no):
    frame = export()
    frame["Converted"] = frame["Converted"].map({"Yes": yes, "No": no})
    metrics, out = learnt(tmp_path, frame, sep=sep)
    leads = pd.read_csv(out / "leads.csv")
    assert (leads.review_target.to_numpy() == (frame["Converted"] == yes)).all()
    assert metrics["auc"] > 0.7


def test_the_newest_are_judged_on_and_a_split_column_is_kept(tmp_path):
    frame = export()
    frame["came"] = frame["came"].dt.strftime("%d-%m-%Y %H:%M")
    _, out = learnt(tmp_path, frame.sample(frac=1, random_state=1), time="came")
    leads = pd.read_csv(out / "leads.csv")
    newest = leads.review_part == "test"
    assert leads.lead_id[newest].min() > leads.lead_id[~newest].max()
    frame["part"] = np.where(np.arange(700) % 3 == 0, "test", "train")
    metrics, out = learnt(tmp_path, frame, split="part")
    assert metrics["n_test"] == 234


def test_dressed_numbers_and_empty_words_are_read(tmp_path):
    frame = export()
    frame["Company Size"] = frame["Company Size"].map("{:,.0f}".format)
    frame["budget"] = frame["budget"].map(lambda value: "NA" if np.isnan(value) else f"${value:,.2f}")
    metrics, out = learnt(tmp_path, frame)
    kinds = policy.load(out).scoring.attributes
    assert kinds["Company Size"] == "number"
    assert metrics["auc"] > 0.7
    scored, leads = again(out, tmp_path)
    assert len(scored) == len(leads) == 700


def test_the_order_of_rows_and_columns_does_not_matter(tmp_path):
    frame = export()
    one, out = learnt(tmp_path, frame)
    first = (out / "scoring.yaml").read_text()
    two, out = learnt(tmp_path, frame.sample(frac=1, random_state=3)[frame.columns[::-1]])
    assert (out / "scoring.yaml").read_text() == first
    assert {**two, "seconds": 0} == pytest.approx({**one, "seconds": 0})


def test_noise_gives_few_rules(tmp_path):
    found = []
    for seed in range(2):
        frame = export(500, seed)
        frame["Converted"] = np.random.default_rng(seed).permutation(frame["Converted"])
        metrics, out = learnt(tmp_path, frame)
        found.append(metrics["n_rules"])
        assert policy.check(out).errors == ()
        assert len(again(out, tmp_path)[0]) == 500
    assert min(found) == 0
    assert max(found) <= 3


def test_many_weak_columns_of_few_rows_tell_together(tmp_path):
    dice = np.random.default_rng(2)
    columns = dice.normal(size=(600, 20))
    odds = columns @ dice.uniform(0.4, 0.9, 20)
    frame = pd.DataFrame(columns).add_prefix("x").assign(Converted=dice.random(600) < 1 / (1 + np.exp(-odds)))
    metrics, _ = learnt(tmp_path, frame, id=None)
    assert metrics["n_rules"] > 40
    assert metrics["auc"] > 0.75


def test_a_rule_that_holds_for_wins_only_keeps_chances_short_of_certain(tmp_path):
    frame = export()
    sure = (frame["Converted"] == "Yes") & (np.random.default_rng(1).random(700) < 0.6)
    frame["referred"] = np.where(sure, 1, 0)
    metrics, _ = learnt(tmp_path, frame)
    assert metrics["auc"] > 0.8
    assert metrics["log_loss"] < 0.5


def test_odd_names_of_columns_stay_what_they_are(tmp_path):
    names = {"Company Size": 'größe "x"', "source of lead": "it's", "budget": "select"}
    _, out = learnt(tmp_path, export().rename(columns=names))
    assert policy.check(out).errors == ()
    scored, _ = again(out, tmp_path)
    assert scored.score.nunique() > 3


def test_a_column_that_knows_the_outcome_is_named_and_left_out(tmp_path):
    frame = export()
    frame["closed_by"] = np.where(frame["Converted"] == "Yes", "Ann", None)
    frame["result code"] = np.where(frame["Converted"] == "Yes", 7, 3)
    metrics, out = learnt(tmp_path, frame)
    page = (out / "report.html").read_text()
    assert "filled only for rows that reached the target" in page
    assert "tells nearly all rows apart" in page
    assert metrics["auc"] < 0.95


def test_a_leak_is_found_in_whatever_order_the_rows_come():
    dice = np.random.default_rng(4)
    won = np.arange(1000) < 500
    stage, key = (won ^ (dice.random(1000) < 0.004)).astype(int), dice.integers(0, 1 << 63, 1000, np.uint64)
    in_blocks = np.argsort(np.arange(1000) * 7919 % 1000 >= 500, kind="stable")
    for order in (np.arange(1000), dice.permutation(1000), np.argsort(in_blocks)):
        table = Table(1000, {"stage": Column("stage", codes=stage[order], categories=("a", "b"))})
        left = binning.usable(table, won[order], (), (), key[order]).left_out
        assert "alone it tells nearly all rows apart" in left["stage"]


@pytest.mark.parametrize(
    ("change", "asked", "said"),
    [
        ({}, {"target": "Sold"}, "Sold"),
        ({}, {"time": "when"}, "when"),
        ({"Converted": "Yes"}, {}, "two outcomes"),
        ({"Converted": [str(n % 3) for n in range(700)]}, {}, "found 3 outcomes"),
        ({"Converted": ["Yes"] * 695 + ["No"] * 5}, {}, "needed are at least 10"),
        ({"Converted": ["", *["Yes", "No"] * 349, "No"]}, {}, "line 2"),
        ({"came": "soon"}, {"time": "came"}, "line 2"),
        ({"part": "perhaps"}, {"split": "part"}, "allowed for test"),
    ],
)
def test_what_cannot_be_learnt_from_is_named(tmp_path, change, asked, said):
    with pytest.raises(Unreadable, match=said):
        learnt(tmp_path, export().assign(**change), **asked)


@pytest.mark.parametrize(
    "text", ["", "\n", "a,Converted\n", "a,Converted\n1,2,3,4,5\n", "a,a\n1,2\n", "\0\0\0"]
)
def test_files_that_are_no_table_exit_2(tmp_path, text):
    data = tmp_path / "bad.csv"
    data.write_bytes(text.encode())
    asked = ["review", "--data", str(data), "--target", "Converted", "--out", str(tmp_path / "out")]
    ended = CliRunner().invoke(app, asked)
    assert ended.exit_code == 2, ended.output
    assert "bad.csv" in ended.output
    assert not (tmp_path / "out").exists()


def test_the_command_writes_its_files(tmp_path):
    data = tmp_path / "leads.csv"
    export(300).to_csv(data, index=False)
    asked = [
        "review",
        "--data",
        str(data),
        "--target",
        "Converted",
        "--drop",
        "came",
        "--out",
        str(tmp_path / "out"),
    ]
    ended = CliRunner().invoke(app, asked)
    assert ended.exit_code == 0, ended.output
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"scoring.yaml", "report.html", "metrics.json", "leads.csv"}
